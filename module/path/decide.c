// SPDX-License-Identifier: GPL-2.0-only
#include <linux/udp.h>
#include "db/domain.h"
#include "db/recent.h"
#include "decide.h"
#include "icmp.h"
#include "packet/flow.h"
#include "packet/ike.h"
#include "xfrm.h"

/* Whether a packet is ESP in UDP of an SA of XFRM. Most UDP packets are not. */
static bool for_xfrm(struct net *net, const struct espah_packet *packet,
		     const struct espah_flow *flow)
{
	struct espah_sa_id id = { .dst = flow->dst, .proto = IPPROTO_ESP, .family = flow->family };

	return flow->proto == IPPROTO_UDP && flow->has_ports &&
	       espah_spi_read(packet->skb, IPPROTO_ESP, packet->thoff + sizeof(struct udphdr),
			      &id.spi, 1) &&
	       id.spi && espah_xfrm_has(net, packet->skb, &id, htons(flow->dport));
}

/*
 * RFC 4301 6.1.1: whether an ICMP message in clear is admitted where the policy is bypass. An error
 * about a packet of our SAs must be addressed to this host, which sent that packet. Addressed to a
 * host behind this one, it could carry anything.
 */
static noinline bool admit_icmp(struct espah_net *en, u64 now, const struct espah_policy *pol,
				const struct espah_packet *packet, const struct espah_flow *flow)
{
	struct espah_flow quoted;

	return READ_ONCE(en->icmp_plaintext) == ESPAH_ACTION_BYPASS ||
	       !espah_icmp_policy(en, now, ESPAH_DIR_IN, packet->skb, flow, packet->thoff, pol,
				  &quoted) ||
	       (espah_icmp_about_sa(en, packet->skb, flow, packet->thoff) &&
		espah_domain_has(en->net, &flow->dst, flow->family, packet->skb->dev));
}

/* Whether an IKE socket gets a packet, or XFRM as ESP in UDP. */
static noinline bool is_ike(struct net *net, const struct espah_packet *packet,
			    const struct espah_flow *flow)
{
	return for_xfrm(net, packet, flow) ||
	       espah_ike_receives(net, packet->skb, flow, packet->thoff);
}

/* Whether a port is one for IKE. */
static bool is_ike_port(u16 port)
{
	return port == ESPAH_IKE_PORT || port == ESPAH_IKE_NATT_PORT;
}

enum espah_exempt espah_exempt(struct espah_net *en, u8 dir, const struct espah_flow *flow,
			       const struct espah_packet *packet, const struct net_device *dev)
{
	bool out = dir == ESPAH_DIR_OUT;

	switch (flow->proto) {
	case IPPROTO_ICMPV6:
		if (packet ? espah_flow_is_nd(packet->skb, flow, packet->thoff) :
			     flow->family == AF_INET6)
			return ESPAH_EXEMPT_ND;
		break;
	case IPPROTO_ESP:
	case IPPROTO_AH:
		/* for packets, the hooks check XFRM's flag, which ESP and AH of this host bear */
		if (out)
			return !packet && espah_domain_has(en->net, &flow->src, flow->family, dev) ?
			       ESPAH_EXEMPT_MADE : ESPAH_EXEMPT_NONE;
		/* its SPI selects an SA of ours or of XFRM's; else the packet is dropped */
		if (espah_domain_has(en->net, &flow->dst, flow->family, dev))
			return ESPAH_EXEMPT_IPSEC;
		break;
	case IPPROTO_UDP:
		if (out && packet)
			return espah_ike_sends(packet->sk, packet->skb, flow, packet->thoff) ?
			       ESPAH_EXEMPT_IKE : ESPAH_EXEMPT_NONE;
		if (!espah_domain_has(en->net, out ? &flow->src : &flow->dst, flow->family, dev))
			break;
		if (packet ? is_ike(en->net, packet, flow) :
			     is_ike_port(out ? flow->sport : flow->dport))
			return ESPAH_EXEMPT_IKE;
		break;
	}
	return ESPAH_EXEMPT_NONE;
}

/* RFC 4301 6.1.1: errors from routers between the gateways, which can only send in clear */
static bool about_sa(struct espah_net *en, const struct espah_policy *pol,
		     const struct espah_packet *packet, const struct espah_flow *flow)
{
	return !(pol && espah_policy_names(pol, flow->proto)) &&
	       espah_icmp_about_sa(en, packet->skb, flow, packet->thoff);
}

static enum espah_drop decide_in(struct espah_net *en, u64 now, const struct espah_flow *flow,
				 const struct espah_packet *packet, struct espah_decision *is)
{
	if (is->action == ESPAH_ACTION_BYPASS && !flow->hidden)
		return unlikely(espah_flow_is_icmp(flow)) && packet &&
		       !admit_icmp(en, now, is->pol, packet, flow) ?
		       ESPAH_DROP_ICMP_PLAINTEXT : ESPAH_DROP_NONE;
	if (packet) {
		is->exempt = espah_exempt(en, ESPAH_DIR_IN, flow, packet, packet->skb->dev);
		if (is->exempt)
			return ESPAH_DROP_NONE;
		if (about_sa(en, is->pol, packet, flow))
			return espah_domain_has(en->net, &flow->dst, flow->family,
						packet->skb->dev) ?
			       ESPAH_DROP_NONE : ESPAH_DROP_ICMP_PLAINTEXT;
	}
	if (flow->hidden)
		return ESPAH_DROP_OPAQUE_IN;
	return is->action == ESPAH_ACTION_PROTECT ? ESPAH_DROP_PLAINTEXT : ESPAH_DROP_DISCARD_IN;
}

static enum espah_drop decide_out(struct espah_net *en, u64 now, const struct espah_flow *flow,
				  const struct espah_packet *packet, struct espah_decision *is)
{
	struct espah_policy *of;

	if (unlikely(flow->hidden))
		return ESPAH_DROP_OPAQUE_OUT;
	if (packet && unlikely(espah_flow_is_icmp(flow))) {
		if (espah_icmp_redirects(en, now, packet->skb, flow, packet->thoff))
			return ESPAH_DROP_REDIRECT;
		of = is->action == ESPAH_ACTION_PROTECT ? NULL :
		     espah_icmp_policy(en, now, ESPAH_DIR_OUT, packet->skb, flow, packet->thoff,
				       is->pol, &is->quoted);
		if (of) {
			is->pol = of;
			is->action = ESPAH_ACTION_PROTECT;
			is->quotes = true;
		}
	}
	if (is->action == ESPAH_ACTION_BYPASS)
		return ESPAH_DROP_NONE;
	if (unlikely(flow->linked)) { /* nothing leaves by a link in clear, not even IKE */
		if (is->action == ESPAH_ACTION_PROTECT)
			return ESPAH_DROP_NONE;
		return is->pol ? ESPAH_DROP_DISCARD_OUT : ESPAH_DROP_DEVICE_NO_POLICY;
	}
	if (packet)
		is->exempt = espah_exempt(en, ESPAH_DIR_OUT, flow, packet, NULL);
	return is->action == ESPAH_ACTION_DISCARD && !is->exempt ? ESPAH_DROP_DISCARD_OUT :
								   ESPAH_DROP_NONE;
}

enum espah_drop espah_decide(struct espah_net *en, u8 dir, struct espah_flow *flow,
			     const struct espah_packet *packet, struct espah_decision *is)
{
	u64 now = espah_spd_now(&en->spd);
	struct espah_policy *pol = espah_recent_policy(&en->spd, now, dir, flow);

	is->pol = pol;
	is->action = pol ? pol->action : unlikely(flow->linked) ? ESPAH_ACTION_DISCARD :
					 espah_spd_default(now, dir);
	is->exempt = ESPAH_EXEMPT_NONE;
	is->quotes = false;
	return dir == ESPAH_DIR_OUT ? decide_out(en, now, flow, packet, is) :
				      decide_in(en, now, flow, packet, is);
}
