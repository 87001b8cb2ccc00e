// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/sched/isolation.h>
#include <linux/smp.h>
#include "compat/netdev.h"
#include "load.h"

/* how often the load of CPUs is looked at */
#define LOAD_PERIOD (HZ / 10)
/*
 * per cent of the time: from BUSY on a CPU gives work away, below EASY it keeps it again,
 * and below IDLE it takes some. BUSY is no higher because packets come in bursts, which end
 * sooner with help: who waits for them may leave both CPUs with nothing to do for a while.
 */
#define LOAD_BUSY 50
#define LOAD_EASY 20
#define LOAD_IDLE 80
/* with so many in the queue, who fills it helps to empty it */
#define QUEUE_LONG 64
/* a CPU whose backlog is longer than another one's by so many packets is given none by that one */
#define BEHIND 32u
/* and by so many, another CPU releases the packets of one of its queues */
#define FAR_BEHIND 256u

DEFINE_PER_CPU(bool, espah_cpu_busy);
unsigned long espah_load_due;

/* nanoseconds that the CPU was not idle, when last looked at; under @looking */
static DEFINE_PER_CPU(u64, used);
/* CPUs that may work for others, and those of them that have time; set under @looking */
static struct cpumask helpers, idle_cpus;
static unsigned long looked;
/* of one of the queues that the first releases the second is to do it; ESPAH_CPU_NONE: of none */
static int relieved = ESPAH_CPU_NONE, reliever;
static DEFINE_SPINLOCK(looking);

static u64 time_used(int cpu)
{
	const u64 *stat = kcpustat_cpu(cpu).cpustat;

	return stat[CPUTIME_USER] + stat[CPUTIME_NICE] + stat[CPUTIME_SYSTEM] +
	       stat[CPUTIME_SOFTIRQ] + stat[CPUTIME_IRQ] + stat[CPUTIME_STEAL];
}

/* Return: per cent of the time since the last look that the CPU was not idle */
static unsigned int share_used(int cpu, u64 elapsed)
{
	u64 *before = per_cpu_ptr(&used, cpu), now = time_used(cpu);
	u64 share = div64_u64(100 * (now - *before), elapsed);

	*before = now;
	return share;
}

/*
 * CPUs that the administrator has isolated (isolcpus=, nohz_full=, an isolated partition of a
 * cpuset) handle what comes to them, but nothing that comes to others.
 */
static void look_for_helpers(void)
{
	int cpu;

	cpumask_and(&helpers, &helpers, cpu_online_mask);
	for_each_online_cpu(cpu) {
		if (cpu_is_isolated(cpu) || !housekeeping_test_cpu(cpu, HK_TYPE_WQ))
			cpumask_clear_cpu(cpu, &helpers);
		else
			cpumask_set_cpu(cpu, &helpers);
	}
	cpumask_and(&idle_cpus, &idle_cpus, &helpers);
}

bool espah_load_helped(void)
{
	return cpumask_any_but(&helpers, smp_processor_id()) < nr_cpu_ids;
}

/* A CPU that cannot keep up with what it receives is to have less, if another one can. */
static void look_for_relief(void)
{
	unsigned int len, longest = 0, shortest = UINT_MAX;
	int cpu, last = ESPAH_CPU_NONE, first = ESPAH_CPU_NONE;

	for_each_online_cpu(cpu) {
		len = espah_backlog_len(cpu);
		if (len >= longest) {
			longest = len;
			last = cpu;
		}
		if (len < shortest && cpumask_test_cpu(cpu, &helpers)) {
			shortest = len;
			first = cpu;
		}
	}
	WRITE_ONCE(reliever, first);
	WRITE_ONCE(relieved, first != ESPAH_CPU_NONE && longest > shortest + FAR_BEHIND ?
			     last : ESPAH_CPU_NONE);
}

void espah_load_look(void)
{
	u64 elapsed;
	bool pause;
	int cpu;

	if (!spin_trylock(&looking))
		return;
	elapsed = jiffies_to_nsecs(jiffies - looked);
	if (time_before(jiffies, espah_load_due) || !elapsed)
		goto out;
	/* what CPUs did before no packets came says nothing of what they do now */
	pause = time_after(jiffies, looked + 2 * LOAD_PERIOD);
	look_for_helpers();
	for_each_online_cpu(cpu) {
		unsigned int share = share_used(cpu, elapsed);
		bool *busy = per_cpu_ptr(&espah_cpu_busy, cpu);

		if (pause)
			share = 0;
		if (share < LOAD_IDLE && cpumask_test_cpu(cpu, &helpers))
			cpumask_set_cpu(cpu, &idle_cpus);
		else
			cpumask_clear_cpu(cpu, &idle_cpus);
		/* one that gives work away goes on though its helpers are busy by now */
		WRITE_ONCE(*busy, *busy ? share >= LOAD_EASY :
				  share >= LOAD_BUSY && !cpumask_empty(&idle_cpus));
	}
	look_for_relief();
	looked = jiffies;
	WRITE_ONCE(espah_load_due, jiffies + LOAD_PERIOD);
out:
	spin_unlock(&looking);
}

static int next_cpu(int cpu, const struct cpumask *mask)
{
	cpu = cpumask_next(cpu, mask);
	if (cpu >= nr_cpu_ids)
		cpu = cpumask_first(mask);
	return cpu < nr_cpu_ids && cpu_online(cpu) ? cpu : ESPAH_CPU_NONE;
}

int espah_load_choose(const struct espah_sa *sa)
{
	int here = smp_processor_id(), cpu;

	if (READ_ONCE(sa->cpus))
		return next_cpu(here, &helpers);
	cpu = next_cpu(here, &idle_cpus);
	if (cpu != ESPAH_CPU_NONE)
		return cpu;
	/* those that help are no longer idle for it */
	for_each_cpu_wrap(cpu, &helpers, here + 1)
		if (cpu != here && cpu_online(cpu) && !per_cpu(espah_cpu_busy, cpu))
			return cpu;
	return ESPAH_CPU_NONE;
}

int espah_load_relieve(int cpu)
{
	int other = READ_ONCE(reliever);

	/* one that was isolated meanwhile is relieved, too */
	if (likely(READ_ONCE(relieved) != cpu && cpumask_test_cpu(cpu, &helpers)) ||
	    other == ESPAH_CPU_NONE)
		return cpu;
	WRITE_ONCE(relieved, ESPAH_CPU_NONE);
	return other;
}

static bool behind(int cpu, int other)
{
	return espah_backlog_len(cpu) > espah_backlog_len(other) + BEHIND;
}

int espah_load_pick(const struct espah_queue *queue, unsigned int turn, int serial)
{
	int here = smp_processor_id(), cpu = serial, other;

	if (READ_ONCE(queue->len) > QUEUE_LONG && !(turn & 1)) {
		cpu = here;
	} else if (turn & 2) {
		other = next_cpu(turn % nr_cpu_ids, &idle_cpus);
		if (other != ESPAH_CPU_NONE)
			cpu = other;
	}
	if (cpu != here)
		return behind(cpu, here) ? here : cpu;
	other = next_cpu(turn % nr_cpu_ids, &helpers);
	return other != ESPAH_CPU_NONE && behind(here, other) ? other : here;
}

int espah_load_pick_of(unsigned int cpus, unsigned int turn, int serial)
{
	turn %= clamp(cpumask_weight(&helpers), 1u, cpus);
	while (turn-- && serial != ESPAH_CPU_NONE)
		serial = next_cpu(serial, &helpers);
	return serial;
}

void espah_load_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(used, cpu) = time_used(cpu);
	rcu_read_lock();
	look_for_helpers();
	rcu_read_unlock();
	looked = jiffies;
	espah_load_due = jiffies + LOAD_PERIOD;
}
