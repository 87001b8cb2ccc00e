/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of ranges of addresses, ports or ICMP types. */
#ifndef ESPAH_LIST_H
#define ESPAH_LIST_H

#include <jansson.h>
#include <stdio.h>
#include <libmnl/libmnl.h>
#include <linux/espah.h>

#include "parse.h"

/** LIST_TEXT_MAX - bytes: buffer size for a list in text; longer lists are shortened */
#define LIST_TEXT_MAX 112

/** struct range - a range of values, both ends included; in network order */
struct range {
	uint8_t low[16];
	uint8_t high[16];
};

/**
 * struct list - ranges in ascending order that do not touch
 * @size: bytes of a value: 1 (types), 2 (ports), 4 or 16 (addresses); 0: any value
 * @count: number of ranges in @range
 * @range: the ranges
 */
struct list {
	uint8_t size;
	unsigned int count;
	struct range range[ESPAH_LIST_MAX];
};

/** list_clear() - make a list that matches any value; ranges beyond @count are never read */
static inline void list_clear(struct list *list)
{
	list->size = 0;
	list->count = 0;
}

int list_parse_addrs(const char *what, const char *word, struct list *list, uint8_t *family);
int list_parse_numbers(const char *what, const char *word, uint8_t size, struct list *list);
void list_set_addr(struct list *list, const struct addr *addr, unsigned int len);
void list_set_numbers(struct list *list, uint8_t size, uint16_t low, uint16_t high);
uint8_t list_family(const struct list *list);
bool list_prefix(const struct list *list, struct prefix *prefix);
bool list_numbers(const struct list *list, uint16_t *low, uint16_t *high);
bool list_covers(const struct list *a, const struct list *b);
bool list_meets(const struct list *a, const struct list *b);

void list_put(struct nlmsghdr *nlh, uint16_t type, const struct list *list);
void list_get(const struct nlattr *attr, uint8_t size, struct list *list);
void list_write(FILE *out, const struct list *list, const char *none);
const char *list_text(const struct list *list, char buf[LIST_TEXT_MAX]);
json_t *list_json(const struct list *list);

#endif /* ESPAH_LIST_H */
