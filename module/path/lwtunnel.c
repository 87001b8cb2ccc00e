// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include "compat/bridge.h"
#include "icmp.h"
#include "lwtunnel.h"
#include "packet/flow.h"
#include "packet/judged.h"
#include "report/drop.h"

/* types of routing headers (RFC 6554, RFC 8754) */
#define RH_RPL 3
#define RH_SEGMENTS 4
/* offsets in its first 8 bytes: type; of RPL: address compression and padding */
#define RH_TYPE 2
#define RH_CMPR 4
#define RH_PAD 5
#define RH_FIXED 8

bool espah_lwtunnel_redirects(const struct lwtunnel_state *lwtstate)
{
#ifdef CONFIG_LWTUNNEL
	if (!(lwtstate->flags & LWTUNNEL_STATE_OUTPUT_REDIRECT))
		return false;
	/* before POST_ROUTING, BPF can change nothing that is sent */
	if (lwtstate->type == LWTUNNEL_ENCAP_BPF)
		return false;
	/* with this setting, segment routing calls POST_ROUTING for the unchanged packet */
	return lwtstate->type != LWTUNNEL_ENCAP_SEG6 ||
	       !static_branch_unlikely(&nf_hooks_lwtunnel_enabled);
#else
	return false;
#endif
}

/* Why a packet of a flow is dropped: a policy protects or discards it; or ESPAH_DROP_NONE. */
static enum espah_drop wanted(struct espah_net *en, const struct sk_buff *skb,
			      struct espah_flow *flow, int thoff, struct espah_policy **policy)
{
	u64 now = espah_spd_now(&en->spd);
	struct espah_policy *pol = espah_spd_lookup(&en->spd, now, ESPAH_DIR_OUT, flow);
	u8 action = pol ? pol->action : espah_spd_default(now, ESPAH_DIR_OUT);
	struct espah_flow quoted;

	*policy = pol;
	if (action == ESPAH_ACTION_DISCARD)
		return ESPAH_DROP_DISCARD_OUT;
	if (action == ESPAH_ACTION_PROTECT || flow->hidden)
		return ESPAH_DROP_LWTUNNEL;
	if (espah_flow_is_icmp(flow) &&
	    espah_icmp_policy(en, now, ESPAH_DIR_OUT, skb, flow, thoff, pol, &quoted))
		return ESPAH_DROP_LWTUNNEL;
	return ESPAH_DROP_NONE;
}

static unsigned int drop_if(enum espah_drop reason, struct espah_net *en,
			    struct espah_policy *pol, struct sk_buff *skb)
{
	if (!reason)
		return NF_ACCEPT;
	espah_drop(en, NULL, pol, reason, skb);
	return NF_STOLEN;
}

unsigned int espah_lwtunnel_forward(struct espah_net *en, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	const struct dst_entry *dst = skb_dst(skb);
	struct espah_policy *pol = NULL;
	enum espah_drop reason = ESPAH_DROP_MALFORMED_OUT;
	struct espah_flow flow;
	int thoff;

	if (espah_is_switched(skb))
		return NF_ACCEPT;
	thoff = espah_flow_dissect(skb, state->pf, &flow);
	if (thoff >= 0) {
		flow.ifindex = state->out->ifindex;
		reason = wanted(en, skb, &flow, thoff, &pol);
	}
	if (!reason && dst->lwtstate->type == LWTUNNEL_ENCAP_ILA && state->pf == NFPROTO_IPV6) {
		/* the locator may be overwritten already; the route has the original one */
		memcpy(&flow.dst, &((const struct rt6_info *)dst)->rt6i_dst.addr,
		       sizeof(flow.dst) / 2);
		reason = wanted(en, skb, &flow, thoff, &pol);
	}
	return drop_if(reason, en, pol, skb);
}

/* Gets the final address of a routing header; false: it is of another type, or broken. */
static bool last_hop(const struct sk_buff *skb, int off, union espah_addr *addr)
{
	u8 buf[RH_FIXED], *hdr = skb_header_pointer(skb, off, sizeof(buf), buf);
	unsigned int kept, end;

	if (!hdr)
		return false;
	if (hdr[RH_TYPE] == RH_SEGMENTS)
		return !skb_copy_bits(skb, off + RH_FIXED, addr, sizeof(*addr));
	if (hdr[RH_TYPE] != RH_RPL)
		return false;
	/* the final address shares these first bytes with the destination (RFC 6554 3) */
	kept = hdr[RH_CMPR] & 0xf;
	end = off + ipv6_optlen((struct ipv6_opt_hdr *)hdr) - (hdr[RH_PAD] >> 4);
	memcpy(addr, &ipv6_hdr(skb)->daddr, sizeof(*addr));
	return !skb_copy_bits(skb, end - (sizeof(*addr) - kept), (u8 *)addr + kept,
			      sizeof(*addr) - kept);
}

/* Finds the family of a packet in GRE, and moves @off to it. */
static u8 in_gre(const struct sk_buff *skb, int *off)
{
	struct gre_base_hdr buf;
	const struct gre_base_hdr *gre = skb_header_pointer(skb, *off, sizeof(buf), &buf);

	if (!gre)
		return AF_UNSPEC;
	*off += sizeof(*gre);
	if (gre->flags & GRE_CSUM)
		*off += 4;
	if (gre->flags & GRE_KEY)
		*off += 4;
	if (gre->flags & GRE_SEQ)
		*off += 4;
	if (gre->protocol == htons(ETH_P_IP))
		return AF_INET;
	return gre->protocol == htons(ETH_P_IPV6) ? AF_INET6 : AF_UNSPEC;
}

/* The family of a packet in the payload at @off, which moves to it; AF_UNSPEC: there is none */
static u8 family_of_payload(const struct sk_buff *skb, u8 proto, int *off)
{
	struct ethhdr buf, *eth;

	switch (proto) {
	case IPPROTO_IPIP:
		return AF_INET;
	case IPPROTO_IPV6:
		return AF_INET6;
	case IPPROTO_GRE:
		return in_gre(skb, off);
	case IPPROTO_ETHERNET:
		eth = skb_header_pointer(skb, *off, sizeof(buf), &buf);
		if (!eth)
			return AF_UNSPEC;
		*off += sizeof(*eth);
		if (eth->h_proto == htons(ETH_P_IP))
			return AF_INET;
		return eth->h_proto == htons(ETH_P_IPV6) ? AF_INET6 : AF_UNSPEC;
	default:
		return AF_UNSPEC;
	}
}

/* The family of the inner packet, and its offset; AF_UNSPEC: there is none. */
static u8 find_inner(const struct sk_buff *skb, u8 family, int *off)
{
	__be16 frag_off;
	u8 proto;

	*off = skb_network_offset(skb);
	if (family == AF_INET) {
		proto = ip_hdr(skb)->protocol;
		*off += ip_hdrlen(skb);
	} else {
		proto = ipv6_hdr(skb)->nexthdr;
		*off = espah_skip_exthdr(skb, *off + sizeof(struct ipv6hdr), &proto, &frag_off);
	}
	return *off < 0 ? AF_UNSPEC : family_of_payload(skb, proto, off);
}

bool espah_lwtunnel_encapsulated(const struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct ipv6hdr buf;
	const void *header;
	bool ip6;
	u8 family;
	int off;

	if (!espah_judged_once(skb, state->net) || !espah_judged_outermost(skb))
		return false;
	family = find_inner(skb, state->pf, &off);
	if (family == AF_UNSPEC)
		return false;
	ip6 = family == AF_INET6;
	header = skb_header_pointer(skb, off, ip6 ? sizeof(buf) : sizeof(struct iphdr), &buf);
	return header && espah_judged(skb)->header ==
			 (espah_judged_hash(header, ip6) ^ espah_judged_where(skb));
}

/*
 * Reads the flow that a packet had before its route put it in a tunnel, or sent it through other
 * hosts. Return: offset of its upper-layer header; -1: the route has hidden nothing.
 */
static int dissect_hidden(const struct sk_buff *skb, u8 family, struct espah_flow *flow)
{
	unsigned int rh = skb_network_offset(skb);
	int flags = IP6_FH_F_SKIP_RH, thoff, off;
	u8 inner = find_inner(skb, family, &off);

	if (inner != AF_UNSPEC)
		return espah_flow_dissect_at(skb, off, inner, flow);
	if (family != AF_INET6 ||
	    ipv6_find_hdr(skb, &rh, NEXTHDR_ROUTING, NULL, &flags) != NEXTHDR_ROUTING)
		return -1;
	thoff = espah_flow_dissect(skb, AF_INET6, flow);
	return thoff >= 0 && last_hop(skb, rh, &flow->dst) ? thoff : -1;
}

unsigned int espah_lwtunnel_inner(struct espah_net *en, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	struct espah_policy *pol;
	struct espah_flow flow;
	int thoff;

	/*
	 * If the packet passed PRE_ROUTING and no header before this one was removed, its header is
	 * another one now because of NAT, or because this host has put headers before it.
	 */
	if (espah_is_switched(skb) || !espah_judged_once(skb, state->net) ||
	    !espah_judged_outermost(skb))
		return NF_ACCEPT;
	thoff = dissect_hidden(skb, state->pf, &flow);
	if (thoff < 0)
		return NF_ACCEPT;
	flow.ifindex = state->out->ifindex;
	return drop_if(wanted(en, skb, &flow, thoff, &pol), en, pol, skb);
}
