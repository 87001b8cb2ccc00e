/* SPDX-License-Identifier: GPL-2.0-only */
/* The sequence numbers of outbound SAs (RFC 4303 2.2, 3.3.3). */
#ifndef _ESPAH_NUMBER_H
#define _ESPAH_NUMBER_H

#include "db/sa.h"

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

#endif /* _ESPAH_NUMBER_H */
