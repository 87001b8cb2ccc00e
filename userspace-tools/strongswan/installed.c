// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record of the SAs that charon has installed. After a loss of events, charon does not know of the
 * SAs that have ended, and of those that are to be replaced. So the record is compared with the
 * module's SAs. Other events need nothing: as long as packets come, the module repeats acquire and
 * mapping events.
 *
 * charon's own list would do, but the structs that lead to it depend on how charon was configured.
 */
#include "backend.h"

#include <collections/array.h>
#include <collections/hashtable.h>

struct installed {
	mutex_t *mutex;
	hashtable_t *table;
};

/* An SA, which SPI, destination and protocol identify. */
struct entry {
	uint8_t dir, proto;
	uint32_t spi;
	host_t *dst;
};

/* An SA of the module. @id: direction, protocol and SPI; @soft: a soft limit is reached */
struct present {
	uint64_t id;
	bool soft;
};

static u_int hash(const void *key)
{
	return ((const struct entry *)key)->spi;
}

static bool equals(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->spi == y->spi && x->proto == y->proto && x->dst->ip_equals(x->dst, y->dst);
}

static void entry_destroy(struct entry *entry)
{
	if (!entry)
		return;
	entry->dst->destroy(entry->dst);
	free(entry);
}

void installed_add(struct installed *this, uint8_t dir, kernel_ipsec_sa_id_t *id)
{
	struct entry *entry;

	INIT(entry,
		.dir = dir,
		.proto = id->proto,
		.spi = id->spi,
		.dst = id->dst->clone(id->dst),
	);
	this->mutex->lock(this->mutex);
	entry_destroy(this->table->put(this->table, entry, entry));
	this->mutex->unlock(this->mutex);
}

void installed_del(struct installed *this, kernel_ipsec_sa_id_t *id)
{
	struct entry key = { .proto = id->proto, .spi = id->spi, .dst = id->dst };

	this->mutex->lock(this->mutex);
	entry_destroy(this->table->remove(this->table, &key));
	this->mutex->unlock(this->mutex);
}

static struct entry *copy_of(const struct entry *entry)
{
	struct entry *copy;

	INIT(copy);
	*copy = *entry;
	copy->dst = entry->dst->clone(entry->dst);
	return copy;
}

/* Return: a copy of the record, an array of pointers */
static array_t *copy_all(struct installed *this)
{
	array_t *copy = array_create(0, 0);
	enumerator_t *entries;
	struct entry *entry;
	void *key;

	this->mutex->lock(this->mutex);
	entries = this->table->create_enumerator(this->table);
	while (entries->enumerate(entries, &key, &entry))
		array_insert(copy, ARRAY_TAIL, copy_of(entry));
	entries->destroy(entries);
	this->mutex->unlock(this->mutex);
	return copy;
}

/* --- comparison with the module --- */

static uint64_t make_id(uint8_t dir, uint8_t proto, uint32_t spi)
{
	return (uint64_t)dir << 40 | (uint64_t)proto << 32 | spi;
}

/* Whether one of the limits is reached. */
static bool reached(const struct nlattr *limits, const struct nlattr *used)
{
	const struct nlattr *limit[ESPAH_LIMIT_MAX + 1], *is[ESPAH_LIMIT_MAX + 1];
	unsigned int i;

	attr_nest(limits, limit, ESPAH_LIMIT_MAX);
	attr_nest(used, is, ESPAH_LIMIT_MAX);
	for (i = 1; i <= ESPAH_LIMIT_MAX; i++)
		if (attr_u64(limit[i], 0) && attr_u64(is[i], 0) >= attr_u64(limit[i], 0))
			return TRUE;
	return FALSE;
}

static void find_sa(const struct nlmsghdr *nlh, void *list)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	struct present present;

	attr_table(nlh, sa, ESPAH_SA_MAX);
	present.id = make_id(attr_u8(sa[ESPAH_SA_DIR], 0), attr_u8(sa[ESPAH_SA_PROTO], 0),
			     attr_u32(sa[ESPAH_SA_SPI], 0));
	present.soft = reached(sa[ESPAH_SA_SOFT], sa[ESPAH_SA_USED]);
	array_insert(list, ARRAY_TAIL, &present);
}

static int by_id(const void *a, const void *b)
{
	const struct present *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int in_order(const void *a, const void *b, void *unused)
{
	return by_id(a, b);
}

void installed_compare(struct installed *this, struct nl *nl)
{
	array_t *ours, *present = array_create(sizeof(struct present), 0);
	unsigned int gone = 0, soft = 0;
	char buf[NL_REQUEST_MAX];
	struct entry *sa;
	int error;

	/* in this order: an SA that is installed meanwhile is not taken for one that has ended */
	ours = copy_all(this);
	error = nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP), find_sa, present, NULL);
	array_sort(present, in_order, NULL);
	while (array_remove(ours, ARRAY_TAIL, &sa)) {
		struct present key = { .id = make_id(sa->dir, sa->proto, sa->spi) }, found = {};
		bool there = array_bsearch(present, &key, by_id, &found) >= 0;

		if (!error && (!there || found.soft)) {
			charon->kernel->expire(charon->kernel, sa->proto, sa->spi, sa->dst, !there);
			gone += !there;
			soft += there;
		}
		entry_destroy(sa);
	}
	if (error)
		DBG1(DBG_KNL, "kernel-espah: the module's SAs cannot be listed: %s", strerror(error));
	else
		DBG1(DBG_KNL, "kernel-espah: %u SAs have ended, %u are to be replaced", gone, soft);
	array_destroy(ours);
	array_destroy(present);
}

struct installed *installed_create(void)
{
	struct installed *this;

	INIT(this,
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
		.table = hashtable_create(hash, equals, 64),
	);
	return this;
}

void installed_destroy(struct installed *this)
{
	enumerator_t *entries = this->table->create_enumerator(this->table);
	struct entry *entry;
	void *key;

	while (entries->enumerate(entries, &key, &entry))
		entry_destroy(entry);
	entries->destroy(entries);
	this->table->destroy(this->table);
	this->mutex->destroy(this->mutex);
	free(this);
}
