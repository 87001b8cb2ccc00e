// SPDX-License-Identifier: GPL-2.0-only
/* Changes of several policies in one step. */
#include <linux/sched/signal.h>
#include <linux/sort.h>
#include "attr.h"
#include "change.h"
#include "netlink.h"
#include "policy_read.h"

const struct nla_policy espah_policy_apply_policy[ESPAH_APPLY_MAX + 1] = {
	[ESPAH_APPLY_DEL] = { .type = NLA_U32 },
	[ESPAH_APPLY_POLICY] = NLA_POLICY_NESTED(espah_policy_new_policy),
	[ESPAH_APPLY_ADOPT] = { .type = NLA_U32 },
	[ESPAH_APPLY_DEFAULT_IN] = NLA_POLICY_MAX(NLA_U8, ESPAH_ACTION_BYPASS),
	[ESPAH_APPLY_DEFAULT_OUT] = NLA_POLICY_MAX(NLA_U8, ESPAH_ACTION_BYPASS),
};

static unsigned int count(const struct genl_info *info, int type)
{
	const struct nlattr *attr;
	unsigned int n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == type;
	return n;
}

/* A list of selectors has room for the most; many policies together should not take that. */
static int shrink(struct espah_selectors *set)
{
	struct espah_selector *sel;

	if (set->sel == &set->one)
		return 0;
	sel = kvmalloc_array(set->n, sizeof(*sel), GFP_KERNEL_ACCOUNT);
	if (!sel)
		return -ENOMEM;
	memcpy(sel, set->sel, set->n * sizeof(*sel));
	kvfree(set->sel);
	set->sel = sel;
	return 0;
}

static int read_new(struct espah_net *en, struct espah_apply *apply, const struct sk_buff *skb,
		    const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct espah_applied *new = &apply->new[apply->nnew];
	struct nlattr *attrs[ESPAH_POLICY_MAX + 1];
	int err = espah_parse_nest(attrs, ESPAH_POLICY_MAX, attr, espah_policy_checks, extack);

	if (err)
		return err;
	if (attrs[ESPAH_POLICY_REPLACE]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "ESPAH_POLICY_REPLACE is not for APPLY_POLICY: name the old policy in an APPLY_DEL");
		return -EINVAL;
	}
	new->attr = attr;
	new->pol = espah_read_policy(en, attrs, skb, READ_ONCE(en->spd.count) + apply->nnew,
				     &new->set, extack);
	if (IS_ERR(new->pol))
		return PTR_ERR(new->pol);
	apply->nnew++;
	return shrink(&new->set);
}

/* Allocates the arrays, and makes the new policies. */
static int read(struct espah_net *en, struct espah_apply *apply, const struct sk_buff *skb,
		struct genl_info *info)
{
	unsigned int new = count(info, ESPAH_APPLY_POLICY), del = count(info, ESPAH_APPLY_DEL);
	unsigned int adopt = count(info, ESPAH_APPLY_ADOPT);
	const struct nlattr *attr;
	int rem, err = 0;

	if (count(info, ESPAH_APPLY_DEFAULT_IN) > 1 || count(info, ESPAH_APPLY_DEFAULT_OUT) > 1) {
		NL_SET_ERR_MSG(info->extack, "a default action is given twice");
		return -EINVAL;
	}

	apply->new = kvcalloc(new, sizeof(*apply->new), GFP_KERNEL_ACCOUNT);
	apply->del = kvcalloc(del, sizeof(*apply->del), GFP_KERNEL_ACCOUNT);
	apply->adopt = kvcalloc(adopt, sizeof(*apply->adopt), GFP_KERNEL_ACCOUNT);
	if (!apply->new || !apply->del || !apply->adopt)
		return -ENOMEM;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != ESPAH_APPLY_POLICY)
			continue;
		err = fatal_signal_pending(current) ? -EINTR :
						      read_new(en, apply, skb, attr, info->extack);
		if (err) {
			/* at least say which policy it is */
			if (!info->extack->bad_attr)
				NL_SET_BAD_ATTR(info->extack, attr);
			break;
		}
		cond_resched();
	}
	return err;
}

static int by_id(const void *a, const void *b)
{
	const struct espah_policy *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static bool twice(struct espah_policy **pols, unsigned int n)
{
	unsigned int i;

	sort(pols, n, sizeof(*pols), by_id, NULL);
	for (i = 1; i < n; i++)
		if (pols[i] == pols[i - 1])
			return true;
	return false;
}

/* Finds the policies that the request names by id. Context: espah_net.lock. */
static int find(struct espah_net *en, struct espah_apply *apply, struct genl_info *info)
{
	const struct nlattr *attr;
	struct espah_policy *pol;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		bool del = nla_type(attr) == ESPAH_APPLY_DEL;

		if (!del && nla_type(attr) != ESPAH_APPLY_ADOPT)
			continue;
		pol = espah_spd_by_id(&en->spd, nla_get_u32(attr));
		if (!pol) {
			espah_err_fmt(info->extack, attr, "no policy has this id",
				      "no policy has the id %u", nla_get_u32(attr));
			return -ENOENT;
		}
		if (!del && pol->foreign) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "the policy belongs to another interface");
			return -EPERM;
		}
		if (del)
			apply->del[apply->ndel++] = pol;
		else
			apply->adopt[apply->nadopt++] = pol;
	}
	if (!twice(apply->del, apply->ndel))
		return 0;
	NL_SET_ERR_MSG(info->extack, "a policy is named by two APPLY_DEL");
	return -EINVAL;
}

/* The default action that a request asks for, and whose it is. */
static u8 read_default(struct espah_net *en, const struct nlattr *attr, u8 dir)
{
	return espah_get_u8(attr, espah_spd_default(espah_spd_now(&en->spd), dir));
}

static void own(struct espah_net *en, const struct nlattr *attr, int setting)
{
	if (attr)
		espah_config_own(en, setting, nla_get_u8(attr) != ESPAH_ACTION_BYPASS);
}

int espah_cmd_policy_apply(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct nlattr **attrs = info->attrs;
	struct espah_apply apply = {};
	unsigned int i;
	int err;

	err = read(en, &apply, skb, info);
	if (err)
		goto out;
	apply.at = apply.nnew;
	mutex_lock(&en->lock);
	apply.in = read_default(en, attrs[ESPAH_APPLY_DEFAULT_IN], ESPAH_DIR_IN);
	apply.out = read_default(en, attrs[ESPAH_APPLY_DEFAULT_OUT], ESPAH_DIR_OUT);
	err = find(en, &apply, info) ?: espah_policy_apply(en, &apply, info->extack);
	if (!err) {
		own(en, attrs[ESPAH_APPLY_DEFAULT_IN], ESPAH_CONFIG_DEFAULT_IN);
		own(en, attrs[ESPAH_APPLY_DEFAULT_OUT], ESPAH_CONFIG_DEFAULT_OUT);
	} else if (apply.at < apply.nnew) {
		NL_SET_BAD_ATTR(info->extack, apply.new[apply.at].attr);
	}
	mutex_unlock(&en->lock);
out:
	for (i = 0; i < apply.nnew; i++) {
		if (apply.new[i].pol)
			espah_policy_free(apply.new[i].pol);
		espah_selectors_free(&apply.new[i].set);
	}
	kvfree(apply.new);
	kvfree(apply.del);
	kvfree(apply.adopt);
	return err;
}
