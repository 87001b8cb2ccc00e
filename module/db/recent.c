// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/percpu.h>
#include "compat/compiler.h"
#include "compat/rt.h"
#include "recent.h"

#define RECENT_BITS 7
#define KEY_WORDS 6

/**
 * struct espah_recent - a lookup and its result; one cache line
 * @key: lookup key
 * @now: espah_spd_now() at the lookup, which also identifies the SPD; 0: empty entry
 * @policy: result, may be NULL
 *
 * A policy found here is valid for the RCU reader, because it is freed a grace period after
 * espah_spd_now() has changed.
 */
struct espah_recent {
	u64 key[KEY_WORDS];
	u64 now;
	struct espah_policy *policy;
};

/**
 * struct espah_recents - the cache of a CPU; used with BH disabled
 * @entries: by hash
 * @lock: for @entries
 */
struct espah_recents {
	struct espah_recent entries[1 << RECENT_BITS];
	local_lock_t lock;
} ____cacheline_aligned;

static struct espah_recents __percpu *recents;

/*
 * The key holds the direction and all of a flow without opaque ports. Fields are read with the
 * width with which they were written: a wider load would stall, because it cannot be forwarded
 * from several pending stores.
 */
static __always_inline void make_key(u64 *key, u8 dir, const struct espah_flow *flow, bool ip6)
{
	key[0] = (u64)(__force u32)flow->src.ip4 << 32 | (__force u32)flow->dst.ip4;
	key[1] = (u64)flow->sport << 48 | (u64)flow->dport << 32 | (dir | flow->linked << 1) << 24 |
		 flow->family << 16 | flow->proto << 8 | flow->has_ports;
	key[2] = (u64)flow->mark << 32 | flow->ifindex;
	if (!ip6)
		return;
	key[3] = (u64)(__force u32)flow->src.ip6[1] << 32 | (__force u32)flow->dst.ip6[1];
	key[4] = (u64)(__force u32)flow->src.ip6[2] << 32 | (__force u32)flow->dst.ip6[2];
	key[5] = (u64)(__force u32)flow->src.ip6[3] << 32 | (__force u32)flow->dst.ip6[3];
}

static noinline struct espah_policy *look_up(struct espah_recent *entry, const u64 *key,
					     const struct espah_spd *spd, u64 now, u8 dir,
					     struct espah_flow *flow)
{
	struct espah_policy *pol = espah_spd_lookup(spd, now, dir, flow);

	if (!flow->hidden) {
		local_lock_nested_bh(&recents->lock);
		memcpy(entry->key, key, sizeof(entry->key));
		entry->now = now;
		entry->policy = pol;
		local_unlock_nested_bh(&recents->lock);
	}
	return pol;
}

static __always_inline struct espah_policy *recent(struct espah_recents *table,
						   const struct espah_spd *spd, u64 now, u8 dir,
						   struct espah_flow *flow, bool ip6)
{
	unsigned int i, words = ip6 ? KEY_WORDS : KEY_WORDS / 2;
	u64 key[KEY_WORDS] espah_uninit, hash = now, differ = 0;
	struct espah_recent *entry;
	struct espah_policy *pol;
	bool hit;

	make_key(key, dir, flow, ip6);
#pragma GCC unroll 6
	for (i = 0; i < words; i++)
		hash = rol64(hash ^ key[i], 21);
	entry = &table->entries[hash_64(hash, RECENT_BITS)];
	local_lock_nested_bh(&recents->lock);
#pragma GCC unroll 6
	for (i = 0; i < words; i++)
		differ |= key[i] ^ entry->key[i];
	hit = !differ && entry->now == now;
	pol = entry->policy;
	local_unlock_nested_bh(&recents->lock);
	if (likely(hit))
		return pol;
	return look_up(entry, key, spd, now, dir, flow);
}

struct espah_policy *espah_recent_policy(const struct espah_spd *spd, u64 now, u8 dir,
					 struct espah_flow *flow)
{
	struct espah_recents *table = this_cpu_ptr(recents);

	if (unlikely(flow->opaque))
		return espah_spd_lookup(spd, now, dir, flow);
	return flow->family == AF_INET ? recent(table, spd, now, dir, flow, false) :
					 recent(table, spd, now, dir, flow, true);
}

int espah_recent_setup(void)
{
	int cpu;

	recents = alloc_percpu(struct espah_recents);
	if (!recents)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		local_lock_init(&per_cpu_ptr(recents, cpu)->lock);
	return 0;
}

void espah_recent_teardown(void)
{
	free_percpu(recents);
}
