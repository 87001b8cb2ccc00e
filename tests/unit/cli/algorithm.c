// SPDX-License-Identifier: GPL-2.0-only
/* What RFC 8221 says of algorithms, as its tables have it, and names that others use. */
#include <netinet/in.h>
#include <string.h>

#include "algorithm.h"
#include "harness.h"

static const struct {
	const char *name;
	uint8_t proto;
	const char *advice; /* RFC 8221 5 and 6; a pair is as good as its weaker part */
	bool hides;
} wanted[] = {
	{ "aes128gcm16", IPPROTO_ESP, "MUST", true },
	{ "aes256gcm16", IPPROTO_ESP, "MUST", true },
	{ "aes192gcm16", IPPROTO_ESP, "MAY", true }, /* keys of 192 bits remain a MAY */
	{ "aes256gcm8", IPPROTO_ESP, "MAY", true }, /* not listed */
	{ "aes128ccm8", IPPROTO_ESP, "SHOULD (IoT)", true },
	{ "aes192ccm8", IPPROTO_ESP, "MAY", true },
	{ "aes256ccm16", IPPROTO_ESP, "MAY", true },
	{ "chacha20poly1305", IPPROTO_ESP, "SHOULD", true },
	{ "chacha20poly1305iiv", IPPROTO_ESP, "MAY", true },
	{ "aes128-sha256", IPPROTO_ESP, "MUST", true },
	{ "aes192-sha256", IPPROTO_ESP, "MAY", true },
	{ "aes256-sha512", IPPROTO_ESP, "SHOULD", true },
	{ "aes256-sha1", IPPROTO_ESP, "MUST-", true },
	{ "aes256-sha384", IPPROTO_ESP, "MAY", true },
	{ "aes256-aesxcbc", IPPROTO_ESP, "SHOULD (IoT)", true },
	{ "aes256ctr-sha256", IPPROTO_ESP, "MAY", true },
	{ "aes256-aescmac", IPPROTO_ESP, "MAY", true },
	{ "null-sha256", IPPROTO_ESP, "MUST", false },
	{ "null-sha1", IPPROTO_ESP, "MUST-", false },
	{ "aes256gmac", IPPROTO_ESP, "MAY", false },
	{ "aes256gmac", IPPROTO_AH, "MAY", false },
	{ "sha256", IPPROTO_AH, "MUST", false },
	{ "sha512", IPPROTO_AH, "SHOULD", false },
	{ "sha1", IPPROTO_AH, "MUST-", false },
	{ "aesxcbc", IPPROTO_AH, "SHOULD (IoT)", false },
};

static void advice(void)
{
	enum advice advice;
	unsigned int i;

	test_begin("the levels of RFC 8221 5 and 6");
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		bool known = algorithm_advice(wanted[i].name, wanted[i].proto, &advice);

		if (known && !strcmp(advice_text(advice), wanted[i].advice) &&
		    algorithm_hides(wanted[i].name, wanted[i].proto) == wanted[i].hides)
			continue;
		printf("# %s is %s\n", wanted[i].name, known ? advice_text(advice) : "unknown");
		CHECK(!"as in the RFC");
	}
	CHECK(!algorithm_advice("sha256", IPPROTO_ESP, &advice));
	CHECK(!algorithm_advice("aes256gcm16", IPPROTO_AH, &advice));
	CHECK(!algorithm_advice("", IPPROTO_ESP, &advice));
	test_end();
}

static bool suggests(const char *word, uint8_t proto, const char *name)
{
	char meant[ALGORITHM_MAX];
	bool found = algorithm_suggest(word, proto, meant);

	if (found ? name && !strcmp(meant, name) : !name)
		return true;
	printf("# '%s' suggests %s\n", word, found ? meant : "nothing");
	return false;
}

static void suggestions(void)
{
	test_begin("the algorithm that was meant: sign and case, no ICV, typing errors, names of others");
	CHECK(suggests("aes256gcm", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("AES256GCM16", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("aes-256-gcm", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("aes256gmc16", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("aes_gcm_256", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("null", IPPROTO_ESP, "null-sha256"));
	CHECK(suggests("chacha20-poly1305", IPPROTO_ESP, "chacha20poly1305"));
	CHECK(suggests("aes128-sha2_256", IPPROTO_ESP, "aes128-sha256"));
	CHECK(suggests("rfc4106(gcm(aes))", IPPROTO_ESP, "aes256gcm16"));
	CHECK(suggests("hmac(sha256)", IPPROTO_AH, "sha256"));
	CHECK(suggests("HMAC-SHA2-512", IPPROTO_AH, "sha512"));
	CHECK(suggests("sha-1", IPPROTO_AH, "sha1"));
	CHECK(suggests("3des", IPPROTO_ESP, NULL));
	CHECK(suggests("blowfish", IPPROTO_ESP, NULL));
	CHECK(suggests("", IPPROTO_ESP, NULL));
	CHECK(suggests("-", IPPROTO_ESP, NULL));
	CHECK(suggests("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", IPPROTO_ESP,
		       NULL));
	test_end();
}

static void drivers(void)
{
	test_begin("drivers for the processor's own instructions, as kernels 6.12 and 7.3 name them");
	CHECK(driver_fast("rfc4106-gcm-aesni-avx"));
	CHECK(driver_fast("generic-gcm-aesni-avx")); /* generic: any use, not portable code */
	CHECK(driver_fast("authenc(hmac(sha256-avx2),cbc-aes-aesni)"));
	CHECK(driver_fast("authenc(hmac-sha1-lib,cbc-aes-aesni)"));
	CHECK(driver_fast("rfc7539esp(chacha20-lib,poly1305-generic)"));
	CHECK(!driver_fast("rfc7539esp(chacha20-generic,poly1305-generic)"));
	CHECK(!driver_fast("authenc(hmac(sha1-generic),cbc-aes-aesni)"));
	CHECK(!driver_fast("rfc4106(gcm_base(ctr(aes-generic),ghash-generic))"));
	test_end();
}

void test_algorithm(void)
{
	advice();
	suggestions();
	drivers();
}
