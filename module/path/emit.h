/* SPDX-License-Identifier: GPL-2.0-only */
/* The last station of an outbound packet: the IP layer sends it. */
#ifndef _ESPAH_EMIT_H
#define _ESPAH_EMIT_H

#include "compat/frame.h"
#include "packet/op.h"

/*
 * Maximum nested emissions of a packet. If the route to an SA's peer leads over a tunnel, the sent
 * packet meets the hooks and a policy again before ip_local_out() has returned, each time deeper on
 * the 16 KiB stack. One emission, with the tunnel device, IP output and the hook beneath it, takes
 * 1.6 to 1.9 KB (GRE over IPv4 to over IPv6 with nftables, 6.1 and 6.12), and 2.8 KB if its policy
 * requires four SAs. The sender of a datagram has used 2.2 KB before the first emission; the code
 * beneath the last one takes up to 2 KB. Three emissions thus take 13 KB at most. Linux 6.12 allows
 * no deeper nesting of tunnels either; for devices in between on older kernels, see
 * espah_recursion_enter().
 */
#define ESPAH_NESTING_MAX 3

/**
 * struct espah_emission - an emission in progress
 * @frame: among those on this CPU
 * @level: how many emissions it is in, with itself
 */
struct espah_emission {
	struct espah_frame frame;
	u8 level;
};

DECLARE_PER_CPU(struct espah_frames, espah_emissions);

/* in how many emissions the caller is; Context: BH disabled, also from begin to end */
static inline u8 espah_nesting(void)
{
	const struct espah_frame *frame = espah_frame_find(&espah_emissions);

	return frame ? container_of(frame, struct espah_emission, frame)->level : 0;
}

static inline void espah_emission_begin(struct espah_emission *emission, u8 level)
{
	emission->level = level;
	espah_frame_begin(&espah_emissions, &emission->frame);
}

static inline void espah_emission_end(struct espah_emission *emission)
{
	espah_frame_end(&espah_emissions, &emission->frame);
}

/**
 * espah_emit - send an encrypted packet
 * @op: returned by espah_order_run() or espah_order_next(); its packet is consumed
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for the next SA of a bundle, for espah_seal(); or NULL.
 */
struct espah_op *espah_emit(struct espah_op *op);

#endif /* _ESPAH_EMIT_H */
