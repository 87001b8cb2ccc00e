// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <string.h>

#include <linux/espah.h>

#include "export.h"
#include "harness.h"
#include "nl.h"

static char line[WIRESHARK_LINE_MAX];
static char buf[NL_REQUEST_MAX] __attribute__((aligned(8)));

/* The exported line of an SA with this algorithm and @key_len bytes of key: 01 02 03 ... */
static const char *say(const char *alg, unsigned int key_len)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	uint8_t src[4] = { 192, 0, 2, 1 }, dst[4] = { 192, 0, 2, 2 }, key[200];
	struct nlmsghdr *nlh;
	unsigned int i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = i + 1;
	nlh = msg_start(buf, 77, 0, 5, ESPAH_CMD_SA_NEW);
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI, htonl(0x1001));
	mnl_attr_put(nlh, ESPAH_SA_SRC, 4, src);
	mnl_attr_put(nlh, ESPAH_SA_DST, 4, dst);
	mnl_attr_put_strz(nlh, ESPAH_SA_ALG, alg);
	mnl_attr_put(nlh, ESPAH_SA_KEY, key_len, key);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	*line = '\0';
	return wireshark_line(tb, line, sizeof(line));
}

static bool says(const char *alg, unsigned int key_len, const char *rest)
{
	static const char start[] = "\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0x00001001\",";

	return !say(alg, key_len) && !strncmp(line, start, strlen(start)) &&
	       !strcmp(line + strlen(start), rest);
}

static void lines(void)
{
	test_begin("export: cipher, integrity algorithm, and the key divided between them");
	CHECK(says("aes128gcm16", 3, "\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x010203\","
				     "\"NULL\",\"\"\n"));
	CHECK(says("null-sha1", 20, "\"NULL\",\"\",\"HMAC-SHA-1-96 [RFC2404]\","
				    "\"0x0102030405060708090a0b0c0d0e0f1011121314\"\n"));
	CHECK(says("aes256ctr-aescmac", 18, "\"AES-CTR [RFC3686]\",\"0x0102\","
		   "\"ANY 96 bit authentication [no checking]\","
		   "\"0x030405060708090a0b0c0d0e0f101112\"\n"));
	CHECK(!say("aes256-sha512", ESPAH_KEY_MAX) && strlen(line) < sizeof(line) - 1);
	test_end();
}

static void refusals(void)
{
	static const char *const unknown[] = {
		"aes128ccm16", "chacha20poly1305", "aes256gmac", "aes128gcm", "aesgcm16",
		"aes128gcm160", "aes", "aes128-", "aes128-sha", "aes128-sha2567", "-sha256", "-",
		"null-sha256-sha256", "xaes128-sha256", "128", "aes128ctr8-sha256",
	};
	unsigned int i;

	test_begin("export: what Wireshark does not know is left out, and nothing else");
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		CHECK(say(unknown[i], 100) && !*line);
	CHECK(strstr(say("", 100), "no keys"));
	CHECK(strstr(say("aes128-sha256", 31), "cannot be understood"));
	CHECK(strstr(say("aes128gcm16", ESPAH_KEY_MAX + 1), "cannot be understood"));
	test_end();
}

void test_export(void)
{
	lines();
	refusals();
}
