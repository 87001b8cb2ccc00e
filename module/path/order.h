/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the crypto of a packet, and keeps packets in order when the driver completes later or other
 * CPUs help (worker.h). An SA and the SAs that replace it on rekey share a queue. While the queue
 * is empty, a packet whose driver completes at once passes without a lock. Otherwise the packet is
 * queued. The CPU that finds the head of the queue finished releases it; while the queue has
 * helpers, it instead asks the one CPU that releases for this queue.
 */
#ifndef _ESPAH_ORDER_H
#define _ESPAH_ORDER_H

#include "packet/op.h"

/*
 * Maximum packets in a queue; further packets are dropped. One TCP flow with a window of 6 MB, the
 * most that Linux offers by default, fits while the CPU that has the oldest packet pauses.
 */
#define ESPAH_INFLIGHT_MAX 4096

/* whether packets of @sa's queue are in progress; Context: RCU reader */
static inline bool espah_order_queued(const struct espah_sa *sa)
{
	const struct espah_queue *queue = sa->queue;

	return READ_ONCE(queue->len) || READ_ONCE(queue->serial_cpu) != ESPAH_CPU_NONE;
}

/* whether a packet of @sa would have to queue; Context: RCU reader, BH disabled */
bool espah_order_waits(const struct espah_sa *sa);

/**
 * espah_order_run - encrypt or decrypt a prepared op, and pass it on in order
 * @op: prepared by espah_seal() or espah_open()
 *
 * Context: RCU reader, BH disabled.
 * Return: the op to continue with, this one or an earlier one of its queue: pass it to espah_emit()
 * or espah_deliver(), then to espah_order_next(). NULL: none; @op continues later, perhaps on
 * another CPU, or was dropped because the queue is full.
 */
struct espah_op *espah_order_run(struct espah_op *op);

/**
 * espah_order_next - the op to continue with after another has left
 * @op: the op that has left; given back
 *
 * Context: RCU reader, BH disabled. Return: as espah_order_run(), from the same queue.
 */
struct espah_op *espah_order_next(struct espah_op *op);

/* --- for several packets at once: run the crypto of all, then queue those that must be --- */

/* runs the crypto of an op; Return: false if the driver completes later: then it must be queued */
bool espah_order_crypt(struct espah_op *op);

/* queues an op whose crypto runs or has run; Return: as espah_order_run() */
struct espah_op *espah_order_queue(struct espah_op *op);

/* --- for packets that get their numbers late, see espah_number_later() --- */

/**
 * espah_order_enter - number an op and queue it, in one step
 * @op: the op; leaves in the order of the numbers, however long its task is preempted
 * @spread: set to whether another CPU may run its crypto
 *
 * Context: RCU reader, BH disabled.
 * Return: false if the packet was dropped: then @op is gone. Otherwise it continues with one of the
 * next two functions.
 */
bool espah_order_enter(struct espah_op *op, bool *spread);

/* runs the crypto of such an op once it is sealed; Return: as espah_order_run() */
struct espah_op *espah_order_go(struct espah_op *op, bool spread);

/* takes back such an op, whose packet was dropped; Return: as espah_order_run() */
struct espah_op *espah_order_leave(struct espah_op *op);

/* --- for ops that come back, see resume.h; Context: RCU reader, BH disabled --- */

/* the driver has completed an op; Return: as espah_order_run() */
struct espah_op *espah_order_answer(struct espah_op *op, int err);

/* runs the crypto of a queued op; Return: as espah_order_run() */
struct espah_op *espah_order_work(struct espah_op *op);

/**
 * espah_order_resume - release finished ops, on the CPU that releases for a queue
 * @queue: the queue
 * @op: set to what espah_order_run() would return
 *
 * Return: false if it must be called again, after this CPU has received some of its backlog.
 */
bool espah_order_resume(struct espah_queue *queue, struct espah_op **op);

/* @done: completion function for drivers that complete later */
void espah_order_setup(crypto_completion_t done);

#endif /* _ESPAH_ORDER_H */
