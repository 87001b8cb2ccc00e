// SPDX-License-Identifier: GPL-2.0-only
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "compat/compiler.h"
#include "compat/conntrack.h"
#include "db/arrival.h"
#include "decide.h"
#include "input.h"
#include "packet/flow.h"
#include "packet/judged.h"
#include "packet/udp_encap.h"
#include "plaintext.h"
#include "report/drop.h"
#include "udp_input.h"

/*
 * The SA of an ESP or AH packet, in UDP or not, that LOCAL_IN will take; or NULL. Looked up first,
 * because this is the common case.
 */
static struct espah_sa *find_sa(struct espah_net *en, const struct sk_buff *skb, u8 family)
{
	struct espah_sa_id id;
	__be16 frag_off;
	u8 proto;
	int off;

	if (family == AF_INET) {
		proto = ip_hdr(skb)->protocol;
		off = ip_hdrlen(skb);
	} else {
		proto = ipv6_hdr(skb)->nexthdr;
		off = sizeof(struct ipv6hdr);
		if (ipv6_ext_hdr(proto))
			off = espah_skip_exthdr(skb, off, &proto, &frag_off);
		if (off < 0)
			return NULL;
	}
	if (proto == IPPROTO_UDP)
		off = espah_encap_esp_off(en, skb, off);
	else if (!espah_proto_is_ipsec(proto))
		return NULL;
	if (off < 0 || !espah_sa_id_read(&id, skb, family, proto == IPPROTO_AH ? IPPROTO_AH :
					 IPPROTO_ESP, off))
		return NULL;
	return espah_sad_find_recent(en, &id);
}

/*
 * Whether this host has sent the packet to itself: then the packet still has its output route. A
 * packet that MPLS has unpacked to the loopback device has none: it comes from outside, unless it
 * was judged when it came.
 */
static bool is_own(struct net *net, const struct sk_buff *skb, u8 family)
{
	const struct net_device *dev = skb->dev;

	if (dev->flags & IFF_LOOPBACK)
		return skb_dst(skb) || espah_judged_once(skb, net);
	if (skb->pkt_type == PACKET_LOOPBACK)
		return true;
	/* a VRF passes a packet to the hook a second time, no longer as a loopback packet */
	return netif_is_l3_master(dev) && espah_judged_exempt(skb, net) &&
	       espah_judged_holds(skb, net, family == AF_INET6);
}

static void set_side(union espah_addr *addr, u16 *port, const struct espah_flow *flow,
		     const union nf_inet_addr *from, __be16 from_port)
{
	if (flow->family == AF_INET)
		addr->ip4 = from->ip;
	else
		memcpy(addr, &from->in6, sizeof(*addr));
	if (flow->has_ports && espah_proto_has_ports(flow->proto))
		*port = ntohs(from_port);
}

static bool is_side(const union espah_addr *addr, const union nf_inet_addr *of)
{
	return !memcmp(addr, of, sizeof(*addr));
}

/*
 * Gives a flow the addresses with which its packet came, if conntrack has translated them. The
 * connection may be that of a packet around this one, so it has to match the flow.
 */
static void undo_nat(const struct sk_buff *skb, struct espah_flow *flow)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);
	const struct nf_conntrack_tuple *came, *back;

	if (!ct || !(ct->status & IPS_NAT_MASK))
		return;
	came = &ct->tuplehash[CTINFO2DIR(info)].tuple;
	back = &ct->tuplehash[!CTINFO2DIR(info)].tuple;
	if (came->src.l3num != flow->family || !is_side(&flow->dst, &back->src.u3))
		return;
	if (espah_flow_is_icmp(flow) && info % IP_CT_IS_REPLY == IP_CT_RELATED) {
		/* an ICMP error about a packet of the connection, from any source */
		set_side(&flow->dst, &flow->dport, flow, &came->dst.u3, 0);
		return;
	}
	/* the source, if translated at all, is translated at LOCAL_IN */
	if (came->dst.protonum != flow->proto ||
	    !(is_side(&flow->src, &came->src.u3) || is_side(&flow->src, &back->dst.u3)))
		return;
	set_side(&flow->src, &flow->sport, flow, &came->src.u3, came->src.u.all);
	set_side(&flow->dst, &flow->dport, flow, &came->dst.u3, came->dst.u.all);
}

/*
 * Has an SA take its packet at once, past conntrack and the rules of the firewall. Headers before
 * ESP or AH, and joined UDP packets, are left to LOCAL_IN.
 */
static unsigned int take(struct espah_net *en, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	bool ip4 = state->pf == NFPROTO_IPV4;
	u8 proto = ip4 ? ip_hdr(skb)->protocol : ipv6_hdr(skb)->nexthdr;
	unsigned int off = ip4 ? ip_hdrlen(skb) : sizeof(struct ipv6hdr);

	if (espah_proto_is_ipsec(proto))
		return espah_input(en, skb, state, proto, off, 0);
	return proto == IPPROTO_UDP && !skb_is_gso(skb) ? espah_udp_input(en, skb, state, off) :
							  NF_ACCEPT;
}

/* @state: the hook's, at PRE_ROUTING; or NULL */
static __always_inline unsigned int plaintext(struct espah_net *en, struct sk_buff *skb, u8 family,
					      const struct nf_hook_state *state)
{
	struct espah_flow flow espah_uninit;
	struct espah_decision is espah_uninit;
	struct espah_packet packet = { .skb = skb };
	enum espah_drop reason = ESPAH_DROP_MALFORMED_IN;
	struct espah_sa *sa;

	sa = find_sa(en, skb, family);
	if (sa) {
		if (unlikely(!state))
			return NF_ACCEPT;
		if (READ_ONCE(en->direct))
			return take(en, skb, state);
		espah_arrival_use(espah_sa_path(sa), skb);
		return NF_ACCEPT;
	}
	is.pol = NULL;
	packet.thoff = espah_flow_dissect(skb, family, &flow);
	if (likely(packet.thoff >= 0)) {
		if (!state)
			undo_nat(skb, &flow);
		reason = espah_decide(en, ESPAH_DIR_IN, &flow, &packet, &is);
	}
	if (likely(!reason)) {
		if (is.pol && is.action == ESPAH_ACTION_BYPASS && !flow.hidden)
			espah_count(is.pol->counters, 1, skb->len);
		return NF_ACCEPT;
	}
	espah_drop(en, NULL, is.pol, reason, skb);
	return NF_STOLEN;
}

unsigned int espah_plaintext(struct espah_net *en, struct sk_buff *skb, u8 family,
			     const struct nf_hook_state *state)
{
	bool own = is_own(en->net, skb, family);

	if (likely(!own) && plaintext(en, skb, family, state) != NF_ACCEPT)
		return NF_STOLEN;
	espah_judged_set(skb, en->net, family == AF_INET6, own);
	return NF_ACCEPT;
}

noinline unsigned int espah_plaintext_late(struct espah_net *en, struct sk_buff *skb, u8 family)
{
	return plaintext(en, skb, family, NULL);
}
