/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lightweight tunnels: routes that change a packet (segment routing, RPL, IOAM, ILA). Some change
 * it before POST_ROUTING, where it would be protected; some change forwarded packets even before
 * FORWARD. tests/vm/WAYS.md lists them.
 */
#ifndef _ESPAH_LWTUNNEL_H
#define _ESPAH_LWTUNNEL_H

#include <linux/netfilter.h>
#include <net/dst.h>
#include <net/lwtunnel.h>
#include "db/link.h"

/* slow path of espah_lwtunnel_hides() */
bool espah_lwtunnel_redirects(const struct lwtunnel_state *lwtstate);

/*
 * Whether the route of a packet at LOCAL_OUT or FORWARD bypasses POST_ROUTING. A link asks its own
 * policies, also about packets that a route has encapsulated.
 */
static inline bool espah_lwtunnel_hides(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	return unlikely(dst->lwtstate) && !espah_is_link(dst->dev) &&
	       espah_lwtunnel_redirects(dst->lwtstate);
}

/**
 * espah_lwtunnel_forward - check a packet at FORWARD whose route bypasses POST_ROUTING
 * @en: network namespace
 * @skb: the packet
 * @state: the hook's
 *
 * Return: NF_ACCEPT; NF_STOLEN if a policy protects or discards it: it was dropped and counted.
 */
unsigned int espah_lwtunnel_forward(struct espah_net *en, struct sk_buff *skb,
				    const struct nf_hook_state *state);

/* whether a packet at FORWARD is a tunnel packet whose inner packet has passed PRE_ROUTING */
bool espah_lwtunnel_encapsulated(const struct sk_buff *skb, const struct nf_hook_state *state);

/**
 * espah_lwtunnel_inner - check the flow that a route has hidden before FORWARD
 * @en: network namespace
 * @skb: a packet whose mark (judged.h) no longer holds
 * @state: the hook's
 *
 * Return: as espah_lwtunnel_forward().
 */
unsigned int espah_lwtunnel_inner(struct espah_net *en, struct sk_buff *skb,
				  const struct nf_hook_state *state);

#endif /* _ESPAH_LWTUNNEL_H */
