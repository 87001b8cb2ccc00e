// SPDX-License-Identifier: GPL-2.0-only
/* What is known about algorithms without asking the module: names, and advice of RFC 8221. */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "algorithm.h"
#include "cli.h"

struct part {
	const char *name;
	enum advice advice;
};

/*
 * RFC 8221 5, the ciphers that bring their own integrity. Its levels are for keys of 128 and 256
 * bits: keys of 192 bits are a MAY, as is what the RFC does not list. Of several names with the
 * same beginning, the first one is suggested.
 */
static const struct part combined[] = {
	{ "aes128gcm16", ADVICE_MUST }, { "aes128gcm12", ADVICE_MAY }, { "aes128gcm8", ADVICE_MAY },
	{ "aes192gcm16", ADVICE_MAY }, { "aes192gcm12", ADVICE_MAY }, { "aes192gcm8", ADVICE_MAY },
	{ "aes256gcm16", ADVICE_MUST }, { "aes256gcm12", ADVICE_MAY }, { "aes256gcm8", ADVICE_MAY },
	{ "aes128ccm16", ADVICE_MAY }, { "aes128ccm12", ADVICE_MAY }, { "aes128ccm8", ADVICE_IOT },
	{ "aes192ccm16", ADVICE_MAY }, { "aes192ccm12", ADVICE_MAY }, { "aes192ccm8", ADVICE_MAY },
	{ "aes256ccm16", ADVICE_MAY }, { "aes256ccm12", ADVICE_MAY }, { "aes256ccm8", ADVICE_IOT },
	{ "chacha20poly1305", ADVICE_SHOULD },
	/* RFC 8750 is younger */
	{ "aes128gcm16iiv", ADVICE_MAY }, { "aes192gcm16iiv", ADVICE_MAY },
	{ "aes256gcm16iiv", ADVICE_MAY }, { "aes128ccm8iiv", ADVICE_MAY },
	{ "aes192ccm8iiv", ADVICE_MAY }, { "aes256ccm8iiv", ADVICE_MAY },
	{ "chacha20poly1305iiv", ADVICE_MAY },
};

/* RFC 8221 6: both an integrity algorithm of AH and, with its own number, a cipher of ESP */
static const struct part gmacs[] = {
	{ "aes128gmac", ADVICE_MAY }, { "aes192gmac", ADVICE_MAY }, { "aes256gmac", ADVICE_MAY },
};

/* RFC 8221 5 */
static const struct part ciphers[] = {
	{ "aes128", ADVICE_MUST }, { "aes192", ADVICE_MAY }, { "aes256", ADVICE_MUST },
	{ "aes128ctr", ADVICE_MAY }, { "aes192ctr", ADVICE_MAY }, { "aes256ctr", ADVICE_MAY },
	{ "null", ADVICE_MUST },
};

/* RFC 8221 6 */
static const struct part macs[] = {
	{ "sha256", ADVICE_MUST }, { "sha384", ADVICE_MAY }, { "sha512", ADVICE_SHOULD },
	{ "sha1", ADVICE_FADING }, { "aesxcbc", ADVICE_IOT }, { "aescmac", ADVICE_MAY },
};

/* The i-th algorithm of a protocol. Return: whether there is one. */
static bool algorithm(unsigned int i, uint8_t proto, char name[ALGORITHM_MAX], enum advice *advice)
{
	const struct part *part = NULL, *mac;

	if (proto == IPPROTO_ESP && i < ARRAY_SIZE(combined))
		part = &combined[i];
	else if (proto == IPPROTO_ESP)
		i -= ARRAY_SIZE(combined);
	if (!part && i < ARRAY_SIZE(gmacs))
		part = &gmacs[i];
	else if (!part)
		i -= ARRAY_SIZE(gmacs);
	if (!part && proto == IPPROTO_AH && i < ARRAY_SIZE(macs))
		part = &macs[i];
	if (part) {
		snprintf(name, ALGORITHM_MAX, "%s", part->name);
		*advice = part->advice;
		return true;
	}
	if (proto != IPPROTO_ESP || i >= ARRAY_SIZE(macs) * ARRAY_SIZE(ciphers))
		return false;
	part = &ciphers[i % ARRAY_SIZE(ciphers)];
	mac = &macs[i / ARRAY_SIZE(ciphers)];
	snprintf(name, ALGORITHM_MAX, "%s-%s", part->name, mac->name);
	*advice = part->advice < mac->advice ? part->advice : mac->advice;
	return true;
}

/** algorithm_name() - get the i-th algorithm of a protocol. Return: whether there is one */
bool algorithm_name(unsigned int i, uint8_t proto, char name[ALGORITHM_MAX])
{
	enum advice advice;

	return algorithm(i, proto, name, &advice);
}

/** algorithm_advice() - get what RFC 8221 says of an algorithm. Return: whether it is known here */
bool algorithm_advice(const char *name, uint8_t proto, enum advice *advice)
{
	char known[ALGORITHM_MAX];
	unsigned int i;

	for (i = 0; algorithm(i, proto, known, advice); i++)
		if (same(known, name))
			return true;
	return false;
}

/** advice_text() - Return: the word of RFC 8221 */
const char *advice_text(enum advice advice)
{
	static const char *const texts[] = {
		[ADVICE_MAY] = "MAY", [ADVICE_IOT] = "SHOULD (IoT)", [ADVICE_FADING] = "MUST-",
		[ADVICE_SHOULD] = "SHOULD", [ADVICE_MUST] = "MUST",
	};

	return texts[advice];
}

/** algorithm_hides() - Return: whether the algorithm encrypts */
bool algorithm_hides(const char *name, uint8_t proto)
{
	return proto == IPPROTO_ESP && strncmp(name, "null-", 5) && !strstr(name, "gmac");
}

/**
 * driver_fast() - tell whether a crypto driver has code for this processor
 * @driver: its name in the kernel, which is made of those of its parts
 *
 * A part in portable C ends in "-generic". The exception: poly1305 beside "chacha20-lib" is a
 * function of the kernel's library, whatever the name says.
 */
bool driver_fast(const char *driver)
{
	const char *at = driver;

	while ((at = strstr(at, "-generic"))) {
		if (!strstr(driver, "chacha20-lib,poly1305-generic"))
			return false;
		at++;
	}
	return true;
}

/* Names of other tools, as squash() leaves them */
static const struct {
	const char *theirs;
	const char *ours;
} others[] = {
	/* ip xfrm, /proc/crypto */
	{ "rfc4106gcmaes", "aes256gcm16" }, { "rfc4309ccmaes", "aes256ccm16" },
	{ "rfc4543gcmaes", "aes256gmac" }, { "rfc7539espchacha20poly1305", "chacha20poly1305" },
	{ "hmacsha256", "sha256" }, { "hmacsha384", "sha384" }, { "hmacsha512", "sha512" },
	{ "hmacsha1", "sha1" }, { "cbcaes", "aes256-sha256" }, { "xcbcaes", "aesxcbc" },
	{ "cmacaes", "aescmac" }, { "ciphernull", "null-sha256" },
	/* Libreswan, OpenBSD, others */
	{ "aesgcm128", "aes128gcm16" }, { "aesgcm256", "aes256gcm16" }, { "aesgcm", "aes256gcm16" },
	{ "aesccm128", "aes128ccm16" }, { "aesccm256", "aes256ccm16" }, { "aesccm", "aes256ccm16" },
	{ "aes256cbc", "aes256-sha256" }, { "aescbc256", "aes256-sha256" },
	{ "aes128cbc", "aes128-sha256" }, { "aescbc128", "aes128-sha256" },
	{ "aescbc", "aes256-sha256" }, { "aesgmac", "aes256gmac" }, { "aes", "aes256gcm16" }, { "sha2", "sha256" },
	{ "sha2256", "sha256" }, { "sha2384", "sha384" }, { "sha2512", "sha512" },
	{ "hmacsha2256", "sha256" }, { "hmacsha2512", "sha512" }, { "sha196", "sha1" },
};

/* What is left of a name without signs, in small letters. */
static void squash(const char *word, char name[ALGORITHM_MAX])
{
	unsigned int used = 0;

	for (; *word && used + 1 < ALGORITHM_MAX; word++)
		if (isalnum((unsigned char)*word))
			name[used++] = tolower((unsigned char)*word);
	name[used] = '\0';
}

enum likeness { EQUAL, BEGINS, ENDS, CONTAINS, LIKENESSES };

static bool is_like(const char *known, const char *word, enum likeness how)
{
	size_t known_len = strlen(known), len = strlen(word);

	switch (how) {
	case EQUAL:
		return !strcmp(known, word);
	case BEGINS:
		return !strncmp(known, word, len);
	case ENDS:
		return known_len > len && !strcmp(known + known_len - len, word);
	default:
		return strstr(known, word);
	}
}

/* Finds the algorithm whose squashed name is like @word. Return: whether there is one. */
static bool find_like(const char *word, uint8_t proto, char name[ALGORITHM_MAX])
{
	char squashed[ALGORITHM_MAX];
	enum likeness how;
	unsigned int i;

	for (how = EQUAL; how < LIKENESSES; how++) {
		for (i = 0; algorithm_name(i, proto, name); i++) {
			squash(name, squashed);
			if (is_like(squashed, word, how))
				return true;
		}
	}
	return false;
}

/* algorithms of a protocol, at most */
#define NAMES_MAX 128

static uint8_t names_proto;

static const char *known_name(unsigned int i)
{
	static char names[NAMES_MAX][ALGORITHM_MAX];

	return i < NAMES_MAX && algorithm_name(i, names_proto, names[i]) ? names[i] : NULL;
}

/**
 * algorithm_suggest() - find the algorithm that was probably meant
 * @word: what was typed
 * @proto: ESP or AH
 * @name: result
 *
 * Return: whether there is one.
 */
bool algorithm_suggest(const char *word, uint8_t proto, char name[ALGORITHM_MAX])
{
	char squashed[ALGORITHM_MAX], theirs[ALGORITHM_MAX];
	const char *near;
	unsigned int i;

	squash(word, squashed);
	if (!*squashed)
		return false;
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (!same(others[i].theirs, squashed))
			continue;
		squash(others[i].ours, theirs);
		if (find_like(theirs, proto, name))
			return true;
	}
	if (find_like(squashed, proto, name))
		return true;
	names_proto = proto;
	near = suggest(squashed, known_name);
	if (near)
		snprintf(name, ALGORITHM_MAX, "%s", near);
	return near;
}
