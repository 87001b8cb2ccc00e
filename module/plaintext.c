// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "arrival.h"
#include "compat/compiler.h"
#include "flow.h"
#include "icmp.h"
#include "input.h"
#include "plaintext.h"
#include "recent.h"
#include "udp_encap.h"

static bool to_this_host(struct net *net, const struct espah_flow *flow)
{
	if (flow->family == AF_INET)
		return inet_addr_type(net, flow->dst.ip4) == RTN_LOCAL;
	return ipv6_chk_addr(net, (const struct in6_addr *)&flow->dst, NULL, 0);
}

/*
 * The SA of an ESP or AH packet that LOCAL_IN is going to take, in UDP or not, or NULL; looked
 * at first, since it is the common one.
 */
static struct espah_sa *find_sa(struct espah_net *en, const struct sk_buff *skb, u8 family)
{
	struct espah_sa_id id = { .family = family, .dir = ESPAH_DIR_IN };
	__be32 buf, *spi;
	u8 proto;
	int off;

	if (family == AF_INET) {
		proto = ip_hdr(skb)->protocol;
		off = ip_hdrlen(skb);
		id.dst.ip4 = ip_hdr(skb)->daddr;
	} else {
		__be16 frag_off;

		proto = ipv6_hdr(skb)->nexthdr;
		off = sizeof(struct ipv6hdr);
		if (ipv6_ext_hdr(proto))
			off = espah_skip_exthdr(skb, off, &proto, &frag_off);
		if (off < 0)
			return NULL;
		memcpy(&id.dst, &ipv6_hdr(skb)->daddr, sizeof(id.dst));
	}
	if (proto == IPPROTO_UDP)
		off = espah_encap_esp_off(en, skb, off);
	else if (!espah_proto_is_ipsec(proto))
		return NULL;
	if (off < 0)
		return NULL;
	id.proto = proto == IPPROTO_AH ? IPPROTO_AH : IPPROTO_ESP;
	spi = skb_header_pointer(skb, off + espah_spi_offset(id.proto), sizeof(buf), &buf);
	if (!spi)
		return NULL;
	id.spi = *spi;
	return espah_sad_find_again(en, &id);
}

/* ESP or AH that XFRM may have an SA for. Of ESP in UDP it must: UDP is much else. */
static bool for_xfrm(struct net *net, const struct sk_buff *skb, const struct espah_flow *flow,
		     int thoff)
{
	struct espah_sa_id id = { .dst = flow->dst, .proto = IPPROTO_ESP, .family = flow->family };

	if (espah_proto_is_ipsec(flow->proto))
		return true;
	return flow->proto == IPPROTO_UDP && flow->has_ports &&
	       !skb_copy_bits(skb, thoff + sizeof(struct udphdr), &id.spi, sizeof(id.spi)) &&
	       id.spi && espah_is_xfrms(net, skb, &id, htons(flow->dport));
}

/* RFC 4301 6.1.1: whether an ICMP message in clear is let in, where the policy does not object */
static bool admit_icmp(struct espah_net *en, const struct espah_policy *pol,
		       const struct sk_buff *skb, const struct espah_flow *flow, int thoff)
{
	struct espah_flow quoted;

	return READ_ONCE(en->icmp_plaintext) == ESPAH_ACTION_BYPASS ||
	       !espah_icmp_policy(en, ESPAH_DIR_IN, skb, flow, thoff, pol, &quoted) ||
	       espah_icmp_about_sa(en, skb, flow, thoff);
}

unsigned int espah_plaintext(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct espah_policy *pol;
	struct espah_flow flow espah_uninit;
	enum espah_drop reason;
	struct espah_sa *sa;
	u8 action;
	int thoff;

	if (state->in->flags & IFF_LOOPBACK || skb->pkt_type == PACKET_LOOPBACK)
		return NF_ACCEPT;
	sa = find_sa(en, skb, state->pf);
	if (sa) {
		espah_arrival_use(espah_sa_path(sa), skb);
		return NF_ACCEPT;
	}
	thoff = espah_flow_dissect(skb, state->pf, &flow);
	if (unlikely(thoff < 0)) {
		espah_drop(en, NULL, NULL, ESPAH_DROP_MALFORMED_IN, skb);
		return NF_STOLEN;
	}
	pol = espah_recent_policy(&en->spd, ESPAH_DIR_IN, &flow);
	action = pol ? pol->action : READ_ONCE(en->default_action[ESPAH_DIR_IN]);
	if (action == ESPAH_ACTION_BYPASS && !flow.hidden) {
		if (unlikely(espah_flow_is_icmp(&flow)) &&
		    !admit_icmp(en, pol, skb, &flow, thoff)) {
			espah_drop(en, NULL, pol, ESPAH_DROP_ICMP_PLAINTEXT, skb);
			return NF_STOLEN;
		}
		if (pol)
			espah_count(pol->counters, 1, skb->len);
		return NF_ACCEPT;
	}
	if (espah_flow_is_nd(skb, &flow, thoff))
		return NF_ACCEPT;
	if ((for_xfrm(en->net, skb, &flow, thoff) ||
	     espah_flow_is_ike(skb, &flow, thoff, ESPAH_DIR_IN)) &&
	    to_this_host(en->net, &flow))
		return NF_ACCEPT;
	/* routers between the gateways cannot but write in clear; see espah_icmp_input() */
	if (!(pol && espah_policy_names(pol, flow.proto)) &&
	    espah_icmp_about_sa(en, skb, &flow, thoff))
		return NF_ACCEPT;
	if (flow.hidden)
		reason = ESPAH_DROP_OPAQUE_IN;
	else if (action == ESPAH_ACTION_PROTECT)
		reason = ESPAH_DROP_PLAINTEXT;
	else
		reason = ESPAH_DROP_DISCARD_IN;
	espah_drop(en, NULL, pol, reason, skb);
	return NF_STOLEN;
}
