// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/percpu.h>
#include "recent.h"

#define RECENT_BITS 7
/* struct espah_flow without what a lookup sets */
#define FLOW_WORDS (offsetof(struct espah_flow, hidden) / sizeof(u64))

/**
 * struct espah_recent - a lookup and its result; one cache line
 * @flow: what was looked up
 * @cls: where; NULL: nothing is here
 * @policy: what was found, maybe NULL
 */
struct espah_recent {
	u64 flow[FLOW_WORDS];
	const struct espah_classifier *cls;
	struct espah_policy *policy;
};

/**
 * struct espah_recents - those of a CPU; BH disabled there
 * @entries: by hash
 * @changes: how many there were when the oldest was looked up
 *
 * A policy that is found here is still one for this reader: it is freed a grace period
 * after @changes has grown.
 */
struct espah_recents {
	struct espah_recent entries[1 << RECENT_BITS];
	long changes;
} ____cacheline_aligned;

static struct espah_recents __percpu *recents;
static atomic_long_t changes;

static noinline void empty(struct espah_recents *table, long now)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table->entries); i++)
		table->entries[i].cls = NULL;
	table->changes = now;
}

static noinline struct espah_policy *look_up(struct espah_recent *entry,
					     const struct espah_spd *spd, u8 dir,
					     struct espah_flow *flow)
{
	struct espah_policy *pol = espah_spd_lookup(spd, dir, flow);

	if (!flow->opaque && !flow->hidden) {
		memcpy(entry->flow, flow, sizeof(entry->flow));
		entry->cls = &spd->dir[dir];
		entry->policy = pol;
	}
	return pol;
}

struct espah_policy *espah_recent_policy(const struct espah_spd *spd, u8 dir,
					 struct espah_flow *flow)
{
	struct espah_recents *table = this_cpu_ptr(recents);
	long now = atomic_long_read_acquire(&changes);
	const u64 *words = (const u64 *)flow;
	struct espah_recent *entry;
	u64 differ, hash;

	BUILD_BUG_ON(offsetof(struct espah_flow, hidden) % sizeof(u64) || FLOW_WORDS != 6);
	if (unlikely(table->changes != now))
		empty(table, now);
	hash = words[0] ^ words[1] ^ rol64(words[2] ^ words[3], 23) ^ rol64(words[4], 41) ^
	       (unsigned long)&spd->dir[dir];
	entry = &table->entries[hash_64(hash, RECENT_BITS)];
	differ = (words[0] ^ entry->flow[0]) | (words[1] ^ entry->flow[1]) |
		 (words[2] ^ entry->flow[2]) | (words[3] ^ entry->flow[3]) |
		 (words[4] ^ entry->flow[4]) | (words[5] ^ entry->flow[5]);
	if (likely(!differ && entry->cls == &spd->dir[dir]))
		return entry->policy;
	return look_up(entry, spd, dir, flow);
}

void espah_recent_forget(void)
{
	atomic_long_fetch_inc_release(&changes);
}

int espah_recent_setup(void)
{
	recents = alloc_percpu(struct espah_recents);
	return recents ? 0 : -ENOMEM;
}

void espah_recent_teardown(void)
{
	free_percpu(recents);
}
