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

#include "packet/op.h"

/*
 * Most packets in a queue; what comes on top is dropped. One TCP flow with a window of 6 MB, the
 * most that Linux offers by default, fits while a CPU pauses that has the oldest packet.
 */
#define ESPAH_INFLIGHT_MAX 4096

/* whether packets of @sa's queue are under way; Context: RCU reader */
static inline bool espah_order_queued(const struct espah_sa *sa)
{
	const struct espah_queue *queue = sa->queue;

	return READ_ONCE(queue->len) || READ_ONCE(queue->serial_cpu) != ESPAH_CPU_NONE;
}

/* whether a packet of @sa would have to queue; Context: RCU reader, BH disabled */
bool espah_order_waits(const struct espah_sa *sa);

/**
 * espah_order_run - encrypt or decrypt a prepared op, and let it go on in order
 * @op: prepared by espah_seal() or espah_open()
 *
 * Context: RCU reader, BH disabled.
 * Return: an op that goes on now, to espah_emit() or espah_deliver() and then to
 * espah_order_next(): this one, or one before it in its queue. NULL: there is none; this one goes
 * on later, perhaps on another CPU, or was dropped because too many wait.
 */
struct espah_op *espah_order_run(struct espah_op *op);

/**
 * espah_order_next - what goes on after an op that has left
 * @op: that one; given back
 *
 * Context: RCU reader, BH disabled. Return: as espah_order_run(), of the same queue.
 */
struct espah_op *espah_order_next(struct espah_op *op);

/* --- for several packets at once: their crypto first, then what queues has to --- */

/* runs the crypto of an op; Return: false if the driver answers later: then it has to queue */
bool espah_order_crypt(struct espah_op *op);

/* queues an op whose crypto runs or ran; Return: as espah_order_run() */
struct espah_op *espah_order_queue(struct espah_op *op);

/* --- for what comes back, see resume.h; Context: RCU reader, BH disabled --- */

/* the driver has answered; Return: as espah_order_run() */
struct espah_op *espah_order_answer(struct espah_op *op, int err);

/* runs the crypto of a queued op; Return: as espah_order_run() */
struct espah_op *espah_order_work(struct espah_op *op);

/**
 * espah_order_resume - release what is finished, on the CPU that does it
 * @queue: of which it was asked
 * @op: gets what espah_order_run() would return
 *
 * Return: false if it has to be called again, once this CPU has received some of its backlog.
 */
bool espah_order_resume(struct espah_queue *queue, struct espah_op **op);

/* @done: what a driver calls that answers later */
void espah_order_setup(crypto_completion_t done);

#endif /* _ESPAH_ORDER_H */
