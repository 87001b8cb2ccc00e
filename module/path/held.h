/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets held until their policy has an SA (RFC 4301 5.1), up to ESPAH_POLICY_QUEUE per policy.
 *
 * While packets of a policy are held, the policy's template points to a slot that never has an SA.
 * The packet path thus needs no extra check. Further packets of that policy queue behind the held
 * ones, so that packets leave in the order in which they came; but if none of those leaves by
 * their SA, because the policy has several, they pass.
 */
#ifndef _ESPAH_HELD_H
#define _ESPAH_HELD_H

#include <linux/netfilter.h>
#include "db/net.h"

/* maximum packets held in a network namespace */
#define ESPAH_HELD_MAX 1024
/* jiffies: how long a packet is held; by then IKE has sent its first message three times */
#define ESPAH_HELD_TIME (5 * HZ)

/* @send: espah_output_held() */
void espah_held_setup(struct espah_net *en, espah_held_send_t *send);
/* after all policies are gone and nothing can be held any more; Context: process */
void espah_held_teardown(struct espah_net *en);

/**
 * espah_hold - hold a packet until its policy has an SA, or drop it
 * @en: network namespace
 * @pol: its policy, which has a @queue but no SA for the packet
 * @skb: the packet; always consumed
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @state: the hook's
 *
 * Context: RCU reader.
 */
void espah_hold(struct espah_net *en, struct espah_policy *pol, struct sk_buff *skb,
		const struct espah_flow *flow, int thoff, const struct nf_hook_state *state);

/**
 * espah_held_passed - find the SA for a packet that need not wait although others are held
 * @en: network namespace
 * @pol: its policy
 * @flow: its flow
 * @dscp: its DSCP
 *
 * Context: RCU reader.
 * Return: the SA to apply first; NULL: none, or packets are held that leave by this SA.
 */
struct espah_sa *espah_held_passed(struct espah_net *en, struct espah_policy *pol,
				   const struct espah_flow *flow, u8 dscp);

/*
 * an SA was added, moved or got other DSCPs: sends the packets that wait for it;
 * Context: espah_net.lock
 */
void espah_held_kick(struct espah_net *en);

/* drops a policy's held packets and stops holding more; Context: espah_net.lock */
void espah_held_end(struct espah_net *en, struct espah_policy *pol);

#endif /* _ESPAH_HELD_H */
