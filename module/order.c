// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/slab.h>
#include "input.h"
#include "net.h"
#include "order.h"
#include "output.h"
#include "parallel.h"

static void pass_on(struct espah_op *op, int err)
{
	if (op->sa->id.dir == ESPAH_DIR_OUT)
		espah_output_done(op, err);
	else
		espah_input_done(op, err);
}

/*
 * Passes on what is finished at the head of the queue. One CPU at a time does
 * it, so that packets leave in order, and without the lock, so that others may
 * queue meanwhile. Called with @sa->lock held, which it gives up.
 */
static void release(struct espah_sa *sa) __releases(&sa->lock)
{
	unsigned int released = 0;
	struct espah_op *op;

	if (sa->releasing) {
		spin_unlock(&sa->lock);
		return;
	}
	sa->releasing = true;
	while ((op = list_first_entry_or_null(&sa->inflight, struct espah_op, link)) && op->done) {
		list_del(&op->link);
		spin_unlock(&sa->lock);
		pass_on(op, op->err);
		dev_put(op->dev);
		espah_op_put(op);
		released++;
		spin_lock(&sa->lock);
		/* counted until it has left, so that nobody overtakes it */
		WRITE_ONCE(sa->inflight_len, sa->inflight_len - 1);
	}
	sa->releasing = false;
	spin_unlock(&sa->lock);
	while (released--)
		espah_sa_put(sa);
}

/* Releases, or lets the CPU do it that has released before. Gives up @sa->lock. */
static void release_there(struct espah_sa *sa) __releases(&sa->lock)
{
	int cpu = sa->serial_cpu;
	bool call;

	if (cpu == ESPAH_CPU_NONE || cpu == smp_processor_id() || sa->releasing) {
		release(sa);
		return;
	}
	if (unlikely(!cpu_online(cpu))) {
		WRITE_ONCE(sa->serial_cpu, smp_processor_id());
		release(sa);
		return;
	}
	call = !sa->resuming && list_first_entry(&sa->inflight, struct espah_op, link)->done;
	sa->resuming |= call;
	if (call)
		espah_parallel_resume(sa, cpu);
	spin_unlock(&sa->lock);
}

void espah_order_resume(struct espah_sa *sa)
{
	spin_lock(&sa->lock);
	sa->resuming = false;
	release(sa);
}

/* Queues an op, which from now on holds its SA, device and route. */
static void link_op(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;

	refcount_inc(&sa->refs);
	op->dev = op->skb->dev;
	dev_hold(op->dev);
	skb_dst_force(op->skb);
	list_add_tail(&op->link, &sa->inflight);
	op->linked = true;
	WRITE_ONCE(sa->inflight_len, sa->inflight_len + 1);
}

static void finish(struct espah_op *op, int err)
{
	struct espah_sa *sa = op->sa;

	spin_lock(&sa->lock);
	op->err = err;
	op->done = true;
	if (op->linked)
		release_there(sa);
	else
		spin_unlock(&sa->lock);
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

/* Queues a packet behind those before it, for this CPU or another one to go on with. */
static void queue(struct espah_op *op, bool spread)
{
	struct espah_sa *sa = op->sa;

	spin_lock(&sa->lock);
	if (unlikely(sa->inflight_len >= ESPAH_INFLIGHT_MAX)) {
		spin_unlock(&sa->lock);
		espah_drop(sa->en, sa, NULL, ESPAH_DROP_QUEUE_FULL, op->skb);
		espah_op_put(op);
		return;
	}
	if (spread && sa->serial_cpu == ESPAH_CPU_NONE)
		WRITE_ONCE(sa->serial_cpu, espah_parallel_choose(sa));
	link_op(op);
	spin_unlock(&sa->lock);
	if (!spread || !espah_parallel_give(sa, op))
		espah_order_work(op);
}

void espah_order_run(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	bool spread = espah_parallel_wanted(sa);
	int err;

	if (unlikely(spread || READ_ONCE(sa->inflight_len))) {
		queue(op, spread);
		return;
	}
	if (unlikely(READ_ONCE(sa->serial_cpu) != ESPAH_CPU_NONE))
		WRITE_ONCE(sa->serial_cpu, ESPAH_CPU_NONE);

	err = crypt(op);
	if (unlikely(err == -EINPROGRESS)) {
		/* The driver may have answered on another CPU already. */
		spin_lock(&sa->lock);
		link_op(op);
		if (op->done)
			release_there(sa);
		else
			spin_unlock(&sa->lock);
		return;
	}
	pass_on(op, err);
	espah_op_put(op);
}
