/* SPDX-License-Identifier: GPL-2.0-only */
/* The sequence numbers of outbound SAs (RFC 4303 2.2, 3.3.3). */
#ifndef _ESPAH_NUMBER_H
#define _ESPAH_NUMBER_H

#include "db/sa.h"

/*
 * So many packets are numbered and handled together at most. While a CPU uses up its numbers,
 * others send later ones, which the peer must still find in its replay window, 32 packets by
 * RFC 4303 3.4.3.
 */
#define ESPAH_BATCH 8u

/*
 * Numbers of an SA without ESN end at 2^32 - 1 (RFC 4303 3.3.3). Those of one
 * with ESN end a little early, so that CPUs that reserve at the same moment
 * cannot wrap the counter.
 */
static inline u64 espah_number_limit(const struct espah_sa *sa)
{
	return espah_sa_esn(sa) ? U64_MAX - (1ULL << 32) : U32_MAX;
}

/**
 * espah_number_take - take sequence numbers
 * @sa: outbound SA
 * @n: how many, ESPAH_BATCH at most
 * @first: gets the first of them
 *
 * Return: how many of @n may be used; fewer only where the numbers end.
 */
unsigned int espah_number_take(struct espah_sa *sa, unsigned int n, u64 *first);

#endif /* _ESPAH_NUMBER_H */
