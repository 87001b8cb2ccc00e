/* SPDX-License-Identifier: GPL-2.0-only */
/* The first station of an inbound ESP or AH packet: the checks that need no key. */
#ifndef _ESPAH_OPEN_H
#define _ESPAH_OPEN_H

#include "db/replay.h"
#include "packet/op.h"

static inline enum espah_drop espah_replay_drop(enum espah_replay_verdict verdict)
{
	return verdict == ESPAH_REPLAY_OLD ? ESPAH_DROP_TOO_OLD : ESPAH_DROP_REPLAY;
}

/**
 * espah_open_check - check lengths, and whether the sequence number is acceptable
 * @sa: inbound SA
 * @skb: the packet
 * @hdr_off: offset of its ESP or AH header
 * @encap_len: bytes of the UDP header before it, or 0
 * @seq: set to its sequence number
 *
 * Return: ESPAH_DROP_NONE or a drop reason.
 */
enum espah_drop espah_open_check(const struct espah_sa *sa, struct sk_buff *skb,
				 unsigned int hdr_off, unsigned int encap_len, u64 *seq);

/**
 * espah_open - prepare the decryption of a packet, or the check of its ICV
 * @sa: the SA
 * @skb: the packet, checked and not shared; consumed
 * @hdr_off: offset of its ESP or AH header
 * @encap_len: bytes of the UDP header before it, or 0
 * @seq: its sequence number
 * @outer: the op of the packet around it, if that came by an SA too; else NULL
 *
 * Context: RCU reader, BH disabled.
 * Return: the op for espah_order_run(), or NULL: the packet was dropped.
 */
struct espah_op *espah_open(struct espah_sa *sa, struct sk_buff *skb, unsigned int hdr_off,
			    unsigned int encap_len, u64 seq, const struct espah_op *outer);

#endif /* _ESPAH_OPEN_H */
