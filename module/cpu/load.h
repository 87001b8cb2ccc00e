/* SPDX-License-Identifier: GPL-2.0-only */
/* Chooses CPUs that have time for the packets of an SA. */
#ifndef _ESPAH_LOAD_H
#define _ESPAH_LOAD_H

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include "db/sa.h"

/* whether this CPU has recently been so busy that others help it; see load.c */
DECLARE_PER_CPU(bool, espah_cpu_busy);
extern unsigned long espah_load_due;

/* measures the load of CPUs since the last time; Context: RCU reader, BH disabled */
void espah_load_look(void);
/* whether a CPU may work for others; false once it was isolated; Context: any */
bool espah_load_helps(int cpu);
/* whether another CPU may work for this one; Context: BH disabled */
bool espah_load_helped(void);
/* whether a packet of @sa goes to a worker even if none is queued; Context: BH disabled */
static inline bool espah_load_wanted(const struct espah_sa *sa)
{
	unsigned int cpus = READ_ONCE(sa->cpus);

	if (unlikely(time_after_eq(jiffies, READ_ONCE(espah_load_due))))
		espah_load_look();
	if (likely(!cpus && !__this_cpu_read(espah_cpu_busy)))
		return false;
	return cpus != 1 && espah_load_helped();
}

/* chooses the CPU that sends or delivers the packets of an SA; Context: espah_queue.lock */
int espah_load_choose(const struct espah_sa *sa);

/* helpers do not keep up with this CPU: it works alone for a while; Context: BH disabled */
void espah_load_pause(void);
/* accounts nanoseconds for which this CPU worked for others; Context: BH disabled */
void espah_load_help(u64 ns);

/*
 * the CPU that runs the crypto for this turn of a queue that CPU @serial releases, or
 * ESPAH_CPU_NONE. While many packets wait it is this CPU, which otherwise would only bring more.
 */
int espah_load_pick(const struct espah_queue *queue, unsigned int turn, int serial);

/* the same for a configured number of CPUs: they take turns, from @serial on */
int espah_load_pick_of(unsigned int cpus, unsigned int turn, int serial);

void espah_load_setup(void);

#endif /* _ESPAH_LOAD_H */
