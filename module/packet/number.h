/* SPDX-License-Identifier: GPL-2.0-only */
/* The sequence numbers of outbound SAs (RFC 4303 2.2, 3.3.3). */
#ifndef _ESPAH_NUMBER_H
#define _ESPAH_NUMBER_H

#include "compat/rt.h"
#include "db/sa.h"
#include "tap.h"

/*
 * packets: most that are numbered and handled together. While a CPU uses up its numbers, other CPUs
 * send later numbers; the late packets must still lie in the replay window of the peer, which is at
 * least 32 packets (RFC 4303 3.4.3).
 */
#define ESPAH_BATCH 8u

/*
 * Without ESN, sequence numbers end at 2^32 - 1 (RFC 4303 3.3.3). With ESN they
 * end a little early, so that CPUs that reserve numbers concurrently cannot wrap
 * the counter.
 */
static inline u64 espah_number_limit(const struct espah_sa *sa)
{
	return espah_sa_esn(sa) ? U64_MAX - (1ULL << 32) : U32_MAX;
}

/**
 * espah_number_take - take sequence numbers
 * @sa: outbound SA
 * @n: count, at most ESPAH_BATCH
 * @first: set to the first number
 *
 * Return: how many of the @n numbers may be used; fewer than @n only at the limit.
 */
unsigned int espah_number_take(struct espah_sa *sa, unsigned int n, u64 *first);

/*
 * With PREEMPT_RT, the task that has a number may be preempted for longer than a window lasts.
 * There a packet is prepared with the number 0, and gets its own when it is queued, see
 * espah_order_enter(). A tap shows numbers of packets that are not encrypted yet.
 */
static inline bool espah_number_later(const struct espah_net *en)
{
	return espah_bh_yields && !espah_tap_looks(en);
}

/* takes one number, or 0 if the packet gets one later; Return: false at the limit */
static inline bool espah_number_one(struct espah_sa *sa, u64 *seq)
{
	*seq = 0;
	return espah_number_later(sa->en) || espah_number_take(sa, 1, seq);
}

#endif /* _ESPAH_NUMBER_H */
