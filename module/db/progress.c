// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>
#include "net.h"
#include "progress.h"
#include "replay.h"
#include "sa.h"

u64 espah_progress_number(struct espah_sa *sa)
{
	u64 seq;

	if (!sa->replay)
		return atomic64_read(&sa->seq);
	spin_lock_bh(&sa->lock);
	seq = sa->replay->top;
	spin_unlock_bh(&sa->lock);
	return seq;
}

/*
 * Another mask only if no packet has a number yet: with the new mask, a packet on its way to the
 * crypto would get an IV that the other gateway has used. The number is raised before the mask
 * changes: a packet in between has a new number and the old mask, so its IV is as good as random.
 */
static void go_ahead(struct espah_sa *sa, const struct espah_progress *progress)
{
	s64 old = atomic64_read(&sa->seq);
	__be64 mask;

	do {
		if ((u64)old > progress->seq)
			return;
	} while (!atomic64_try_cmpxchg(&sa->seq, &old, progress->seq));
	if (!progress->iv_mask || old)
		return;
	memcpy(&mask, progress->iv_mask, sizeof(mask));
	WRITE_ONCE(sa->iv_mask, mask);
}

void espah_progress_set(struct espah_sa *sa, const struct espah_progress *progress)
{
	espah_life_carry(sa, progress->used);
	if (!progress->numbered)
		return;
	if (!sa->replay) {
		go_ahead(sa, progress);
		return;
	}
	spin_lock_bh(&sa->lock);
	espah_replay_merge(sa->replay, progress->seq, progress->seen, progress->seen_size);
	spin_unlock_bh(&sa->lock);
}
