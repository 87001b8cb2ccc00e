/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the headers before AH that the ICV covers (RFC 4302 3.3.3.1 and appendix A).
 * Pure: no skb, no lock; also compiled into the unit tests.
 */
#ifndef _ESPAH_AH_MUTABLE_H
#define _ESPAH_AH_MUTABLE_H

#include <linux/types.h>

/**
 * espah_ah_covered - copy the headers before AH in the form that the ICV covers
 * @to: buffer for @len bytes; undefined after a failure
 * @from: an IPv4 header with its options, or an IPv6 header with its extension headers
 * @len: bytes up to AH, at least 1
 * @out: the packet is outbound: mutable but predictable fields get the value that they will
 *	have at the receiver. In an inbound packet they already have it.
 *
 * Mutable fields and options become 0. Routing headers of types 0 and 2 are predictable; others
 * must have no segments left, on output too. Mobile IPv6 home addresses are copied unchanged.
 *
 * Return: 0; -EINVAL if a length is wrong, options overrun, the chain of headers does not
 * lead to AH, or the packet is a fragment.
 */
int espah_ah_covered(u8 *to, const u8 *from, unsigned int len, bool out);

#endif /* _ESPAH_AH_MUTABLE_H */
