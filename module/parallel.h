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
#ifndef _ESPAH_PARALLEL_H
#define _ESPAH_PARALLEL_H

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include "esp.h"

/* the CPU of an SA whose packets stay where they come */
#define ESPAH_CPU_NONE -1

/* whether this CPU has been so busy of late that others help it; see parallel.c */
DECLARE_PER_CPU(bool, espah_cpu_busy);
extern unsigned long espah_load_due;

/* looks at what CPUs have done since the last time; Context: RCU reader, BH disabled */
void espah_load_look(void);
/* whether another CPU may work for this one; Context: BH disabled */
bool espah_parallel_helped(void);
/* whether a packet of @sa goes to a worker, even though none is queued; Context: BH disabled */
static inline bool espah_parallel_wanted(const struct espah_sa *sa)
{
	unsigned int cpus = READ_ONCE(sa->cpus);

	if (unlikely(time_after_eq(jiffies, READ_ONCE(espah_load_due))))
		espah_load_look();
	if (likely(!cpus && !__this_cpu_read(espah_cpu_busy)))
		return false;
	return cpus != 1 && espah_parallel_helped();
}

/* the CPU that is to send or deliver the packets of an SA; Context: espah_queue.lock */
int espah_parallel_choose(const struct espah_sa *sa);

/* the CPU that is to do it from now on, instead of @cpu; mostly @cpu; Context: BH disabled */
int espah_parallel_relieve(int cpu);

/**
 * espah_parallel_give - let another CPU run the crypto of a queued op
 * @sa: its SA
 * @op: queued
 *
 * Return: false if this CPU has to. Otherwise espah_order_work() is called for @op, there.
 * Context: BH disabled.
 */
bool espah_parallel_give(struct espah_sa *sa, struct espah_op *op);

/* lets espah_order_resume() be called on @cpu, for a queue of which it takes a reference */
void espah_parallel_resume(struct espah_queue *queue, int cpu);

int espah_parallel_setup(void);
/* once no SA is left */
void espah_parallel_teardown(void);

#endif /* _ESPAH_PARALLEL_H */
