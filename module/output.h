/* SPDX-License-Identifier: GPL-2.0-only */
/* The output path. */
#ifndef _ESPAH_OUTPUT_H
#define _ESPAH_OUTPUT_H

#include <linux/netfilter.h>
#include "net.h"

struct espah_op;

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

/* sends an encrypted packet; consumes @op->skb; Context: RCU reader, BH disabled */
void espah_output_done(struct espah_op *op, int err);

/**
 * espah_path_route - the route to an SA's destination
 * @net: network namespace
 * @path: of an outbound SA
 *
 * Context: RCU reader, BH disabled. Return: a held dst, or NULL.
 */
struct dst_entry *espah_path_route(struct net *net, struct espah_path *path);

/* how large an ESP packet of @sa may be on @dst, bytes */
unsigned int espah_sa_dst_mtu(const struct espah_sa *sa, const struct dst_entry *dst);

#endif /* _ESPAH_OUTPUT_H */
