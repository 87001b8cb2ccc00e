// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/sched/isolation.h>
#include <linux/smp.h>
#include "load.h"

/* jiffies: how often the load of CPUs is measured */
#define LOAD_PERIOD (HZ / 10)
/*
 * Per cent of the time. A CPU with at least BUSY for some periods gives work away until it has less
 * than EASY. A CPU with less than SPARE of its own work for as many periods takes work, until its
 * own work reaches ENOUGH. So where both have work of their own, neither waits for the other.
 */
#define PERIODS 3
#define LOAD_BUSY 90
#define LOAD_EASY 40
#define LOAD_SPARE 40
#define LOAD_ENOUGH 75
/* packets: with a longer queue, the CPU that fills it does the work, as it would alone */
#define QUEUE_LONG 16
/* jiffies: how long a CPU works alone after its helpers did not keep up */
#define PAUSE (HZ / 2)

/**
 * struct load - the load of a CPU
 * @helped: nanoseconds for which it has helped others; written on the CPU
 * @alone: jiffies until which no CPU helps it; written on the CPU
 * @helped_then: @helped at the last measurement; this and the following under @looking
 * @used: nanoseconds for which it was not idle, at the last measurement
 * @all: per cent of the last period for which it was not idle
 * @busy: number of periods for which @all has been at least LOAD_BUSY
 * @spare: number of periods for which @all without help for others has been below LOAD_SPARE
 */
struct load {
	u64 helped;
	unsigned long alone;
	u64 helped_then;
	u64 used;
	unsigned int all;
	unsigned int busy;
	unsigned int spare;
};

static DEFINE_PER_CPU(struct load, loads);
DEFINE_PER_CPU(bool, espah_cpu_busy);
unsigned long espah_load_due;

/* CPUs that may work for others, and those of them that have time; set under @looking */
static struct cpumask helpers, idle_cpus;
static unsigned long looked;
static DEFINE_SPINLOCK(looking);

static u64 time_used(int cpu)
{
	const u64 *stat = kcpustat_cpu(cpu).cpustat;

	return stat[CPUTIME_USER] + stat[CPUTIME_NICE] + stat[CPUTIME_SYSTEM] +
	       stat[CPUTIME_SOFTIRQ] + stat[CPUTIME_IRQ] + stat[CPUTIME_STEAL];
}

/* Return: per cent of the time @elapsed by which @counter has grown; sets @counter to @now */
static unsigned int share(u64 *counter, u64 now, u64 elapsed)
{
	u64 grown = now - *counter;

	*counter = now;
	return div64_u64(100 * grown, elapsed);
}

void espah_load_pause(void)
{
	this_cpu_write(loads.alone, jiffies + PAUSE);
	this_cpu_write(espah_cpu_busy, false);
}

void espah_load_help(u64 ns)
{
	this_cpu_add(loads.helped, ns);
}

/*
 * CPUs that the administrator has isolated (isolcpus=, nohz_full=, an isolated partition of a
 * cpuset) handle packets that come to them, but none that come to other CPUs.
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

bool espah_load_helps(int cpu)
{
	return cpumask_test_cpu(cpu, &helpers);
}

bool espah_load_helped(void)
{
	return cpumask_any_but(&helpers, smp_processor_id()) < nr_cpu_ids;
}

/* Whether a CPU takes work; @own: per cent of the time that its own work takes. */
static bool has_time(int cpu, unsigned int own)
{
	struct load *load = per_cpu_ptr(&loads, cpu);

	load->spare = own < LOAD_SPARE ? load->spare + 1 : 0;
	if (!cpumask_test_cpu(cpu, &helpers))
		return false;
	return cpumask_test_cpu(cpu, &idle_cpus) ? own < LOAD_ENOUGH :
							load->spare >= PERIODS;
}

/* Whether a CPU gives work away. */
static bool is_busy(int cpu)
{
	struct load *load = per_cpu_ptr(&loads, cpu);

	load->busy = load->all >= LOAD_BUSY ? load->busy + 1 : 0;
	if (cpumask_any_but(&idle_cpus, cpu) >= nr_cpu_ids ||
	    time_before(jiffies, READ_ONCE(load->alone)))
		return false;
	return per_cpu(espah_cpu_busy, cpu) ? load->all >= LOAD_EASY : load->busy >= PERIODS;
}

void espah_load_look(void)
{
	unsigned int help;
	struct load *load;
	u64 elapsed;
	bool pause;
	int cpu;

	if (!spin_trylock(&looking))
		return;
	elapsed = jiffies_to_nsecs(jiffies - looked);
	if (time_before(jiffies, espah_load_due) || !elapsed)
		goto out;
	/* after a time without packets, the measured load says nothing about the load now */
	pause = time_after(jiffies, looked + 2 * LOAD_PERIOD);
	look_for_helpers();
	for_each_online_cpu(cpu) {
		load = per_cpu_ptr(&loads, cpu);
		load->all = share(&load->used, time_used(cpu), elapsed);
		help = share(&load->helped_then, READ_ONCE(load->helped), elapsed);
		if (pause)
			load->all = 0;
		if (has_time(cpu, load->all - min(load->all, help)))
			cpumask_set_cpu(cpu, &idle_cpus);
		else
			cpumask_clear_cpu(cpu, &idle_cpus);
	}
	for_each_online_cpu(cpu)
		WRITE_ONCE(per_cpu(espah_cpu_busy, cpu), is_busy(cpu));
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
	/* CPUs that already help are no longer idle */
	for_each_cpu_wrap(cpu, &helpers, here + 1)
		if (cpu != here && cpu_online(cpu) && !per_cpu(espah_cpu_busy, cpu))
			return cpu;
	return ESPAH_CPU_NONE;
}

int espah_load_pick(const struct espah_queue *queue, unsigned int turn, int serial)
{
	int other;

	if (READ_ONCE(queue->len) > QUEUE_LONG)
		return smp_processor_id();
	other = turn & 1 ? next_cpu(turn % nr_cpu_ids, &idle_cpus) : ESPAH_CPU_NONE;
	return other == ESPAH_CPU_NONE ? serial : other;
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

	for_each_possible_cpu(cpu) {
		per_cpu(loads, cpu).used = time_used(cpu);
		per_cpu(loads, cpu).alone = jiffies;
	}
	rcu_read_lock();
	look_for_helpers();
	rcu_read_unlock();
	looked = jiffies;
	espah_load_due = jiffies + LOAD_PERIOD;
}
