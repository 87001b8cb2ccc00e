// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/netdevice.h>
#include "cpu/napi.h"
#include "gather.h"
#include "order.h"
#include "packet/number.h"

DEFINE_PER_CPU(bool, espah_gather_busy);
DEFINE_PER_CPU(const struct sk_buff *, espah_gather_newest);

static struct espah_gathering __percpu *gatherings;
static struct espah_napis napis;
static int hotplug_state;

/* Whether the op at @end is run together with the ops from @first on. */
static bool joins(struct espah_op *const *ops, unsigned int first, unsigned int end)
{
	return ops[end]->sa == ops[first]->sa && end - first < ESPAH_BATCH;
}

struct espah_gathering *espah_gather_here(void)
{
	return this_cpu_ptr(gatherings);
}

bool espah_gather_begin(struct espah_gathering *gathering)
{
	if (!gathering->n || gathering->running)
		return false;
	gathering->running = true;
	gathering->next = 0;
	return true;
}

unsigned int espah_gather_next(struct espah_gathering *gathering, struct espah_op ***ops)
{
	unsigned int first = gathering->next, end = first;

	while (end < gathering->n && joins(gathering->ops, first, end))
		end++;
	gathering->next = end;
	*ops = gathering->ops + first;
	return end - first;
}

void espah_gather_end(struct espah_gathering *gathering)
{
	/* after several packets, expect more; the run may be for a CPU that went offline */
	if (gathering == this_cpu_ptr(gatherings))
		__this_cpu_write(espah_gather_busy, gathering->n > 1);
	gathering->running = false;
	gathering->n = 0;
}

bool espah_gather_takes(const struct espah_sa *sa, const struct sk_buff *skb)
{
	/* segments come together anyway */
	return !this_cpu_ptr(gatherings)->running && !skb->next && !espah_order_waits(sa);
}

bool espah_gather(struct espah_op *op)
{
	struct espah_gathering *gathering = this_cpu_ptr(gatherings);
	unsigned int n = gathering->n++;

	gathering->ops[n] = op;
	if (!n) {
		__this_cpu_write(espah_gather_busy, true);
		napi_schedule(&gathering->napi);
	}
	/* the op outlives this RCU section, so take references to SA, device and route */
	if (!n || !joins(gathering->ops, gathering->group, n)) {
		gathering->group = n;
		refcount_inc(&op->sa->refs);
	}
	op->dev = op->skb->dev;
	dev_hold(op->dev);
	skb_dst_force(op->skb);
	return gathering->n == ESPAH_GATHER_MAX || espah_gather_ends(op->skb);
}

static void free_gatherings(void)
{
	espah_napis_stop(&napis);
	espah_napis_free(&napis);
}

/*
 * A CPU is about to come online; another CPU may still have to run the packets that it left. No
 * packets are added meanwhile, so this wait ends.
 */
static int prepare_cpu(unsigned int cpu)
{
	while (test_bit(NAPI_STATE_SCHED, &per_cpu_ptr(gatherings, cpu)->napi.state))
		usleep_range(1000, 2000);
	return 0;
}

int espah_gather_setup(int (*poll)(struct napi_struct *napi, int budget))
{
	int err;

	gatherings = espah_napis_alloc(&napis, struct espah_gathering, napi, poll,
				       NAPI_POLL_WEIGHT);
	if (!gatherings)
		return -ENOMEM;
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
