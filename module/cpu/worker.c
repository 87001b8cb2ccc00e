// SPDX-License-Identifier: GPL-2.0-only
#include "db/net.h"
#include "load.h"
#include "napi.h"
#include "worker.h"

/* packets that go to one worker before the next worker has its turn */
#define TURN 8

static struct espah_worker __percpu *workers;
static struct espah_napis napis;

/* Context: the worker's CPU, if that is online; hard interrupt, or BH disabled */
static void wake(void *info)
{
	struct espah_worker *worker = info;

	__napi_schedule(&worker->napi);
}

static void call(struct espah_worker *worker, int cpu)
{
	if (!napi_schedule_prep(&worker->napi))
		return; /* it runs, and will look again */
	if (cpu == smp_processor_id() || !espah_call(&worker->call, cpu))
		__napi_schedule(&worker->napi);
}

bool espah_worker_go_home(struct espah_worker *worker)
{
	return unlikely(worker->cpu != smp_processor_id()) &&
	       espah_call(&worker->call, worker->cpu);
}

struct espah_op *espah_worker_next(struct espah_worker *worker)
{
	struct llist_node *node = worker->rest;

	if (!node) {
		node = llist_reverse_order(llist_del_all(&worker->ops));
		if (!node)
			return NULL;
	}
	worker->rest = node->next;
	return llist_entry(node, struct espah_op, work);
}

bool espah_worker_give(struct espah_sa *sa, struct espah_op *op)
{
	struct espah_queue *queue = sa->queue;
	unsigned int turn = queue->turn++, cpus = READ_ONCE(sa->cpus);
	int cpu = READ_ONCE(queue->serial_cpu);
	struct espah_worker *worker;

	if (cpu == ESPAH_CPU_NONE)
		return false;
	if (!(turn % TURN))
		WRITE_ONCE(queue->worker, cpus ? espah_load_pick_of(cpus, turn / TURN, cpu) :
						 espah_load_pick(queue, turn / TURN, cpu));
	cpu = READ_ONCE(queue->worker);
	if (cpu == smp_processor_id() || cpu == ESPAH_CPU_NONE)
		return false;
	worker = per_cpu_ptr(workers, cpu);
	if (llist_add(&op->work, &worker->ops))
		call(worker, cpu);
	return true;
}

void espah_worker_resume(struct espah_queue *queue, int cpu)
{
	struct espah_worker *worker = per_cpu_ptr(workers, cpu);

	espah_queue_get(queue);
	if (llist_add(&queue->resume, &worker->queues))
		call(worker, cpu);
}

int espah_worker_setup(int (*poll)(struct napi_struct *napi, int budget))
{
	int cpu;

	workers = espah_napis_alloc(&napis, struct espah_worker, napi, poll, TURN);
	if (!workers)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct espah_worker *worker = per_cpu_ptr(workers, cpu);

		init_llist_head(&worker->ops);
		init_llist_head(&worker->queues);
		espah_call_init(&worker->call, wake, worker);
		worker->cpu = cpu;
	}
	espah_load_setup();
	return 0;
}

void espah_worker_teardown(void)
{
	struct espah_queue *queue, *next;
	struct espah_worker *worker;
	int cpu;

	espah_napis_stop(&napis);
	for_each_possible_cpu(cpu) {
		worker = per_cpu_ptr(workers, cpu);
		espah_call_end(&worker->call);
		llist_for_each_entry_safe(queue, next, llist_del_all(&worker->queues), resume)
			espah_queue_put(queue);
	}
	espah_napis_free(&napis);
}
