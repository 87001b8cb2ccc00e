/* SPDX-License-Identifier: GPL-2.0-only */
/* The first station of an outbound packet: its SA fits it to the path, and wraps it. */
#ifndef _ESPAH_PROTECT_H
#define _ESPAH_PROTECT_H

#include "db/net.h"
#include "packet/mode.h"
#include "packet/op.h"

/**
 * espah_protect_layout - find out how an SA would wrap a packet
 * @sa: the SA
 * @skb: the packet
 * @flow: its flow
 * @layout: with @path; the rest that espah_mode_layout() knows is filled in
 * @dst: gets the route of the wrapped packet
 * @held: gets what the caller has to release
 *
 * Context: RCU reader, BH disabled.
 * Return: ESPAH_DROP_NONE, or why the SA cannot take it.
 */
enum espah_drop espah_protect_layout(struct espah_sa *sa, struct sk_buff *skb,
				     const struct espah_flow *flow, struct espah_layout *layout,
				     struct dst_entry **dst, struct dst_entry **held);

/**
 * espah_protect_fit - fit a packet to the path of its SAs
 * @pol: its policy
 * @sa: the first SA that it asks for
 * @skb: the packet; may be a GSO packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @dst: the route of the wrapped packet
 * @layout: of espah_protect_layout(); completed
 * @cut: gets the size of the fragments that it has to be cut into, or 0
 *
 * Context: RCU reader, BH disabled.
 * Return: ESPAH_DROP_NONE; ESPAH_DROP_TOO_BIG: the sender was told; or another reason.
 */
enum espah_drop espah_protect_fit(struct espah_policy *pol, struct espah_sa *sa,
				  struct sk_buff *skb, const struct espah_flow *flow, int thoff,
				  const struct dst_entry *dst, struct espah_layout *layout,
				  unsigned int *cut);

/*
 * Lays out again what segmentation made. It has headers of its own: some are gone, and UFO makes
 * IP fragments. Nor has it computed checksums of tunnels around what was segmented, which a device
 * might.
 */
enum espah_drop espah_protect_segment(const struct espah_sa *sa, struct sk_buff *skb,
				      struct espah_layout *layout);

/**
 * espah_protect - wrap a packet, all but what its number and the crypto make
 * @sa: the SA
 * @skb: the packet, not shared; consumed
 * @layout: how
 * @dst: the route of the wrapped packet
 * @held: the reference to @dst, which is consumed then; NULL: others need it still
 * @seq: its number; 0: it waits for others, for whose sake see gather.h
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for espah_seal(), or NULL: the packet was dropped.
 */
struct espah_op *espah_protect(struct espah_sa *sa, struct sk_buff *skb,
			       const struct espah_layout *layout, struct dst_entry *dst,
			       struct dst_entry **held, u64 seq);

/* the same for the next SA of a bundle, with what the last one has made; consumes @op->skb */
struct espah_op *espah_protect_next(const struct espah_op *op);

#endif /* _ESPAH_PROTECT_H */
