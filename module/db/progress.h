/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far an SA has come: its sequence numbers, its replay window, and the used part of its limits.
 * A standby gateway takes it over from the active one. An SA only ever goes ahead.
 */
#ifndef _ESPAH_PROGRESS_H
#define _ESPAH_PROGRESS_H

#include <linux/types.h>
#include <linux/espah.h>

struct espah_sa;

/**
 * struct espah_progress - how far an SA has come on another gateway
 * @numbered: @seq, @seen and @iv_mask are to be taken over
 * @seq: outbound: last number used; inbound: highest number accepted
 * @seen: inbound: the window, as ESPAH_SA_SEEN; NULL: all numbers up to @seq count as seen
 * @seen_size: bytes of @seen
 * @iv_mask: outbound: as espah_sa.iv_mask, 8 bytes; NULL, or the SA has a number: it keeps its own
 * @used: used part of the limits, by enum espah_limit; ESPAH_LIMIT_IDLE is ignored
 */
struct espah_progress {
	bool numbered;
	u64 seq;
	const u8 *seen;
	size_t seen_size;
	const u8 *iv_mask;
	u64 used[ESPAH_LIMIT_IDLE + 1];
};

/* last number sent or highest number accepted; Context: process or BH */
u64 espah_progress_number(struct espah_sa *sa);

/**
 * espah_progress_set - take over how far an SA has come
 * @sa: with keys; in the SAD, or not yet added
 * @progress: checked against the kind of SA
 *
 * What lies behind the SA's own state is ignored. Packets may use the SA meanwhile.
 *
 * Context: process, espah_net.lock if the SA is in the SAD.
 */
void espah_progress_set(struct espah_sa *sa, const struct espah_progress *progress);

#endif /* _ESPAH_PROGRESS_H */
