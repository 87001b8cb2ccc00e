// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/slab.h>
#include "compat/netdev.h"
#include "drop.h"
#include "input.h"
#include "load.h"
#include "net.h"
#include "order.h"
#include "output.h"
#include "worker.h"

/* so long does the CPU go on that released while others helped */
#define LINGER (HZ / 10)

static void pass_on(struct espah_op *op, int err)
{
	if (op->sa->id.dir == ESPAH_DIR_OUT)
		espah_output_done(op, err);
	else
		espah_input_done(op, err);
}

static struct espah_op *first_done(struct espah_queue *queue)
{
	struct espah_op *op = list_first_entry_or_null(&queue->ops, struct espah_op, link);

	return op && op->done ? op : NULL;
}

/*
 * Passes on what is finished at the head of the queue. One CPU at a time does
 * it, so that packets leave in order, and without the lock, so that others may
 * queue meanwhile. Called with @queue->lock held, which it gives up. What it puts
 * lives on for a grace period, and with it the queue.
 */
static void release(struct espah_queue *queue) __releases(&queue->lock)
{
	struct espah_op *op;
	struct espah_sa *sa;

	if (queue->releasing) {
		spin_unlock(&queue->lock);
		return;
	}
	queue->releasing = true;
	while (!queue->fence && (op = first_done(queue))) {
		list_del(&op->link);
		spin_unlock(&queue->lock);
		sa = op->sa;
		pass_on(op, op->err);
		dev_put(op->dev);
		espah_op_put(op);
		espah_sa_put(sa);
		spin_lock(&queue->lock);
		/* counted until it has left, so that nobody overtakes it */
		WRITE_ONCE(queue->len, queue->len - 1);
	}
	queue->releasing = false;
	spin_unlock(&queue->lock);
}

/* Releases, or lets the CPU do it that has released before. Gives up @queue->lock. */
static void release_there(struct espah_queue *queue) __releases(&queue->lock)
{
	int cpu = queue->serial_cpu;
	bool call;

	if (cpu == ESPAH_CPU_NONE || cpu == smp_processor_id() || queue->releasing) {
		release(queue);
		return;
	}
	if (unlikely(!cpu_online(cpu))) {
		WRITE_ONCE(queue->serial_cpu, smp_processor_id());
		release(queue);
		return;
	}
	call = !queue->resuming && first_done(queue);
	queue->resuming |= call;
	if (call)
		espah_worker_resume(queue, cpu);
	spin_unlock(&queue->lock);
}

/*
 * Lets another CPU release from now on, but not before what was released until now has left
 * the queue in which this CPU receives what it sends to itself, as through a veth. Called with
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

/* Return: whether what was sent from here before has been received. */
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

bool espah_order_resume(struct espah_queue *queue)
{
	spin_lock(&queue->lock);
	if (unlikely(queue->fence)) {
		if (!fence_passed(queue)) {
			spin_unlock(&queue->lock);
			return false;
		}
		queue->fence = ESPAH_FENCE_NONE;
		queue->resuming = false;
		release_there(queue);
		return true;
	}
	queue->resuming = false;
	release(queue);
	return true;
}

/* Queues an op, which from now on holds its SA, device and route. */
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

static void finish(struct espah_op *op, int err)
{
	struct espah_queue *queue = op->sa->queue;

	spin_lock(&queue->lock);
	op->err = err;
	op->done = true;
	if (op->linked)
		release_there(queue);
	else
		spin_unlock(&queue->lock);
}

void espah_order_done(ESPAH_CRYPTO_DONE_ARGS)
{
	struct espah_op *op = espah_crypto_done_data();

	if (err == -EINPROGRESS)
		return;
	local_bh_disable();
	rcu_read_lock();
	finish(op, err);
	rcu_read_unlock();
	local_bh_enable();
}

static int crypt(struct espah_op *op)
{
	return op->sa->id.dir == ESPAH_DIR_OUT ? crypto_aead_encrypt(&op->req) :
						 crypto_aead_decrypt(&op->req);
}

void espah_order_work(struct espah_op *op)
{
	int err = crypt(op);

	if (err != -EINPROGRESS)
		finish(op, err);
}

/*
 * Who releases: while others help, one CPU, and for some time afterwards, so that it seldom
 * changes; then the one that packets come to, which at last need not queue them any more.
 * Called with @queue->lock held. Return: whether a packet may pass without queueing.
 */
static bool choose(struct espah_queue *queue, const struct espah_sa *sa, bool spread)
{
	int here = smp_processor_id();

	if (spread) {
		queue->helped = jiffies;
		if (queue->serial_cpu == ESPAH_CPU_NONE)
			move(queue, espah_load_choose(sa));
		else if (!READ_ONCE(sa->cpus) && !queue->fence)
			move(queue, espah_load_relieve(queue->serial_cpu));
	} else if (queue->serial_cpu != ESPAH_CPU_NONE && !queue->fence &&
		   time_after(jiffies, queue->helped + LINGER)) {
		move(queue, here);
		if (!queue->len && !queue->fence) {
			WRITE_ONCE(queue->serial_cpu, ESPAH_CPU_NONE);
			return true;
		}
	}
	return false;
}

/*
 * Queues a packet behind those before it, for this CPU or another one to go on with.
 * Return: false if it need not queue.
 */
static bool enqueue(struct espah_op *op, bool spread)
{
	struct espah_sa *sa = op->sa;
	struct espah_queue *queue = sa->queue;

	spin_lock(&queue->lock);
	if (unlikely(queue->len >= ESPAH_INFLIGHT_MAX)) {
		spin_unlock(&queue->lock);
		espah_drop(sa->en, sa, NULL, ESPAH_DROP_QUEUE_FULL, op->skb);
		espah_op_put(op);
		return true;
	}
	if (choose(queue, sa, spread)) {
		spin_unlock(&queue->lock);
		return false;
	}
	link_op(op);
	spin_unlock(&queue->lock);
	if (!spread || !espah_worker_give(sa, op))
		espah_order_work(op);
	return true;
}

/* Queues an op whose crypto runs or ran; the driver may have answered on another CPU already. */
static void queue_run(struct espah_op *op)
{
	struct espah_queue *queue = op->sa->queue;

	spin_lock(&queue->lock);
	link_op(op);
	if (op->done)
		release_there(queue);
	else
		spin_unlock(&queue->lock);
}

static bool queued(const struct espah_queue *queue)
{
	return READ_ONCE(queue->len) || READ_ONCE(queue->serial_cpu) != ESPAH_CPU_NONE;
}

bool espah_order_queues(const struct espah_sa *sa)
{
	return queued(sa->queue) || espah_load_wanted(sa);
}

void espah_order_run(struct espah_op *op)
{
	bool spread = espah_load_wanted(op->sa);
	int err;

	if (unlikely(spread || queued(op->sa->queue)) && enqueue(op, spread))
		return;

	err = crypt(op);
	if (unlikely(err == -EINPROGRESS)) {
		queue_run(op);
		return;
	}
	pass_on(op, err);
	espah_op_put(op);
}

void espah_order_run_all(struct espah_op *const *ops, unsigned int n)
{
	/* what is in the queue by now was before them */
	unsigned int i, direct = unlikely(queued(ops[0]->sa->queue)) ? 0 : n, usable;
	struct net_device *dev;
	u64 seq;
	int err;

	usable = espah_output_reserve(ops[0]->sa, n, &seq);
	for (i = 0; i < n; i++) {
		if (unlikely(!espah_output_seal(ops[i], i < usable ? seq + i : 0)))
			continue;
		err = crypt(ops[i]);
		if (likely(err != -EINPROGRESS)) {
			ops[i]->err = err;
			ops[i]->done = true;
		} else {
			direct = min(direct, i);
		}
	}
	for (i = 0; i < n; i++) {
		dev = ops[i]->dev;
		if (unlikely(!ops[i]->skb)) {
			espah_op_put(ops[i]);
		} else if (likely(i < direct)) {
			pass_on(ops[i], ops[i]->err);
			espah_op_put(ops[i]);
		} else {
			queue_run(ops[i]);
		}
		dev_put(dev);
	}
}
