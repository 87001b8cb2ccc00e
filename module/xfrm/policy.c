// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests about policies. XFRM identifies a policy by direction, selector, mark and if_id, and has
 * one for packets to the host and one for forwarded packets where espah has one for both. For XFRM,
 * selectors differ even if they differ in bits beyond their prefixes only.
 */
#include "change.h"
#include "nlx.h"

static bool came_as(const struct nlx_face *face, const struct xfrm_selector *given)
{
	return face->set && !memcmp(&face->info.sel, given, sizeof(*given));
}

struct espah_policy *nlx_policy_find(struct espah_net *en, u8 dir, const struct espah_selector *sel,
				     const struct xfrm_selector *given)
{
	struct espah_policy *pol = NULL;

	do {
		pol = espah_spd_next(&en->spd, nlx_espah_dir(dir), sel, true, pol);
	} while (pol && !came_as(&nlx_policy(pol)->face[0], given) &&
		 !came_as(&nlx_policy(pol)->face[1], given));
	return pol;
}

static struct espah_policy *find(struct espah_net *en, u8 dir, const struct espah_selector *sel,
				 const struct xfrm_selector *given)
{
	struct espah_policy *pol = nlx_policy_find(en, dir, sel, given);

	return pol && nlx_policy(pol)->face[nlx_which(dir)].set ? pol : NULL;
}

/* --- new and updated policies --- */

int nlx_policy_add(struct nlx_request *rq, struct espah_policy *pol, struct espah_policy *old)
{
	bool same = old && old->priority == pol->priority;
	int err = espah_policy_put(rq->en, pol, same ? old : NULL, rq->extack);

	if (err || !old || same)
		return err;
	/* with another priority it is another policy of espah: a packet meets one of the two */
	nlx_policy(old)->event = 0;
	espah_policy_del(rq->en, old);
	return 0;
}

/* Makes @pol anew if the face that did not come last is the one that rules. */
static int obey(struct nlx_request *rq, struct espah_policy **pol, unsigned int last)
{
	const struct nlx_policy *given = nlx_policy(*pol);
	struct espah_policy *other;

	if (nlx_ruling(given->face, last) == last)
		return 0;
	other = nlx_policy_of(rq, given->face, last, given, &(*pol)->rules[0].sel);
	if (IS_ERR(other))
		return PTR_ERR(other);
	espah_policy_free(*pol);
	*pol = other;
	return 0;
}

int nlx_policy_new(struct nlx_request *rq)
{
	const struct xfrm_userpolicy_info *info = nlmsg_data(rq->nlh);
	bool update = rq->nlh->nlmsg_type == XFRM_MSG_UPDPOLICY;
	struct espah_policy *pol, *old;
	struct nlx_policy *given;
	struct espah_selector sel;
	unsigned int which;
	int err;

	err = nlx_read_selector(rq, &info->sel, &sel);
	if (err)
		return err;
	pol = nlx_read_policy(rq, info, &sel);
	if (IS_ERR(pol))
		return PTR_ERR(pol);
	given = nlx_policy(pol);
	given->event = rq->nlh->nlmsg_type;
	given->told = info->dir;
	which = nlx_which(info->dir);

	mutex_lock(&rq->en->lock);
	old = nlx_policy_find(rq->en, info->dir, &sel, &info->sel);
	if (old && nlx_policy(old)->face[which].set && !update) {
		err = NLX_FAIL(rq, -EEXIST,
			       "a policy with this direction, selector, mark and if_id exists");
	} else {
		if (old && pol->dir == ESPAH_DIR_IN)
			given->face[!which] = nlx_policy(old)->face[!which];
		err = obey(rq, &pol, which) ?: nlx_policy_add(rq, pol, old);
	}
	if (err)
		espah_policy_free(pol);
	mutex_unlock(&rq->en->lock);
	return err;
}

/* --- one policy --- */

/* The policy that a request names, which may be one that the administrator made by hand. */
static struct espah_policy *named(struct nlx_request *rq, const struct xfrm_selector *from,
				  u32 index, u8 dir)
{
	struct espah_selector sel;
	struct espah_policy *pol;
	int err;

	if (dir > XFRM_POLICY_FWD)
		return ERR_PTR(NLX_FAIL(rq, -EINVAL, "a policy's direction is in, out or fwd"));
	if (index) {
		if ((index & XFRM_POLICY_MAX) != dir)
			return ERR_PTR(-ENOENT);
		pol = espah_spd_by_id(&rq->en->spd, index >> 3);
		if (!pol || pol->dir != nlx_espah_dir(dir) ||
		    (pol->foreign ? !nlx_policy(pol)->face[nlx_which(dir)].set :
				    dir == XFRM_POLICY_FWD))
			return ERR_PTR(-ENOENT);
		return pol;
	}
	err = nlx_read_selector(rq, from, &sel);
	if (err)
		return ERR_PTR(err);
	pol = find(rq->en, dir, &sel, from);
	if (!pol && dir != XFRM_POLICY_FWD)
		pol = espah_spd_next(&rq->en->spd, nlx_espah_dir(dir), &sel, false, NULL);
	return pol ?: ERR_PTR(-ENOENT);
}

/*
 * Takes one of the two faces of a policy away, and makes the policy anew if what that face asked
 * for may be in force. Context: espah_net.lock.
 */
static int delete_face(struct nlx_request *rq, struct espah_policy **pol, unsigned int which)
{
	struct espah_policy *old = *pol, *made;
	const struct espah_selector *sel = &old->rules[0].sel;
	struct nlx_policy *given = nlx_policy(old);
	struct nlx_face faces[2];
	int err;

	memcpy(faces, given->face, sizeof(faces));
	if (faces[0].info.action == faces[1].info.action &&
	    faces[0].info.priority == faces[1].info.priority && faces[0].ntmpl == faces[1].ntmpl &&
	    !memcmp(faces[0].tmpl, faces[1].tmpl, sizeof(faces[0].tmpl))) {
		given->face[which].set = false;
		return 0;
	}
	faces[which].set = false;
	made = nlx_policy_of(rq, faces, !which, given, sel);
	if (IS_ERR(made))
		return PTR_ERR(made);
	nlx_policy(made)->event = 0;
	err = nlx_policy_add(rq, made, old);
	if (err)
		espah_policy_free(made);
	else
		*pol = made;
	return err;
}

/* Removes one of XFRM's policies. Context: espah_net.lock. */
static int delete(struct nlx_request *rq, struct espah_policy *pol, u8 dir, bool tell)
{
	struct nlx_policy *given = nlx_policy(pol);
	int err;

	if (!given)
		return NLX_FAIL(rq, -EPERM,
				"this policy was made by espah's own command: 'espah policy del' removes it");
	given->event = tell ? XFRM_MSG_DELPOLICY : 0;
	given->told = dir;
	if (!given->face[!nlx_which(dir)].set) {
		espah_policy_del(rq->en, pol);
		return 0;
	}
	err = delete_face(rq, &pol, nlx_which(dir));
	if (!err && tell)
		nlx_tell_policy(rq->en, XFRM_MSG_DELPOLICY, pol, dir, false);
	return err;
}

int nlx_policy_del(struct nlx_request *rq)
{
	const struct xfrm_userpolicy_id *id = nlmsg_data(rq->nlh);
	struct espah_policy *pol;
	int err;

	mutex_lock(&rq->en->lock);
	pol = named(rq, &id->sel, id->index, id->dir);
	err = PTR_ERR_OR_ZERO(pol);
	if (!err)
		err = delete(rq, pol, id->dir, true);
	mutex_unlock(&rq->en->lock);
	return err;
}

static int put_named(struct nlx_request *rq, struct sk_buff *skb)
{
	const struct xfrm_userpolicy_id *id = nlmsg_data(rq->nlh);
	struct espah_policy *pol = named(rq, &id->sel, id->index, id->dir);

	return PTR_ERR_OR_ZERO(pol) ?:
	       nlx_put_policy(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, 0,
			      XFRM_MSG_NEWPOLICY, pol, id->dir, false);
}

int nlx_policy_get(struct nlx_request *rq)
{
	return nlx_answer(rq, NLX_POLICY_SIZE, put_named);
}

int nlx_policy_expire(struct nlx_request *rq)
{
	const struct xfrm_user_polexpire *expire = nlmsg_data(rq->nlh);
	const struct xfrm_userpolicy_info *info = &expire->pol;
	struct espah_policy *pol;
	int err;

	mutex_lock(&rq->en->lock);
	pol = named(rq, &info->sel, info->index, info->dir);
	err = PTR_ERR_OR_ZERO(pol);
	if (!err && !pol->foreign)
		err = NLX_FAIL(rq, -EPERM, "this policy was made by espah's own command");
	if (!err) {
		nlx_tell_policy(rq->en, XFRM_MSG_POLEXPIRE, pol, info->dir, expire->hard);
		if (expire->hard)
			err = delete(rq, pol, info->dir, false);
	}
	mutex_unlock(&rq->en->lock);
	return err;
}

/* --- all policies --- */

static int put_dumped(struct sk_buff *skb, struct netlink_callback *cb, u8 dir, void *pol)
{
	return nlx_put_policy(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, NLM_F_MULTI,
			      XFRM_MSG_NEWPOLICY, pol, dir, false);
}

/* @cb->args[2]: the first of its two messages is there */
static int put_both(struct sk_buff *skb, struct netlink_callback *cb, void *entry)
{
	struct espah_policy *pol = entry;
	const struct nlx_policy *given = nlx_policy(pol);
	int err = 0;

	if (pol->dir == ESPAH_DIR_OUT)
		return put_dumped(skb, cb, XFRM_POLICY_OUT, pol);
	if (!given)
		return put_dumped(skb, cb, XFRM_POLICY_IN, pol);
	if (given->face[1].set && !cb->args[2])
		err = put_dumped(skb, cb, XFRM_POLICY_FWD, pol);
	if (err)
		return err;
	cb->args[2] = 1;
	return given->face[0].set ? put_dumped(skb, cb, XFRM_POLICY_IN, pol) : 0;
}

int nlx_policy_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return nlx_dump(skb, cb, &espah_pernet(sock_net(skb->sk))->spd.index, put_both);
}

static void tell_flush(struct nlx_request *rq)
{
	/* static, so that its padding is 0 */
	static const struct xfrm_userpolicy_type type = { .type = XFRM_POLICY_TYPE_MAIN };
	struct nlmsghdr *nlh;
	struct sk_buff *skb;

	if (!nlx_listens(rq->en, XFRMNLGRP_POLICY))
		return;
	skb = nlmsg_new(nla_total_size(sizeof(type)), GFP_KERNEL);
	if (!skb)
		return;
	nlh = nlmsg_put(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, XFRM_MSG_FLUSHPOLICY,
			0, 0);
	if (IS_ENABLED(CONFIG_XFRM_SUB_POLICY))
		nla_put(skb, XFRMA_POLICY_TYPE, sizeof(type), &type);
	nlmsg_end(skb, nlh);
	nlx_tell(rq->en, skb, XFRMNLGRP_POLICY, GFP_KERNEL);
}

int nlx_policy_flush(struct nlx_request *rq)
{
	const struct nlattr *type = rq->attrs[XFRMA_POLICY_TYPE];
	struct espah_policy *pol;
	bool any = false;
	unsigned long id;

	if (type && ((struct xfrm_userpolicy_type *)nla_data(type))->type)
		return 0; /* there are no sub policies */
	mutex_lock(&rq->en->lock);
	xa_for_each(&rq->en->spd.index, id, pol) {
		if (!pol->foreign)
			continue;
		any = true;
		nlx_policy(pol)->event = 0;
		espah_policy_del(rq->en, pol);
		cond_resched();
	}
	if (any)
		tell_flush(rq);
	mutex_unlock(&rq->en->lock);
	return 0;
}
