// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/aead.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/esp.h>
#include "ah.h"
#include "algo.h"
#include "db/net.h"
#include "db/replay.h"
#include "key.h"
#include "op.h"

static int alloc_replay(struct espah_sa *sa, u32 window, u64 seq)
{
	sa->replay = kvzalloc(espah_replay_size(window), GFP_KERNEL_ACCOUNT);
	if (!sa->replay)
		return -ENOMEM;
	espah_replay_init(sa->replay, window, seq);
	return 0;
}

int espah_sa_key(struct espah_sa *sa, const struct espah_algo *algo, const u8 *key, u32 window,
		 u64 seq, struct netlink_ext_ack *extack)
{
	struct crypto_aead *aead = espah_algo_alloc(algo, espah_sa_esn(sa), key, extack);
	struct espah_path *path = espah_sa_path(sa);
	int err;

	if (IS_ERR(aead))
		return PTR_ERR(aead);
	sa->aead = aead;
	sa->algo = algo;
	sa->iv_len = algo->iv_len;
	sa->icv_len = algo->icv_len;
	sa->block_len = algo->block_len;
	sa->iv = algo->iv;
	sa->op_size = sizeof(struct espah_op) + crypto_aead_reqsize(aead);
	if (espah_sa_is_ah(sa)) {
		sa->hdr_len = espah_ah_len(sa);
		sa->op_size = ALIGN(sa->op_size, 8) + ESPAH_AH_COPY;
	} else {
		sa->hdr_len = sizeof(struct ip_esp_hdr) + algo->iv_len;
	}
	if (espah_algo_own_nonce(algo)) {
		/* CCM: the byte before the 3-byte salt encodes the counter length, 3 + 1 bytes */
		sa->salt[0] = 3;
		memcpy(sa->salt + sizeof(sa->salt) - algo->salt_len, key + algo->enc_key_len,
		       algo->salt_len);
	}
	atomic64_set(&sa->seq, seq);
	if (algo->iv == ESPAH_IV_SEQ && sa->id.dir == ESPAH_DIR_OUT)
		get_random_bytes(&sa->iv_mask, sizeof(sa->iv_mask));

	if (sa->id.dir == ESPAH_DIR_IN)
		err = alloc_replay(sa, window, seq);
	else
		err = dst_cache_init(&path->dst_cache, GFP_KERNEL_ACCOUNT);
	if (!err) {
		sa->key = kmemdup(key, espah_algo_key_len(algo), GFP_KERNEL_ACCOUNT);
		if (!sa->key)
			err = -ENOMEM;
	}
	if (err) {
		NL_SET_ERR_MSG(extack, "out of memory for the SA");
		return err;
	}
	if (espah_algo_counts(algo))
		espah_key_use_init(&sa->en->sad.keys, sa, algo->enc_key_len + algo->salt_len);
	sa->state = ESPAH_SA_STATE_VALID;
	return 0;
}
