/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of SAs, policies and network namespaces. */
#ifndef _ESPAH_STATS_H
#define _ESPAH_STATS_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include "compat/rt.h"
#include "reasons.h"

struct espah_net;

/**
 * struct espah_counters - traffic, one instance per CPU
 * @packets: packets
 * @bytes: bytes of the plaintext packets, from the IP header on
 * @last: jiffies of the last packet; valid if @packets is not 0
 */
struct espah_counters {
	u64 packets;
	u64 bytes;
	unsigned long last;
};

/**
 * struct espah_drops - drops of one SA or policy by reason
 * @count: packets, by enum espah_drop
 *
 * Allocated when the first packet is dropped, so that a million idle SAs need no memory for it.
 */
struct espah_drops {
	atomic64_t count[ESPAH_DROP_NUM];
};

/**
 * struct espah_net_stats - counters of a network namespace, one instance per CPU
 * @dir: protected traffic by enum espah_dir
 * @drops: by enum espah_drop
 */
struct espah_net_stats {
	struct espah_counters dir[2];
	u64 drops[ESPAH_DROP_NUM];
};

/**
 * struct espah_counters_block - per-CPU memory for the counters of several SAs and policies
 * @link: in the list of blocks with free places
 * @free: bitmap of the free places
 * @counters: array of places
 *
 * The per-CPU allocator searches for free memory, so one allocation serves many counters.
 */
struct espah_counters_block {
	struct list_head link;
	unsigned long free;
	struct espah_counters __percpu *counters;
};

/**
 * espah_counters_alloc - counters for an SA or a policy, all 0
 * @block: set to the block, for espah_counters_free()
 *
 * Context: process. Return: the counters, or NULL.
 */
struct espah_counters __percpu *espah_counters_alloc(struct espah_counters_block **block);
/* Context: any but hard interrupts */
void espah_counters_free(struct espah_counters_block *block,
			 struct espah_counters __percpu *counters);

/* Context: BH disabled. */
static inline void espah_count(struct espah_counters __percpu *counters, u32 packets, u32 bytes)
{
	espah_cpu_add(counters->packets, packets);
	espah_cpu_add(counters->bytes, bytes);
	__this_cpu_write(counters->last, jiffies);
}

/* counts a packet of a direction; Context: BH disabled. */
static inline void espah_count_net(struct espah_net_stats __percpu *stats, unsigned int dir,
				   u32 bytes)
{
	espah_cpu_add(stats->dir[dir].packets, 1);
	espah_cpu_add(stats->dir[dir].bytes, bytes);
}

/* sums over all CPUs */
struct espah_counters espah_counters_sum(const struct espah_counters __percpu *counters);
void espah_net_stats_sum(const struct espah_net *en, struct espah_net_stats *sum);

/* the counters at @drops, or NULL if nothing was dropped; Context: RCU reader, or owner is kept */
static inline const struct espah_drops *espah_drops_get(struct espah_drops *const *drops)
{
	return READ_ONCE(*drops);
}

#endif /* _ESPAH_STATS_H */
