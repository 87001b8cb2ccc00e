/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connection tracking confirms a connection in the very last hook of POST_ROUTING and LOCAL_IN. A
 * hook that takes a packet away before that has to confirm it itself.
 */
#ifndef _ESPAH_COMPAT_CONNTRACK_H
#define _ESPAH_COMPAT_CONNTRACK_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_helper.h>

/* the new connection that a packet begins, or NULL */
static inline struct nf_conn *espah_new_ct(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && !nf_ct_is_confirmed(ct) && !nf_ct_is_template(ct) ? ct : NULL;
}

static inline struct nf_conn *espah_ct(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;

	return nf_ct_get(skb, &info);
}

static inline bool espah_ct_is_reply(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;

	nf_ct_get(skb, &info);
	return CTINFO2DIR(info) == IP_CT_DIR_REPLY;
}

/* whether a flowtable has the connection */
static inline bool espah_ct_is_offloaded(const struct nf_conn *ct)
{
	return READ_ONCE(ct->status) & IPS_OFFLOAD;
}

/* whether the connection is confirmed, and no flowtable has it */
static inline bool espah_ct_is_settled(const struct nf_conn *ct)
{
	return (READ_ONCE(ct->status) & (IPS_CONFIRMED | IPS_OFFLOAD)) == IPS_CONFIRMED;
}

/*
 * Bits of nf_conn.status that the kernel does not use: packets of the original direction come by a
 * link, or leave by one (see db/link.h). Answers then leave by one, or come by it.
 */
#define ESPAH_CT_LINK_IN (BITS_PER_LONG - 2)
#define ESPAH_CT_LINK_OUT (BITS_PER_LONG - 1)

static inline void espah_ct_set_links(struct nf_conn *ct, bool in, bool out)
{
	BUILD_BUG_ON(__IPS_MAX_BIT > ESPAH_CT_LINK_IN);
	if (test_bit(ESPAH_CT_LINK_IN, &ct->status) != in)
		change_bit(ESPAH_CT_LINK_IN, &ct->status);
	if (test_bit(ESPAH_CT_LINK_OUT, &ct->status) != out)
		change_bit(ESPAH_CT_LINK_OUT, &ct->status);
}

/* makes conntrack and flowtables forget a connection; Context: BH disabled or not */
static inline void espah_ct_end(struct nf_conn *ct)
{
	nf_ct_kill(ct);
}

/* ends the connections of a namespace for which @over() is true; Context: process */
static inline void espah_ct_walk(struct net *net, int (*over)(struct nf_conn *ct, void *data),
				 void *data)
{
	struct nf_ct_iter_data iteration = { .net = net, .data = data };

	nf_ct_iterate_cleanup_net(over, &iteration);
}

/* keeps a new connection out of flowtables, see flowtable.h; false without memory */
static inline bool espah_ct_own(struct nf_conn *ct)
{
	return nfct_help(ct) || nf_ct_helper_ext_add(ct, GFP_ATOMIC);
}

#ifndef ESPAH_HAS_NF_CONFIRM_HOOK
/* Before Linux 6.2, the caller of nf_confirm() finds the upper-layer header for the helpers. */
static inline unsigned int espah_nf_confirm(struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int off = skb_network_offset(skb);
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);
	__be16 frag_off = 0;
	int thoff;
	u8 proto;

	if (!ct || info == IP_CT_RELATED_REPLY)
		return nf_conntrack_confirm(skb);
	if (state->pf == NFPROTO_IPV4) {
		thoff = off + ip_hdrlen(skb);
	} else {
		proto = ipv6_hdr(skb)->nexthdr;
		thoff = ipv6_skip_exthdr(skb, off + sizeof(struct ipv6hdr), &proto, &frag_off);
	}
	if (thoff < 0 || frag_off & htons(~0x7))
		return nf_conntrack_confirm(skb);
	return nf_confirm(skb, thoff, ct, info);
}
#else
#define espah_nf_confirm(skb, state) nf_confirm(NULL, skb, state)
#endif

/* @seen: a helper has already seen the packet; Context: the packet has a connection */
static inline unsigned int espah_ct_confirm(struct sk_buff *skb, const struct nf_hook_state *state,
					    bool seen)
{
	struct nf_conn *ct = espah_new_ct(skb);

	if (unlikely(ct) && !espah_ct_own(ct))
		return NF_DROP;
	return unlikely(seen) ? nf_conntrack_confirm(skb) : espah_nf_confirm(skb, state);
}

#endif /* _ESPAH_COMPAT_CONNTRACK_H */
