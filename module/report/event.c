// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/rwsem.h>
#include <linux/udp.h>
#include <net/ipv6.h>
#include "db/asked.h"
#include "db/reasons.h"
#include "event.h"
#include "face.h"
#include "packet/flow.h"
#include "put.h"

/* maximum events a second for each drop reason */
#define DROP_RATE 10

/* Whether events may be sent; see espah_events_stop(). */
static bool telling;

static bool has_listeners(const struct espah_net *en, enum espah_mcgrp group)
{
	/* pairs with espah_events_start() */
	return smp_load_acquire(&telling) && genl_has_listeners(espah_family, en->net, group);
}

void espah_events_start(void)
{
	/* pairs with has_listeners(), which then sees espah_family */
	smp_store_release(&telling, true);
}

void espah_events_stop(void)
{
	WRITE_ONCE(telling, false);
	synchronize_rcu();
}

/* --- the other interface --- */

static const struct espah_face __rcu *other;
/* held by readers that may sleep */
static DECLARE_RWSEM(other_lock);

void espah_face_set(const struct espah_face *face)
{
	down_write(&other_lock);
	rcu_assign_pointer(other, face);
	up_write(&other_lock);
	synchronize_rcu();
}

/* Calls a function of the other interface, if there is one, from process context. */
#define TELL_OTHER(call) do {							\
	const struct espah_face *face;						\
										\
	down_read(&other_lock);							\
	face = rcu_dereference_protected(other, lockdep_is_held(&other_lock));	\
	if (face)								\
		face->call;							\
	up_read(&other_lock);							\
} while (0)

/* --- generic netlink --- */

/* Begins an event. Return: NULL without listeners or memory. */
static struct sk_buff *begin(struct espah_net *en, enum espah_mcgrp group, u8 cmd, void **hdr,
			     gfp_t gfp)
{
	struct sk_buff *skb;

	if (!has_listeners(en, group))
		return NULL;
	skb = genlmsg_new(group == ESPAH_MCGRP_INDEX_SA ? ESPAH_MSG_SIZE : ESPAH_POLICY_SIZE, gfp);
	if (!skb)
		return NULL;
	*hdr = espah_put_message(skb, 0, 0, 0, cmd);
	return skb;
}

static void send(struct espah_net *en, enum espah_mcgrp group, struct sk_buff *skb, void *hdr,
		 int err, gfp_t gfp)
{
	if (err || !hdr) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	/* listeners whose queue is full get -ENOBUFS on their socket */
	genlmsg_multicast_netns(espah_family, en->net, skb, 0, group, gfp);
}

void espah_event_sa(struct espah_net *en, struct espah_sa *sa, u8 cmd)
{
	void *hdr;
	struct sk_buff *skb;

	TELL_OTHER(sa(sa, cmd));
	skb = begin(en, ESPAH_MCGRP_INDEX_SA, cmd, &hdr, GFP_KERNEL);
	if (skb)
		send(en, ESPAH_MCGRP_INDEX_SA, skb, hdr, espah_put_sa(skb, sa, 0), GFP_KERNEL);
}

void espah_event_sa_flush(struct espah_net *en, struct nlattr **attrs)
{
	void *hdr;
	struct sk_buff *skb = begin(en, ESPAH_MCGRP_INDEX_SA, ESPAH_CMD_SA_FLUSH_NTF, &hdr,
				    GFP_KERNEL);

	if (skb)
		send(en, ESPAH_MCGRP_INDEX_SA, skb, hdr, espah_put_attrs(skb, attrs, ESPAH_SA_MAX),
		     GFP_KERNEL);
}

static int put_expire(struct sk_buff *skb, struct espah_sa *sa, enum espah_limit limit, bool hard)
{
	struct nlattr *nest = nla_nest_start(skb, ESPAH_EXPIRE_SA);

	if (!nest || espah_put_sa(skb, sa, 0))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return nla_put_u8(skb, ESPAH_EXPIRE_LIMIT, limit) ?:
	       nla_put_u8(skb, ESPAH_EXPIRE_HARD, hard);
}

void espah_event_expire(struct espah_sa *sa, enum espah_limit limit, bool hard)
{
	void *hdr;
	struct sk_buff *skb;

	TELL_OTHER(expire(sa, limit, hard));
	skb = begin(sa->en, ESPAH_MCGRP_INDEX_EXPIRE, ESPAH_CMD_EXPIRE, &hdr, GFP_KERNEL);
	if (skb)
		send(sa->en, ESPAH_MCGRP_INDEX_EXPIRE, skb, hdr, put_expire(skb, sa, limit, hard),
		     GFP_KERNEL);
}

void espah_event_policy(struct espah_net *en, struct espah_policy *pol, u8 cmd)
{
	void *hdr;
	struct sk_buff *skb;

	TELL_OTHER(policy(en, pol, cmd));
	skb = begin(en, ESPAH_MCGRP_INDEX_POLICY, cmd, &hdr, GFP_KERNEL);
	if (skb)
		send(en, ESPAH_MCGRP_INDEX_POLICY, skb, hdr, espah_put_policy(skb, pol),
		     GFP_KERNEL);
}

void espah_event_policy_flush(struct espah_net *en, struct nlattr **attrs)
{
	void *hdr;
	struct sk_buff *skb = begin(en, ESPAH_MCGRP_INDEX_POLICY, ESPAH_CMD_POLICY_FLUSH_NTF, &hdr,
				    GFP_KERNEL);

	if (skb)
		send(en, ESPAH_MCGRP_INDEX_POLICY, skb, hdr,
		     espah_put_attrs(skb, attrs, ESPAH_POLICY_MAX), GFP_KERNEL);
}

/* True at most once in @interval jiffies for each @when, on one CPU. */
static bool due(unsigned long *when, unsigned long interval)
{
	unsigned long last = READ_ONCE(*when), now = jiffies ?: 1;

	/* 0: never */
	if (last && now - last < interval)
		return false;
	return cmpxchg(when, last, now) == last;
}

/* The flow's own values, as a nest of the given type that holds a selector. */
static int put_flow(struct sk_buff *skb, int type, const struct espah_flow *flow)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest || nla_put_u8(skb, ESPAH_SEL_FAMILY, flow->family) ||
	    espah_put_flow(skb, flow, ESPAH_PFP_ALL))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* the ESPAH_PFP_* flag that takes an attribute of a selector from the packet, or 0 */
static u8 pfp_of(int type)
{
	switch (type) {
	case ESPAH_SEL_SRC:
	case ESPAH_SEL_SRC_LEN:
	case ESPAH_SEL_SRC_RANGES:
		return ESPAH_PFP_SRC;
	case ESPAH_SEL_DST:
	case ESPAH_SEL_DST_LEN:
	case ESPAH_SEL_DST_RANGES:
		return ESPAH_PFP_DST;
	case ESPAH_SEL_PROTO:
		return ESPAH_PFP_PROTO;
	case ESPAH_SEL_SPORT_MIN:
	case ESPAH_SEL_SPORT_MAX:
	case ESPAH_SEL_SPORT_RANGES:
	case ESPAH_SEL_ICMP_TYPES:
	case ESPAH_SEL_MH_TYPES:
		return ESPAH_PFP_SPORT;
	case ESPAH_SEL_DPORT_MIN:
	case ESPAH_SEL_DPORT_MAX:
	case ESPAH_SEL_DPORT_RANGES:
	case ESPAH_SEL_ICMP_CODES:
		return ESPAH_PFP_DPORT;
	}
	return 0;
}

/* RFC 4301 4.4.1.2: the selector of the wanted SA, from the policy or from the packet */
static int put_wanted(struct sk_buff *skb, const struct espah_policy *pol,
		      const struct espah_flow *flow)
{
	struct nlattr *nest = nla_nest_start(skb, ESPAH_ACQUIRE_SELECTOR);
	const struct nlattr *attr;
	int rem;

	if (!nest)
		return -EMSGSIZE;
	nla_for_each_attr(attr, pol->given, pol->given_len, rem)
		if (!(pfp_of(nla_type(attr)) & pol->pfp) &&
		    nla_put(skb, nla_type(attr), nla_len(attr), nla_data(attr)))
			return -EMSGSIZE;
	if (espah_put_flow(skb, flow, pol->pfp) ||
	    (flow->opaque && pol->pfp & (ESPAH_PFP_SPORT | ESPAH_PFP_DPORT) &&
	     nla_put_flag(skb, ESPAH_SEL_OPAQUE)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_acquire(struct sk_buff *skb, struct espah_policy *pol,
		       const struct espah_flow *flow)
{
	u32 if_id = espah_policy_if_id(pol);

	return nla_put_u32(skb, ESPAH_ACQUIRE_POLICY_ID, pol->id) ?:
	       (if_id ? nla_put_u32(skb, ESPAH_ACQUIRE_IF_ID, if_id) : 0) ?:
	       put_wanted(skb, pol, flow) ?:
	       espah_put_template(skb, ESPAH_ACQUIRE_TEMPLATE, pol, flow) ?:
	       put_flow(skb, ESPAH_ACQUIRE_FLOW, flow);
}

/* Whether the SAs that the policy asks for have this packet's outer addresses. */
static bool takes_addresses(struct espah_policy *pol)
{
	unsigned int i;

	for (i = 0; i <= pol->nouter; i++)
		if (espah_addr_any(&espah_policy_tmpl(pol, i)->id.dst))
			return true;
	return false;
}

/* True at most once a second for each SA that a policy may ask for. */
static bool acquire_due(struct espah_net *en, struct espah_policy *pol,
			const struct espah_flow *flow)
{
	bool pair = takes_addresses(pol);
	struct {
		u32 policy;
		struct espah_flow flow;
	} want;

	if (!pair && !pol->pfp)
		return due(&pol->acquired, HZ);
	memset(&want, 0, sizeof(want));
	want.policy = pol->id;
	if (pair || pol->pfp & ESPAH_PFP_SRC)
		want.flow.src = flow->src;
	if (pair || pol->pfp & ESPAH_PFP_DST)
		want.flow.dst = flow->dst;
	if (pol->pfp & ESPAH_PFP_PROTO)
		want.flow.proto = flow->proto;
	if (pol->pfp & (ESPAH_PFP_SPORT | ESPAH_PFP_DPORT)) {
		want.flow.opaque = flow->opaque;
		want.flow.has_ports = flow->has_ports;
	}
	if (pol->pfp & ESPAH_PFP_SPORT)
		want.flow.sport = flow->sport;
	if (pol->pfp & ESPAH_PFP_DPORT)
		want.flow.dport = flow->dport;
	return espah_asked_due(en->spd.asked, &want, sizeof(want));
}

void espah_event_acquire(struct espah_net *en, struct espah_policy *pol,
			 const struct espah_flow *flow)
{
	const struct espah_face *face = rcu_dereference(other);
	struct sk_buff *skb;
	void *hdr;

	if ((!face && !has_listeners(en, ESPAH_MCGRP_INDEX_ACQUIRE)) ||
	    !acquire_due(en, pol, flow))
		return;
	if (face)
		face->acquire(en, pol, flow);
	skb = begin(en, ESPAH_MCGRP_INDEX_ACQUIRE, ESPAH_CMD_ACQUIRE, &hdr, GFP_ATOMIC);
	if (skb)
		send(en, ESPAH_MCGRP_INDEX_ACQUIRE, skb, hdr, put_acquire(skb, pol, flow),
		     GFP_ATOMIC);
}

static int put_mapping(struct sk_buff *skb, const struct espah_sa *sa, const union espah_addr *src,
		       __be16 sport)
{
	const struct espah_path *path = espah_sa_path(sa);
	u8 family = path->family;

	return nla_put_u8(skb, ESPAH_SA_DIR, sa->id.dir) ?:
	       nla_put_u8(skb, ESPAH_SA_PROTO, sa->id.proto) ?:
	       nla_put_be32(skb, ESPAH_SA_SPI, sa->id.spi) ?:
	       espah_put_addr(skb, ESPAH_SA_SRC, &path->src, family) ?:
	       espah_put_addr(skb, ESPAH_SA_DST, &path->dst, family) ?:
	       (sa->id.vrf ? nla_put_u32(skb, ESPAH_SA_VRF, sa->id.vrf) : 0) ?:
	       nla_put_u32(skb, ESPAH_SA_REQID, READ_ONCE(sa->slot)->id.reqid) ?:
	       nla_put_be16(skb, ESPAH_SA_ENCAP_SPORT, path->sport) ?:
	       nla_put_be16(skb, ESPAH_SA_ENCAP_DPORT, path->dport) ?:
	       espah_put_addr(skb, ESPAH_SA_NEW_SRC, src, family) ?:
	       nla_put_be16(skb, ESPAH_SA_NEW_SPORT, sport);
}

void espah_event_mapping(struct espah_sa *sa, const union espah_addr *src, __be16 sport)
{
	const enum espah_mcgrp group = ESPAH_MCGRP_INDEX_MAPPING;
	const struct espah_face *face = rcu_dereference(other);
	struct espah_net *en = sa->en;
	struct sk_buff *skb;
	void *hdr;

	if ((!face && !has_listeners(en, group)) || !due(&sa->mapped, HZ))
		return;
	if (face)
		face->mapping(sa, src, sport);
	skb = begin(en, group, ESPAH_CMD_MAPPING, &hdr, GFP_ATOMIC);
	if (skb)
		send(en, group, skb, hdr, put_mapping(skb, sa, src, sport), GFP_ATOMIC);
}

/* SPI and sequence number, if the packet still has its ESP or AH header. */
static int put_header(struct sk_buff *event, const struct espah_sa *sa, enum espah_drop reason,
		      const struct sk_buff *skb, const struct espah_flow *flow, int off)
{
	bool encap = sa ? sa->id.dir == ESPAH_DIR_IN && espah_sa_path(sa)->encap_len :
			  reason == ESPAH_DROP_NO_SPI || reason == ESPAH_DROP_RESERVED_SPI;
	__be32 spi = sa ? sa->id.spi : 0, spi_seq[2];
	u8 proto = sa ? sa->id.proto : flow->proto == IPPROTO_UDP ? IPPROTO_ESP : flow->proto;

	if (flow->proto == IPPROTO_UDP)
		off = encap ? off + (int)sizeof(struct udphdr) : -1;
	else if (!espah_proto_is_ipsec(flow->proto) || (sa && flow->proto != sa->id.proto))
		off = -1;
	if (off >= 0 && espah_spi_read(skb, proto, off, spi_seq, 2) &&
	    (!sa || spi_seq[0] == sa->id.spi)) {
		spi = spi_seq[0];
		if (nla_put_u32(event, ESPAH_AUDIT_SEQ, ntohl(spi_seq[1])))
			return -EMSGSIZE;
	}
	if (!spi)
		return 0;
	return nla_put_be32(event, ESPAH_AUDIT_SPI, spi) ?:
	       nla_put_u8(event, ESPAH_AUDIT_PROTO, proto);
}

/* The audit data of RFC 4301 to 4303, as far as the packet still has it. */
static int put_drop(struct sk_buff *event, const struct espah_sa *sa,
		    const struct espah_policy *pol, enum espah_drop reason,
		    const struct sk_buff *skb, u32 missed)
{
	bool ip6 = skb && skb->protocol == htons(ETH_P_IPV6);
	struct espah_flow flow;
	int off = skb ? espah_flow_dissect(skb, ip6 ? AF_INET6 : AF_INET, &flow) : -1;
	__be32 buf, *label;

	if (nla_put_string(event, ESPAH_AUDIT_REASON, espah_drop_names[reason]) ||
	    nla_put_u64_64bit(event, ESPAH_AUDIT_TIME, ktime_get_real_ns(), ESPAH_AUDIT_PAD) ||
	    (missed && nla_put_u32(event, ESPAH_AUDIT_MISSED, missed)) ||
	    (pol && nla_put_u32(event, ESPAH_AUDIT_POLICY_ID, pol->id)))
		return -EMSGSIZE;
	if (off < 0)
		return !sa ? 0 : nla_put_be32(event, ESPAH_AUDIT_SPI, sa->id.spi) ?:
				 nla_put_u8(event, ESPAH_AUDIT_PROTO, sa->id.proto);
	label = ip6 ? skb_header_pointer(skb, skb_network_offset(skb), sizeof(buf), &buf) : NULL;
	if (label && nla_put_u32(event, ESPAH_AUDIT_FLOW_LABEL,
				 ntohl(*label & IPV6_FLOWLABEL_MASK)))
		return -EMSGSIZE;
	return put_header(event, sa, reason, skb, &flow, off) ?:
	       put_flow(event, ESPAH_AUDIT_FLOW, &flow);
}

void espah_event_drop(struct espah_net *en, const struct espah_sa *sa,
		      const struct espah_policy *pol, enum espah_drop reason,
		      const struct sk_buff *skb)
{
	static const struct {
		enum espah_mcgrp group;
		u8 cmd;
		u64 reasons;
	} kinds[] = {
		{ ESPAH_MCGRP_INDEX_AUDIT, ESPAH_CMD_AUDIT, ESPAH_DROPS_AUDITED },
		{ ESPAH_MCGRP_INDEX_DROP, ESPAH_CMD_DROP, ~ESPAH_DROPS_QUIET },
	};
	struct espah_drop_rate *rate = &en->rates[reason];
	bool wanted[ARRAY_SIZE(kinds)];
	struct sk_buff *event;
	u32 missed;
	void *hdr;
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		wanted[i] = kinds[i].reasons & BIT_ULL(reason) &&
			    has_listeners(en, kinds[i].group);
	if (!wanted[0] && !wanted[1])
		return;
	if (!due(&rate->last, HZ / DROP_RATE)) {
		atomic_inc(&rate->missed);
		return;
	}
	missed = atomic_xchg(&rate->missed, 0);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!wanted[i])
			continue;
		event = begin(en, kinds[i].group, kinds[i].cmd, &hdr, GFP_ATOMIC);
		if (event)
			send(en, kinds[i].group, event, hdr,
			     put_drop(event, sa, pol, reason, skb, missed), GFP_ATOMIC);
	}
}
