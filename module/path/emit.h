/* SPDX-License-Identifier: GPL-2.0-only */
/* The last station of an outbound packet: the IP layer sends it. */
#ifndef _ESPAH_EMIT_H
#define _ESPAH_EMIT_H

#include <linux/percpu.h>
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

/* emissions in progress on this CPU; BH disabled, so that no softirq comes in between */
DECLARE_PER_CPU(u8, espah_nesting);

/**
 * espah_emit - send an encrypted packet
 * @op: returned by espah_order_run() or espah_order_next(); its packet is consumed
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for the next SA of a bundle, for espah_seal(); or NULL.
 */
struct espah_op *espah_emit(struct espah_op *op);

#endif /* _ESPAH_EMIT_H */
