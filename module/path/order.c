// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include "compat/netdev.h"
#include "cpu/load.h"
#include "cpu/worker.h"
#include "db/net.h"
#include "order.h"
#include "packet/number.h"
#include "report/drop.h"

/* jiffies: a CPU that has brought no packet for so long is not the one that packets come to */
#define LINGER (HZ / 10)
/* packets: at this queue length, helpers do not keep up */
#define OVERFULL 128
/* packets to release in a row before other work of the CPU has its turn */
#define RELEASED_MAX 8

static struct espah_op *first_done(struct espah_queue *queue)
{
	struct espah_op *op = list_first_entry_or_null(&queue->ops, struct espah_op, link);

	return op && op->done ? op : NULL;
}

/*
 * Takes the op at the head of the queue if it is finished. Otherwise returns NULL, and this CPU no
 * longer releases. Called with @queue->lock held; drops it.
 */
static struct espah_op *take_done(struct espah_queue *queue) __releases(&queue->lock)
{
	struct espah_op *op = queue->fence ? NULL : first_done(queue);

	if (op)
		list_del(&op->link);
	queue->releasing = op;
	spin_unlock(&queue->lock);
	return op;
}

/*
 * Begins to release finished ops from the head of the queue. One CPU at a time releases, so that
 * packets leave in order; it does so without the lock, so that other CPUs can queue meanwhile.
 * Called with @queue->lock held; drops it. Return: the first op to continue with, or NULL.
 */
static struct espah_op *release(struct espah_queue *queue) __releases(&queue->lock)
{
	if (!queue->releasing)
		return take_done(queue);
	spin_unlock(&queue->lock);
	return NULL;
}

/* Releases like release(), or asks @queue->serial_cpu to. */
static struct espah_op *release_there(struct espah_queue *queue) __releases(&queue->lock)
{
	int cpu = queue->serial_cpu;
	bool call;

	if (cpu == ESPAH_CPU_NONE || cpu == smp_processor_id() || queue->releasing)
		return release(queue);
	if (unlikely(!cpu_online(cpu))) {
		WRITE_ONCE(queue->serial_cpu, smp_processor_id());
		return release(queue);
	}
	call = !queue->resuming && first_done(queue);
	queue->resuming |= call;
	if (call)
		espah_worker_resume(queue, cpu);
	spin_unlock(&queue->lock);
	return NULL;
}

struct espah_op *espah_order_next(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	struct espah_queue *queue;

	if (likely(!op->linked)) {
		espah_op_put(op);
		return NULL;
	}
	/* after the last put an SA lives on for a grace period, and with it the queue */
	queue = sa->queue;
	dev_put(op->dev);
	espah_op_put(op);
	espah_sa_put(sa);
	spin_lock(&queue->lock);
	/* an op counts until it has left, so that no packet overtakes it */
	WRITE_ONCE(queue->len, queue->len - 1);
	if (likely(++queue->released % RELEASED_MAX || queue->fence || queue->resuming ||
		   !first_done(queue)))
		return take_done(queue);
	queue->releasing = false;
	queue->resuming = true;
	espah_worker_resume(queue, smp_processor_id());
	spin_unlock(&queue->lock);
	return NULL;
}

/*
 * Makes CPU @to release from now on, but not before the packets released so far have left the old
 * CPU's backlog, in which it receives what it sends to itself, as through a veth. Called with
 * @queue->lock held.
 */
static void move(struct espah_queue *queue, int to)
{
	int from = queue->serial_cpu;

	if (from == ESPAH_CPU_NONE)
		from = smp_processor_id();
	WRITE_ONCE(queue->serial_cpu, to);
	if (to == from || to == ESPAH_CPU_NONE || queue->fence)
		return;
	queue->fence = ESPAH_FENCE_ASKED;
	if (!queue->resuming)
		espah_worker_resume(queue, from);
	queue->resuming = true;
}

/* Return: whether the packets sent from this CPU before have left its backlog. */
static bool fence_passed(struct espah_queue *queue)
{
	if (queue->fence == ESPAH_FENCE_ASKED && !queue->releasing) {
		queue->fence_cpu = smp_processor_id();
		queue->backlog = espah_backlog_tail(queue->fence_cpu);
		queue->fence = ESPAH_FENCE_SET;
	}
	return queue->fence == ESPAH_FENCE_SET &&
	       espah_backlog_passed(queue->fence_cpu, queue->backlog);
}

bool espah_order_resume(struct espah_queue *queue, struct espah_op **op)
{
	spin_lock(&queue->lock);
	if (unlikely(queue->fence)) {
		if (!fence_passed(queue)) {
			spin_unlock(&queue->lock);
			return false;
		}
		queue->fence = ESPAH_FENCE_NONE;
		queue->resuming = false;
		*op = release_there(queue);
		return true;
	}
	queue->resuming = false;
	*op = release(queue);
	return true;
}

/* Queues an op, which then holds references to its SA, device and route. */
static void link_op(struct espah_op *op)
{
	struct espah_queue *queue = op->sa->queue;

	refcount_inc(&op->sa->refs);
	op->dev = op->skb->dev;
	dev_hold(op->dev);
	skb_dst_force(op->skb);
	list_add_tail(&op->link, &queue->ops);
	op->linked = true;
	WRITE_ONCE(queue->len, queue->len + 1);
}

struct espah_op *espah_order_answer(struct espah_op *op, int err)
{
	struct espah_queue *queue = op->sa->queue;

	spin_lock(&queue->lock);
	op->err = err;
	op->done = true;
	if (op->linked)
		return release_there(queue);
	spin_unlock(&queue->lock);
	return NULL;
}

/* completion function for drivers that complete later */
static crypto_completion_t answered __ro_after_init;

static int crypt(struct espah_op *op)
{
	aead_request_set_callback(&op->req, 0, answered, op);
	return op->sa->id.dir == ESPAH_DIR_OUT ? crypto_aead_encrypt(&op->req) :
						 crypto_aead_decrypt(&op->req);
}

bool espah_order_crypt(struct espah_op *op)
{
	int err = crypt(op);

	if (unlikely(err == -EINPROGRESS))
		return false;
	op->err = err;
	op->done = true;
	return true;
}

struct espah_op *espah_order_work(struct espah_op *op)
{
	int err = crypt(op);

	return err == -EINPROGRESS ? NULL : espah_order_answer(op, err);
}

/*
 * Chooses the CPU that releases. While helpers work for the CPU that packets come to, one of the
 * helpers releases; afterwards that CPU releases, and finally stops queueing. Packets that another
 * CPU brings too change nothing, so that the choice is stable. Called with @queue->lock held.
 * Return: whether a packet may pass without queueing.
 */
static bool choose(struct espah_queue *queue, const struct espah_sa *sa, bool spread)
{
	int here = smp_processor_id();

	if (queue->serial_cpu == ESPAH_CPU_NONE) {
		if (!spread)
			return false;
		queue->from = here;
		move(queue, espah_load_choose(sa));
	} else if (here != queue->from && time_before(jiffies, queue->brought + LINGER)) {
		return false;
	} else if (queue->fence) {
		/* a change is in progress already */
	} else if (spread) {
		if (unlikely(queue->serial_cpu == here || !espah_load_helps(queue->serial_cpu))) {
			queue->from = here;
			move(queue, espah_load_choose(sa));
		}
	} else {
		queue->from = here;
		move(queue, here);
		if (!queue->len && !queue->fence) {
			WRITE_ONCE(queue->serial_cpu, ESPAH_CPU_NONE);
			return true;
		}
	}
	queue->brought = jiffies;
	return false;
}

struct espah_op *espah_order_queue(struct espah_op *op)
{
	struct espah_queue *queue = op->sa->queue;

	spin_lock(&queue->lock);
	link_op(op);
	if (op->done)
		return release_there(queue);
	spin_unlock(&queue->lock);
	return NULL;
}

static struct espah_op *run_here(struct espah_op *op)
{
	return likely(espah_order_crypt(op)) ? op : espah_order_queue(op);
}

/* Queues a packet behind those before it; this CPU or a helper runs its crypto. */
static noinline struct espah_op *run_queued(struct espah_op *op, bool spread)
{
	struct espah_sa *sa = op->sa;
	struct espah_queue *queue = sa->queue;

	spin_lock(&queue->lock);
	if (unlikely(queue->len >= ESPAH_INFLIGHT_MAX)) {
		spin_unlock(&queue->lock);
		espah_drop(sa->en, sa, NULL, ESPAH_DROP_QUEUE_FULL, op->skb);
		espah_op_put(op);
		return NULL;
	}
	if (unlikely(spread && queue->len >= OVERFULL && !READ_ONCE(sa->cpus))) {
		espah_load_pause();
		spread = false;
	}
	if (choose(queue, sa, spread)) {
		spin_unlock(&queue->lock);
		return run_here(op);
	}
	link_op(op);
	spin_unlock(&queue->lock);
	return spread && espah_worker_give(sa, op) ? NULL : espah_order_work(op);
}

bool espah_order_enter(struct espah_op *op, bool *spread)
{
	enum espah_drop reason = ESPAH_DROP_QUEUE_FULL;
	struct espah_sa *sa = op->sa;
	struct espah_queue *queue = sa->queue;

	*spread = espah_load_wanted(sa);
	spin_lock(&queue->lock);
	if (unlikely(queue->len >= ESPAH_INFLIGHT_MAX))
		goto drop;
	reason = ESPAH_DROP_SEQ_OVERFLOW;
	if (unlikely(!espah_number_take(sa, 1, &op->seq)))
		goto drop;
	if (unlikely(*spread && queue->len >= OVERFULL && !READ_ONCE(sa->cpus))) {
		espah_load_pause();
		*spread = false;
	}
	/* a packet that might pass is released here, and so are those of other CPUs for a while */
	if ((queue->serial_cpu == ESPAH_CPU_NONE && !*spread) || choose(queue, sa, *spread)) {
		queue->from = smp_processor_id();
		queue->brought = jiffies;
		WRITE_ONCE(queue->serial_cpu, queue->from);
	}
	link_op(op);
	spin_unlock(&queue->lock);
	return true;
drop:
	spin_unlock(&queue->lock);
	espah_drop(sa->en, sa, NULL, reason, op->skb);
	espah_op_put(op);
	return false;
}

struct espah_op *espah_order_go(struct espah_op *op, bool spread)
{
	return spread && espah_worker_give(op->sa, op) ? NULL : espah_order_work(op);
}

struct espah_op *espah_order_leave(struct espah_op *op)
{
	struct espah_queue *queue = op->sa->queue;
	struct espah_op *next;

	spin_lock(&queue->lock);
	list_del(&op->link);
	WRITE_ONCE(queue->len, queue->len - 1);
	next = release_there(queue);
	dev_put(op->dev);
	espah_sa_put(op->sa);
	espah_op_put(op);
	return next;
}

bool espah_order_waits(const struct espah_sa *sa)
{
	return espah_order_queued(sa) || espah_load_wanted(sa);
}

struct espah_op *espah_order_run(struct espah_op *op)
{
	bool spread = espah_load_wanted(op->sa);

	return unlikely(spread || espah_order_queued(op->sa)) ? run_queued(op, spread) :
								 run_here(op);
}

void __init espah_order_setup(crypto_completion_t done)
{
	answered = done;
}
