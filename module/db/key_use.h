/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cipher keys of SAs, to detect the reuse of a key.
 *
 * In a counter mode, two packets with the same key, salt and IV reveal each other's plaintext
 * (RFC 4106 section 10). The algorithm does not matter: GCM and CTR produce the same key stream
 * from the same key, salt and IV. Keys of other modes are not kept here.
 */
#ifndef _ESPAH_KEY_USE_H
#define _ESPAH_KEY_USE_H

#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/siphash.h>
#include <linux/types.h>

struct espah_sa;

/**
 * struct espah_key_use - links an SA to the other SAs with its cipher key and salt
 * @node: in the table, for one SA of each key
 * @print: fingerprint of cipher key and salt, keyed with espah_keys.secret
 * @len: bytes of cipher key and salt; 0: not a counter mode, or no keys yet
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
 * @secret: random, so that no user can choose keys that collide in the table
 */
struct espah_keys {
	struct rhashtable table;
	siphash_key_t secret;
};

/* Return: 0 or -ENOMEM */
int espah_keys_setup(struct espah_keys *keys);
/* @keys must be empty */
void espah_keys_teardown(struct espah_keys *keys);

/*
 * computes the fingerprint of an SA's cipher key and the salt behind it, @len bytes; called once,
 * before the functions below, which ignore an SA without a fingerprint
 */
void espah_key_use_init(const struct espah_keys *keys, struct espah_sa *sa, unsigned int len);

/* whether an added SA has the key and salt of @sa, not added yet; Context: espah_net.lock */
bool espah_key_used(struct espah_keys *keys, struct espah_sa *sa);

/* adds the key of @sa; Context: espah_net.lock; Return: 0, or -errno without memory */
int espah_key_use_add(struct espah_keys *keys, struct espah_sa *sa);
/* removes the key of an added @sa; Context: espah_net.lock */
void espah_key_use_del(struct espah_keys *keys, struct espah_sa *sa);

#endif /* _ESPAH_KEY_USE_H */
