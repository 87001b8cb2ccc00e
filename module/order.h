/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the crypto of a packet, and keeps the packets of an SA, and of those that follow it
 * when it is rekeyed, in order when the driver answers later, or other CPUs help
 * (worker.h). While nothing is in their queue, a packet whose driver answers at once
 * passes without a lock; otherwise it queues behind those before it, and whoever finds the
 * head of the queue finished releases it, or has the one CPU do it that releases those of
 * this queue while it has helpers.
 */
#ifndef _ESPAH_ORDER_H
#define _ESPAH_ORDER_H

#include "compat/crypto.h"
#include "esp.h"

/*
 * Most packets in a queue; what comes on top is dropped. One TCP flow with a window of 6 MB, the
 * most that Linux offers by default, fits while a CPU pauses that has the oldest packet.
 */
#define ESPAH_INFLIGHT_MAX 4096

/*
 * So many packets are numbered and handled together at most. While a CPU uses up its numbers,
 * others send later ones, which the peer must still find in its replay window, 32 packets by
 * RFC 4303 3.4.3.
 */
#define ESPAH_BATCH 8u

/**
 * espah_order_run - encrypt or decrypt a prepared op, and pass it on in order
 * @op: prepared by espah_esp_seal() or espah_esp_open(); consumed
 *
 * The packet goes on to espah_output_done() or espah_input_done(), here or later.
 *
 * Context: RCU reader, BH disabled.
 */
void espah_order_run(struct espah_op *op);

/* whether a packet of @sa would have to queue; Context: RCU reader, BH disabled */
bool espah_order_queues(const struct espah_sa *sa);

/**
 * espah_order_run_all - number and encrypt several packets, then pass them on in order
 * @ops: of one SA, in their order, prepared but for their numbers, see gather.h; consumed
 * @n: how many, ESPAH_BATCH at most
 *
 * Context: RCU reader, BH disabled.
 */
void espah_order_run_all(struct espah_op *const *ops, unsigned int n);

/* what a driver calls that answers later */
void espah_order_done(ESPAH_CRYPTO_DONE_ARGS);

/* runs the crypto of a queued op; Context: RCU reader, BH disabled */
void espah_order_work(struct espah_op *op);

/**
 * espah_order_resume - release what is finished, on the CPU that does it
 * @queue: of which it was asked
 *
 * Context: RCU reader, BH disabled.
 * Return: false if it has to be called again, once this CPU has received some of its backlog.
 */
bool espah_order_resume(struct espah_queue *queue);

#endif /* _ESPAH_ORDER_H */
