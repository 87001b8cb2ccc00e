/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of algorithm suites (RFC 8221) and their transforms in the crypto API. */
#ifndef _ESPAH_ALGO_H
#define _ESPAH_ALGO_H

#include <linux/in.h>
#include <linux/types.h>

struct crypto_aead;
struct netlink_ext_ack;

/** enum espah_iv - where the IV of a packet comes from */
enum espah_iv {
	/** @ESPAH_IV_NONE: the suite has no IV */
	ESPAH_IV_NONE,
	/**
	 * @ESPAH_IV_SEQ: the sequence number XOR espah_sa.iv_mask. Counter modes only need a unique
	 * IV (RFC 4106 3.1, 4309 3.1, 3686 3.1, 7634 2); XOR with a constant keeps it unique
	 */
	ESPAH_IV_SEQ,
	/** @ESPAH_IV_RANDOM: unpredictable (CBC, RFC 3602 section 3) */
	ESPAH_IV_RANDOM,
	/** @ESPAH_IV_IMPLICIT: the sequence number; no IV is sent (RFC 8750) */
	ESPAH_IV_IMPLICIT,
};

/**
 * struct espah_algo - an algorithm suite
 * @name: IKE keyword, "aes256gcm16"
 * @proto: protocol of the suite, IPPROTO_ESP or IPPROTO_AH
 * @aead: name in the crypto API without ESN
 * @aead_esn: name in the crypto API with ESN; NULL: as @aead
 * @missing: error text with module and config option, for a kernel without this transform
 * @enc_key_len: bytes of the encryption key without salt
 * @salt_len: bytes of salt or nonce behind it
 * @auth_key_len: bytes of the integrity key; 0 for combined modes
 * @iv_len: bytes of IV in the packet
 * @icv_len: bytes of ICV in the packet
 * @block_len: the ciphertext length is a multiple of this, at least 4; AH: 1
 * @iv: where IVs come from
 */
struct espah_algo {
	const char *name;
	const char *aead;
	const char *aead_esn;
	const char *missing;
	u8 proto;
	u8 enc_key_len;
	u8 salt_len;
	u8 auth_key_len;
	u8 iv_len;
	u8 icv_len;
	u8 block_len;
	enum espah_iv iv;
};

extern const struct espah_algo espah_algos[];
extern const unsigned int espah_algo_count;

static inline unsigned int espah_algo_key_len(const struct espah_algo *algo)
{
	return algo->enc_key_len + algo->salt_len + algo->auth_key_len;
}

/* whether this module puts the salt before the IV itself, not the transform */
static inline bool espah_algo_own_nonce(const struct espah_algo *algo)
{
	return algo->iv == ESPAH_IV_IMPLICIT || algo->proto == IPPROTO_AH;
}

/* whether packets with the same key, salt and IV reveal each other's plaintext */
static inline bool espah_algo_counts(const struct espah_algo *algo)
{
	return algo->iv == ESPAH_IV_SEQ || algo->iv == ESPAH_IV_IMPLICIT;
}

/* the suite with this name for a protocol, or NULL */
const struct espah_algo *espah_algo_find(const char *name, u8 proto);

/**
 * espah_algo_alloc - allocate a keyed transform of a suite
 * @algo: the suite
 * @esn: with extended sequence numbers
 * @key: espah_algo_key_len() bytes in the order of ESPAH_SA_KEY
 * @extack: gets a sentence on failure
 *
 * Context: process; may load modules.
 * Return: the transform, to be freed with crypto_free_aead(), or an ERR_PTR.
 */
struct crypto_aead *espah_algo_alloc(const struct espah_algo *algo, bool esn, const u8 *key,
				     struct netlink_ext_ack *extack);

/* gets the name of the driver that this kernel would use; Return: false if there is none */
bool espah_algo_driver(const struct espah_algo *algo, char *driver, size_t size);

#endif /* _ESPAH_ALGO_H */
