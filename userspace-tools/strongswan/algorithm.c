// SPDX-License-Identifier: GPL-2.0-only
/* Maps the algorithms that IKE negotiated (RFC 7296 3.3.2) to the module's names. */
#include "backend.h"

#include <stdio.h>

/* @salt: bytes after the key itself in the key material of IKE */
static const struct {
	uint16_t id;
	uint8_t salt;
	bool integrity;
	const char *format;
} ciphers[] = {
	{ ENCR_NULL, 0, TRUE, "null" },
	{ ENCR_AES_CBC, 0, TRUE, "aes%zu" },
	{ ENCR_AES_CTR, 4, TRUE, "aes%zuctr" },
	{ ENCR_AES_CCM_ICV8, 3, FALSE, "aes%zuccm8" },
	{ ENCR_AES_CCM_ICV12, 3, FALSE, "aes%zuccm12" },
	{ ENCR_AES_CCM_ICV16, 3, FALSE, "aes%zuccm16" },
	{ ENCR_AES_GCM_ICV8, 4, FALSE, "aes%zugcm8" },
	{ ENCR_AES_GCM_ICV12, 4, FALSE, "aes%zugcm12" },
	{ ENCR_AES_GCM_ICV16, 4, FALSE, "aes%zugcm16" },
	{ ENCR_NULL_AUTH_AES_GMAC, 4, FALSE, "aes%zugmac" },
	{ ENCR_CHACHA20_POLY1305, 4, FALSE, "chacha20poly1305" },
};

static const struct {
	uint16_t id;
	const char *name;
} integrities[] = {
	{ AUTH_HMAC_SHA1_96, "sha1" },
	{ AUTH_HMAC_SHA2_256_128, "sha256" },
	{ AUTH_HMAC_SHA2_384_192, "sha384" },
	{ AUTH_HMAC_SHA2_512_256, "sha512" },
	{ AUTH_AES_XCBC_96, "aesxcbc" },
	{ AUTH_AES_CMAC_96, "aescmac" },
};

static const char *integrity_name(uint16_t id)
{
	unsigned int i;

	for (i = 0; i < countof(integrities); i++)
		if (integrities[i].id == id)
			return integrities[i].name;
	return NULL;
}

const char *algorithm_name(uint8_t proto, uint16_t enc, size_t enc_key_len, uint16_t integ,
			   char *buf, size_t size)
{
	const char *integrity = integrity_name(integ);
	unsigned int i;
	int used;

	if (proto == IPPROTO_AH)
		return integrity;
	for (i = 0; i < countof(ciphers) && ciphers[i].id != enc; i++)
		;
	if (i == countof(ciphers) || (ciphers[i].integrity && !integrity) ||
	    enc_key_len < ciphers[i].salt)
		return NULL;
	used = snprintf(buf, size, ciphers[i].format, (enc_key_len - ciphers[i].salt) * 8);
	if (ciphers[i].integrity)
		snprintf(buf + used, size - used, "-%s", integrity);
	return buf;
}
