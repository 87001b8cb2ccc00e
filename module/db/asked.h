/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which acquire events were sent within the last second, for policies that may ask for many SAs:
 * their templates take the outer addresses from the packet, or they have populate-from-packet
 * flags. Each wanted SA has its own limit, so that a peer that never answers delays no other peer.
 */
#ifndef _ESPAH_ASKED_H
#define _ESPAH_ASKED_H

#include <linux/siphash.h>
#include <linux/types.h>

/* a power of two of sets; SETS * WAYS events a second at most */
#define ESPAH_ASKED_SETS 512
#define ESPAH_ASKED_WAYS 8

/**
 * struct espah_asked - recent acquire events of a network namespace
 * @key: secret, so that nobody can choose flows that share a set
 * @at: by a hash of what the event asks for; @tag: other bits of the hash; @when: the lower bits of
 *	jiffies, or 0: unused
 */
struct espah_asked {
	siphash_key_t key;
	struct espah_asked_entry {
		u32 tag;
		u32 when;
	} at[ESPAH_ASKED_SETS][ESPAH_ASKED_WAYS];
};

/* Return: NULL without memory. Freed with kvfree(). */
struct espah_asked *espah_asked_alloc(void);

/**
 * espah_asked_due - whether to send an acquire event now
 * @asked: recent events
 * @want: what the event asks for, without padding of random content
 * @len: bytes of @want
 *
 * Context: any. Return: true about once a second for each @want; false also if a set is full of
 * events of the last second.
 */
bool espah_asked_due(struct espah_asked *asked, const void *want, size_t len);

#endif /* _ESPAH_ASKED_H */
