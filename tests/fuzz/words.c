// SPDX-License-Identifier: GPL-2.0-only
/* The command's parsers: lines of a batch, keys, numbers, prefixes and lists. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "cli.h"
#include "fuzz.h"
#include "key.h"
#include "list.h"
#include "nl.h"
#include "policy.h"
#include "sa.h"

/* --- keys: the text without comments, blanks and 0x must be hexadecimal --- */

static void key(const char *text, size_t size)
{
	char *digits = malloc(size + 1);
	size_t at = 0, used = 0, start = 0, i;
	struct key got;
	bool good, apart = false;

	while (at < size) {
		size_t end = at;

		while (end < size && text[end] != '\n')
			end++;
		while (at < end && strchr(" \t\r\v\f:", text[at]) && text[at])
			at++;
		if (at < end && text[at] != '#')
			for (; at < end; at++) {
				if (!text[at] || !strchr(" \t\r\v\f:", text[at]))
					digits[used++] = text[at];
				else
					apart |= used == 1;
			}
		apart |= used == 1;
		at = end + 1;
	}
	if (used >= 2 && !apart && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		start = 2; /* 0x, with nothing between the two */
	good = used > start && !((used - start) % 2) && (used - start) / 2 <= ESPAH_KEY_MAX;
	for (i = start; i < used; i++)
		good &= !!isxdigit((unsigned char)digits[i]);
	EXPECT(!key_read_text("it", text, size, &got) == good);
	EXPECT(!good || got.len == (used - start) / 2);
	for (i = 0; good && i < got.len; i++) {
		char two[3] = { digits[start + 2 * i], digits[start + 2 * i + 1], 0 };

		EXPECT(got.byte[i] == strtoul(two, NULL, 16));
	}
	key_wipe(&got);
	free(digits);
}

/* --- lists: a value is in the list if it is in one of the comma-separated parts --- */

static bool in_list(const struct list *list, const uint8_t *value)
{
	unsigned int i;

	for (i = 0; i < list->count; i++)
		if (memcmp(value, list->range[i].low, list->size) >= 0 &&
		    memcmp(value, list->range[i].high, list->size) <= 0)
			return true;
	return !list->size;
}

static void ascends(const struct list *list)
{
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		EXPECT(memcmp(list->range[i].low, list->range[i].high, list->size) <= 0);
		EXPECT(!i || memcmp(list->range[i - 1].high, list->range[i].low, list->size) < 0);
	}
}

static void numbers(const char *word, uint8_t size)
{
	static bool in[65536];
	unsigned long low, high, i;
	char *copy = strdup(word), *rest = copy, *part, *end;
	struct list list;
	uint8_t value[2];

	if (list_parse_numbers("sport", word, size, &list) || !list.size) {
		free(copy);
		return;
	}
	ascends(&list);
	memset(in, 0, sizeof(in));
	while ((part = strsep(&rest, ","))) {
		low = high = strtoul(part, &end, strncasecmp(part, "0x", 2) ? 10 : 16);
		if (*end == '-')
			high = strtoul(end + 1, &end, strncasecmp(end + 1, "0x", 2) ? 10 : 16);
		EXPECT(!*end && low <= high && high < 1ul << 8 * size);
		for (i = low; i <= high; i++)
			in[i] = true;
	}
	for (i = 0; i < 1ul << 8 * size; i++) {
		value[0] = size == 2 ? i >> 8 : i;
		value[1] = i;
		EXPECT(in_list(&list, value) == in[i]);
	}
	free(copy);
}

static void prefix(const char *word)
{
	struct prefix one, two;
	uint8_t family = 0, again = 0;
	char text[ADDR_TEXT_MAX];

	if (parse_prefix("source", word, &one, &family) || !one.addr.family)
		return;
	prefix_text(&one, text);
	EXPECT(!parse_prefix("source", text, &two, &again));
	EXPECT(family == again && !memcmp(&one, &two, sizeof(one)));
}

static void addrs(const char *word)
{
	uint8_t family = 0;
	struct list list;
	struct prefix one;
	char text[LIST_TEXT_MAX];

	if (list_parse_addrs("source", word, &list, &family))
		return;
	ascends(&list);
	EXPECT(strlen(list_text(&list, text)) < sizeof(text));
	list_prefix(&list, &one);
	json_decref(list_json(&list));
}

/* --- lines: a word with quoting for all characters is returned unchanged --- */

static void line(const char *text)
{
	char *copy = strdup(text), *quoted = malloc(4 * strlen(text) + 3), *to = quoted;
	static char request[NL_REQUEST_MAX] __attribute__((aligned(8)));
	char **words = NULL, **again = NULL;
	size_t room = 0, room2 = 0;
	int count, count2, i;
	struct args args = { 0 };
	struct cli cli = { 0 };
	struct policy policy;
	struct sa sa;

	if (batch_split(copy, strlen(copy), &words, &count, &room))
		goto out;
	for (i = 0; i < count; i++) {
		const char *at;

		*to++ = '"';
		for (at = words[i]; *at; at++) {
			if (*at == '"' || *at == '\\')
				*to++ = '\\';
			*to++ = *at;
		}
		*to++ = '"';
		*to++ = ' ';
	}
	*to = '\0';
	EXPECT(!batch_split(quoted, strlen(quoted), &again, &count2, &room2) && count == count2);
	for (i = 0; i < count; i++)
		EXPECT(!strcmp(words[i], again[i]));
	args.word = words;
	args.count = count;
	if (!count || strstr(text, "key-")) /* opens files */
		goto out;
	if (*text == 's') {
		memset(&sa, 0, sizeof(sa));
		args.at = 1;
		if (!sa_read(&cli, &args, "sa add", ~SA_SHOW_KEYS, SA_SPI | SA_DST, &sa))
			sa_put(msg_start(request, 77, 0, 5, ESPAH_CMD_SA_NEW), &sa);
		sa_wipe(&sa);
	} else if (*text == 'p') {
		memset(&policy, 0, sizeof(policy));
		args.at = 1;
		if (!policy_read(&args, "policy add", true, &policy)) {
			policy_mirror(&policy);
			policy_put(msg_start(request, 77, 0, 5, ESPAH_CMD_POLICY_NEW), &policy);
		}
	}
out:
	free(copy);
	free(quoted);
	free(words);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 6) {
	case 0:
		key(text, size - 1);
		break;
	case 1:
		numbers(text, 2);
		break;
	case 2:
		numbers(text, 1);
		break;
	case 3:
		prefix(text);
		break;
	case 4:
		addrs(text);
		break;
	default:
		line(text);
	}
	free(text);
	return 0;
}
