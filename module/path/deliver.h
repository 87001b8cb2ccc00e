/* SPDX-License-Identifier: GPL-2.0-only */
/* The last station of an inbound packet: verify, unwrap, check against the policies. */
#ifndef _ESPAH_DELIVER_H
#define _ESPAH_DELIVER_H

#include "packet/op.h"

/**
 * espah_deliver - check a decrypted packet and let the stack receive it again
 * @op: returned by espah_order_run() or espah_order_next(); its packet is consumed
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for the next SA of a bundle, for espah_order_run(); or NULL.
 */
struct espah_op *espah_deliver(struct espah_op *op);

#endif /* _ESPAH_DELIVER_H */
