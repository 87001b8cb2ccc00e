// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/slab.h>
#include "input.h"
#include "net.h"
#include "order.h"
#include "output.h"

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
		release(sa);
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

void espah_order_run(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	bool queued = false;
	int err;

	if (unlikely(READ_ONCE(sa->inflight_len))) {
		spin_lock(&sa->lock);
		if (sa->inflight_len >= ESPAH_INFLIGHT_MAX) {
			spin_unlock(&sa->lock);
			espah_drop(sa->en, sa, NULL, ESPAH_DROP_QUEUE_FULL, op->skb);
			espah_op_put(op);
			return;
		}
		link_op(op);
		queued = true;
		spin_unlock(&sa->lock);
	}

	if (sa->id.dir == ESPAH_DIR_OUT)
		err = crypto_aead_encrypt(&op->req);
	else
		err = crypto_aead_decrypt(&op->req);

	if (unlikely(err == -EINPROGRESS)) {
		if (queued)
			return;
		/* The driver may have answered on another CPU already. */
		spin_lock(&sa->lock);
		link_op(op);
		if (op->done)
			release(sa);
		else
			spin_unlock(&sa->lock);
		return;
	}
	if (unlikely(queued)) {
		finish(op, err);
		return;
	}
	pass_on(op, err);
	espah_op_put(op);
}
