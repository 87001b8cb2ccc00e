/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generations, which tell whether a per-CPU cache entry of a database is still current. All come
 * from one 64-bit counter, so that no value occurs twice, not even for a new namespace at the
 * address of an old one. An equal generation therefore also means the same namespace, and a change
 * in one namespace does not invalidate cache entries of another.
 */
#ifndef _ESPAH_GENERATION_H
#define _ESPAH_GENERATION_H

#include <linux/atomic.h>

extern atomic64_t espah_generations;

/* a new generation, never 0 */
static inline u64 espah_generation_new(void)
{
	return atomic64_inc_return(&espah_generations);
}

/**
 * espah_generation_end - invalidate all cache entries of a database
 * @generation: generation of the database
 *
 * Context: after a change is visible to readers, and a grace period before anything is freed.
 */
static inline void espah_generation_end(atomic64_t *generation)
{
	/* a reader that sees the new generation also sees the change */
	atomic64_set_release(generation, espah_generation_new());
}

/* the current generation; Context: RCU reader, before any lookup */
static inline u64 espah_generation(const atomic64_t *generation)
{
	return atomic64_read_acquire(generation);
}

#endif /* _ESPAH_GENERATION_H */
