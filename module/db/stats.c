// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "net.h"
#include "stats.h"

#define BLOCK_PLACES BITS_PER_LONG

static LIST_HEAD(blocks); /* blocks with free places */
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
