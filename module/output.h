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

/**
 * espah_output_held - send a packet that has waited for its SA
 * @en: network namespace
 * @pol: its policy
 * @sa: the SA
 * @skb: the packet, with a route that it holds, and no conntrack entry; consumed
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @nesting: espah_output_nesting() when it came
 *
 * Context: RCU reader.
 */
void espah_output_held(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		       struct sk_buff *skb, const struct espah_flow *flow, int thoff, u8 nesting);

/* how many emissions this CPU is within; Context: BH disabled */
u8 espah_output_nesting(void);

/* sends a dummy through an outbound SA; Return: whether; Context: RCU reader, BH disabled */
bool espah_output_dummy(struct espah_sa *sa);

/**
 * espah_output_reserve - take sequence numbers
 * @sa: the SA
 * @n: how many, ESPAH_BATCH at most
 * @first: gets the first of them
 *
 * Return: how many of @n may be used; fewer only where the numbers end.
 */
unsigned int espah_output_reserve(struct espah_sa *sa, unsigned int n, u64 *first);

/**
 * espah_output_seal - prepare the encryption of a packet that has waited for those behind it
 * @op: the packet, whole but for its number
 * @seq: that; 0: there are none left
 *
 * Context: RCU reader, BH disabled.
 * Return: false if it had to be dropped: then @op->skb is NULL.
 */
bool espah_output_seal(struct espah_op *op, u64 seq);

/* sends an encrypted packet; consumes @op->skb; Context: RCU reader, BH disabled */
void espah_output_done(struct espah_op *op, int err);

/*
 * Numbers of an SA without ESN end at 2^32 - 1 (RFC 4303 3.3.3). Those of one
 * with ESN end a little early, so that CPUs that reserve at the same moment
 * cannot wrap the counter.
 */
static inline u64 espah_sa_seq_limit(const struct espah_sa *sa)
{
	return espah_sa_esn(sa) ? U64_MAX - (1ULL << 32) : U32_MAX;
}

/*
 * Transport mode keeps the addresses, so they have to be those of the SA. Of an SA that is keyed by
 * hand for a group the source may be any (RFC 4552 section 7).
 */
static inline bool espah_path_takes(const struct espah_sa *sa, const struct espah_path *path,
				    const struct espah_flow *flow)
{
	return sa->mode == ESPAH_MODE_TUNNEL ||
	       (flow->family == path->family && espah_addr_equal(&flow->dst, &path->dst) &&
		(espah_addr_equal(&flow->src, &path->src) || espah_addr_any(&path->src)));
}

#endif /* _ESPAH_OUTPUT_H */
