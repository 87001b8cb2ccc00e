/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generations, by which what a CPU remembers of a database is told from what is there now. All
 * are drawn from one source of 64 bits, so that none occurs twice: not after ever so many changes,
 * and not in a namespace that lies where another one lay. So whoever finds the generation that he
 * remembers has the same namespace, too, and the changes of one empty no cache of another.
 */
#ifndef _ESPAH_GENERATION_H
#define _ESPAH_GENERATION_H

#include <linux/atomic.h>

extern atomic64_t espah_generations;

/* a generation that there was not before; never 0 */
static inline u64 espah_generation_new(void)
{
	return atomic64_inc_return(&espah_generations);
}

/**
 * espah_generation_end - let what was remembered of a database be forgotten
 * @generation: the database's
 *
 * Context: after a change is visible to readers, and a grace period before anything is freed.
 */
static inline void espah_generation_end(atomic64_t *generation)
{
	/* who sees the new one sees the change, too */
	atomic64_set_release(generation, espah_generation_new());
}

/* Context: RCU reader, before it looks anything up */
static inline u64 espah_generation(const atomic64_t *generation)
{
	return atomic64_read_acquire(generation);
}

#endif /* _ESPAH_GENERATION_H */
