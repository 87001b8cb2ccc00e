// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSCP of outer headers: copy | VALUE | FROM=TO[,FROM=TO...][,else=TO], and back.
 * A set of DSCPs: any | VALUE[-VALUE][,VALUE[-VALUE]...], and back.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "dscp.h"
#include "parse.h"
#include "words.h"

static bool read_value(const char *word, size_t len, uint8_t *value)
{
	char copy[16];
	unsigned int n;
	int used = 0;

	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, word, len);
	copy[len] = '\0';
	if (word_value(WORD_DSCP, copy, value))
		return true;
	if (len > 2 || sscanf(copy, "%2u%n", &n, &used) != 1 || copy[used] ||
	    copy[0] < '0' || copy[0] > '9' || n >= ESPAH_DSCP_NUM)
		return false;
	*value = n;
	return true;
}

static int refuse(const char *word)
{
	error("'dscp' cannot be '%s'; it is copy, a DSCP (0 to 63, or a name such as ef, af41, cs6), or a map such as ef=cs5,af41=af42,else=cs0",
	      word);
	return -1;
}

static int read_map(const char *word, struct dscp *dscp)
{
	bool set[ESPAH_DSCP_NUM] = { false }, have_rest = false;
	const char *at = word, *equal;
	uint8_t from, to, rest = 0;
	unsigned int i;
	size_t len;

	for (;; at += len + 1) {
		len = strcspn(at, ",");
		equal = memchr(at, '=', len);
		if (!equal || !read_value(equal + 1, len - (equal + 1 - at), &to))
			return refuse(word);
		if (equal - at == 4 && !strncmp(at, "else", 4) && !have_rest) {
			have_rest = true;
			rest = to;
		} else if (!read_value(at, equal - at, &from)) {
			return refuse(word);
		} else if (set[from]) {
			error("'dscp' has two values for %.*s", (int)(equal - at), at);
			return -1;
		} else {
			set[from] = true;
			dscp->byte[from] = to;
		}
		if (!at[len])
			break;
	}
	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		if (!set[i])
			dscp->byte[i] = have_rest ? rest : i;
	dscp->len = ESPAH_DSCP_NUM;
	return 0;
}

/** dscp_parse() - parse the value of 'dscp'. Return: 0, or -1 after printing an error */
int dscp_parse(const char *word, struct dscp *dscp)
{
	memset(dscp, 0, sizeof(*dscp));
	if (!strcmp(word, "copy"))
		return 0;
	if (strchr(word, '='))
		return read_map(word, dscp);
	dscp->len = 1;
	return read_value(word, strlen(word), &dscp->byte[0]) ? 0 : refuse(word);
}

/** dscp_value_parse() - parse one DSCP, the value of 'dscp'. Return: 0, or -1 after printing an error */
int dscp_value_parse(const char *word, uint8_t *value)
{
	if (read_value(word, strlen(word), value))
		return 0;
	error("'dscp' cannot be '%s'; it is a DSCP (0 to 63, or a name such as ef, af41, cs6)",
	      word);
	return -1;
}

/** dscp_value_text() - Return: a DSCP as a user types it; may point into @buf */
const char *dscp_value_text(uint8_t value, char buf[DSCP_VALUE_MAX])
{
	const char *word = word_of(WORD_DSCP, value);

	if (strcmp(word, "?"))
		return word;
	snprintf(buf, DSCP_VALUE_MAX, "%u", value);
	return buf;
}

/* Pairs that the text of the map needs if else=@rest covers the others; @rest below 0: no else. */
static unsigned int cost(const uint8_t *map, int rest)
{
	unsigned int i, n = rest >= 0;

	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		n += map[i] != (rest < 0 ? (int)i : rest);
	return n;
}

static const char *map_text(const uint8_t *map, char buf[DSCP_TEXT_MAX])
{
	char from[DSCP_VALUE_MAX], to[DSCP_VALUE_MAX];
	int i, rest = -1;
	size_t used = 0;

	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		if (cost(map, i) < cost(map, rest))
			rest = i;
	buf[0] = '\0';
	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		if (map[i] != (rest < 0 ? i : rest))
			used += snprintf(buf + used, DSCP_TEXT_MAX - used, "%s%s=%s", used ? "," : "",
					 dscp_value_text(i, from), dscp_value_text(map[i], to));
	if (rest >= 0)
		snprintf(buf + used, DSCP_TEXT_MAX - used, "%selse=%s", used ? "," : "",
			 dscp_value_text(rest, to));
	return *buf ? buf : "copy";
}

/** dscp_text() - Return: ESPAH_SA_DSCP as a user types it; may point into @buf */
const char *dscp_text(const struct nlattr *attr, char buf[DSCP_TEXT_MAX])
{
	unsigned int i, len = attr ? mnl_attr_get_payload_len(attr) : 0;
	const uint8_t *byte = len ? mnl_attr_get_payload(attr) : NULL;

	if (!len)
		return "copy";
	for (i = 0; i < len; i++)
		if (byte[i] >= ESPAH_DSCP_NUM)
			return "?";
	if (len == 1)
		return dscp_value_text(byte[0], buf);
	return len == ESPAH_DSCP_NUM ? map_text(byte, buf) : "?";
}

static int refuse_set(const char *word)
{
	error("'for-dscp' cannot be '%s'; it is any, or a list of DSCPs (0 to 63, or names such as ef, af41, cs6) and ranges, such as ef,cs5,8-15",
	      word);
	return -1;
}

/** dscp_set_parse() - parse the value of 'for-dscp'. Return: 0, or -1 after printing an error */
int dscp_set_parse(const char *word, uint64_t *set)
{
	const char *at = word, *dash;
	uint8_t first, last;
	size_t len;

	*set = 0;
	if (!strcmp(word, "any"))
		return 0;
	for (;; at += len + 1) {
		len = strcspn(at, ",");
		dash = memchr(at, '-', len);
		if (!read_value(at, dash ? (size_t)(dash - at) : len, &first))
			return refuse_set(word);
		last = first;
		if (dash && (!read_value(dash + 1, len - (dash + 1 - at), &last) || last < first))
			return refuse_set(word);
		for (; first <= last; first++)
			*set |= 1ull << first;
		if (!at[len])
			return 0;
	}
}

/** dscp_set_text() - Return: ESPAH_SA_FOR_DSCP as a user types it; may point into @buf */
const char *dscp_set_text(uint64_t set, char buf[DSCP_SET_MAX])
{
	char value[DSCP_VALUE_MAX];
	unsigned int i, last;
	size_t used = 0;

	if (!set)
		return "any";
	for (i = 0; i < ESPAH_DSCP_NUM; i++) {
		if (!(set >> i & 1))
			continue;
		for (last = i; last + 1 < ESPAH_DSCP_NUM && set >> (last + 1) & 1; last++)
			;
		if (last - i < 2) {
			used += snprintf(buf + used, DSCP_SET_MAX - used, "%s%s", used ? "," : "",
					 dscp_value_text(i, value));
			continue;
		}
		used += snprintf(buf + used, DSCP_SET_MAX - used, "%s%u-%u", used ? "," : "", i,
				 last);
		i = last;
	}
	return buf;
}
