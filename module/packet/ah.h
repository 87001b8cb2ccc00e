/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AH transform (RFC 4302), by the same AEAD requests as ESP: no text, and as associated
 * data a copy of the headers with AH, then the payload where it lies. The packet itself is
 * never changed but for its ICV.
 */
#ifndef _ESPAH_AH_H
#define _ESPAH_AH_H

#include "esp.h"

/* most bytes of IP header, options and extension headers before AH */
#define ESPAH_AH_HEADERS_MAX 512
/* bytes of copy behind the driver's part of an op: these, the longest AH, and half a number */
#define ESPAH_AH_COPY (ESPAH_AH_HEADERS_MAX + 48 + 4)

/* bytes of AH with IV, ICV and padding; @sa has its algorithm (RFC 4302 2.6) */
unsigned int espah_ah_len(const struct espah_sa *sa);

/**
 * espah_ah_seal - prepare the computation of an ICV
 * @op: with @op->skb laid out (AH unwritten, IP header complete), @op->seq and @op->hdr_off set
 *
 * Return: ESPAH_DROP_NONE, or why the packet has to go.
 */
enum espah_drop espah_ah_seal(struct espah_op *op);

/* the length of AH and of its ICV, which is linear afterwards; gets the number's lower half */
enum espah_drop espah_ah_check(const struct espah_sa *sa, struct sk_buff *skb,
			       unsigned int hdr_off, u32 *seq);

/* prepares the check of the ICV: @op->seq and @op->hdr_off are set, espah_ah_check() was done */
enum espah_drop espah_ah_open(struct espah_op *op);

#endif /* _ESPAH_AH_H */
