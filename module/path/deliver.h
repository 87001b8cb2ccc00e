/* SPDX-License-Identifier: GPL-2.0-only */
/* The last station of an inbound packet: verified, unwrapped, held against the policies. */
#ifndef _ESPAH_DELIVER_H
#define _ESPAH_DELIVER_H

#include "packet/op.h"

/**
 * espah_deliver - check a decrypted packet, and let it be received anew
 * @op: that espah_order_run() or espah_order_next() returned; its packet is consumed
 *
 * Context: RCU reader, BH disabled.
 * Return: the op of the next SA of a bundle, for espah_order_run(); or NULL.
 */
struct espah_op *espah_deliver(struct espah_op *op);

#endif /* _ESPAH_DELIVER_H */
