/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One SA on many CPUs. While a CPU has little to do, it takes a packet through from end to
 * end, and nothing is cheaper. Once it has more, and others have less, the packets of an SA are
 * queued (order.h) and given to workers on those others: any of them runs the crypto, and
 * one, always the same while the queue lasts, sends or delivers them in order. So the CPU
 * that packets come to only receives, classifies and numbers them, unless the others are behind
 * with what they receive: then it runs the crypto, too, and brings no more than they can take.
 *
 * CPUs that the administrator has isolated work for nobody but themselves.
 */
#ifndef _ESPAH_WORKER_H
#define _ESPAH_WORKER_H

#include "op.h"

/**
 * espah_worker_give - let another CPU run the crypto of a queued op
 * @sa: its SA
 * @op: queued
 *
 * Return: false if this CPU has to. Otherwise espah_order_work() is called for @op, there.
 * Context: BH disabled.
 */
bool espah_worker_give(struct espah_sa *sa, struct espah_op *op);

/* lets espah_order_resume() be called on @cpu, for a queue of which it takes a reference */
void espah_worker_resume(struct espah_queue *queue, int cpu);

int espah_worker_setup(void);
/* once no SA is left */
void espah_worker_teardown(void);

#endif /* _ESPAH_WORKER_H */
