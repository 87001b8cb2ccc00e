// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include "asked.h"

struct espah_asked *espah_asked_alloc(void)
{
	struct espah_asked *asked = kvzalloc(sizeof(*asked), GFP_KERNEL_ACCOUNT);

	if (asked)
		get_random_bytes(&asked->key, sizeof(asked->key));
	return asked;
}

bool espah_asked_due(struct espah_asked *asked, const void *want, size_t len)
{
	u64 hash = siphash(want, len, &asked->key);
	struct espah_asked_entry *set = asked->at[hash % ESPAH_ASKED_SETS], *entry = set;
	u32 tag = hash >> 32, now = (u32)jiffies ?: 1, when = 0, age = 0;
	int i;

	/* the entry of this tag, otherwise the oldest */
	for (i = 0; i < ESPAH_ASKED_WAYS; i++) {
		u32 then = READ_ONCE(set[i].when), since = then ? now - then : U32_MAX;
		bool same = then && READ_ONCE(set[i].tag) == tag;

		if (i && !same && since <= age)
			continue;
		entry = &set[i];
		when = then;
		age = since;
		if (same)
			break;
	}
	/* of two CPUs, one sends the event */
	if (age < HZ || cmpxchg(&entry->when, when, now) != when)
		return false;
	WRITE_ONCE(entry->tag, tag);
	return true;
}
