// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/esp.h>
#include <net/route.h>
#include "flow.h"
#include "input.h"
#include "plaintext.h"

static bool to_this_host(struct net *net, const struct espah_flow *flow)
{
	if (flow->family == AF_INET)
		return inet_addr_type(net, flow->dst.ip4) == RTN_LOCAL;
	return ipv6_chk_addr(net, (const struct in6_addr *)&flow->dst, NULL, 0);
}

/* an ESP packet that LOCAL_IN is going to take */
static bool has_sa(struct espah_net *en, const struct sk_buff *skb,
		   const struct espah_flow *flow, int thoff)
{
	struct espah_sa_id id = { .dst = flow->dst, .proto = IPPROTO_ESP,
				  .family = flow->family, .dir = ESPAH_DIR_IN };
	__be32 buf, *spi = skb_header_pointer(skb, thoff, sizeof(buf), &buf);

	if (!spi)
		return false;
	id.spi = *spi;
	return espah_sad_find(&en->sad, &id);
}

unsigned int espah_plaintext(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct espah_policy *pol;
	struct espah_flow flow;
	enum espah_drop reason;
	u8 action;
	int thoff;

	if (state->in->flags & IFF_LOOPBACK || skb->pkt_type == PACKET_LOOPBACK ||
	    espah_input_marked(skb))
		return NF_ACCEPT;
	thoff = espah_flow_dissect(skb, state->pf, &flow);
	if (unlikely(thoff < 0)) {
		espah_drop(en, NULL, NULL, ESPAH_DROP_MALFORMED_IN, skb);
		return NF_STOLEN;
	}
	if (flow.proto == IPPROTO_ESP && has_sa(en, skb, &flow, thoff))
		return NF_ACCEPT;

	pol = espah_spd_lookup(&en->spd, ESPAH_DIR_IN, &flow);
	action = pol ? pol->action : READ_ONCE(en->default_action[ESPAH_DIR_IN]);
	if (action == ESPAH_ACTION_BYPASS &&
	    !(flow.opaque && READ_ONCE(en->spd.dir[ESPAH_DIR_IN].port_rules))) {
		if (pol) {
			local_bh_disable();
			espah_count(pol->counters, 1, skb->len);
			local_bh_enable();
		}
		return NF_ACCEPT;
	}
	if (espah_flow_is_nd(skb, &flow, thoff))
		return NF_ACCEPT;
	if ((flow.proto == IPPROTO_ESP || espah_flow_is_ike(skb, &flow, thoff)) &&
	    to_this_host(en->net, &flow))
		return NF_ACCEPT;
	if (action == ESPAH_ACTION_PROTECT)
		reason = ESPAH_DROP_PLAINTEXT;
	else if (action == ESPAH_ACTION_DISCARD)
		reason = ESPAH_DROP_DISCARD_IN;
	else
		reason = ESPAH_DROP_OPAQUE_IN;
	espah_drop(en, NULL, pol, reason, skb);
	return NF_STOLEN;
}
