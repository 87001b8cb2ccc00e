// SPDX-License-Identifier: GPL-2.0-only
/* The packets that a policy may match, in a few bytes. */
#include <string.h>

#include "reach.h"
#include "selector.h"

static void hull(const struct list *list, struct range *range)
{
	memset(range->low, 0, sizeof(range->low));
	memset(range->high, 0xff, sizeof(range->high));
	if (!list->count)
		return;
	memcpy(range->low, list->range[0].low, list->size);
	memcpy(range->high, list->range[list->count - 1].high, list->size);
}

/** reach_of() - read the reach of a policy from a message */
void reach_of(const struct nlmsghdr *policy, struct reach *reach)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	static struct selector sel;

	attr_table(policy, tb, ESPAH_POLICY_MAX);
	selector_get(tb[ESPAH_POLICY_SELECTOR], &sel);
	reach->group = (uint64_t)attr_u8(tb[ESPAH_POLICY_DIR], 0) << 40 |
		       (uint64_t)sel.family << 32 | attr_u32(tb[ESPAH_POLICY_IF_ID], 0);
	reach->priority = attr_u32(tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT);
	hull(&sel.src, &reach->src);
	hull(&sel.dst, &reach->dst);
	reach->proto = sel.proto;
}

static bool ranges_meet(const struct range *a, const struct range *b)
{
	return memcmp(a->low, b->high, sizeof(a->low)) <= 0 &&
	       memcmp(b->low, a->high, sizeof(a->low)) <= 0;
}

static bool range_covers(const struct range *a, const struct range *b)
{
	return memcmp(a->low, b->low, sizeof(a->low)) <= 0 &&
	       memcmp(a->high, b->high, sizeof(a->high)) >= 0;
}

/** reach_meets() - Return: whether two policies may match the same packet */
bool reach_meets(const struct reach *a, const struct reach *b)
{
	return a->group == b->group && (!a->proto || !b->proto || a->proto == b->proto) &&
	       ranges_meet(&a->src, &b->src) && ranges_meet(&a->dst, &b->dst);
}

/** reach_covers() - Return: whether a policy may match each packet that @b matches */
bool reach_covers(const struct reach *a, const struct reach *b)
{
	return a->group == b->group && (!a->proto || a->proto == b->proto) &&
	       range_covers(&a->src, &b->src) && range_covers(&a->dst, &b->dst);
}
