// SPDX-License-Identifier: GPL-2.0-only
/* Requests about the whole of a namespace, and those of which only listeners take notice. */
#include "change.h"
#include "nlx.h"

/* --- numbers of policies, thresholds of hash tables --- */

static const struct nla_policy spd_policy[XFRMA_SPD_MAX + 1] = {
	[XFRMA_SPD_IPV4_HTHRESH] = { .len = sizeof(struct xfrmu_spdhthresh) },
	[XFRMA_SPD_IPV6_HTHRESH] = { .len = sizeof(struct xfrmu_spdhthresh) },
};

/* espah's classifier has no thresholds; they are kept, so that a daemon finds what it has set */
int nlx_policy_thresholds(struct nlx_request *rq)
{
	struct xfrmu_spdhthresh *kept = nlx_net(rq->en)->thresholds;
	struct nlattr *attrs[XFRMA_SPD_MAX + 1];
	const struct nlattr *attr;
	const struct xfrmu_spdhthresh *asked;
	int i, err;

	err = nlmsg_parse_deprecated(rq->nlh, sizeof(u32), attrs, XFRMA_SPD_MAX, spd_policy,
				     rq->extack);
	for (i = 0; i < 2 && !err; i++) {
		attr = attrs[XFRMA_SPD_IPV4_HTHRESH + i];
		asked = attr ? nla_data(attr) : &kept[i];
		if (asked->lbits > (i ? 128 : 32) || asked->rbits > (i ? 128 : 32))
			err = NLX_FAIL(rq, -EINVAL, "a threshold is longer than an address");
	}
	for (i = 0; i < 2 && !err; i++) {
		attr = attrs[XFRMA_SPD_IPV4_HTHRESH + i];
		if (attr)
			kept[i] = *(struct xfrmu_spdhthresh *)nla_data(attr);
	}
	return err;
}

static void count(struct espah_net *en, struct xfrmu_spdinfo *info)
{
	struct espah_policy *pol;
	unsigned long id;

	xa_for_each(&en->spd.index, id, pol) {
		const struct nlx_policy *given = nlx_policy(pol);

		if (pol->dir == ESPAH_DIR_OUT) {
			info->outcnt++;
		} else {
			info->incnt += !given || given->face[0].set;
			info->fwdcnt += given && given->face[1].set;
		}
	}
}

int nlx_policy_count(struct nlx_request *rq)
{
	const struct xfrmu_spdhinfo table = { .spdhcnt = 7, .spdhmcnt = 1048576 };
	const struct xfrmu_spdhthresh *kept = nlx_net(rq->en)->thresholds;
	struct sk_buff *skb = nlmsg_new(256, GFP_KERNEL);
	struct xfrmu_spdinfo info = {};
	struct nlmsghdr *nlh;

	if (!skb)
		return -ENOMEM;
	mutex_lock(&rq->en->lock);
	count(rq->en, &info);
	mutex_unlock(&rq->en->lock);
	nlh = nlmsg_put(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, XFRM_MSG_NEWSPDINFO,
			sizeof(u32), 0);
	*(u32 *)nlmsg_data(nlh) = *(u32 *)nlmsg_data(rq->nlh);
	if (nla_put(skb, XFRMA_SPD_INFO, sizeof(info), &info) ||
	    nla_put(skb, XFRMA_SPD_HINFO, sizeof(table), &table) ||
	    nla_put(skb, XFRMA_SPD_IPV4_HTHRESH, sizeof(*kept), &kept[0]) ||
	    nla_put(skb, XFRMA_SPD_IPV6_HTHRESH, sizeof(*kept), &kept[1])) {
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	nlmsg_end(skb, nlh);
	return nlx_reply(rq, skb);
}

/* --- default actions --- */

static u8 to_xfrm(u8 action)
{
	return action == ESPAH_ACTION_BYPASS ? XFRM_USERPOLICY_ACCEPT : XFRM_USERPOLICY_BLOCK;
}

/* Context: espah_net.lock. */
static struct xfrm_userpolicy_default defaults(const struct espah_net *en)
{
	u64 now = espah_spd_now(&en->spd);
	u8 in = to_xfrm(espah_spd_default(now, ESPAH_DIR_IN));

	return (struct xfrm_userpolicy_default){
		.in = in, .fwd = in, .out = to_xfrm(espah_spd_default(now, ESPAH_DIR_OUT)),
	};
}

static struct sk_buff *put_defaults(struct nlx_request *rq)
{
	struct sk_buff *skb = nlmsg_new(sizeof(struct xfrm_userpolicy_default), GFP_KERNEL);
	struct nlmsghdr *nlh;

	if (!skb)
		return NULL;
	nlh = nlmsg_put(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, XFRM_MSG_GETDEFAULT,
			sizeof(struct xfrm_userpolicy_default), 0);
	*(struct xfrm_userpolicy_default *)nlmsg_data(nlh) = defaults(rq->en);
	nlmsg_end(skb, nlh);
	return skb;
}

int nlx_default_get(struct nlx_request *rq)
{
	struct sk_buff *skb;

	mutex_lock(&rq->en->lock);
	skb = put_defaults(rq);
	mutex_unlock(&rq->en->lock);
	return skb ? nlx_reply(rq, skb) : -ENOMEM;
}

static u8 to_espah(u8 action)
{
	return action == XFRM_USERPOLICY_BLOCK ? ESPAH_ACTION_DISCARD : ESPAH_ACTION_BYPASS;
}

/* Holds this module while a default action came by it. Context: espah_net.lock. */
static void hold(struct nlx_net *nn, bool needed)
{
	if (needed && !nn->default_held)
		__module_get(THIS_MODULE);
	else if (!needed && nn->default_held)
		module_put(THIS_MODULE);
	nn->default_held = needed;
}

int nlx_default_set(struct nlx_request *rq)
{
	const struct xfrm_userpolicy_default *asked = nlmsg_data(rq->nlh);
	struct xfrm_userpolicy_default now, old;
	struct sk_buff *skb = NULL;
	int err;

	mutex_lock(&rq->en->lock);
	old = defaults(rq->en);
	now = old;
	if (asked->in == XFRM_USERPOLICY_BLOCK || asked->in == XFRM_USERPOLICY_ACCEPT)
		now.in = asked->in;
	if (asked->fwd == XFRM_USERPOLICY_BLOCK || asked->fwd == XFRM_USERPOLICY_ACCEPT)
		now.fwd = asked->fwd;
	if (asked->out == XFRM_USERPOLICY_BLOCK || asked->out == XFRM_USERPOLICY_ACCEPT)
		now.out = asked->out;
	if (now.in != now.fwd) {
		err = NLX_FAIL(rq, -EOPNOTSUPP,
			       "espah has one default action for packets to the host and forwarded packets: name both alike");
		goto out;
	}
	if (!nlx_net(rq->en)->default_held &&
	    (old.in == XFRM_USERPOLICY_BLOCK || old.out == XFRM_USERPOLICY_BLOCK)) {
		err = now.in == old.in && now.out == old.out ? 0 :
		      NLX_FAIL(rq, -EPERM,
			       "the default actions were set by espah's own command: 'espah default' changes them");
		goto out;
	}
	err = espah_default_set(rq->en, to_espah(now.in), to_espah(now.out), rq->extack);
	if (err)
		goto out;
	hold(nlx_net(rq->en),
	     now.in == XFRM_USERPOLICY_BLOCK || now.out == XFRM_USERPOLICY_BLOCK);
	if (nlx_listens(rq->en, XFRMNLGRP_POLICY))
		skb = put_defaults(rq);
	if (skb)
		nlx_tell(rq->en, skb, XFRMNLGRP_POLICY, GFP_KERNEL);
out:
	mutex_unlock(&rq->en->lock);
	return err;
}

/* --- only for listeners --- */

/* An acquire of a user is passed on, as XFRM does when it has made a larval SA of it. */
int nlx_acquire_echo(struct nlx_request *rq)
{
	return rq->attrs[XFRMA_TMPL] ? nlx_echo(rq, XFRMNLGRP_ACQUIRE) :
	       NLX_FAIL(rq, -EINVAL, "an acquire needs a template");
}
