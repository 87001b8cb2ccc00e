// SPDX-License-Identifier: GPL-2.0-only
/* From the names of the crypto API, as XFRM knows them, to espah's suites. */
#include <linux/slab.h>
#include "nlx_sa.h"

/**
 * struct part - a cipher or an integrity algorithm
 * @name: in the crypto API
 * @alias: another name for it
 * @trunc: integrity: bits of the ICV if the user names none
 * @full: integrity: bits of the ICV before truncation
 */
struct part {
	const char *name;
	const char *alias;
	u16 trunc;
	u16 full;
};

static const struct part macs[] = {
	{ "hmac(sha1)", "sha1", 96, 160 },
	{ "hmac(sha256)", "sha256", 96, 256 },
	{ "hmac(sha384)", NULL, 192, 384 },
	{ "hmac(sha512)", NULL, 256, 512 },
	{ "xcbc(aes)", NULL, 96, 128 },
	{ "cmac(aes)", NULL, 96, 128 },
};

static const struct part ciphers[] = {
	{ "cbc(aes)", "aes" },
	{ "rfc3686(ctr(aes))" },
	{ "ecb(cipher_null)", "cipher_null" },
};

/* bits of the shortest ICV: that of RFC 2404, 3566 and 4494 */
#define ICV_MIN 96

static const struct part *find_part(const struct part *parts, unsigned int n, const char *name)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!strcmp(parts[i].name, name) ||
		    (parts[i].alias && !strcmp(parts[i].alias, name)))
			return &parts[i];
	return NULL;
}

/**
 * struct given - an algorithm in a request
 * @name: its name
 * @key: its key
 * @key_len: bytes of @key
 * @icv: bits of the ICV; 0: not named
 */
struct given {
	char name[sizeof_field(struct xfrm_algo, alg_name)];
	const char *key;
	u32 key_len;
	u32 icv;
};

static int get(struct nlx_request *rq, int type, struct given *given)
{
	const struct nlattr *attr = rq->attrs[type];
	const struct xfrm_algo_auth *trunc = nla_data(attr);
	const struct xfrm_algo_aead *aead = nla_data(attr);
	const struct xfrm_algo *algo = nla_data(attr);
	unsigned int head = sizeof(*algo);
	u32 bits = algo->alg_key_len;

	/* names and key lengths are at the same place in all of them */
	given->icv = 0;
	given->key = algo->alg_key;
	if (type == XFRMA_ALG_AUTH_TRUNC) {
		head = sizeof(*trunc);
		given->icv = trunc->alg_trunc_len;
		given->key = trunc->alg_key;
	} else if (type == XFRMA_ALG_AEAD) {
		head = sizeof(*aead);
		given->icv = aead->alg_icv_len;
		given->key = aead->alg_key;
	}
	given->key_len = bits / 8 + !!(bits % 8);
	if (given->key_len > nla_len(attr) - head)
		return NLX_FAIL(rq, -EINVAL, "an algorithm's key is longer than its attribute");
	strscpy(given->name, algo->alg_name, sizeof(given->name));
	return 0;
}

/* The suite of a protocol with this transform and cipher key; one with this ICV is preferred. */
static const struct espah_algo *find_suite(u8 proto, const char *aead, u32 enc_len, u32 icv)
{
	const struct espah_algo *found = NULL;
	unsigned int i;

	for (i = 0; i < espah_algo_count; i++) {
		const struct espah_algo *algo = &espah_algos[i];

		/* XFRM has no implicit IVs (RFC 8750) */
		if (algo->proto != proto || algo->iv == ESPAH_IV_IMPLICIT ||
		    algo->enc_key_len + algo->salt_len != enc_len || strcmp(algo->aead, aead))
			continue;
		if (algo->icv_len * 8 == icv)
			return algo;
		found = algo;
	}
	return found;
}

static int read_combined(struct nlx_request *rq, u8 *key, const struct espah_algo **algo)
{
	struct given aead;
	unsigned int i;
	int err = get(rq, XFRMA_ALG_AEAD, &aead);

	if (err)
		return err;
	for (i = 0; i < espah_algo_count; i++)
		if (espah_algos[i].proto == IPPROTO_ESP && !espah_algo_own_nonce(&espah_algos[i]) &&
		    !espah_algos[i].auth_key_len && !strcmp(espah_algos[i].aead, aead.name) &&
		    espah_algos[i].icv_len * 8 == aead.icv)
			break;
	if (i == espah_algo_count)
		return NLX_FAIL(rq, -ENOSYS,
				"espah has no AEAD algorithm of this name and ICV: it has rfc4106(gcm(aes)) and rfc4309(ccm(aes)) with 64, 96 and 128 bits, rfc4543(gcm(aes)) and rfc7539esp(chacha20,poly1305) with 128");
	*algo = find_suite(IPPROTO_ESP, aead.name, aead.key_len, aead.icv);
	if (!*algo)
		return NLX_FAIL(rq, -EINVAL,
				"the AEAD algorithm takes no key of this length, which includes the salt");
	memcpy(key, aead.key, aead.key_len);
	return 0;
}

static int check_icv(struct nlx_request *rq, const struct part *mac, struct given *auth)
{
	if (!auth->icv)
		auth->icv = mac->trunc;
	if (auth->icv > mac->full)
		return NLX_FAIL(rq, -EINVAL,
				"the ICV cannot be longer than the integrity algorithm's output");
	if (auth->icv < ICV_MIN)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah takes no ICV shorter than 96 bits");
	if (auth->icv % 32)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah takes ICVs of a multiple of 32 bits");
	if (!auth->key_len || auth->key_len > U8_MAX)
		return NLX_FAIL(rq, -EINVAL, "an integrity key has 1 to 255 bytes");
	/* a draft's length, which the kernel kept as its default */
	if (mac->full == 256 && auth->icv == 96)
		NL_SET_ERR_MSG(rq->extack,
			       "hmac(sha256) with 96 bits is not RFC 4868's: most peers expect auth-trunc with 128 bits");
	return 0;
}

/* A suite like @base with another length of the ICV or of the integrity key. */
static const struct espah_algo *vary(const struct espah_algo *base, const struct given *auth,
				     struct nlx_sa *nlx)
{
	int len = scnprintf(nlx->name, sizeof(nlx->name), "%s", base->name);

	if (base->icv_len * 8 == auth->icv && base->auth_key_len == auth->key_len)
		return base;
	nlx->algo = *base;
	nlx->algo.name = nlx->name;
	nlx->algo.icv_len = auth->icv / 8;
	nlx->algo.auth_key_len = auth->key_len;
	if (base->icv_len * 8 != auth->icv)
		len += scnprintf(nlx->name + len, sizeof(nlx->name) - len, "-%u", auth->icv);
	if (base->auth_key_len != auth->key_len)
		scnprintf(nlx->name + len, sizeof(nlx->name) - len, "-key%u", auth->key_len);
	return &nlx->algo;
}

static int read_pair(struct nlx_request *rq, u8 proto, struct nlx_sa *nlx, u8 *key,
		     const struct espah_algo **algo)
{
	int type = rq->attrs[XFRMA_ALG_AUTH_TRUNC] ? XFRMA_ALG_AUTH_TRUNC : XFRMA_ALG_AUTH;
	const struct part *mac, *cipher = find_part(ciphers, ARRAY_SIZE(ciphers), "cipher_null");
	struct given auth, crypt = { .key_len = 0 };
	const struct espah_algo *base;
	char aead[64];
	int err = get(rq, type, &auth);

	if (!err && proto == IPPROTO_ESP)
		err = get(rq, XFRMA_ALG_CRYPT, &crypt);
	if (err)
		return err;
	mac = find_part(macs, ARRAY_SIZE(macs), auth.name);
	if (!mac && !strcmp(auth.name, "digest_null"))
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah has no SAs without integrity (RFC 8221 section 6)");
	if (!mac)
		return NLX_FAIL(rq, -ENOSYS,
				"espah has no integrity algorithm of this name: it has hmac(sha1), hmac(sha256), hmac(sha384), hmac(sha512), xcbc(aes) and cmac(aes)");
	if (proto == IPPROTO_ESP)
		cipher = find_part(ciphers, ARRAY_SIZE(ciphers), crypt.name);
	if (!cipher)
		return NLX_FAIL(rq, -ENOSYS,
				"espah has no cipher of this name: it has cbc(aes), rfc3686(ctr(aes)) and ecb(cipher_null)");
	err = check_icv(rq, mac, &auth);
	if (err)
		return err;
	snprintf(aead, sizeof(aead), "authenc(%s,%s)", mac->name, cipher->name);
	base = find_suite(proto, aead, crypt.key_len, auth.icv);
	if (!base)
		return NLX_FAIL(rq, -EINVAL, "the cipher takes no key of this length");
	memcpy(key, crypt.key, crypt.key_len);
	memcpy(key + crypt.key_len, auth.key, auth.key_len);
	*algo = vary(base, &auth, nlx);
	return 0;
}

int nlx_read_algo(struct nlx_request *rq, u8 proto, struct nlx_sa *nlx, u8 *key,
		  const struct espah_algo **algo)
{
	if (rq->attrs[XFRMA_ALG_AEAD])
		return read_combined(rq, key, algo);
	if (!rq->attrs[XFRMA_ALG_CRYPT] && proto == IPPROTO_ESP)
		return NLX_FAIL(rq, -EINVAL, "ESP needs a cipher, or an AEAD algorithm");
	if (!rq->attrs[XFRMA_ALG_AUTH_TRUNC] && !rq->attrs[XFRMA_ALG_AUTH])
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah has no ESP without integrity (RFC 8221 section 4): add auth-trunc, or use an AEAD algorithm");
	return read_pair(rq, proto, nlx, key, algo);
}

void nlx_forget_keys(const struct nlmsghdr *nlh)
{
	struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, nlh, sizeof(struct xfrm_usersa_info), rem)
		switch (nla_type(attr)) {
		case XFRMA_ALG_AUTH:
		case XFRMA_ALG_AUTH_TRUNC:
		case XFRMA_ALG_CRYPT:
		case XFRMA_ALG_AEAD:
			memzero_explicit(nla_data(attr), nla_len(attr));
		}
}
