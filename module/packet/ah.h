/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AH transform (RFC 4302). It uses the same AEAD requests as ESP, without plaintext. The
 * associated data are a copy of the headers including AH, and the payload in place. Only the ICV
 * of the packet itself is changed.
 */
#ifndef _ESPAH_AH_H
#define _ESPAH_AH_H

#include "esp.h"

/* bytes: most of IP header, options and extension headers before AH */
#define ESPAH_AH_HEADERS_MAX 512
/* bytes of the copy in an op: these headers, the longest AH, and the upper half of the number */
#define ESPAH_AH_COPY (ESPAH_AH_HEADERS_MAX + 48 + 4)

/* bytes of AH with IV, ICV and padding (RFC 4302 2.6); the algorithm of @sa is set */
unsigned int espah_ah_len(const struct espah_sa *sa);

/**
 * espah_ah_seal - prepare the computation of an ICV
 * @op: with @op->skb laid out (AH unwritten, IP header complete), @op->seq and @op->hdr_off set
 *
 * Return: ESPAH_DROP_NONE, or the drop reason.
 */
enum espah_drop espah_ah_seal(struct espah_op *op);

/* checks the length of AH, makes it linear and reads the lower half of the sequence number */
enum espah_drop espah_ah_check(const struct espah_sa *sa, struct sk_buff *skb,
			       unsigned int hdr_off, u32 *seq);

/* prepares the ICV check; after espah_ah_check(), with @op->seq and @op->hdr_off set */
enum espah_drop espah_ah_open(struct espah_op *op);

#endif /* _ESPAH_AH_H */
