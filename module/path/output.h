/* SPDX-License-Identifier: GPL-2.0-only */
/* The output path. */
#ifndef _ESPAH_OUTPUT_H
#define _ESPAH_OUTPUT_H

#include <linux/netfilter.h>
#include "db/net.h"

struct espah_op;
struct napi_struct;

/**
 * espah_output - what happens to a packet at POST_ROUTING
 * @en: network namespace
 * @skb: the packet
 * @state: the hook's
 *
 * Return: NF_ACCEPT if no policy wants it; NF_STOLEN if it went into an SA, or was dropped
 * and counted.
 */
unsigned int espah_output(struct espah_net *en, struct sk_buff *skb,
			  const struct nf_hook_state *state);

/**
 * espah_output_held - send a packet that has waited for its SA
 * @en: network namespace
 * @pol: its policy
 * @sa: the SA
 * @skb: the packet, with a route that it holds, and no conntrack entry; consumed
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @nesting: espah_nesting when it came
 *
 * Context: RCU reader.
 */
void espah_output_held(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		       struct sk_buff *skb, const struct espah_flow *flow, int thoff, u8 nesting);

/* lets what espah_protect() returned go on; Context: RCU reader, BH disabled */
void espah_output_run(struct espah_op *op);

/* the same from where espah_order_run() has let it go, or others of its queue */
void espah_output_on(struct espah_op *op);

/* runs what a CPU has gathered; for espah_gather_setup() */
int espah_output_poll(struct napi_struct *napi, int budget);

#endif /* _ESPAH_OUTPUT_H */
