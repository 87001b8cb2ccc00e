/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of ranges: of addresses, ports, ICMP types. */
#ifndef ESPAH_LIST_H
#define ESPAH_LIST_H

#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/espah.h>

#include "parse.h"

/** LIST_TEXT_MAX - room for as much of a list as is printed for people */
#define LIST_TEXT_MAX 112

/** struct range - from one value to another, both included; in network order */
struct range {
	uint8_t low[16];
	uint8_t high[16];
};

/**
 * struct list - ranges that ascend and do not touch
 * @size: of a value, bytes: 1 (types), 2 (ports), 4 or 16 (addresses); 0: any value
 * @count: of @range
 * @range: the ranges
 */
struct list {
	uint8_t size;
	unsigned int count;
	struct range range[ESPAH_LIST_MAX];
};

/** list_clear() - make a list of any value; ranges beyond its @count are nobody's */
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

void list_put(struct nlmsghdr *nlh, uint16_t type, const struct list *list);
void list_get(const struct nlattr *attr, uint8_t size, struct list *list);
const char *list_text(const struct list *list, char buf[LIST_TEXT_MAX]);
json_t *list_json(const struct list *list);

#endif /* ESPAH_LIST_H */
