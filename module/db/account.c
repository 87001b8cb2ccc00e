// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include "account.h"
#include "compat/netlink.h"
#include "privilege.h"

/**
 * struct espah_account - SAs and policies of an owner of user namespaces; exists while it has any
 * @link: in the list of accounts
 * @owner: the owner
 * @ns: if the owner is root: the outermost user namespace, kept alive by the network namespaces of
 *	the charged objects; else NULL
 * @count: SAs and policies
 */
struct espah_account {
	struct list_head link;
	kuid_t owner;
	const struct user_namespace *ns;
	unsigned int count[ESPAH_ACCOUNT_KINDS];
};

static LIST_HEAD(accounts);
static DEFINE_SPINLOCK(accounts_lock);

static const char *const net_texts[] = {
	[ESPAH_ACCOUNT_SA] = "this network namespace of a user namespace already has "
			     __stringify(ESPAH_ACCOUNT_NET) " SAs, the maximum",
	[ESPAH_ACCOUNT_POLICY] = "this network namespace of a user namespace already has "
				 __stringify(ESPAH_ACCOUNT_NET) " policies, the maximum",
};

static const char *const owner_texts[] = {
	[ESPAH_ACCOUNT_SA] = "all user namespaces of this owner together already have "
			     __stringify(ESPAH_ACCOUNT_OWNER) " SAs, the maximum",
	[ESPAH_ACCOUNT_POLICY] = "all user namespaces of this owner together already have "
				 __stringify(ESPAH_ACCOUNT_OWNER) " policies, the maximum",
};

static void set_owner(struct espah_account *account, const struct user_namespace *ns)
{
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	account->owner = ns->owner;
	account->ns = uid_eq(ns->owner, GLOBAL_ROOT_UID) ? ns : NULL;
}

/* Returns the account of the owner of @new; adds @new if there is none. */
static struct espah_account *find(struct espah_account *new)
{
	struct espah_account *account;

	list_for_each_entry(account, &accounts, link)
		if (uid_eq(account->owner, new->owner) && account->ns == new->ns)
			return account;
	list_add(&new->link, &accounts);
	return new;
}

int espah_account_charge(struct espah_account **account, const struct net *net,
			 enum espah_account_kind kind, unsigned int present,
			 const struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	struct espah_account *new, *found;
	bool full;

	*account = NULL;
	if (!espah_net_foreign(net) || espah_privileged(skb))
		return 0;
	if (present >= ESPAH_ACCOUNT_NET) {
		espah_err_text(extack, NULL, net_texts[kind]);
		return -ENOSPC;
	}
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	set_owner(new, net->user_ns);
	spin_lock_bh(&accounts_lock);
	found = find(new);
	full = found->count[kind] >= ESPAH_ACCOUNT_OWNER;
	if (!full)
		found->count[kind]++;
	spin_unlock_bh(&accounts_lock);
	if (found != new)
		kfree(new);
	if (full) {
		espah_err_text(extack, NULL, owner_texts[kind]);
		return -ENOSPC;
	}
	*account = found;
	return 0;
}

void espah_account_uncharge(struct espah_account *account, enum espah_account_kind kind)
{
	unsigned int i, left = 0;

	if (!account)
		return;
	spin_lock_bh(&accounts_lock);
	account->count[kind]--;
	for (i = 0; i < ESPAH_ACCOUNT_KINDS; i++)
		left += account->count[i];
	if (!left)
		list_del(&account->link);
	spin_unlock_bh(&accounts_lock);
	if (!left)
		kfree(account);
}
