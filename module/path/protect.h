/* SPDX-License-Identifier: GPL-2.0-only */
/* The first station of an outbound packet: fit it to the path, and wrap it. */
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
 * @layout: @path is given; the fields that espah_mode_layout() computes are filled in
 * @dst: set to the route of the wrapped packet
 * @held: set to the reference that the caller has to release, or NULL
 *
 * Context: RCU reader, BH disabled.
 * Return: ESPAH_DROP_NONE, or why the SA cannot take the packet.
 */
enum espah_drop espah_protect_layout(struct espah_sa *sa, struct sk_buff *skb,
				     const struct espah_flow *flow, struct espah_layout *layout,
				     struct dst_entry **dst, struct dst_entry **held);

/**
 * espah_protect_fit - fit a packet to the path of its SAs
 * @pol: its policy
 * @sa: the first SA of the policy
 * @skb: the packet; may be a GSO packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @dst: the route of the wrapped packet
 * @layout: from espah_protect_layout(); completed
 * @cut: bytes: set to the size of fragments to cut the packet into, or 0
 *
 * Context: RCU reader, BH disabled.
 * Return: ESPAH_DROP_NONE; ESPAH_DROP_TOO_BIG: the sender was told if any size fits; or another
 * reason.
 */
enum espah_drop espah_protect_fit(struct espah_policy *pol, struct espah_sa *sa,
				  struct sk_buff *skb, const struct espah_flow *flow, int thoff,
				  const struct dst_entry *dst, struct espah_layout *layout,
				  unsigned int *cut);

/*
 * Computes the layout again for a segment. Its headers differ from the GSO packet's: some are gone,
 * and UFO makes IP fragments. Also computes the checksums that segmentation leaves to a device,
 * such as those of tunnels around the segment.
 */
enum espah_drop espah_protect_segment(const struct espah_sa *sa, struct sk_buff *skb,
				      struct espah_layout *layout);

/**
 * espah_protect - wrap a packet, except for what needs its number or the crypto
 * @sa: the SA
 * @skb: the packet, not shared; consumed
 * @layout: how to wrap it
 * @dst: the route of the wrapped packet
 * @held: the reference to @dst, which is then consumed; NULL: other packets still need it
 * @seq: its sequence number; 0: the packet will be gathered and numbered later, see gather.h
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for espah_seal(), or NULL: the packet was dropped.
 */
struct espah_op *espah_protect(struct espah_sa *sa, struct sk_buff *skb,
			       const struct espah_layout *layout, struct dst_entry *dst,
			       struct dst_entry **held, u64 seq);

/* the same for the next SA of a bundle, on the packet of the SA before; consumes @op->skb */
struct espah_op *espah_protect_next(const struct espah_op *op);

#endif /* _ESPAH_PROTECT_H */
