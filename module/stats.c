// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "net.h"
#include "netlink/netlink.h"
#include "stats.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

const char *const espah_drop_names[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = name,
	ESPAH_DROPS(X)
#undef X
};

const char *const espah_drop_texts[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = text,
	ESPAH_DROPS(X)
#undef X
};

/* What kfree_skb() tells to drop monitors, whose list of reasons is the kernel's own. */
static const enum skb_drop_reason kernel_reasons[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = SKB_DROP_REASON_##kernel,
	ESPAH_DROPS(X)
#undef X
};

#define BLOCK_PLACES BITS_PER_LONG

static LIST_HEAD(blocks); /* those with free places */
static DEFINE_SPINLOCK(blocks_lock);

static struct espah_counters_block *alloc_block(void)
{
	struct espah_counters_block *block = kmalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);

	if (!block)
		return NULL;
	block->free = ~0UL;
	block->counters = __alloc_percpu_gfp(BLOCK_PLACES * sizeof(*block->counters),
					     __alignof__(*block->counters), GFP_KERNEL_ACCOUNT);
	if (block->counters)
		return block;
	kfree(block);
	return NULL;
}

struct espah_counters __percpu *espah_counters_alloc(struct espah_counters_block **block)
{
	struct espah_counters_block *new = NULL, *from;
	struct espah_counters __percpu *counters;
	int cpu;

	spin_lock_bh(&blocks_lock);
	if (list_empty(&blocks)) {
		spin_unlock_bh(&blocks_lock);
		new = alloc_block();
		if (!new)
			return NULL;
		spin_lock_bh(&blocks_lock);
		list_add(&new->link, &blocks);
	}
	from = list_first_entry(&blocks, struct espah_counters_block, link);
	counters = from->counters + __ffs(from->free);
	from->free &= from->free - 1;
	if (!from->free)
		list_del(&from->link);
	spin_unlock_bh(&blocks_lock);
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(counters, cpu), 0, sizeof(*counters));
	*block = from;
	return counters;
}

void espah_counters_free(struct espah_counters_block *block,
			 struct espah_counters __percpu *counters)
{
	bool empty;

	spin_lock_bh(&blocks_lock);
	if (!block->free)
		list_add(&block->link, &blocks);
	block->free |= BIT(counters - block->counters);
	empty = !~block->free;
	if (empty)
		list_del(&block->link);
	spin_unlock_bh(&blocks_lock);
	if (!empty)
		return;
	free_percpu(block->counters);
	kfree(block);
}

struct espah_counters espah_counters_sum(const struct espah_counters __percpu *counters)
{
	struct espah_counters sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct espah_counters *c = per_cpu_ptr(counters, cpu);

		if (!READ_ONCE(c->packets))
			continue;
		if (!sum.packets || time_after(READ_ONCE(c->last), sum.last))
			sum.last = READ_ONCE(c->last);
		sum.packets += READ_ONCE(c->packets);
		sum.bytes += READ_ONCE(c->bytes);
	}
	return sum;
}

void espah_net_stats_sum(const struct espah_net *en, struct espah_net_stats *sum)
{
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct espah_net_stats *s = per_cpu_ptr(en->stats, cpu);

		for (i = 0; i < ARRAY_SIZE(sum->dir); i++) {
			sum->dir[i].packets += READ_ONCE(s->dir[i].packets);
			sum->dir[i].bytes += READ_ONCE(s->dir[i].bytes);
		}
		for (i = 0; i < ESPAH_DROP_NUM; i++)
			sum->drops[i] += READ_ONCE(s->drops[i]);
	}
}

/* Makes the counters at the first drop. Without memory only the namespace's count is kept. */
static void count_in(struct espah_drops **where, enum espah_drop reason, u32 n)
{
	struct espah_drops *drops = READ_ONCE(*where), *old;

	if (!drops) {
		drops = kzalloc(sizeof(*drops), GFP_ATOMIC | __GFP_ACCOUNT);
		if (!drops)
			return;
		old = cmpxchg(where, NULL, drops);
		if (old) {
			kfree(drops);
			drops = old;
		}
	}
	atomic64_add(n, &drops->count[reason]);
}

void espah_count_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		      enum espah_drop reason, const struct sk_buff *skb, u32 n)
{
	this_cpu_add(en->stats->drops[reason], n);
	if (sa)
		count_in(&sa->drops, reason, n);
	if (pol)
		count_in(&pol->drops, reason, n);
	trace_drop(en->net, sa, pol, reason, skb, n);
	BUILD_BUG_ON(ESPAH_DROP_NUM > 64);
	espah_event_drop(en, sa, pol, reason, skb);
}

void espah_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		enum espah_drop reason, struct sk_buff *skb)
{
	u32 n = skb_is_gso(skb) ? max_t(u32, skb_shinfo(skb)->gso_segs, 1) : 1;

	espah_count_drop(en, sa, pol, reason, skb, n);
	kfree_skb_reason(skb, kernel_reasons[reason]);
}
