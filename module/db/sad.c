// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/aead.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <net/dst_metadata.h>
#include <net/esp.h>
#include "account.h"
#include "arrival.h"
#include "compat/rt.h"
#include "domain.h"
#include "net.h"
#include "replay.h"
#include "sad.h"

/* number of SPIs that espah_sad_alloc_spi() tries */
#define SPI_TRIES 1024

static inline bool same_id(const struct espah_sa_id *a, const struct espah_sa_id *b)
{
	return a->spi == b->spi && espah_addr_equal(&a->dst, &b->dst) && a->proto == b->proto &&
	       a->family == b->family && a->dir == b->dir && a->vrf == b->vrf;
}

/* state of a struct stand_in in place of an SA; not for user space */
#define STAND_IN 0xff

/**
 * struct stand_in - holds an SA's new place in the table while the SA still has the old one
 * @node: at the same offset as in struct espah_sa, as are @id and @state, which lookups read
 * @id: the SA's new id
 * @state: STAND_IN
 * @sa: the SA
 * @rcu: defers the freeing
 *
 * An SA has one node, so it cannot be in the table with two ids. An insertion may need memory, but
 * the replacement of one node by another does not.
 */
struct stand_in {
	struct rhash_head node;
	struct espah_sa_id id;
	u8 state;
	struct espah_sa *sa;
	struct rcu_head rcu;
};

static_assert(offsetof(struct stand_in, node) == offsetof(struct espah_sa, node));
static_assert(offsetof(struct stand_in, id) == offsetof(struct espah_sa, id));
static_assert(offsetof(struct stand_in, state) == offsetof(struct espah_sa, state));

static inline int compare_sa(struct rhashtable_compare_arg *arg, const void *obj)
{
	return !same_id(&((const struct espah_sa *)obj)->id, arg->key);
}

static const struct rhashtable_params sa_params = {
	.head_offset = offsetof(struct espah_sa, node),
	.key_offset = offsetof(struct espah_sa, id),
	.key_len = sizeof(struct espah_sa_id),
	.obj_cmpfn = compare_sa,
	.automatic_shrinking = true,
};

static const struct rhashtable_params slot_params = {
	.head_offset = offsetof(struct espah_slot, node),
	.key_offset = offsetof(struct espah_slot, id),
	.key_len = sizeof(struct espah_slot_id),
	.automatic_shrinking = true,
};

/* --- slots --- */

static inline struct espah_net *net_of(struct espah_sad *sad)
{
	return container_of(sad, struct espah_net, sad);
}

struct espah_slot *espah_slot_find(struct espah_sad *sad, const struct espah_slot_id *id)
{
	return rhashtable_lookup(&sad->slots, id, slot_params);
}

static struct espah_queue *alloc_queue(void)
{
	struct espah_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->ops);
	queue->serial_cpu = ESPAH_CPU_NONE;
	refcount_set(&queue->refs, 1);
	return queue;
}

void espah_queue_put(struct espah_queue *queue)
{
	if (refcount_dec_and_test(&queue->refs))
		kfree_rcu(queue, rcu);
}

struct espah_slot *espah_slot_get(struct espah_sad *sad, const struct espah_slot_id *id)
{
	struct espah_slot *slot = rhashtable_lookup_fast(&sad->slots, id, slot_params);

	lockdep_assert_held(&net_of(sad)->lock);
	if (slot) {
		slot->users++;
		return slot;
	}
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return NULL;
	slot->id = *id;
	slot->users = 1;
	refcount_set(&slot->refs, 1);
	INIT_LIST_HEAD(&slot->sas);
	slot->queue = alloc_queue();
	if (!slot->queue)
		goto err_slot;
	if (rhashtable_insert_fast(&sad->slots, &slot->node, slot_params))
		goto err_queue;
	return slot;

err_queue:
	kfree(slot->queue);
err_slot:
	kfree(slot);
	return NULL;
}

static void free_slot(struct rcu_head *rcu)
{
	struct espah_slot *slot = container_of(rcu, struct espah_slot, rcu);

	kfree(rcu_dereference_protected(slot->classes, true));
	kfree(slot);
}

static void release_slot(struct espah_slot *slot)
{
	if (!refcount_dec_and_test(&slot->refs))
		return;
	espah_queue_put(slot->queue);
	call_rcu(&slot->rcu, free_slot);
}

void espah_slot_put(struct espah_sad *sad, struct espah_slot *slot)
{
	lockdep_assert_held(&net_of(sad)->lock);
	if (--slot->users)
		return;
	rhashtable_remove_fast(&sad->slots, &slot->node, slot_params);
	release_slot(slot);
}

/* an entry of @slot->sas */
static struct espah_sa *sa_at(const struct espah_slot *slot, struct list_head *at)
{
	return slot->id.wild ? list_entry(at, struct espah_sa, wild_link) :
			       list_entry(at, struct espah_sa, link);
}

static void set_sa(struct espah_sa __rcu **at, struct espah_sa *sa)
{
	if (rcu_access_pointer(*at) != sa)
		rcu_assign_pointer(*at, sa);
}

/*
 * Fills the table of a slot: a DSCP has the newest SA that is for it, or else the newest that is
 * not for certain DSCPs. @first: the newest SA with keys; or that with the SPI asked for, which all
 * DSCPs have then. Return: the SA that all DSCPs have, or NULL.
 */
static struct espah_sa *fill_classes(struct espah_slot *slot, struct espah_classes *classes,
				     struct espah_sa *first)
{
	bool pinned = first && first->id.spi == slot->spi;
	struct espah_sa *rest = pinned ? first : NULL, *sa;
	u64 left = ~0ULL, mine;
	struct list_head *at;

	list_for_each(at, &slot->sas) {
		if (pinned || (rest && !left))
			break;
		sa = sa_at(slot, at);
		if (sa->state != ESPAH_SA_STATE_VALID)
			continue;
		for (mine = sa->dscps & left; mine; mine &= mine - 1)
			set_sa(&classes->sa[__ffs64(mine)], sa);
		left &= ~sa->dscps;
		if (!sa->dscps && !rest)
			rest = sa;
	}
	set_sa(&classes->newest, first);
	for (mine = left; mine; mine &= mine - 1)
		set_sa(&classes->sa[__ffs64(mine)], rest);
	return left == ~0ULL ? rest : NULL;
}

/* Makes the newest SA with keys, or that with the SPI asked for, the one that output uses. */
static void choose_sa(struct espah_slot *slot)
{
	struct espah_classes *classes = rcu_dereference_protected(slot->classes, true);
	struct espah_sa *best = NULL, *sa;
	struct list_head *at;

	list_for_each(at, &slot->sas) {
		sa = sa_at(slot, at);
		if (sa->state != ESPAH_SA_STATE_VALID)
			continue;
		if (!best || sa->id.spi == slot->spi)
			best = sa;
		if (!slot->spi || sa->id.spi == slot->spi)
			break;
	}
	if (classes)
		best = fill_classes(slot, classes, best);
	/* a reader that sees NULL here also sees the table; see espah_slot_sa() */
	set_sa(&slot->sa, best);
}

struct espah_sa *espah_slot_sa(const struct espah_slot *slot, u8 dscp)
{
	struct espah_sa *sa = rcu_dereference(slot->sa);
	struct espah_classes *classes;

	if (sa)
		return sa;
	smp_rmb(); /* the table is as new as the pointer, see choose_sa() */
	classes = rcu_dereference(slot->classes);
	return classes ? rcu_dereference(classes->sa[dscp]) : NULL;
}

struct espah_sa *espah_slot_newest(const struct espah_slot *slot)
{
	struct espah_sa *sa = rcu_dereference(slot->sa);
	struct espah_classes *classes;

	if (sa)
		return sa;
	smp_rmb(); /* as above */
	classes = rcu_dereference(slot->classes);
	return classes ? rcu_dereference(classes->newest) : NULL;
}

/* Gives a slot its table, if it has none yet. @classes: zeroed, or NULL without memory; consumed */
static bool set_classes(struct espah_slot *slot, struct espah_classes *classes)
{
	if (rcu_access_pointer(slot->classes)) {
		kfree(classes);
		return true;
	}
	if (!classes)
		return false;
	rcu_assign_pointer(slot->classes, classes);
	choose_sa(slot);
	return true;
}

/* Prepares a slot for an SA. Return: false without memory. */
static bool prepare_slot(struct espah_slot *slot, const struct espah_sa *sa)
{
	return !sa->dscps || rcu_access_pointer(slot->classes) ||
	       set_classes(slot, kzalloc(sizeof(struct espah_classes), GFP_KERNEL_ACCOUNT));
}

/* The queue for a new SA of a slot, with a reference: that of the SA which it replaces, if any. */
static struct espah_queue *get_queue(const struct espah_slot *slot, u64 dscps)
{
	struct espah_queue *queue = dscps ? NULL : slot->queue;
	struct espah_sa *sa;

	list_for_each_entry(sa, &slot->sas, link) {
		if (sa->dscps == dscps) {
			queue = sa->queue;
			break;
		}
	}
	if (!queue)
		return alloc_queue();
	espah_queue_get(queue);
	return queue;
}

void espah_sad_set_dscps(struct espah_sa *sa, u64 dscps, struct espah_classes *classes)
{
	sa->dscps = dscps;
	if (!sa->slot)
		return;
	lockdep_assert_held(&sa->en->lock);
	set_classes(sa->slot, classes);
	choose_sa(sa->slot);
}

void espah_slot_pin(struct espah_slot *slot, __be32 spi, const struct espah_policy *by)
{
	slot->spi = spi;
	slot->pinned_by = by;
	choose_sa(slot);
}

/* The slot for @sa beside that with @id, or NULL without memory. */
static struct espah_slot *get_wild(struct espah_sad *sad, struct espah_slot_id id)
{
	id.reqid = 0;
	id.wild = 1;
	return espah_slot_get(sad, &id);
}

static void leave_wild(struct espah_sad *sad, struct espah_sa *sa)
{
	if (!sa->wild)
		return;
	list_del(&sa->wild_link);
	choose_sa(sa->wild);
	espah_slot_put(sad, sa->wild);
}

/* @wild: as from get_wild(), or NULL */
static void enter_wild(struct espah_sa *sa, struct espah_slot *wild)
{
	sa->wild = wild;
	if (!wild)
		return;
	list_add(&sa->wild_link, &wild->sas);
	choose_sa(wild);
}

/* --- an SA's life --- */

struct espah_path *espah_path_alloc(const struct espah_sa *sa)
{
	struct espah_path *path = kzalloc(sizeof(*path), GFP_KERNEL_ACCOUNT);

	if (!path || sa->id.dir == ESPAH_DIR_IN ||
	    !dst_cache_init(&path->dst_cache, GFP_KERNEL_ACCOUNT))
		return path;
	kfree(path);
	return NULL;
}

void espah_path_free(struct espah_path *path)
{
	dst_cache_destroy(&path->dst_cache);
	espah_arrival_free(rcu_dereference_protected(path->arrival, true));
	if (path->mark)
		dst_release(&path->mark->dst);
#ifdef CONFIG_SKB_EXTENSIONS
	if (path->secpath)
		__skb_ext_put(path->secpath);
#endif
	kfree(path);
}

static void free_path_rcu(struct rcu_head *rcu)
{
	espah_path_free(container_of(rcu, struct espah_path, rcu));
}

/* Sets the members that follow from the others. */
static void complete_path(const struct espah_sa *sa, struct espah_path *path)
{
	path->encap_len = path->dport ? sizeof(struct udphdr) : 0;
	path->ip_proto = path->dport ? IPPROTO_UDP : sa->id.proto;
}

static void free_sa(struct espah_sa *sa)
{
	atomic_t *live = &sa->en->sad.live;

	if (sa->aead)
		crypto_free_aead(sa->aead);
	kfree_sensitive(sa->key);
	kvfree(sa->replay);
	espah_path_free(espah_sa_path(sa));
	espah_counters_free(sa->counters_block, sa->counters);
	kfree(sa->drops);
	kfree(sa->dscp_map);
	kfree(sa->label);
	kfree(sa->life);
	kfree(sa->dummy);
	kfree(sa->foreign);
	espah_account_uncharge(sa->account, ESPAH_ACCOUNT_SA);
	if (sa->slot) {
		release_slot(sa->slot);
		espah_queue_put(sa->queue);
	}
	kfree_sensitive(sa); /* holds the salt */
	/* the waiter may free @live once it is 0; wake_up_var() uses only its address */
	if (atomic_dec_and_test(live))
		wake_up_var(live);
}

static void free_later(struct work_struct *work)
{
	free_sa(container_of(to_rcu_work(work), struct espah_sa, free_work));
}

/* Drops the SAD's reference; no reader can find the SA any more. */
static void retire_sa(struct work_struct *work)
{
	struct espah_sa *sa = container_of(to_rcu_work(work), struct espah_sa, retire);

	if (refcount_dec_and_test(&sa->refs))
		free_sa(sa);
}

void espah_sa_put(struct espah_sa *sa)
{
	if (refcount_dec_and_test(&sa->refs))
		queue_rcu_work(espah_workqueue, &sa->free_work);
}

struct espah_sa *espah_sa_alloc(struct espah_net *en)
{
	struct espah_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL_ACCOUNT);

	if (!sa)
		return NULL;
	sa->en = en;
	INIT_LIST_HEAD(&sa->link);
	RCU_INIT_POINTER(sa->path, kzalloc(sizeof(*espah_sa_path(sa)), GFP_KERNEL_ACCOUNT));
	if (!espah_sa_path(sa))
		goto err_sa;
	sa->counters = espah_counters_alloc(&sa->counters_block);
	if (!sa->counters)
		goto err_path;
	sa->state = ESPAH_SA_STATE_LARVAL;
	sa->watch = ESPAH_WATCH_UNUSED;
	sa->added = ktime_get_real_seconds();
	sa->born = ktime_get_boottime();
	spin_lock_init(&sa->lock);
	refcount_set(&sa->refs, 1);
	INIT_RCU_WORK(&sa->retire, retire_sa);
	INIT_RCU_WORK(&sa->free_work, free_later);
	atomic_inc(&en->sad.live);
	return sa;
err_path:
	kfree(espah_sa_path(sa));
err_sa:
	kfree(sa);
	return NULL;
}

/* --- the SAD --- */

static noinline struct espah_sa *stood_in_for(const void *found)
{
	return ((const struct stand_in *)found)->sa;
}

struct espah_sa *espah_sad_find(struct espah_sad *sad, const struct espah_sa_id *id)
{
	struct espah_sa *sa = rhashtable_lookup_fast(&sad->sas, id, sa_params);

	return sa && unlikely(READ_ONCE(sa->state) == STAND_IN) ? stood_in_for(sa) : sa;
}

/* The SA of a packet that arrived in a VRF, if no SA names the VRF. */
static noinline struct espah_sa *find_unnamed(struct espah_sad *sad, struct espah_sa_id id)
{
	u32 domain = id.vrf;
	struct espah_path *path;
	struct espah_sa *sa;

	id.vrf = 0;
	sa = rhashtable_lookup(&sad->sas, &id, sa_params);
	if (!sa)
		return NULL;
	path = espah_sa_path(sa);
	/* a group has members in every domain */
	if (id.dir == ESPAH_DIR_IN && espah_addr_is_group(&path->dst, path->family))
		return sa;
	return espah_path_domain(sa, path) == domain ? sa : NULL;
}

struct espah_sa *espah_sad_find_in(struct espah_sad *sad, const struct espah_sa_id *id)
{
	struct espah_sa *sa = rhashtable_lookup(&sad->sas, id, sa_params);

	if (unlikely(!sa && id->vrf))
		sa = find_unnamed(sad, *id);
	return sa;
}

/*
 * The last lookup result of this CPU: PRE_ROUTING looks up the SA of a packet, LOCAL_IN looks it
 * up again, and the next packet often has the same SA. The entry is valid while no SA was removed
 * from this SAD since. A reader that could still use a freed SA sees the removal.
 */
struct espah_found {
	struct espah_sa *sa;
	u64 removals;
	local_lock_t lock;
};

static DEFINE_PER_CPU(struct espah_found, found_last) = { .lock = INIT_LOCAL_LOCK(lock) };

static noinline struct espah_sa *find_anew(struct espah_found *found, struct espah_sad *sad,
					   const struct espah_sa_id *id, u64 now)
{
	struct espah_sa *sa = espah_sad_find_in(sad, id);

	if (likely(sa)) {
		if (unlikely(READ_ONCE(sa->state) == STAND_IN))
			return stood_in_for(sa);
		local_lock_nested_bh(&found_last.lock);
		found->sa = sa;
		found->removals = now;
		local_unlock_nested_bh(&found_last.lock);
	}
	return sa;
}

struct espah_sa *espah_sad_find_recent(struct espah_net *en, const struct espah_sa_id *id)
{
	struct espah_found *found = this_cpu_ptr(&found_last);
	u64 now = espah_generation(&en->sad.removals);
	struct espah_sa *sa;

	local_lock_nested_bh(&found_last.lock);
	sa = found->sa;
	/* compare the generation first: the SA of an older one may be freed */
	if (unlikely(found->removals != now || !same_id(&sa->id, id)))
		sa = NULL;
	local_unlock_nested_bh(&found_last.lock);
	if (likely(sa))
		return sa;
	return find_anew(found, &en->sad, id, now);
}

static void changed(struct espah_sad *sad)
{
	/* for the dump code, 0 means that there is no generation yet */
	if (!++sad->generation)
		sad->generation = 1;
}

/* Removes an SA from everything except the hash table. */
static void unlink_sa(struct espah_sad *sad, struct espah_sa *sa)
{
	espah_key_use_del(&sad->keys, sa);
	espah_generation_end(&sad->removals);
	xa_erase(&sad->index, sa->index);
	list_del_init(&sa->link);
	choose_sa(sa->slot);
	espah_slot_put(sad, sa->slot);
	leave_wild(sad, sa);
	sad->count[sa->id.dir]--;
	changed(sad);
}

int espah_sad_add(struct espah_sa *sa, u32 reqid, struct espah_sa *old)
{
	struct espah_path *path = espah_sa_path(sa);
	struct espah_slot_id slot_id = {
		.src = path->src, .dst = sa->id.dst, .reqid = reqid, .family = sa->id.family,
		.proto = sa->id.proto, .mode = sa->mode, .dir = sa->id.dir, .vrf = sa->id.vrf,
		.if_id = sa->if_id,
	};
	struct espah_slot *slot, *wild = NULL;
	struct espah_sad *sad = &sa->en->sad;
	struct espah_queue *queue;
	int err = -ENOMEM;

	lockdep_assert_held(&sa->en->lock);
	slot = espah_slot_get(sad, &slot_id);
	if (!slot)
		return -ENOMEM;
	queue = prepare_slot(slot, sa) ? get_queue(slot, sa->dscps) : NULL;
	if (!queue)
		goto err_slot;
	/* if this function fails, they are released with the SA */
	refcount_inc(&slot->refs);
	sa->slot = slot;
	sa->queue = queue;
	if (sa->foreign) {
		wild = get_wild(sad, slot_id);
		if (!wild)
			goto err_slot;
	}
	err = xa_alloc_cyclic(&sad->index, &sa->index, sa, XA_LIMIT(1, U32_MAX), &sad->next,
			      GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto err_wild;

	path->dst = sa->id.dst;
	path->family = sa->id.family;
	complete_path(sa, path);
	err = espah_key_use_add(&sad->keys, sa);
	if (err)
		goto err_index;
	if (old)
		err = rhashtable_replace_fast(&sad->sas, &old->node, &sa->node, sa_params);
	else
		err = rhashtable_insert_fast(&sad->sas, &sa->node, sa_params);
	if (err)
		goto err_key;
	if (old)
		unlink_sa(sad, old);
	list_add(&sa->link, &slot->sas);
	choose_sa(slot);
	enter_wild(sa, wild);
	sad->count[sa->id.dir]++;
	changed(sad);
	return 0;

err_key:
	espah_key_use_del(&sad->keys, sa);
err_index:
	xa_erase(&sad->index, sa->index);
err_wild:
	if (wild)
		espah_slot_put(sad, wild);
err_slot:
	espah_slot_put(sad, slot);
	return err;
}

/*
 * Changes the id of an SA: lookups find it by both ids first, then only by the new one. Without
 * memory, the id stays unchanged. A reader may be at the SA's node while it moves to another chain
 * of the table; such a reader finds the wrong end-of-chain marker and repeats the lookup.
 */
static int change_id(struct espah_sad *sad, struct espah_sa *sa, const struct espah_sa_id *id)
{
	struct stand_in *stand_in;
	int err;

	if (!memcmp(id, &sa->id, sizeof(*id)))
		return 0;
	stand_in = kzalloc(sizeof(*stand_in), GFP_KERNEL_ACCOUNT);
	if (!stand_in)
		return -ENOMEM;
	stand_in->id = *id;
	stand_in->state = STAND_IN;
	stand_in->sa = sa;
	err = rhashtable_insert_fast(&sad->sas, &stand_in->node, sa_params);
	if (err) {
		kfree(stand_in);
		return err;
	}
	rhashtable_remove_fast(&sad->sas, &sa->node, sa_params);
	sa->id = *id;
	rhashtable_replace_fast(&sad->sas, &stand_in->node, &sa->node, sa_params);
	kfree_rcu(stand_in, rcu);
	return 0;
}

/* Moves an SA to another slot, where the list stays sorted by age. */
static void change_slot(struct espah_sad *sad, struct espah_sa *sa, struct espah_slot *slot)
{
	struct espah_slot *old = sa->slot;
	struct espah_sa *next;

	list_del(&sa->link);
	list_for_each_entry(next, &slot->sas, link)
		if (next->index < sa->index)
			break;
	list_add_tail(&sa->link, &next->link);
	refcount_inc(&slot->refs);
	WRITE_ONCE(sa->slot, slot);
	choose_sa(slot);
	choose_sa(old);
	espah_slot_put(sad, old);
	release_slot(old);
}

int espah_sad_move(struct espah_sa *sa, struct espah_path *path)
{
	struct espah_path *old = espah_sa_path(sa);
	struct espah_slot_id slot_id = sa->slot->id;
	struct espah_sad *sad = &sa->en->sad;
	struct espah_slot *slot, *wild = NULL;
	struct espah_sa_id id = sa->id;

	lockdep_assert_held(&sa->en->lock);
	id.dst = path->dst;
	id.family = path->family;
	slot_id.src = path->src;
	slot_id.dst = path->dst;
	slot_id.family = path->family;
	complete_path(sa, path);
	slot = espah_slot_get(sad, &slot_id);
	if (!slot)
		return -ENOMEM;
	if (!prepare_slot(slot, sa))
		goto err_slot;
	if (sa->wild) {
		wild = get_wild(sad, slot_id);
		if (!wild)
			goto err_slot;
	}
	if (change_id(sad, sa, &id))
		goto err_wild;
	WRITE_ONCE(sa->pmtu, 0);
	rcu_assign_pointer(sa->path, path);
	call_rcu(&old->rcu, free_path_rcu);
	change_slot(sad, sa, slot);
	leave_wild(sad, sa);
	enter_wild(sa, wild);
	return 0;

err_wild:
	if (wild)
		espah_slot_put(sad, wild);
err_slot:
	espah_slot_put(sad, slot);
	return -ENOMEM;
}

void espah_sad_del(struct espah_sa *sa)
{
	struct espah_sad *sad = &sa->en->sad;

	lockdep_assert_held(&sa->en->lock);
	rhashtable_remove_fast(&sad->sas, &sa->node, sa_params);
	unlink_sa(sad, sa);
}

void espah_sa_retire(struct espah_sa *sa)
{
	queue_rcu_work(espah_workqueue, &sa->retire);
}

int espah_sad_alloc_spi(struct espah_sad *sad, struct espah_sa_id *id, u32 min, u32 max)
{
	u64 range = (u64)max - min + 1;
	u32 start = mul_u64_u32_shr(range, get_random_u32(), 32);
	u32 i, offset;

	lockdep_assert_held(&net_of(sad)->lock);
	for (i = 0; i < min_t(u64, range, SPI_TRIES); i++) {
		if (range <= SPI_TRIES)
			offset = (start + i) % (u32)range;
		else
			offset = mul_u64_u32_shr(range, get_random_u32(), 32);
		id->spi = cpu_to_be32(min + offset);
		if (!espah_sad_find(sad, id))
			return 0;
	}
	return -ENOSPC;
}

int espah_sad_setup(struct espah_sad *sad, work_func_t expire)
{
	int err = rhashtable_init(&sad->sas, &sa_params);

	if (err)
		return err;
	err = rhashtable_init(&sad->slots, &slot_params);
	if (err)
		goto err_sas;
	err = espah_keys_setup(&sad->keys);
	if (err)
		goto err_slots;
	espah_clock_setup(&sad->clock, expire);
	xa_init_flags(&sad->index, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	sad->next = 1;
	sad->generation = 1;
	espah_generation_end(&sad->removals);
	sad->count[ESPAH_DIR_IN] = 0;
	sad->count[ESPAH_DIR_OUT] = 0;
	atomic_set(&sad->live, 0);
	return 0;
err_slots:
	rhashtable_destroy(&sad->slots);
err_sas:
	rhashtable_destroy(&sad->sas);
	return err;
}

void espah_sad_teardown(struct espah_sad *sad)
{
	cancel_delayed_work_sync(&sad->clock.work);
	wait_var_event(&sad->live, !atomic_read(&sad->live));
	xa_destroy(&sad->index);
	espah_keys_teardown(&sad->keys);
	rhashtable_destroy(&sad->slots);
	rhashtable_destroy(&sad->sas);
}
