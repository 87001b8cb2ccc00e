/* SPDX-License-Identifier: GPL-2.0-only */
/* The last station of an outbound packet: the IP layer sends it. */
#ifndef _ESPAH_EMIT_H
#define _ESPAH_EMIT_H

#include <linux/percpu.h>
#include "packet/op.h"

/*
 * How many emissions a packet may go through. Where the route to an SA's peer leads over a
 * tunnel, what was sent meets the hooks and a policy again while ip_local_out() has not yet
 * returned, and each time lies deeper on the stack, which has 16 KiB. An emission, with the
 * tunnel device, IP output and the hook beneath it, takes 1.6 to 1.9 KB (GRE over IPv4 to
 * over IPv6 with nftables, 6.1 and 6.12), and 2.8 KB when its policy asks for four SAs; a
 * datagram's sender has used 2.2 KB before, and what is beneath the last one takes up to 2 KB.
 * So three take 13 KB at most. Linux 6.12 lets tunnels nest no deeper either; as to devices in
 * between before that, see espah_recursion_enter().
 */
#define ESPAH_NESTING_MAX 3

/* how many emissions this CPU is within; BH disabled, so softirqs do not come in between */
DECLARE_PER_CPU(u8, espah_nesting);

/**
 * espah_emit - send an encrypted packet
 * @op: that espah_order_run() or espah_order_next() returned; its packet is consumed
 *
 * Context: RCU reader, BH disabled.
 * Return: the op of the next SA of a bundle, for espah_seal(); or NULL.
 */
struct espah_op *espah_emit(struct espah_op *op);

#endif /* _ESPAH_EMIT_H */
