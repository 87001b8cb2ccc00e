/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the crypto of a packet, and keeps the packets of an SA in order when the
 * driver answers later. While nothing of the SA is in flight, a packet whose
 * driver answers at once passes without a lock; otherwise it queues behind
 * those before it, and whoever finds the head of the queue finished releases it.
 */
#ifndef _ESPAH_ORDER_H
#define _ESPAH_ORDER_H

#include "compat/crypto.h"
#include "esp.h"

/* most packets of one SA behind the driver; what comes on top is dropped */
#define ESPAH_INFLIGHT_MAX 1024

/**
 * espah_order_run - encrypt or decrypt a prepared op, and pass it on in order
 * @op: prepared by espah_esp_seal() or espah_esp_open(); consumed
 *
 * The packet goes on to espah_output_done() or espah_input_done(), here or later.
 *
 * Context: RCU reader, BH disabled.
 */
void espah_order_run(struct espah_op *op);

/* what a driver calls that answers later */
void espah_order_done(ESPAH_CRYPTO_DONE_ARGS);

#endif /* _ESPAH_ORDER_H */
