/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that nftables takes from FORWARD into a flowtable pass no further hook: what a
 * policy protects would leave in clear, and come in clear. So a connection of which a direction
 * is protected or discarded is kept out when it begins, and one that is older than the policy ends
 * before the policy's request is answered: conntrack forgets it, and no flowtable finds a
 * connection that is forgotten. To drop the routes, as XFRM does, would not do: the next packet
 * would be offloaded again. nftables leaves connections alone that may have a helper.
 */
#ifndef _ESPAH_FLOWTABLE_H
#define _ESPAH_FLOWTABLE_H

#include "compat/conntrack.h"
#include "db/net.h"

void espah_flowtable_setup(struct espah_net *en);
/* once no request can come any more; Context: process */
void espah_flowtable_teardown(struct espah_net *en);

/* flows that passed in clear may have to be protected or discarded now; Context: espah_net.lock */
void espah_flowtable_stale(struct espah_net *en);

/**
 * espah_flowtable_settle - end what is offloaded and older than the policies
 * @en: network namespace
 * @more: the same requester is about to change more, so that one walk will do for all
 *
 * Once it returns, no flowtable sends a packet in clear that a policy protects; with @more, a
 * second later at the latest.
 *
 * Context: process; before a request that may have changed policies is answered.
 */
void espah_flowtable_settle(struct espah_net *en, bool more);

/* for the few packets that espah_flowtable_allow() is about */
bool espah_flowtable_judge(struct espah_net *en, struct nf_conn *ct, const struct sk_buff *skb,
			   const struct nf_hook_state *state);

/**
 * espah_flowtable_allow - let a flowtable have the connection of a packet, or not
 * @en: network namespace
 * @skb: forwarded, in POST_ROUTING, and passes in clear
 * @state: the hook's
 *
 * Decided with the first packet: answers to it may have to go through an SA. For packets that
 * go through one themselves, espah_confirm() does it. And once more with the packet that was the
 * cause of the offload, since policies may have changed between.
 *
 * Context: RCU reader, BH disabled. Return: false if there is no memory to keep it away.
 */
static inline bool espah_flowtable_allow(struct espah_net *en, const struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	struct nf_conn *ct = espah_ct(skb);

	return likely(!ct || espah_ct_is_settled(ct)) || espah_flowtable_judge(en, ct, skb, state);
}

/* takes the connection of a packet that does not pass in clear from the flowtable that has it */
static inline void espah_flowtable_end(const struct sk_buff *skb)
{
	struct nf_conn *ct = espah_ct(skb);

	if (unlikely(ct && espah_ct_is_offloaded(ct)))
		espah_ct_end(ct);
}

#endif /* _ESPAH_FLOWTABLE_H */
