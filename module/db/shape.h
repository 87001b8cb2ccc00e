/* SPDX-License-Identifier: GPL-2.0-only */
/* The hash table of one selector shape, and its lookup by readers of the classifier. */
#ifndef _ESPAH_SHAPE_H
#define _ESPAH_SHAPE_H

#include <linux/jhash.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include "selector.h"

/* words of a key: source, destination, ports, protocol */
#define ESPAH_WORDS_IP4 4
#define ESPAH_WORDS_IP6 10
/* two more in shapes with marks or devices: mark, device */
#define ESPAH_WORDS_MORE 2
#define ESPAH_WORDS_MAX (ESPAH_WORDS_IP6 + ESPAH_WORDS_MORE)

/**
 * struct espah_cell - the rules of a shape whose masked words are @key
 * @rules: sorted by rank; empty while rules are only reserved, or after the last was removed
 * @next: next cell in the bucket, for each of two successive tables
 * @count: rules, including reserved ones; for writers, until the cell is removed
 * @rcu: defers the freeing, after the removal
 * @key: ESPAH_WORDS_IP4 or ESPAH_WORDS_IP6 words, plus ESPAH_WORDS_MORE if the shape has them; with
 *	ESPAH_WORDS_IP4, the struct fits one cache line
 */
struct espah_cell {
	struct list_head rules;
	struct espah_cell __rcu *next[2];
	union {
		unsigned int count;
		struct rcu_head rcu;
	};
	u32 key[];
};

/**
 * struct espah_cells - the hash table of a shape
 * @mask: number of buckets, a power of two, minus one
 * @link: index of the @next of a cell that this table uses
 * @rcu: defers the freeing
 * @heads: buckets
 */
struct espah_cells {
	u32 mask;
	u32 link;
	struct rcu_head rcu;
	struct espah_cell __rcu *heads[];
};

/**
 * struct espah_shape - rules with the same masks
 * @cells: hash table of the cells
 * @seed: hash seed
 * @id: the shape as one number, see shape_id()
 * @ports: a port is in the key, so a flow without ports matches nothing here
 * @more: ESPAH_WORDS_MORE are in the key
 * @linked: for flows of links, and no others
 * @ip6: family
 * @mask: bits of a flow's words that are in the key
 * @words: number of words of a key
 * @count: number of cells
 * @rules: number of rules; 0 only if there was no memory for an array without this shape
 * @resized: grace period after which no reader uses the predecessor of @cells
 * @rcu: defers the freeing
 */
struct espah_shape {
	struct espah_cells __rcu *cells;
	u32 seed;
	u64 id;
	bool ports;
	bool more;
	bool linked;
	bool ip6;
	u32 mask[ESPAH_WORDS_MAX];
	unsigned int words;
	unsigned int count;
	unsigned int rules;
	unsigned long resized;
	struct rcu_head rcu;
};

static __always_inline void espah_words_ip4(u32 *words, const union espah_addr *src,
					    const union espah_addr *dst, u16 sport, u16 dport,
					    u8 proto)
{
	words[0] = (__force u32)src->ip4;
	words[1] = (__force u32)dst->ip4;
	words[2] = (u32)sport << 16 | dport;
	words[3] = proto;
}

static __always_inline void espah_words_ip6(u32 *words, const union espah_addr *src,
					    const union espah_addr *dst, u16 sport, u16 dport,
					    u8 proto)
{
	memcpy(words, src->ip6, sizeof(src->ip6));
	memcpy(words + 4, dst->ip6, sizeof(dst->ip6));
	words[8] = (u32)sport << 16 | dport;
	words[9] = proto;
}

static __always_inline u32 espah_shape_bucket(const struct espah_shape *shape,
					      const struct espah_cells *cells, const u32 *key,
					      unsigned int words)
{
	return cells->mask ? jhash2(key, words, shape->seed) & cells->mask : 0;
}

/* Context: RCU reader; @words is a constant on the packet path */
static __always_inline struct espah_cell *espah_shape_find(const struct espah_shape *shape,
							   const u32 *key, unsigned int words)
{
	const struct espah_cells *cells = rcu_dereference(shape->cells);
	struct espah_cell *cell;
	unsigned int i;
	u32 diff;

	cell = rcu_dereference(cells->heads[espah_shape_bucket(shape, cells, key, words)]);
	while (cell) {
		diff = 0;
#pragma GCC unroll 16
		for (i = 0; i < words; i++)
			diff |= cell->key[i] ^ key[i];
		if (!diff)
			return cell;
		cell = rcu_dereference(cell->next[cells->link]);
	}
	return NULL;
}

#endif /* _ESPAH_SHAPE_H */
