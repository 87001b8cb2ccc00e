/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which cipher keys SAs have, so that a second use of one can be told.
 *
 * In a counter mode, two packets with the same key, salt and IV show each other's plaintext
 * (RFC 4106 section 10). The algorithm does not matter: GCM and CTR make the same key stream of
 * the same key, salt and IV. Keys of other modes are not kept here.
 */
#ifndef _ESPAH_KEY_USE_H
#define _ESPAH_KEY_USE_H

#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/siphash.h>
#include <linux/types.h>

struct espah_sa;

/**
 * struct espah_key_use - an SA's place among those with its cipher key and salt
 * @node: in the table, for one SA of each key
 * @print: fingerprint of cipher key and salt, by espah_keys.secret
 * @len: bytes of both; 0: of a mode in which a second use shows nothing, or without keys yet
 * @sharers: the SAs with this key, in a ring without a head
 */
struct espah_key_use {
	struct rhash_head node;
	u64 print;
	unsigned int len;
	struct list_head sharers;
};

/**
 * struct espah_keys - the cipher keys of a network namespace
 * @table: struct espah_sa, one for each key; under espah_net.lock
 * @secret: of this namespace, so that nobody can choose keys that meet in the table
 */
struct espah_keys {
	struct rhashtable table;
	siphash_key_t secret;
};

/* Return: 0 or -ENOMEM */
int espah_keys_setup(struct espah_keys *keys);
/* when no SA is left in it */
void espah_keys_teardown(struct espah_keys *keys);

/*
 * takes the fingerprint of an SA's cipher key and the salt behind it, @len bytes; once, before the
 * others, which do nothing for an SA without it
 */
void espah_key_use_init(const struct espah_keys *keys, struct espah_sa *sa, unsigned int len);

/* whether another SA has the cipher key and salt of @sa, which is not added; espah_net.lock */
bool espah_key_used(struct espah_keys *keys, struct espah_sa *sa);

/* @sa has its key from now on; Context: espah_net.lock; Return: 0 or -errno for want of memory */
int espah_key_use_add(struct espah_keys *keys, struct espah_sa *sa);
/* @sa, which was added, has its key no longer; Context: espah_net.lock */
void espah_key_use_del(struct espah_keys *keys, struct espah_sa *sa);

#endif /* _ESPAH_KEY_USE_H */
