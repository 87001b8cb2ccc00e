/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection that nftables offloads from FORWARD to a flowtable passes no further hook, so
 * packets that a policy protects would leave and arrive in clear. A connection with a protected or
 * discarded direction is therefore kept out of flowtables when it begins: nftables does not offload
 * connections that may have a helper. An offloaded connection that is older than the policy is
 * ended before the policy's request is answered: conntrack forgets it, and flowtables do not find
 * forgotten connections. Dropping the routes, as XFRM does, would not be enough: the next packet
 * would offload the connection again.
 */
#ifndef _ESPAH_FLOWTABLE_H
#define _ESPAH_FLOWTABLE_H

#include "compat/conntrack.h"
#include "db/net.h"

void espah_flowtable_setup(struct espah_net *en);
/* after the last netlink request; Context: process */
void espah_flowtable_teardown(struct espah_net *en);

/* a change may protect or discard flows that passed in clear; Context: espah_net.lock */
void espah_flowtable_stale(struct espah_net *en);

/**
 * espah_flowtable_settle - end offloaded connections that are older than the policies
 * @en: network namespace
 * @more: the requester is about to change more, so that one walk will do for all changes
 *
 * On return no flowtable sends packets in clear that a policy protects; with @more, one second
 * later at the latest.
 *
 * Context: process; before answering a request that may have changed policies.
 */
void espah_flowtable_settle(struct espah_net *en, bool more);

/* slow path of espah_flowtable_allow() */
bool espah_flowtable_judge(struct espah_net *en, struct nf_conn *ct, const struct sk_buff *skb,
			   const struct nf_hook_state *state);

/**
 * espah_flowtable_allow - decide whether a flowtable may have a packet's connection
 * @en: network namespace
 * @skb: forwarded packet at POST_ROUTING that passes in clear
 * @state: the hook's
 *
 * Decided with the first packet, because replies may have to go through an SA. (For packets that
 * go through an SA themselves, espah_confirm() keeps the connection out.) Decided again with the
 * packet that caused the offload, because policies may have changed since.
 *
 * Context: RCU reader, BH disabled. Return: false without memory to keep the connection out.
 */
static inline bool espah_flowtable_allow(struct espah_net *en, const struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	struct nf_conn *ct = espah_ct(skb);

	return likely(!ct || espah_ct_is_settled(ct)) || espah_flowtable_judge(en, ct, skb, state);
}

/* ends the connection of a packet that does not pass in clear, if a flowtable has it */
static inline void espah_flowtable_end(const struct sk_buff *skb)
{
	struct nf_conn *ct = espah_ct(skb);

	if (unlikely(ct && espah_ct_is_offloaded(ct)))
		espah_ct_end(ct);
}

#endif /* _ESPAH_FLOWTABLE_H */
