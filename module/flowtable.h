/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that nftables takes from FORWARD into a flowtable pass no further hook: what a
 * policy protects would leave in clear. nftables leaves those alone that may have a helper.
 */
#ifndef _ESPAH_FLOWTABLE_H
#define _ESPAH_FLOWTABLE_H

#include "compat/conntrack.h"
#include "net.h"

/* whether a flowtable may have a connection of which both ways pass in clear */
bool espah_flowtable_clear(struct espah_net *en, const struct nf_conn *ct,
			   const struct sk_buff *skb, const struct nf_hook_state *state);

/**
 * espah_flowtable_allow - let a flowtable have the connection of a packet, or not
 * @en: network namespace
 * @skb: forwarded, in POST_ROUTING, and passes in clear
 * @state: the hook's
 *
 * Decided with the first packet: answers to it may have to go through an SA. For packets that
 * go through one themselves, espah_confirm() does it.
 *
 * Context: RCU reader, BH disabled. Return: false if there is no memory to keep it away.
 */
static inline bool espah_flowtable_allow(struct espah_net *en, const struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	struct nf_conn *ct = espah_new_ct(skb);

	return likely(!ct) || espah_flowtable_clear(en, ct, skb, state) || espah_ct_own(ct);
}

#endif /* _ESPAH_FLOWTABLE_H */
