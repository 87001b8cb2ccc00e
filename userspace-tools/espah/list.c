// SPDX-License-Identifier: GPL-2.0-only
/* Lists of ranges of addresses, ports or ICMP types. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "list.h"

#define RANGE_TEXT_MAX (2 * ADDR_TEXT_MAX)

static void set_number(uint8_t *value, uint8_t size, uint16_t n)
{
	if (size == 2)
		*value++ = n >> 8;
	*value = n;
}

static uint16_t number(const uint8_t *value, uint8_t size)
{
	return size == 2 ? value[0] << 8 | value[1] : value[0];
}

/** list_set_addr() - make a list of one prefix; without a family it matches any address */
void list_set_addr(struct list *list, const struct addr *addr, unsigned int len)
{
	uint8_t beyond = 0xff >> len % 8;
	unsigned int i;

	list_clear(list);
	list->size = len ? addr_size(addr->family) : 0;
	if (!list->size)
		return;
	memset(list->range, 0, sizeof(*list->range));
	list->count = 1;
	memcpy(list->range->low, addr->byte, list->size);
	memcpy(list->range->high, addr->byte, list->size);
	for (i = len / 8; i < list->size; i++, beyond = 0xff)
		list->range->high[i] |= beyond;
}

/** list_set_numbers() - make a list of one range of numbers */
void list_set_numbers(struct list *list, uint8_t size, uint16_t low, uint16_t high)
{
	memset(list->range, 0, sizeof(*list->range));
	list->size = size;
	list->count = 1;
	set_number(list->range->low, size, low);
	set_number(list->range->high, size, high);
}

/** list_family() - Return: family of the addresses in a list; AF_UNSPEC: any address */
uint8_t list_family(const struct list *list)
{
	return list->size == 4 ? AF_INET : list->size == 16 ? AF_INET6 : AF_UNSPEC;
}

static bool range_prefix(const struct range *range, uint8_t size, struct prefix *prefix)
{
	unsigned int i = 0, len, free;

	while (i < size && range->low[i] == range->high[i])
		i++;
	len = i * 8;
	if (i < size) {
		/* low and high may differ in trailing bits only: all 0 in low, all 1 in high */
		free = range->low[i] ^ range->high[i];
		if (free & (free + 1) || range->low[i] & free)
			return false;
		for (; !(free & 0x80); free <<= 1)
			len++;
		while (++i < size)
			if (range->low[i] || range->high[i] != 0xff)
				return false;
	}
	prefix->addr.family = size == 4 ? AF_INET : AF_INET6;
	memcpy(prefix->addr.byte, range->low, size);
	prefix->len = len;
	return true;
}

/** list_prefix() - Return: whether a list is one prefix or any address; stored in *@prefix */
bool list_prefix(const struct list *list, struct prefix *prefix)
{
	memset(prefix, 0, sizeof(*prefix));
	if (!list->size)
		return true;
	return list->count == 1 && range_prefix(list->range, list->size, prefix);
}

/** list_numbers() - Return: whether a list is one range of numbers; stored in *@low, *@high */
bool list_numbers(const struct list *list, uint16_t *low, uint16_t *high)
{
	if (list->count != 1)
		return false;
	*low = number(list->range->low, list->size);
	*high = number(list->range->high, list->size);
	return true;
}

/** list_covers() - Return: whether a list matches each value that @b matches */
bool list_covers(const struct list *a, const struct list *b)
{
	unsigned int i, j;

	if (!a->size)
		return true;
	for (i = 0; i < b->count; i++) {
		const struct range *range = &b->range[i];

		for (j = 0; j < a->count; j++)
			if (memcmp(a->range[j].low, range->low, a->size) <= 0 &&
			    memcmp(a->range[j].high, range->high, a->size) >= 0)
				break;
		if (j == a->count)
			return false;
	}
	return a->size == b->size;
}

/** list_meets() - Return: whether two lists match a common value */
bool list_meets(const struct list *a, const struct list *b)
{
	unsigned int i, j;

	if (!a->size || !b->size)
		return true;
	for (i = 0; a->size == b->size && i < a->count; i++)
		for (j = 0; j < b->count; j++)
			if (memcmp(a->range[i].low, b->range[j].high, a->size) <= 0 &&
			    memcmp(b->range[j].low, a->range[i].high, a->size) <= 0)
				return true;
	return false;
}

/* --- parsing ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return memcmp(x->low, y->low, sizeof(x->low));
}

/* Whether @a and @b overlap or are adjacent. @b does not begin below @a. */
static bool touch(const struct range *a, const struct range *b, uint8_t size)
{
	uint8_t next[16];
	int i;

	if (memcmp(b->low, a->high, size) <= 0)
		return true;
	memcpy(next, a->high, size);
	for (i = size - 1; i >= 0 && !++next[i]; i--)
		;
	return !memcmp(next, b->low, size);
}

/* Sorts the ranges and merges overlapping or adjacent ones, as the kernel requires. */
static void tidy(struct list *list)
{
	unsigned int i, n = 0;

	qsort(list->range, list->count, sizeof(*list->range), compare);
	for (i = 1; i < list->count; i++) {
		struct range *last = &list->range[n], *range = &list->range[i];

		if (!touch(last, range, list->size))
			list->range[++n] = *range;
		else if (memcmp(range->high, last->high, list->size) > 0)
			memcpy(last->high, range->high, list->size);
	}
	list->count = n + 1;
}

/* Parses ADDR-ADDR. Return: 0, or -1 after printing an error. */
static int parse_addr_range(const char *what, char *word, struct list *one)
{
	char *dash = strchr(word, '-');
	struct addr low, high;

	*dash = '\0';
	if (!addr_read(word, &low) || !addr_read(dash + 1, &high) || low.family != high.family) {
		*dash = '-';
		error("the %s cannot be '%s'; a range is two addresses of one family such as 10.1.0.5-10.1.0.9",
		      what, word);
		return -1;
	}
	*dash = '-';
	if (memcmp(low.byte, high.byte, sizeof(low.byte)) > 0) {
		error("the %s cannot be '%s'; the lower address comes first", what, word);
		return -1;
	}
	list_set_addr(one, &low, addr_size(low.family) * 8);
	memcpy(one->range->high, high.byte, one->size);
	return 0;
}

static int parse_one_addr(const char *what, char *word, struct list *one)
{
	struct prefix prefix;
	uint8_t family;

	if (strchr(word, '-'))
		return parse_addr_range(what, word, one);
	if (parse_prefix(what, word, &prefix, &family))
		return -1;
	list_set_addr(one, &prefix.addr, prefix.len);
	if (one->size)
		return 0;
	error("the %s lists '%s', which matches all addresses, so it must stand alone", what, word);
	return -1;
}

static int parse_one_number(const char *what, const char *word, uint8_t size, struct list *one)
{
	struct ports range;

	if (size == 1 && (!ports_read(word, &range) || range.min > 255 || range.max > 255)) {
		error("'%s' cannot be '%s'; it is a number from 0 to 255, or a range such as 8-9",
		      what, word);
		return -1;
	}
	if (parse_ports(what, word, &range))
		return -1;
	list_set_numbers(one, size, range.min, range.max);
	return 0;
}

/* Parses a list. @size: bytes of a number, or 0 for addresses. */
static int parse(const char *what, const char *word, uint8_t size, struct list *list)
{
	char *copy = strdup(word), *rest = copy, *item;
	static struct list one;
	int ret = copy ? 0 : -1;

	list_clear(list);
	while (!ret && (item = strsep(&rest, ","))) {
		ret = size ? parse_one_number(what, item, size, &one) :
			     parse_one_addr(what, item, &one);
		if (ret)
			break;
		if (list->size && list->size != one.size) {
			error("the %s mixes IPv4 and IPv6; use two policies", what);
			ret = -1;
		} else if (list->count == ESPAH_LIST_MAX) {
			error("the list for %s is too long; it may have at most %u ranges", what,
			      ESPAH_LIST_MAX);
			ret = -1;
		} else {
			list->size = one.size;
			list->range[list->count++] = one.range[0];
		}
	}
	free(copy);
	if (!ret)
		tidy(list);
	return ret;
}

/**
 * list_parse_addrs() - parse a comma-separated list of addresses, prefixes and ranges, or "any"
 * @what: "source" or "destination", for the error
 * @word: the word that was typed
 * @list: result
 * @family: result; unchanged for "any"
 *
 * Return: 0, or -1 after printing an error.
 */
int list_parse_addrs(const char *what, const char *word, struct list *list, uint8_t *family)
{
	struct prefix prefix;

	if (!strpbrk(word, ",-")) {
		if (parse_prefix(what, word, &prefix, family))
			return -1;
		list_set_addr(list, &prefix.addr, prefix.len);
		return 0;
	}
	if (parse(what, word, 0, list))
		return -1;
	*family = list_family(list);
	return 0;
}

/**
 * list_parse_numbers() - parse a comma-separated list of numbers and ranges
 * @what: the keyword before the list, for the error
 * @word: the word that was typed
 * @size: bytes of a number: 1 or 2
 * @list: result
 *
 * Return: 0, or -1 after printing an error.
 */
int list_parse_numbers(const char *what, const char *word, uint8_t size, struct list *list)
{
	return parse(what, word, size, list);
}

/* --- attributes ------------------------------------------------------------------------ */

/** list_put() - add a list to a message as an attribute */
void list_put(struct nlmsghdr *nlh, uint16_t type, const struct list *list)
{
	uint8_t data[2 * 16 * ESPAH_LIST_MAX], *to = data;
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		memcpy(to, list->range[i].low, list->size);
		memcpy(to + list->size, list->range[i].high, list->size);
		to += 2 * list->size;
	}
	mnl_attr_put(nlh, type, to - data, data);
}

/** list_get() - read a list of values of @size bytes */
void list_get(const struct nlattr *attr, uint8_t size, struct list *list)
{
	const uint8_t *from = mnl_attr_get_payload(attr);
	unsigned int i;

	list->count = mnl_attr_get_payload_len(attr) / (2u * size);
	if (list->count > ESPAH_LIST_MAX)
		list->count = ESPAH_LIST_MAX;
	list->size = list->count ? size : 0;
	for (i = 0; i < list->count; i++, from += 2 * size) {
		memcpy(list->range[i].low, from, size);
		memcpy(list->range[i].high, from + size, size);
	}
}

/* --- printing -------------------------------------------------------------------------- */

static void range_text(const struct range *range, uint8_t size, char buf[RANGE_TEXT_MAX])
{
	char low_text[ADDR_TEXT_MAX], high_text[ADDR_TEXT_MAX];
	struct addr low = { 0 }, high = { 0 };
	uint16_t first, last;
	struct prefix prefix;

	if (size < 4) {
		first = number(range->low, size);
		last = number(range->high, size);
		snprintf(buf, RANGE_TEXT_MAX, first == last ? "%u" : "%u-%u", first, last);
		return;
	}
	if (range_prefix(range, size, &prefix)) {
		prefix_text(&prefix, buf);
		return;
	}
	low.family = high.family = size == 4 ? AF_INET : AF_INET6;
	memcpy(low.byte, range->low, size);
	memcpy(high.byte, range->high, size);
	snprintf(buf, RANGE_TEXT_MAX, "%s-%s", addr_text(&low, low_text),
		 addr_text(&high, high_text));
}

/** list_write() - write the whole list as a user types it; an empty one as @none */
void list_write(FILE *out, const struct list *list, const char *none)
{
	char text[RANGE_TEXT_MAX];
	unsigned int i;

	if (!list->count)
		fputs(none, out);
	for (i = 0; i < list->count; i++) {
		range_text(&list->range[i], list->size, text);
		fprintf(out, i ? ",%s" : "%s", text);
	}
}

/** list_text() - Return: the list as a user types it; a long list ends in "..." */
const char *list_text(const struct list *list, char buf[LIST_TEXT_MAX])
{
	static const char dots[] = ",...";
	char text[RANGE_TEXT_MAX];
	size_t used = 0, room;
	unsigned int i;

	snprintf(buf, LIST_TEXT_MAX, "any");
	for (i = 0; i < list->count; i++) {
		range_text(&list->range[i], list->size, text);
		room = LIST_TEXT_MAX - used - (i + 1 < list->count ? sizeof(dots) : 1);
		if (strlen(text) + (i > 0) > room) {
			snprintf(buf + used, LIST_TEXT_MAX - used, "%s", i ? dots : dots + 1);
			return buf;
		}
		used += snprintf(buf + used, LIST_TEXT_MAX - used, i ? ",%s" : "%s", text);
	}
	return buf;
}

static json_t *range_json(const struct range *range, uint8_t size)
{
	char text[RANGE_TEXT_MAX];

	if (size < 4 && !memcmp(range->low, range->high, size))
		return json_integer(number(range->low, size));
	range_text(range, size, text);
	return json_string(text);
}

/** list_json() - Return: a string or number; an array if the list has several ranges */
json_t *list_json(const struct list *list)
{
	json_t *array;
	unsigned int i;

	if (!list->size)
		return json_string("any");
	if (list->count == 1)
		return range_json(list->range, list->size);
	array = json_array();
	for (i = 0; i < list->count; i++)
		json_array_append_new(array, range_json(&list->range[i], list->size));
	return array;
}
