// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/llist.h>
#include <linux/math64.h>
#include <linux/netdevice.h>
#include <linux/sched/isolation.h>
#include <linux/smp.h>
#include "compat/netdev.h"
#include "order.h"
#include "parallel.h"

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
/* so many packets go to one worker before the next one gets some */
#define TURN 8
/* a CPU whose backlog is longer than another one's by so many packets is given none by that one */
#define BEHIND 32u
/* and by so many, another CPU releases the packets of one of its queues */
#define FAR_BEHIND 256u

/**
 * struct espah_worker - what a CPU does for others
 * @ops: packets whose crypto it is to run, the newest first
 * @rest: those taken from there, the oldest first; for the worker
 * @queues: those whose finished packets it is to send or deliver
 * @napi: does it
 * @call: schedules @napi on the CPU; whoever gets napi_schedule_prep() may use it
 * @cpu: the CPU
 * @used: nanoseconds that the CPU was not idle, when last looked at; under @looking
 */
struct espah_worker {
	struct llist_head ops;
	struct llist_node *rest;
	struct llist_head queues;
	struct napi_struct napi;
	call_single_data_t call;
	int cpu;
	u64 used;
};

DEFINE_PER_CPU(bool, espah_cpu_busy);
unsigned long espah_load_due;

static struct espah_worker __percpu *workers;
static struct net_device *workers_dev;
/* CPUs that may work for others, and those of them that have time; set under @looking */
static struct cpumask helpers, idle_cpus;
static unsigned long looked;
/* of one of the queues that the first releases the second is to do it; ESPAH_CPU_NONE: of none */
static int relieved = ESPAH_CPU_NONE, reliever;
static DEFINE_SPINLOCK(looking);

/* --- load ---------------------------------------------------------------------------- */

static u64 time_used(int cpu)
{
	const u64 *stat = kcpustat_cpu(cpu).cpustat;

	return stat[CPUTIME_USER] + stat[CPUTIME_NICE] + stat[CPUTIME_SYSTEM] +
	       stat[CPUTIME_SOFTIRQ] + stat[CPUTIME_IRQ] + stat[CPUTIME_STEAL];
}

/* Return: per cent of the time since the last look that the CPU was not idle */
static unsigned int share_used(int cpu, u64 elapsed)
{
	struct espah_worker *worker = per_cpu_ptr(workers, cpu);
	u64 used = time_used(cpu), share = div64_u64(100 * (used - worker->used), elapsed);

	worker->used = used;
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

bool espah_parallel_helped(void)
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

int espah_parallel_choose(const struct espah_sa *sa)
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

int espah_parallel_relieve(int cpu)
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

/*
 * Which CPU runs the crypto for this turn of a queue that @serial releases. Who gives work to one
 * that is behind would only be free to bring more, which waits there: so it does the work itself.
 */
static int pick(const struct espah_queue *queue, unsigned int turn, int serial)
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

/* The same where it is said how many CPUs share the work: by turns, from @serial on. */
static int pick_of(unsigned int cpus, unsigned int turn, int serial)
{
	turn %= clamp(cpumask_weight(&helpers), 1u, cpus);
	while (turn-- && serial != ESPAH_CPU_NONE)
		serial = next_cpu(serial, &helpers);
	return serial;
}

/* --- workers ------------------------------------------------------------------------- */

/* Context: hard interrupt on the worker's CPU, if that is online */
static void wake(void *info)
{
	struct espah_worker *worker = info;

	__napi_schedule(&worker->napi);
}

static void call(struct espah_worker *worker, int cpu)
{
	if (!napi_schedule_prep(&worker->napi))
		return; /* it runs, and will look again */
	if (cpu == smp_processor_id() || !cpu_online(cpu) ||
	    smp_call_function_single_async(cpu, &worker->call))
		__napi_schedule(&worker->napi);
}

bool espah_parallel_give(struct espah_sa *sa, struct espah_op *op)
{
	struct espah_queue *queue = sa->queue;
	unsigned int turn = queue->turn++, cpus = READ_ONCE(sa->cpus);
	int cpu = READ_ONCE(queue->serial_cpu);
	struct espah_worker *worker;

	if (cpu == ESPAH_CPU_NONE)
		return false;
	if (!(turn % TURN))
		WRITE_ONCE(queue->worker, cpus ? pick_of(cpus, turn / TURN, cpu) :
						 pick(queue, turn / TURN, cpu));
	cpu = READ_ONCE(queue->worker);
	if (cpu == smp_processor_id() || cpu == ESPAH_CPU_NONE)
		return false;
	worker = per_cpu_ptr(workers, cpu);
	if (llist_add(&op->work, &worker->ops))
		call(worker, cpu);
	return true;
}

void espah_parallel_resume(struct espah_queue *queue, int cpu)
{
	struct espah_worker *worker = per_cpu_ptr(workers, cpu);

	espah_queue_get(queue);
	if (llist_add(&queue->resume, &worker->queues))
		call(worker, cpu);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct espah_worker *worker = container_of(napi, struct espah_worker, napi);
	struct espah_queue *queue, *next;
	struct espah_op *op;
	bool again = false;
	int n = 0;

	/* it was left to this CPU when the worker's went offline, and that one is back */
	if (unlikely(worker->cpu != smp_processor_id()) && cpu_online(worker->cpu) &&
	    !smp_call_function_single_async(worker->cpu, &worker->call))
		return 0; /* not completed, so it is scheduled still */
	rcu_read_lock();
	llist_for_each_entry_safe(queue, next, llist_del_all(&worker->queues), resume) {
		if (espah_order_resume(queue)) {
			espah_queue_put(queue);
		} else {
			llist_add(&queue->resume, &worker->queues);
			again = true;
		}
	}
	while (n < budget) {
		if (!worker->rest)
			worker->rest = llist_reverse_order(llist_del_all(&worker->ops));
		if (!worker->rest)
			break;
		op = llist_entry(worker->rest, struct espah_op, work);
		worker->rest = worker->rest->next;
		espah_order_work(op);
		n++;
	}
	rcu_read_unlock();
	if (again)
		return budget; /* after the others on this CPU */
	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}

int espah_parallel_setup(void)
{
	int cpu;

	workers_dev = espah_dummy_dev_alloc();
	if (!workers_dev)
		return -ENOMEM;
	workers = alloc_percpu(struct espah_worker);
	if (!workers) {
		espah_dummy_dev_free(workers_dev);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct espah_worker *worker = per_cpu_ptr(workers, cpu);

		init_llist_head(&worker->ops);
		init_llist_head(&worker->queues);
		INIT_CSD(&worker->call, wake, worker);
		worker->cpu = cpu;
		worker->used = time_used(cpu);
		espah_napi_add(workers_dev, &worker->napi, poll);
	}
	rcu_read_lock();
	look_for_helpers();
	rcu_read_unlock();
	looked = jiffies;
	espah_load_due = jiffies + LOAD_PERIOD;
	return 0;
}

void espah_parallel_teardown(void)
{
	struct espah_queue *queue, *next;
	struct espah_worker *worker;
	int cpu;

	for_each_possible_cpu(cpu) {
		worker = per_cpu_ptr(workers, cpu);
		espah_napi_del(&worker->napi);
		llist_for_each_entry_safe(queue, next, llist_del_all(&worker->queues), resume)
			espah_queue_put(queue);
	}
	synchronize_net();
	free_percpu(workers);
	espah_dummy_dev_free(workers_dev);
}
