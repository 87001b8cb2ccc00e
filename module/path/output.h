/* SPDX-License-Identifier: GPL-2.0-only */
/* The output path. */
#ifndef _ESPAH_OUTPUT_H
#define _ESPAH_OUTPUT_H

#include <linux/netfilter.h>
#include "db/net.h"

struct espah_op;
struct napi_struct;

/**
 * espah_output - process a packet at POST_ROUTING
 * @en: network namespace
 * @skb: the packet
 * @state: the hook's
 *
 * Return: NF_ACCEPT if the packet passes in clear; NF_STOLEN if it went into an SA, was held, or
 * was dropped and counted.
 */
unsigned int espah_output(struct espah_net *en, struct sk_buff *skb,
			  const struct nf_hook_state *state);

/**
 * espah_output_enters - process a packet at POST_ROUTING that is about to enter a link
 * @en: network namespace
 * @skb: the packet
 * @state: the hook's
 *
 * The link asks its own policies; here only flowtables may have to be kept off the connection.
 *
 * Return: NF_ACCEPT; NF_STOLEN: dropped and counted.
 */
unsigned int espah_output_enters(struct espah_net *en, struct sk_buff *skb,
				 const struct nf_hook_state *state);

/**
 * espah_output_link - process a packet that was routed into a link
 * @en: network namespace where the link was made
 * @if_id: of the link
 * @skb: the packet; always consumed
 *
 * Context: RCU reader, BH disabled.
 */
void espah_output_link(struct espah_net *en, u32 if_id, struct sk_buff *skb);

/**
 * espah_output_held - send a packet that was held until its policy had an SA
 * @en: network namespace
 * @pol: its policy
 * @sa: the SA
 * @skb: the packet, with a reference to its route and no conntrack entry; consumed
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @nesting: espah_nesting when the packet came
 *
 * Context: RCU reader.
 */
void espah_output_held(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		       struct sk_buff *skb, const struct espah_flow *flow, int thoff, u8 nesting);

/* continues with an op from espah_protect(), or NULL; Context: RCU reader, BH disabled */
void espah_output_run(struct espah_op *op);

/* continues with an op that espah_order_run() returned, and others of its queue; Context: same */
void espah_output_on(struct espah_op *op);

/* runs the packets that a CPU has gathered; for espah_gather_setup() */
int espah_output_poll(struct napi_struct *napi, int budget);

#endif /* _ESPAH_OUTPUT_H */
