// SPDX-License-Identifier: GPL-2.0-only
/* Messages about policies, and acquires. */
#include <linux/ktime.h>
#include "nlx.h"

/* --- what a policy is --- */

static void fill_selector(struct xfrm_selector *to, const struct espah_selector *sel)
{
	memset(to, 0, sizeof(*to));
	nlx_addr_out(&to->saddr, &sel->src);
	nlx_addr_out(&to->daddr, &sel->dst);
	to->family = sel->family;
	to->proto = sel->proto;
	to->prefixlen_s = sel->src_len;
	to->prefixlen_d = sel->dst_len;
	to->sport = htons(sel->sport_min);
	to->sport_mask = htons((u16)~(sel->sport_min ^ sel->sport_max));
	to->dport = htons(sel->dport_min);
	to->dport_mask = htons((u16)~(sel->dport_min ^ sel->dport_max));
	if (!sel->linked)
		to->ifindex = sel->ifindex;
}

static void fill_template(struct xfrm_user_tmpl *to, const struct espah_template *tmpl)
{
	memset(to, 0, sizeof(*to));
	nlx_addr_out(&to->saddr, &tmpl->id.src);
	nlx_addr_out(&to->id.daddr, &tmpl->id.dst);
	to->id.proto = tmpl->id.proto;
	to->id.spi = tmpl->spi;
	to->family = tmpl->id.family;
	to->reqid = tmpl->id.reqid;
	to->mode = tmpl->id.mode == ESPAH_MODE_TUNNEL ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
	to->aalgos = ~0;
	to->ealgos = ~0;
	to->calgos = ~0;
}

static void fill_info(struct xfrm_userpolicy_info *to, const struct espah_policy *pol, u8 dir)
{
	const struct nlx_policy *given = nlx_policy(pol);
	const struct espah_counters sum = espah_counters_sum(pol->counters);

	memset(to, 0, sizeof(*to));
	if (given) {
		*to = given->face[nlx_which(dir)].info;
	} else {
		fill_selector(&to->sel, &pol->rules[0].sel);
		to->lft.soft_byte_limit = XFRM_INF;
		to->lft.hard_byte_limit = XFRM_INF;
		to->lft.soft_packet_limit = XFRM_INF;
		to->lft.hard_packet_limit = XFRM_INF;
		to->priority = pol->priority;
		to->action = pol->action == ESPAH_ACTION_DISCARD ? XFRM_POLICY_BLOCK :
								   XFRM_POLICY_ALLOW;
	}
	to->dir = dir;
	to->index = pol->id << 3 | dir;
	to->share = XFRM_SHARE_ANY;
	to->curlft.bytes = sum.bytes;
	to->curlft.packets = sum.packets;
	to->curlft.add_time = pol->added;
	if (sum.packets)
		to->curlft.use_time = ktime_get_real_seconds() -
				      jiffies_to_msecs(jiffies - sum.last) / MSEC_PER_SEC;
}

static int put_templates(struct sk_buff *skb, struct espah_policy *pol, u8 dir)
{
	const struct nlx_policy *given = nlx_policy(pol);
	struct xfrm_user_tmpl tmpl[XFRM_MAX_DEPTH];
	unsigned int i, n = 0;

	if (given) {
		const struct nlx_face *face = &given->face[nlx_which(dir)];

		n = face->ntmpl;
		memcpy(tmpl, face->tmpl, n * sizeof(*tmpl));
	} else if (pol->action == ESPAH_ACTION_PROTECT) {
		for (i = 0; i <= pol->nouter; i++)
			fill_template(&tmpl[n++], espah_policy_tmpl(pol, i));
	}
	return n ? nla_put(skb, XFRMA_TMPL, n * sizeof(*tmpl), tmpl) : 0;
}

/* What follows the templates in each message. */
static int put_rest(struct sk_buff *skb, const struct espah_policy *pol)
{
	/* static, so that its padding is 0 */
	static const struct xfrm_userpolicy_type type = { .type = XFRM_POLICY_TYPE_MAIN };
	const struct espah_selector *sel = &pol->rules[0].sel;
	const struct xfrm_mark mark = { sel->mark, sel->mark_mask };
	u32 if_id = espah_policy_if_id(pol);

	return (IS_ENABLED(CONFIG_XFRM_SUB_POLICY) ?
		nla_put(skb, XFRMA_POLICY_TYPE, sizeof(type), &type) : 0) ?:
	       (mark.v | mark.m ? nla_put(skb, XFRMA_MARK, sizeof(mark), &mark) : 0) ?:
	       (if_id ? nla_put_u32(skb, XFRMA_IF_ID, if_id) : 0);
}

/* --- messages --- */

static int put_head(struct sk_buff *skb, struct nlmsghdr *nlh, struct espah_policy *pol, u8 dir,
		    bool hard)
{
	struct xfrm_user_polexpire *expire;
	struct xfrm_userpolicy_info info;
	struct xfrm_userpolicy_id *id;

	fill_info(&info, pol, dir);
	switch (nlh->nlmsg_type) {
	case XFRM_MSG_DELPOLICY:
		id = nlmsg_data(nlh);
		memset(id, 0, sizeof(*id));
		id->sel = info.sel;
		id->dir = dir;
		return nla_put(skb, XFRMA_POLICY, sizeof(info), &info);
	case XFRM_MSG_POLEXPIRE:
		expire = nlmsg_data(nlh);
		memset(expire, 0, sizeof(*expire));
		expire->pol = info;
		expire->hard = hard;
		return 0;
	default:
		memcpy(nlmsg_data(nlh), &info, sizeof(info));
		return 0;
	}
}

static unsigned int head_size(u16 type)
{
	switch (type) {
	case XFRM_MSG_DELPOLICY:
		return sizeof(struct xfrm_userpolicy_id);
	case XFRM_MSG_POLEXPIRE:
		return sizeof(struct xfrm_user_polexpire);
	default:
		return sizeof(struct xfrm_userpolicy_info);
	}
}

int nlx_put_policy(struct sk_buff *skb, u32 portid, u32 seq, u16 flags, u16 type,
		   struct espah_policy *pol, u8 dir, bool hard)
{
	struct nlmsghdr *nlh = nlmsg_put(skb, portid, seq, type, head_size(type), flags);

	if (!nlh)
		return -EMSGSIZE;
	if (put_head(skb, nlh, pol, dir, hard) || put_templates(skb, pol, dir) ||
	    put_rest(skb, pol)) {
		nlmsg_cancel(skb, nlh);
		return -EMSGSIZE;
	}
	nlmsg_end(skb, nlh);
	return 0;
}

void nlx_tell_policy(struct espah_net *en, u16 type, struct espah_policy *pol, u8 dir, bool hard)
{
	unsigned int group = type == XFRM_MSG_POLEXPIRE ? XFRMNLGRP_EXPIRE : XFRMNLGRP_POLICY;
	struct sk_buff *skb;

	if (!nlx_listens(en, group))
		return;
	skb = nlmsg_new(NLX_POLICY_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (nlx_put_policy(skb, 0, 0, 0, type, pol, dir, hard))
		kfree_skb(skb);
	else
		nlx_tell(en, skb, group, GFP_KERNEL);
}

void nlx_event_policy(struct espah_net *en, struct espah_policy *pol, u8 cmd)
{
	struct nlx_policy *given = nlx_policy(pol);
	bool gone = cmd == ESPAH_CMD_POLICY_DEL_NTF;

	if (!given) {
		nlx_tell_policy(en, gone ? XFRM_MSG_DELPOLICY : XFRM_MSG_NEWPOLICY, pol,
				pol->dir == ESPAH_DIR_OUT ? XFRM_POLICY_OUT : XFRM_POLICY_IN,
				false);
		return;
	}
	if (given->event)
		nlx_tell_policy(en, given->event, pol, given->told, false);
	given->event = gone ? 0 : XFRM_MSG_DELPOLICY;
}

/* --- acquires --- */

static void fill_flow(struct xfrm_selector *to, const struct espah_flow *flow)
{
	const struct espah_selector sel = {
		.src = flow->src, .dst = flow->dst, .family = flow->family, .proto = flow->proto,
		.src_len = flow->family == AF_INET ? 32 : 128,
		.dst_len = flow->family == AF_INET ? 32 : 128,
		.sport_min = flow->has_ports ? flow->sport : 0,
		.sport_max = flow->has_ports ? flow->sport : U16_MAX,
		.dport_min = flow->has_ports ? flow->dport : 0,
		.dport_max = flow->has_ports ? flow->dport : U16_MAX,
	};

	fill_selector(to, &sel);
}

static int put_acquire(struct sk_buff *skb, struct espah_net *en, struct espah_policy *pol,
		       const struct espah_flow *flow)
{
	const struct espah_template *tmpl = &pol->tmpl;
	bool tunnel = tmpl->id.mode == ESPAH_MODE_TUNNEL;
	struct xfrm_user_acquire *acquire;
	struct nlmsghdr *nlh = nlmsg_put(skb, 0, 0, XFRM_MSG_ACQUIRE, sizeof(*acquire), 0);

	if (!nlh)
		return -EMSGSIZE;
	acquire = nlmsg_data(nlh);
	memset(acquire, 0, sizeof(*acquire));
	acquire->id.proto = tmpl->id.proto;
	nlx_addr_out(&acquire->id.daddr, tunnel ? &tmpl->id.dst : &flow->dst);
	nlx_addr_out(&acquire->saddr, tunnel ? &tmpl->id.src : &flow->src);
	fill_flow(&acquire->sel, flow);
	fill_info(&acquire->policy, pol, XFRM_POLICY_OUT);
	acquire->aalgos = ~0;
	acquire->ealgos = ~0;
	acquire->calgos = ~0;
	acquire->seq = atomic_inc_return(&nlx_net(en)->acquires) ?:
		       atomic_inc_return(&nlx_net(en)->acquires);
	if (put_templates(skb, pol, XFRM_POLICY_OUT) || put_rest(skb, pol))
		return -EMSGSIZE;
	nlmsg_end(skb, nlh);
	return 0;
}

/* A daemon knows only the policies that it made. */
void nlx_event_acquire(struct espah_net *en, struct espah_policy *pol,
		       const struct espah_flow *flow)
{
	struct sk_buff *skb;

	if (!pol->foreign || !nlx_listens(en, XFRMNLGRP_ACQUIRE))
		return;
	skb = nlmsg_new(NLX_POLICY_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	if (put_acquire(skb, en, pol, flow))
		kfree_skb(skb);
	else
		nlx_tell(en, skb, XFRMNLGRP_ACQUIRE, GFP_ATOMIC);
}
