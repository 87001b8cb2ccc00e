// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include "cell.h"
#include "compat/netdev.h"
#include "order.h"

/* so many packets are gathered at most */
#define GATHER_MAX 64

/* The lower bits of a round name the CPU, so that one word tells which cell and when. */
#define ROUND_CPU_BITS 16
#define ROUND_STEP BIT_ULL(ROUND_CPU_BITS)

/**
 * struct espah_cell - what waits on a CPU
 * @ops: packets whose crypto has not been run; BH disabled on the cell's CPU
 * @nops: how many
 * @group: the first of the last ones that are of one SA, ESPAH_BATCH at most, which they hold
 * @gathers: more than one was gathered the last time, so the next one is, too
 * @here: packets to be received; BH disabled on the cell's CPU
 * @round: changes each time the cell has run empty; under @late.lock
 * @late: packets that other CPUs decrypted, but that have to follow some in @here
 * @napi: runs the crypto, and hands packets to the stack
 * @running: crypto of @ops is being run; BH disabled on the cell's CPU
 * @receiving: packets are being received, without GRO; BH disabled on the cell's CPU
 *
 * The queue of an inbound SA remembers the round in which it used a cell last. While the cell
 * is still in that round, it may hold packets of the SA: in @ops, @here, @late or GRO.
 */
struct espah_cell {
	struct espah_op *ops[GATHER_MAX];
	unsigned int nops;
	unsigned int group;
	bool gathers;
	bool running;
	bool receiving;
	struct sk_buff_head here;
	u64 round;
	struct sk_buff_head late;
	struct napi_struct napi;
};

DEFINE_PER_CPU(bool, espah_cell_busy);

static struct espah_cell __percpu *cells;
static struct net_device *cells_dev;

static unsigned int cpu_of(u64 round)
{
	return round & (ROUND_STEP - 1);
}

static bool full(const struct sk_buff_head *queue)
{
	return unlikely(skb_queue_len(queue) > espah_max_backlog());
}

/* Whether the cell of that round may hold packets from it. */
static bool in_round(u64 round)
{
	return READ_ONCE(per_cpu_ptr(cells, cpu_of(round))->round) == round;
}

static void wake(struct espah_cell *cell)
{
	__this_cpu_write(espah_cell_busy, true);
	napi_schedule(&cell->napi);
}

/* Whether the op at @end is run together with those from @first on. */
static bool joins(struct espah_op *const *ops, unsigned int first, unsigned int end)
{
	return ops[end]->sa == ops[first]->sa && end - first < ESPAH_BATCH;
}

/* Runs the crypto of what has been gathered. What comes out to be received waits in @cell->here. */
static void run(struct espah_cell *cell)
{
	unsigned int n = cell->nops, first, end;
	struct espah_sa *sa;

	if (!n || cell->running)
		return;
	cell->running = true;
	rcu_read_lock();
	for (first = 0; first < n; first = end) {
		end = first + 1;
		while (end < n && joins(cell->ops, first, end))
			end++;
		sa = cell->ops[first]->sa;
		espah_order_run_all(cell->ops + first, end - first);
		espah_sa_put(sa);
	}
	rcu_read_unlock();
	cell->running = false;
	cell->gathers = n > 1;
	cell->nops = 0;
}

/* Lets packets from other CPUs join, behind those that they may follow; false if none does. */
static bool take_late(struct espah_cell *cell)
{
	if (likely(skb_queue_empty_lockless(&cell->late)) || cell->running)
		return false;
	run(cell);
	spin_lock(&cell->late.lock);
	skb_queue_splice_tail_init(&cell->late, &cell->here);
	spin_unlock(&cell->late.lock);
	return true;
}

void espah_cell_flush(void)
{
	run(this_cpu_ptr(cells));
}

/* Whether another CPU's cell may hold packets of an SA. */
static bool elsewhere(u64 round)
{
	return cpu_of(round) != smp_processor_id() && in_round(round);
}

bool espah_cell_takes(const struct espah_sa *sa)
{
	if (this_cpu_ptr(cells)->running)
		return false;
	return sa->id.dir == ESPAH_DIR_OUT || !elsewhere(READ_ONCE(sa->queue->cell_round));
}

void espah_cell_gather(struct espah_op *op)
{
	struct espah_cell *cell = this_cpu_ptr(cells);
	struct espah_sa *sa = op->sa;
	unsigned int n;

	if (sa->id.dir == ESPAH_DIR_IN && READ_ONCE(sa->queue->cell_round) != cell->round)
		WRITE_ONCE(sa->queue->cell_round, cell->round);
	take_late(cell);
	n = cell->nops++;
	cell->ops[n] = op;
	if (!n)
		wake(cell);
	if (!n || !joins(cell->ops, cell->group, n)) {
		cell->group = n;
		refcount_inc(&sa->refs);
	}
	/* it outlives this RCU section */
	skb_dst_force(op->skb);
	if (cell->nops == GATHER_MAX)
		run(cell);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct espah_cell *cell = container_of(napi, struct espah_cell, napi);
	struct sk_buff *skb;
	LIST_HEAD(list);
	bool empty;
	int n = 0;

	run(cell);
	while (n < budget) {
		skb = __skb_dequeue(&cell->here);
		if (skb) {
			if (netif_elide_gro(skb->dev))
				list_add_tail(&skb->list, &list);
			else
				napi_gro_receive(napi, skb);
			n++;
		} else if (!take_late(cell)) {
			break;
		}
	}
	cell->receiving = true;
	netif_receive_skb_list(&list);
	cell->receiving = false;
	if (n == budget || !napi_complete_done(napi, n))
		return n;

	per_cpu(espah_cell_busy, cpu_of(cell->round)) = cell->gathers;
	/* GRO has let go of all of them, too */
	spin_lock(&cell->late.lock);
	empty = skb_queue_empty(&cell->late);
	if (empty)
		WRITE_ONCE(cell->round, cell->round + ROUND_STEP);
	spin_unlock(&cell->late.lock);
	if (!empty)
		napi_schedule(napi);
	return n;
}

/*
 * Queues a packet behind those of its SA that the cell of @round may hold.
 * Return: 1; 0 if that round is over; -ENOBUFS.
 */
static int follow(u64 round, struct sk_buff *skb)
{
	struct espah_cell *cell = per_cpu_ptr(cells, cpu_of(round));
	int result = 0;

	if (!in_round(round))
		return 0;
	spin_lock(&cell->late.lock);
	/* before the cell ends a round it looks into @late */
	if (cell->round == round) {
		result = full(&cell->late) ? -ENOBUFS : 1;
		if (result > 0)
			__skb_queue_tail(&cell->late, skb);
	}
	spin_unlock(&cell->late.lock);
	return result;
}

/*
 * Where the device does no GRO and nothing waits behind the packet, nothing is gained by
 * waiting for more: it is received here and now, unless others of its SA wait, or it came
 * out of such a packet itself, whose stack it would share. One that a crypto driver gave
 * back later has to wait: the next one may be given back to another CPU, while what the
 * stack has made of this one still lies in a queue here.
 */
static bool receive_directly(struct espah_cell *cell, struct espah_queue *queue, u64 round,
			     struct sk_buff *skb)
{
	if (!netif_elide_gro(skb->dev) || cell->receiving || cell->running ||
	    espah_backlog_len(smp_processor_id()))
		return false;
	if (round) {
		if (in_round(round))
			return false;
		WRITE_ONCE(queue->cell_round, 0);
	}
	cell->receiving = true;
	netif_receive_skb(skb);
	cell->receiving = false;
	return true;
}

bool espah_cell_receive(struct espah_queue *queue, struct sk_buff *skb, bool at_once)
{
	struct espah_cell *cell = this_cpu_ptr(cells);
	u64 round = READ_ONCE(queue->cell_round);
	int followed = 0;

	if (unlikely(!(skb->dev->flags & IFF_UP)))
		goto drop;
	if (at_once && receive_directly(cell, queue, round, skb))
		return true;
	if (round != cell->round) {
		if (unlikely(cpu_of(round) != cpu_of(cell->round)))
			followed = follow(round, skb);
		if (unlikely(followed < 0))
			goto drop;
		if (unlikely(followed))
			return true;
		WRITE_ONCE(queue->cell_round, cell->round);
	}
	take_late(cell);
	if (full(&cell->here))
		goto drop;
	__skb_queue_tail(&cell->here, skb);
	if (skb_queue_len(&cell->here) == 1)
		wake(cell);
	return true;
drop:
	kfree_skb(skb);
	return false;
}

/*
 * Packets in a cell point to the device that they came by. One that is going
 * away takes no new ones since it is down, and has to wait for those in a cell.
 */
static int device_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct espah_cell *cell;
	int cpu;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(cells, cpu);
		do {
			napi_synchronize(&cell->napi);
		} while (!skb_queue_empty_lockless(&cell->late));
	}
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

static void free_cells(void)
{
	struct espah_cell *cell;
	int cpu;

	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(cells, cpu);
		espah_napi_del(&cell->napi);
		skb_queue_purge(&cell->here);
		skb_queue_purge(&cell->late);
	}
	synchronize_net();
	free_percpu(cells);
	espah_dummy_dev_free(cells_dev);
}

int espah_cells_setup(void)
{
	struct espah_cell *cell;
	int cpu, err;

	BUILD_BUG_ON(CONFIG_NR_CPUS > ROUND_STEP);
	cells_dev = espah_dummy_dev_alloc();
	if (!cells_dev)
		return -ENOMEM;
	cells = alloc_percpu(struct espah_cell);
	if (!cells) {
		espah_dummy_dev_free(cells_dev);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(cells, cpu);
		skb_queue_head_init(&cell->here);
		skb_queue_head_init(&cell->late);
		/* an SA that has used none has round 0 */
		cell->round = ROUND_STEP | cpu;
		espah_napi_add(cells_dev, &cell->napi, poll);
	}
	err = register_netdevice_notifier(&device_notifier);
	if (err)
		free_cells();
	return err;
}

void espah_cells_teardown(void)
{
	unregister_netdevice_notifier(&device_notifier);
	free_cells();
}
