/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One SA on many CPUs. While a CPU has little to do, it processes a packet from end to end, which
 * is cheapest. Once it is busy and other CPUs are not, the packets of an SA are queued (order.h)
 * and given to workers on the other CPUs. Any worker runs crypto; one, the same as long as the
 * queue lasts, sends or delivers the packets in order. The CPU that packets come to then only
 * receives, classifies and numbers them. If the workers fall behind, it runs crypto too, and so
 * brings no more packets than they can take.
 *
 * CPUs that the administrator has isolated work only for themselves.
 */
#ifndef _ESPAH_WORKER_H
#define _ESPAH_WORKER_H

#include <linux/llist.h>
#include <linux/netdevice.h>
#include "compat/call.h"
#include "packet/op.h"

/**
 * struct espah_worker - work that a CPU does for others
 * @ops: packets whose crypto it has to run, newest first
 * @rest: packets taken from @ops, oldest first; for the worker only
 * @queues: queues whose finished packets it has to send or deliver
 * @napi: runs the worker; its poll function is espah_resume_poll()
 * @call: schedules @napi on the CPU; only for the CPU whose napi_schedule_prep() succeeded
 * @cpu: the CPU
 */
struct espah_worker {
	struct llist_head ops;
	struct llist_node *rest;
	struct llist_head queues;
	struct napi_struct napi;
	struct espah_call call;
	int cpu;
};

/**
 * espah_worker_give - let another CPU run the crypto of a queued op
 * @sa: its SA
 * @op: the op, queued
 *
 * Return: false if this CPU has to run it. Otherwise the other CPU gets @op from
 * espah_worker_next(). Context: BH disabled.
 */
bool espah_worker_give(struct espah_sa *sa, struct espah_op *op);

/* has @cpu release finished packets of a queue; takes a reference to the queue */
void espah_worker_resume(struct espah_queue *queue, int cpu);

/*
 * if a worker was left to this CPU when its own CPU went offline, and that CPU is back, continues
 * the worker there; Return: whether it did
 */
bool espah_worker_go_home(struct espah_worker *worker);

/* takes the next op whose crypto a worker has to run, or NULL; only from its NAPI context */
struct espah_op *espah_worker_next(struct espah_worker *worker);

/* @poll: poll function of all workers' NAPI contexts */
int espah_worker_setup(int (*poll)(struct napi_struct *napi, int budget));
/* after the last SA is gone */
void espah_worker_teardown(void);

#endif /* _ESPAH_WORKER_H */
