/* SPDX-License-Identifier: GPL-2.0-only */
/* The hash table of one shape of selector, and how readers of the classifier search it. */
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
 * @rules: sorted by rank; empty while there is but room, or once only readers are left
 * @next: in its bucket, one for each of two successive tables
 * @count: rules that are here or have room; for writers, until it is taken out
 * @rcu: defers the freeing, then
 * @key: ESPAH_WORDS_IP4 or ESPAH_WORDS_IP6, or ESPAH_WORDS_MORE more; with the least, all of
 *	this is one cache line
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
 * @mask: number of buckets, a power of two, less one
 * @link: which of a cell's @next chains it in this table
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
 * @cells: their cells
 * @seed: of the hash
 * @id: the shape in one number, see shape_id()
 * @ports: a port is in the key, so a flow without ports matches nothing here
 * @more: ESPAH_WORDS_MORE are in the key
 * @ip6: family
 * @mask: what of a flow's words is in the key
 * @words: of a key
 * @count: cells
 * @rules: rules; 0 only if memory for an array without this shape was lacking
 * @resized: grace period after which no reader is in the table before @cells
 * @rcu: defers the freeing
 */
struct espah_shape {
	struct espah_cells __rcu *cells;
	u32 seed;
	u64 id;
	bool ports;
	bool more;
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
