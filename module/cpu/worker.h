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

#include <linux/llist.h>
#include <linux/netdevice.h>
#include <linux/smp.h>
#include "packet/op.h"

/**
 * struct espah_worker - what a CPU does for others
 * @ops: packets whose crypto it is to run, the newest first
 * @rest: those taken from there, the oldest first; for the worker
 * @queues: those whose finished packets it is to send or deliver
 * @napi: does it; its function is resume.c's
 * @call: schedules @napi on the CPU; whoever gets napi_schedule_prep() may use it
 * @cpu: the CPU
 */
struct espah_worker {
	struct llist_head ops;
	struct llist_node *rest;
	struct llist_head queues;
	struct napi_struct napi;
	call_single_data_t call;
	int cpu;
};

/**
 * espah_worker_give - let another CPU run the crypto of a queued op
 * @sa: its SA
 * @op: queued
 *
 * Return: false if this CPU has to. Otherwise that one gets @op of espah_worker_next().
 * Context: BH disabled.
 */
bool espah_worker_give(struct espah_sa *sa, struct espah_op *op);

/* puts a queue, of which it takes a reference, on the list of those that @cpu is to release */
void espah_worker_resume(struct espah_queue *queue, int cpu);

/*
 * where a worker was left to this CPU when its own went offline, and that one is back: lets it go
 * on there; Return: whether
 */
bool espah_worker_go_home(struct espah_worker *worker);

/* takes the next op whose crypto a worker is to run, or NULL; for its NAPI context */
struct espah_op *espah_worker_next(struct espah_worker *worker);

/* @poll: of all workers' NAPI contexts */
int espah_worker_setup(int (*poll)(struct napi_struct *napi, int budget));
/* once no SA is left */
void espah_worker_teardown(void);

#endif /* _ESPAH_WORKER_H */
