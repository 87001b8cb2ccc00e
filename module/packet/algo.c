// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/aead.h>
#include <crypto/authenc.h>
#include <linux/in.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include "algo.h"

/*
 * The algorithms that RFC 8221 sections 5 and 6 list, except for those that it
 * forbids. Names are IKE keywords.
 *
 * Combined modes: GCM RFC 4106, CCM RFC 4309, ChaCha20-Poly1305 RFC 7634, GMAC
 * RFC 4543; with implicit IV, RFC 8750, the three that IANA registered.
 * Ciphers: CBC RFC 3602, CTR RFC 3686, NULL RFC 2410. Integrity: HMAC-SHA1
 * RFC 2404, HMAC-SHA2 RFC 4868, AES-XCBC RFC 3566, AES-CMAC RFC 4494.
 */
#define MISSING(template, hint) "the kernel has no " template ": " hint

#define COMBINED_IV(ike, template, hint, key, salt, icv, ivlen, source)                            \
	{                                                                                          \
		.name = ike, .proto = IPPROTO_ESP, .aead = template,                               \
		.missing = MISSING(template, hint), .enc_key_len = key, .salt_len = salt,          \
		.iv_len = ivlen, .icv_len = icv, .block_len = 4, .iv = source,                     \
	}

#define COMBINED(ike, template, hint, key, salt, icv)                                              \
	COMBINED_IV(ike, template, hint, key, salt, icv, 8, ESPAH_IV_SEQ)
/* not the IPsec templates, which need an IV in the packet, behind the ESP header */
#define IMPLICIT(ike, template, hint, key, salt, icv)                                              \
	COMBINED_IV(ike "iiv", template, hint, key, salt, icv, 0, ESPAH_IV_IMPLICIT)

#define AES_ICVS(bits, mode, template, hint, salt)                                                 \
	COMBINED("aes" #bits mode "16", template, hint, bits / 8, salt, 16),                       \
	COMBINED("aes" #bits mode "12", template, hint, bits / 8, salt, 12),                       \
	COMBINED("aes" #bits mode "8", template, hint, bits / 8, salt, 8)

#define GCM_HINT "load module gcm or aesni_intel (CONFIG_CRYPTO_GCM)"
#define CCM_HINT "load modules ccm and ctr (CONFIG_CRYPTO_CCM)"
#define CHACHA_HINT "load module chacha20poly1305 (CONFIG_CRYPTO_CHACHA20POLY1305)"

#define GCM(bits) AES_ICVS(bits, "gcm", "rfc4106(gcm(aes))", GCM_HINT, 4)
#define CCM(bits) AES_ICVS(bits, "ccm", "rfc4309(ccm(aes))", CCM_HINT, 3)
#define GCM_IIV(bits) IMPLICIT("aes" #bits "gcm16", "gcm(aes)", GCM_HINT, bits / 8, 4, 16)
#define CCM_IIV(bits) IMPLICIT("aes" #bits "ccm8", "ccm(aes)", CCM_HINT, bits / 8, 3, 8)
/* AH carries the IV as well, before the ICV (RFC 4543 section 4) */
#define GMAC(bits)                                                                                 \
	COMBINED("aes" #bits "gmac", "rfc4543(gcm(aes))", GCM_HINT, bits / 8, 4, 16),              \
	{                                                                                          \
		.name = "aes" #bits "gmac", .proto = IPPROTO_AH, .aead = "gcm(aes)",               \
		.missing = MISSING("gcm(aes)", GCM_HINT), .enc_key_len = bits / 8, .salt_len = 4,  \
		.iv_len = 8, .icv_len = 16, .block_len = 1, .iv = ESPAH_IV_SEQ,                    \
	}

#define PAIR(ike, cipher, mac, hint, key, salt, mac_key, ivlen, icv, block, source)                \
	{                                                                                          \
		.name = ike, .proto = IPPROTO_ESP, .aead = "authenc(" mac "," cipher ")",          \
		.aead_esn = "authencesn(" mac "," cipher ")",                                      \
		.missing = MISSING("authenc or authencesn(" mac "," cipher ")", hint),             \
		.enc_key_len = key, .salt_len = salt, .auth_key_len = mac_key, .iv_len = ivlen,    \
		.icv_len = icv, .block_len = block, .iv = source,                                  \
	}

#define PAIR_HINT(cipher, mac)                                                                     \
	"load modules authenc, authencesn, " cipher " and " mac " (CONFIG_CRYPTO_AUTHENC ...)"

#define CIPHERS(ike, mac, module, mac_key, icv)                                                    \
	PAIR("aes128-" ike, "cbc(aes)", mac, PAIR_HINT("cbc", module),                             \
	     16, 0, mac_key, 16, icv, 16, ESPAH_IV_RANDOM),                                        \
	PAIR("aes192-" ike, "cbc(aes)", mac, PAIR_HINT("cbc", module),                             \
	     24, 0, mac_key, 16, icv, 16, ESPAH_IV_RANDOM),                                        \
	PAIR("aes256-" ike, "cbc(aes)", mac, PAIR_HINT("cbc", module),                             \
	     32, 0, mac_key, 16, icv, 16, ESPAH_IV_RANDOM),                                        \
	PAIR("aes128ctr-" ike, "rfc3686(ctr(aes))", mac, PAIR_HINT("ctr", module),                 \
	     16, 4, mac_key, 8, icv, 4, ESPAH_IV_SEQ),                                             \
	PAIR("aes192ctr-" ike, "rfc3686(ctr(aes))", mac, PAIR_HINT("ctr", module),                 \
	     24, 4, mac_key, 8, icv, 4, ESPAH_IV_SEQ),                                             \
	PAIR("aes256ctr-" ike, "rfc3686(ctr(aes))", mac, PAIR_HINT("ctr", module),                 \
	     32, 4, mac_key, 8, icv, 4, ESPAH_IV_SEQ),                                             \
	PAIR("null-" ike, "ecb(cipher_null)", mac, PAIR_HINT("crypto_null", module),               \
	     0, 0, mac_key, 0, icv, 4, ESPAH_IV_NONE),                                             \
	{                                                                                          \
		.name = ike, .proto = IPPROTO_AH, .aead = "authenc(" mac ",ecb(cipher_null))",     \
		.missing = MISSING("authenc(" mac ",ecb(cipher_null))",                            \
				   PAIR_HINT("crypto_null", module)),                              \
		.auth_key_len = mac_key, .icv_len = icv, .block_len = 1, .iv = ESPAH_IV_NONE,      \
	}

const struct espah_algo espah_algos[] = {
	GCM(128), GCM(192), GCM(256),
	CCM(128), CCM(192), CCM(256),
	COMBINED("chacha20poly1305", "rfc7539esp(chacha20,poly1305)", CHACHA_HINT, 32, 4, 16),
	GCM_IIV(128), GCM_IIV(192), GCM_IIV(256),
	CCM_IIV(128), CCM_IIV(192), CCM_IIV(256),
	IMPLICIT("chacha20poly1305", "rfc7539(chacha20,poly1305)", CHACHA_HINT, 32, 4, 16),
	GMAC(128), GMAC(192), GMAC(256),
	CIPHERS("sha256", "hmac(sha256)", "sha256_generic", 32, 16),
	CIPHERS("sha384", "hmac(sha384)", "sha512_generic", 48, 24),
	CIPHERS("sha512", "hmac(sha512)", "sha512_generic", 64, 32),
	CIPHERS("sha1", "hmac(sha1)", "sha1_generic", 20, 12),
	CIPHERS("aesxcbc", "xcbc(aes)", "xcbc", 16, 12),
	CIPHERS("aescmac", "cmac(aes)", "cmac", 16, 12),
};

const unsigned int espah_algo_count = ARRAY_SIZE(espah_algos);

const struct espah_algo *espah_algo_find(const char *name, u8 proto)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(espah_algos); i++)
		if (espah_algos[i].proto == proto && !strcmp(espah_algos[i].name, name))
			return &espah_algos[i];
	return NULL;
}

/* authenc() needs both keys in one blob, behind an attribute with the encryption key's length. */
static int set_paired_key(struct crypto_aead *aead, const struct espah_algo *algo, const u8 *key)
{
	unsigned int enc_len = algo->enc_key_len + algo->salt_len;
	unsigned int blob_len = RTA_SPACE(sizeof(struct crypto_authenc_key_param)) +
				enc_len + algo->auth_key_len;
	struct crypto_authenc_key_param *param;
	struct rtattr *rta;
	u8 *blob, *p;
	int err;

	blob = kzalloc(blob_len, GFP_KERNEL);
	if (!blob)
		return -ENOMEM;
	rta = (struct rtattr *)blob;
	rta->rta_type = CRYPTO_AUTHENC_KEYA_PARAM;
	rta->rta_len = RTA_LENGTH(sizeof(*param));
	param = RTA_DATA(rta);
	param->enckeylen = cpu_to_be32(enc_len);
	p = blob + RTA_SPACE(sizeof(*param));
	memcpy(p, key + enc_len, algo->auth_key_len);
	memcpy(p + algo->auth_key_len, key, enc_len);
	err = crypto_aead_setkey(aead, blob, blob_len);
	kfree_sensitive(blob);
	return err;
}

struct crypto_aead *espah_algo_alloc(const struct espah_algo *algo, bool esn, const u8 *key,
				     struct netlink_ext_ack *extack)
{
	struct crypto_aead *aead;
	int err;

	aead = crypto_alloc_aead(esn && algo->aead_esn ? algo->aead_esn : algo->aead, 0, 0);
	if (IS_ERR(aead)) {
		if (PTR_ERR(aead) == -ENOENT && extack)
			extack->_msg = algo->missing;
		else
			NL_SET_ERR_MSG(extack, "the kernel could not set up the algorithm");
		return aead;
	}
	if (algo->auth_key_len)
		err = set_paired_key(aead, algo, key);
	else
		err = crypto_aead_setkey(aead, key, algo->enc_key_len +
					 (espah_algo_own_nonce(algo) ? 0 : algo->salt_len));
	if (err) {
		NL_SET_ERR_MSG(extack, "the crypto driver refused the key");
		goto free;
	}
	err = crypto_aead_setauthsize(aead, algo->icv_len);
	if (err) {
		NL_SET_ERR_MSG(extack, "the crypto driver refused the length of the ICV");
		goto free;
	}
	return aead;
free:
	crypto_free_aead(aead);
	return ERR_PTR(err);
}

bool espah_algo_driver(const struct espah_algo *algo, char *driver, size_t size)
{
	struct crypto_aead *aead = crypto_alloc_aead(algo->aead, 0, 0);

	if (IS_ERR(aead))
		return false;
	strscpy(driver, crypto_tfm_alg_driver_name(crypto_aead_tfm(aead)), size);
	crypto_free_aead(aead);
	return true;
}
