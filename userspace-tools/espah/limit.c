// SPDX-License-Identifier: GPL-2.0-only
/* Lifetimes of an SA: words to a request, answer to text. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "limit.h"
#include "print.h"
#include "words.h"

static bool counted(unsigned int limit)
{
	return limit <= ESPAH_LIMIT_BYTES;
}

/* The factor for the unit letter after a number; 0: unknown letter. */
static uint64_t unit(unsigned int limit, char letter)
{
	static const char *const letters[] = { "kmgt", "smhd" };
	static const uint64_t times[][4] = {
		{ 1000, 1000000, 1000000000, 1000000000000 }, { 1, 60, 3600, 86400 }
	};
	const char *found = strchr(letters[!counted(limit)], tolower((unsigned char)letter));

	return letter && found ? times[!counted(limit)][found - letters[!counted(limit)]] : 0;
}

/* Reads a number with a unit. A time may have several parts, as in 1h30m. */
static bool read_amount(unsigned int limit, const char *word, uint64_t *value)
{
	uint64_t max = counted(limit) ? UINT64_MAX : UINT32_MAX, n, times;
	bool again = false;

	for (*value = 0; !again || *word; again = true) {
		if (!isdigit((unsigned char)*word) || (again && counted(limit)))
			return false;
		for (n = 0; isdigit((unsigned char)*word); word++)
			if (__builtin_mul_overflow(n, 10, &n) ||
			    __builtin_add_overflow(n, *word - '0', &n))
				return false;
		times = *word ? unit(limit, *word++) : 1;
		if (!times || __builtin_mul_overflow(n, times, &n) ||
		    __builtin_add_overflow(*value, n, value) || *value > max)
			return false;
	}
	return *value;
}

static int parse_amount(const char *word, unsigned int limit, const char *name, uint64_t *value)
{
	*value = 0;
	if (!strcmp(word, "off") || read_amount(limit, word, value))
		return 0;
	if (counted(limit))
		error("'%s' cannot be '%s'; it is a number above 0, such as 5000, 10k, 5M or 2G, or off",
		      name, word);
	else
		error("'%s' cannot be '%s'; it is a time of up to 2^32 - 1 seconds, such as 90s, 50m, 1h30m or 2d, or off",
		      name, word);
	return -1;
}

/**
 * limits_read() - read the words after soft or hard: LIMIT AMOUNT, once or several times
 * @args: the words
 * @word: "soft" or "hard", for errors
 * @limits: result; limits that it already holds stay
 *
 * Return: 0, or -1 after printing an error.
 */
int limits_read(struct args *args, const char *word, struct limits *limits)
{
	const char *name = args_value(args, word), *amount;
	uint8_t limit;

	if (!name || word_parse(WORD_LIMIT, word, name, &limit))
		return -1;
	while (name) {
		if (limits->given & 1U << limit) {
			error("'%s %s' is given twice", word, name);
			return -1;
		}
		amount = args_value(args, name);
		if (!amount || parse_amount(amount, limit, name, &limits->at[limit]))
			return -1;
		limits->given |= 1U << limit;
		name = args_peek(args);
		if (!name || !word_value(WORD_LIMIT, name, &limit))
			return 0;
		args_next(args);
	}
	return 0;
}

/** limits_check() - refuse a soft limit above the hard one. Return: 0, or -1 (error printed) */
int limits_check(const struct limits *soft, const struct limits *hard)
{
	unsigned int i;

	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!hard->at[i] || soft->at[i] <= hard->at[i])
			continue;
		error("soft %s is above hard %s, so it would never be reached",
		      word_of(WORD_LIMIT, i), word_of(WORD_LIMIT, i));
		return -1;
	}
	return 0;
}

/** limits_put() - add the given limits to a request */
void limits_put(struct nlmsghdr *nlh, uint16_t type, const struct limits *limits)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);
	unsigned int i;

	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++)
		if (limits->given & 1U << i)
			mnl_attr_put_u64(nlh, i, limits->at[i]);
	mnl_attr_nest_end(nlh, nest);
}

static const char *amount_text(unsigned int limit, uint64_t value, char buf[24])
{
	if (limit == ESPAH_LIMIT_BYTES)
		return bytes_text(value, buf);
	if (!counted(limit))
		return seconds_text(value, buf);
	snprintf(buf, 24, "%" PRIu64, value);
	return buf;
}

static uint64_t left(const struct nlattr *at, const struct nlattr *used)
{
	uint64_t limit = attr_u64(at, 0), gone = attr_u64(used, 0);

	return gone < limit ? limit - gone : 0;
}

/**
 * limits_text() - format limits and the remaining amounts
 * @at: ESPAH_SA_SOFT or ESPAH_SA_HARD, or NULL
 * @used: ESPAH_SA_USED
 * @whole: also print the limits themselves, not only the remaining amounts
 * @buf: result; empty if there are no limits
 *
 * Return: @buf.
 */
const char *limits_text(const struct nlattr *at, const struct nlattr *used, bool whole,
			char buf[LIMIT_TEXT_MAX])
{
	const struct nlattr *limit[ESPAH_LIMIT_MAX + 1], *gone[ESPAH_LIMIT_MAX + 1];
	char all[24], rest[24];
	unsigned int i;
	int len = 0;

	attr_nest(at, limit, ESPAH_LIMIT_MAX);
	attr_nest(used, gone, ESPAH_LIMIT_MAX);
	*buf = '\0';
	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!limit[i])
			continue;
		len += snprintf(buf + len, LIMIT_TEXT_MAX - len, "%s%s ", len ? ", " : "",
				word_of(WORD_LIMIT, i));
		amount_text(i, left(limit[i], gone[i]), rest);
		if (whole)
			len += snprintf(buf + len, LIMIT_TEXT_MAX - len, "%s (%s left)",
					amount_text(i, attr_u64(limit[i], 0), all), rest);
		else
			len += snprintf(buf + len, LIMIT_TEXT_MAX - len, "%s", rest);
	}
	return buf;
}

/** limits_json() - Return: limits as an object {name: {limit, left}} */
json_t *limits_json(const struct nlattr *at, const struct nlattr *used)
{
	const struct nlattr *limit[ESPAH_LIMIT_MAX + 1], *gone[ESPAH_LIMIT_MAX + 1];
	json_t *object = json_object(), *entry;
	unsigned int i;

	attr_nest(at, limit, ESPAH_LIMIT_MAX);
	attr_nest(used, gone, ESPAH_LIMIT_MAX);
	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!limit[i])
			continue;
		entry = json_object();
		json_set(entry, "limit", json_u64(attr_u64(limit[i], 0)));
		json_set(entry, "left", json_u64(left(limit[i], gone[i])));
		json_set(object, word_of(WORD_LIMIT, i), entry);
	}
	return object;
}
