// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include "gather.h"
#include "net.h"
#include "order.h"

/* so many packets are gathered at most */
#define GATHER_MAX 64

/**
 * struct espah_gathering - packets that wait on a CPU; BH disabled on it
 * @ops: the packets
 * @n: how many
 * @group: the first of the last ones that are of one SA, ESPAH_BATCH at most, which they hold
 * @running: they are being run
 * @napi: runs them
 */
struct espah_gathering {
	struct espah_op *ops[GATHER_MAX];
	unsigned int n;
	unsigned int group;
	bool running;
	struct napi_struct napi;
};

DEFINE_PER_CPU(bool, espah_gather_busy);
DEFINE_PER_CPU(const struct sk_buff *, espah_gather_newest);

static struct espah_gathering __percpu *gatherings;
static struct net_device *gatherings_dev;
static int hotplug_state;

/* Whether the op at @end is run together with those from @first on. */
static bool joins(struct espah_op *const *ops, unsigned int first, unsigned int end)
{
	return ops[end]->sa == ops[first]->sa && end - first < ESPAH_BATCH;
}

static void run(struct espah_gathering *gathering)
{
	unsigned int n = gathering->n, first, end;
	struct espah_sa *sa;

	if (!n || gathering->running)
		return;
	gathering->running = true;
	rcu_read_lock();
	for (first = 0; first < n; first = end) {
		end = first + 1;
		while (end < n && joins(gathering->ops, first, end))
			end++;
		sa = gathering->ops[first]->sa;
		espah_order_run_all(gathering->ops + first, end - first);
		espah_sa_put(sa);
	}
	rcu_read_unlock();
	gathering->running = false;
	gathering->n = 0;
	/* several waited, so the next one will; another CPU's are run where it went offline */
	if (gathering == this_cpu_ptr(gatherings))
		__this_cpu_write(espah_gather_busy, n > 1);
}

void espah_gather_flush(void)
{
	run(this_cpu_ptr(gatherings));
}

bool espah_gather_takes(const struct espah_sa *sa, const struct sk_buff *skb)
{
	/* segments come together as it is */
	return !this_cpu_ptr(gatherings)->running && !skb->next && !espah_order_queues(sa);
}

void espah_gather(struct espah_op *op)
{
	struct espah_gathering *gathering = this_cpu_ptr(gatherings);
	unsigned int n = gathering->n++;

	gathering->ops[n] = op;
	if (!n) {
		__this_cpu_write(espah_gather_busy, true);
		napi_schedule(&gathering->napi);
	}
	/* it outlives this RCU section, which is all that keeps SA, device and route */
	if (!n || !joins(gathering->ops, gathering->group, n)) {
		gathering->group = n;
		refcount_inc(&op->sa->refs);
	}
	op->dev = op->skb->dev;
	dev_hold(op->dev);
	skb_dst_force(op->skb);
	if (gathering->n == GATHER_MAX || espah_gather_ends(op->skb))
		run(gathering);
}

static int poll(struct napi_struct *napi, int budget)
{
	run(container_of(napi, struct espah_gathering, napi));
	napi_complete_done(napi, 0);
	return 0;
}

static void free_gatherings(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		espah_napi_del(&per_cpu_ptr(gatherings, cpu)->napi);
	synchronize_net();
	free_percpu(gatherings);
	espah_dummy_dev_free(gatherings_dev);
}

/*
 * A CPU is about to come online; another one may have to run what it left. Nothing is added
 * meanwhile, so that this has an end.
 */
static int prepare_cpu(unsigned int cpu)
{
	while (test_bit(NAPI_STATE_SCHED, &per_cpu_ptr(gatherings, cpu)->napi.state))
		usleep_range(1000, 2000);
	return 0;
}

int espah_gather_setup(void)
{
	int cpu, err;

	gatherings_dev = espah_dummy_dev_alloc();
	if (!gatherings_dev)
		return -ENOMEM;
	gatherings = alloc_percpu(struct espah_gathering);
	if (!gatherings) {
		espah_dummy_dev_free(gatherings_dev);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu)
		espah_napi_add(gatherings_dev, &per_cpu_ptr(gatherings, cpu)->napi, poll);
	err = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "net/espah:gatherings", prepare_cpu,
					NULL);
	if (err < 0) {
		free_gatherings();
		return err;
	}
	hotplug_state = err;
	return 0;
}

void espah_gather_teardown(void)
{
	cpuhp_remove_state_nocalls(hotplug_state);
	free_gatherings();
}
