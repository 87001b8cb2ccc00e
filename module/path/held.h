/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets that wait for the SA of their policy (RFC 4301 5.1), as many as ESPAH_POLICY_QUEUE says.
 *
 * While packets of a policy wait, all others of it that come line up behind them: the
 * policy's template points to a slot that never has an SA. So the packet path has nothing
 * to ask for, and packets leave in the order in which they came.
 */
#ifndef _ESPAH_HELD_H
#define _ESPAH_HELD_H

#include <linux/netfilter.h>
#include "db/net.h"

/* most packets that wait in a network namespace */
#define ESPAH_HELD_MAX 1024
/* how long a packet waits: IKE has sent its first message three times by then */
#define ESPAH_HELD_TIME (5 * HZ)

/* @send: espah_output_held() */
void espah_held_setup(struct espah_net *en, espah_held_send_t *send);
/* once nothing can be held any more and all policies are gone; Context: process */
void espah_held_teardown(struct espah_net *en);

/**
 * espah_hold - let a packet wait for its policy's SA, or drop it
 * @en: network namespace
 * @pol: its policy, which has a @queue and has no SA for it
 * @skb: the packet; consumed whatever comes
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @state: the hook's
 *
 * Context: RCU reader.
 */
void espah_hold(struct espah_net *en, struct espah_policy *pol, struct sk_buff *skb,
		const struct espah_flow *flow, int thoff, const struct nf_hook_state *state);

/* an SA was added or moved: looks whether anybody waits for it; Context: espah_net.lock */
void espah_held_kick(struct espah_net *en);

/* drops what waits for a policy's SA, and holds nothing any more; Context: espah_net.lock */
void espah_held_end(struct espah_net *en, struct espah_policy *pol);

#endif /* _ESPAH_HELD_H */
