// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "compat/rt.h"
#include "op.h"

/* ops: most that a CPU keeps; below that it keeps the most that were in flight at once */
#define POOL_MAX 2048

/**
 * struct espah_op_pool - the free ops of a CPU
 * @free: list by espah_op.work; used with BH disabled on this CPU
 * @back: ops returned by other CPUs
 * @count: ops that this CPU allocated, free or in use
 * @lock: for @free
 */
struct espah_op_pool {
	struct llist_node *free;
	struct llist_head back;
	atomic_t count;
	local_lock_t lock;
};

static DEFINE_PER_CPU(struct espah_op_pool, op_pool) = { .lock = INIT_LOCAL_LOCK(lock) };

static noinline struct espah_op *alloc_op(struct espah_op_pool *pool, u32 size)
{
	struct espah_op *op = kmalloc(size, GFP_ATOMIC);

	if (!op)
		return NULL;
	atomic_inc(&pool->count);
	op->home = smp_processor_id();
	op->size = size;
	sg_init_table(op->sg_few, ESPAH_OP_SG);
	return op;
}

static void free_op(struct espah_op *op)
{
	atomic_dec(&per_cpu(op_pool, op->home).count);
	kfree_sensitive(op); /* holds the nonce and data that the driver derived from the key */
}

struct espah_op *espah_op_get(struct espah_sa *sa, struct sk_buff *skb)
{
	struct espah_op_pool *pool = this_cpu_ptr(&op_pool);
	struct espah_op *op = NULL;
	struct llist_node *node;

	local_lock_nested_bh(&op_pool.lock);
	node = pool->free;
	if (unlikely(!node))
		node = llist_del_all(&pool->back);
	if (likely(node))
		pool->free = node->next;
	local_unlock_nested_bh(&op_pool.lock);
	if (likely(node)) {
		op = llist_entry(node, struct espah_op, work);
		if (unlikely(op->size < sa->op_size)) {
			free_op(op);
			op = NULL;
		}
	}
	if (unlikely(!op)) {
		op = alloc_op(pool, sa->op_size);
		if (!op)
			return NULL;
	}
	op->sg = op->sg_few;
	op->sa = sa;
	op->skb = skb;
	op->dev = NULL;
	op->done = false;
	op->linked = false;
	op->depth = 0;
	op->own = 0;
	return op;
}

void espah_op_put(struct espah_op *op)
{
	struct espah_op_pool *pool = per_cpu_ptr(&op_pool, op->home);

	if (unlikely(op->sg != op->sg_few))
		kfree(op->sg);
	if (unlikely(atomic_read(&pool->count) > POOL_MAX)) {
		free_op(op);
	} else if (likely(op->home == smp_processor_id())) {
		local_lock_nested_bh(&op_pool.lock);
		op->work.next = pool->free;
		pool->free = &op->work;
		local_unlock_nested_bh(&op_pool.lock);
	} else {
		llist_add(&op->work, &pool->back);
	}
}

enum espah_drop espah_op_charge(struct espah_op *op)
{
	if (!espah_sa_for_mark(op->sa, op->skb->mark))
		return ESPAH_DROP_SA_MARK;
	return espah_life_charge(op->sa, op->ct_len) ? ESPAH_DROP_NONE : ESPAH_DROP_EXPIRED;
}

static void free_ops(struct llist_node *node)
{
	struct espah_op *op, *next;

	llist_for_each_entry_safe(op, next, node, work)
		free_op(op);
}

void espah_op_cleanup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_ops(per_cpu(op_pool, cpu).free);
		free_ops(llist_del_all(&per_cpu(op_pool, cpu).back));
	}
}

int espah_op_room(struct sk_buff *skb, unsigned int head, unsigned int tail,
		  struct sk_buff **trailer)
{
	if (likely(!skb_cloned(skb) && !skb_is_nonlinear(skb) && skb_headroom(skb) >= head &&
		   skb_tailroom(skb) >= tail)) {
		*trailer = skb;
		return 1;
	}
	/*
	 * One reallocation for headroom and tailroom, which also gives a clone
	 * its own head. Unneeded tailroom is not kept, because it would often
	 * double the buffer.
	 */
	if (skb_cloned(skb) || skb_headroom(skb) < head || skb_tailroom(skb) < (int)tail) {
		int more_head = max_t(int, head - skb_headroom(skb), 0);
		int more_tail = skb_is_nonlinear(skb) ? 0 : (int)tail - skb_tailroom(skb);

		if (pskb_expand_head(skb, ALIGN(more_head, 16), more_tail, GFP_ATOMIC))
			return -ENOMEM;
		if (!skb_is_nonlinear(skb)) {
			*trailer = skb;
			return 1;
		}
	}
	/*
	 * Pages and fragments may be shared (page cache, socket queues): shared
	 * data are copied here, never overwritten.
	 */
	return skb_cow_data(skb, tail, trailer);
}
