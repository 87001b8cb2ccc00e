// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/algapi.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include "key_use.h"
#include "net.h"
#include "sa.h"

/* Fingerprints can collide, so the keys themselves are compared, in constant time. */
static int compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct espah_sa *wanted = container_of(arg->key, struct espah_sa, key_use.print);
	const struct espah_sa *sa = obj;

	return sa->key_use.print != wanted->key_use.print ||
	       sa->key_use.len != wanted->key_use.len ||
	       crypto_memneq(sa->key, wanted->key, sa->key_use.len);
}

static const struct rhashtable_params key_params = {
	.head_offset = offsetof(struct espah_sa, key_use.node),
	.key_offset = offsetof(struct espah_sa, key_use.print),
	.key_len = sizeof_field(struct espah_sa, key_use.print),
	.obj_cmpfn = compare,
	.automatic_shrinking = true,
};

int espah_keys_setup(struct espah_keys *keys)
{
	get_random_bytes(&keys->secret, sizeof(keys->secret));
	return rhashtable_init(&keys->table, &key_params);
}

void espah_keys_teardown(struct espah_keys *keys)
{
	rhashtable_destroy(&keys->table);
	memzero_explicit(&keys->secret, sizeof(keys->secret));
}

void espah_key_use_init(const struct espah_keys *keys, struct espah_sa *sa, unsigned int len)
{
	sa->key_use.len = len;
	sa->key_use.print = siphash(sa->key, len, &keys->secret);
	INIT_LIST_HEAD(&sa->key_use.sharers);
}

static struct espah_sa *find(struct espah_keys *keys, struct espah_sa *sa)
{
	return rhashtable_lookup_fast(&keys->table, &sa->key_use.print, key_params);
}

bool espah_key_used(struct espah_keys *keys, struct espah_sa *sa)
{
	lockdep_assert_held(&sa->en->lock);
	return sa->key_use.len && find(keys, sa);
}

int espah_key_use_add(struct espah_keys *keys, struct espah_sa *sa)
{
	struct espah_sa *first;

	lockdep_assert_held(&sa->en->lock);
	if (!sa->key_use.len)
		return 0;
	first = find(keys, sa);
	if (!first)
		return rhashtable_insert_fast(&keys->table, &sa->key_use.node, key_params);
	list_add(&sa->key_use.sharers, &first->key_use.sharers);
	return 0;
}

void espah_key_use_del(struct espah_keys *keys, struct espah_sa *sa)
{
	struct espah_sa *next;

	lockdep_assert_held(&sa->en->lock);
	if (!sa->key_use.len)
		return;
	next = list_first_entry(&sa->key_use.sharers, struct espah_sa, key_use.sharers);
	if (next == sa)
		rhashtable_remove_fast(&keys->table, &sa->key_use.node, key_params);
	else if (find(keys, sa) == sa)
		rhashtable_replace_fast(&keys->table, &sa->key_use.node, &next->key_use.node,
					key_params);
	list_del_init(&sa->key_use.sharers);
}
