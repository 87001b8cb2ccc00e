// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rule is in a cell: the list of all rules of one shape with the same masked
 * words. A cell is in the hash table of its shape. The shapes are in an array,
 * sorted by a lower bound of the rank (priority, then order) of their rules:
 * once a rule with a lower rank is found, the rest of the array cannot hold a
 * better one.
 *
 * The table is not an rhashtable: rules change rarely and in process context,
 * so the writer can resize the table immediately, without a worker that lags
 * behind, and a lookup need not check for a second table.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/mm.h>
#include "classifier.h"
#include "compat/compiler.h"
#include "shape.h"

/* Up to this many cells share one bucket, because comparing them is faster than hashing. */
#define FEW_CELLS 4

/* Reads an RCU pointer in a writer */
#define writer(p) rcu_dereference_protected(p, true)

/**
 * struct espah_entry - a place in the array of shapes
 * @bound: no rule in @shape has a lower rank; not raised when rules are removed
 * @shape: the shape
 */
struct espah_entry {
	u64 bound;
	struct espah_shape *shape;
};

/**
 * struct espah_shapes - the shapes of a classifier; replaced as a whole
 * @rcu: defers the freeing
 * @ip4: number of IPv4 entries, which come first
 * @count: number of entries
 * @entries: each family sorted by bound
 */
struct espah_shapes {
	struct rcu_head rcu;
	unsigned int ip4;
	unsigned int count;
	struct espah_entry entries[];
};

/* --- keys ---------------------------------------------------------------------------- */

static void fill(u32 *words, u8 family, const union espah_addr *src, const union espah_addr *dst,
		 u16 sport, u16 dport, u8 proto)
{
	if (family == AF_INET)
		espah_words_ip4(words, src, dst, sport, dport, proto);
	else
		espah_words_ip6(words, src, dst, sport, dport, proto);
}

static bool exact_sport(const struct espah_selector *sel)
{
	return sel->sport_min == sel->sport_max;
}

static bool exact_dport(const struct espah_selector *sel)
{
	return sel->dport_min == sel->dport_max;
}

static bool has_more(const struct espah_selector *sel)
{
	return sel->mark_mask || sel->ifindex;
}

static u64 shape_id(const struct espah_selector *sel)
{
	return sel->src_len | (u32)sel->dst_len << 8 | (u32)!!sel->proto << 16 |
	       (u32)exact_sport(sel) << 17 | (u32)exact_dport(sel) << 18 |
	       (u32)(sel->family == AF_INET6) << 19 | (u32)!!sel->ifindex << 20 |
	       (u32)sel->linked << 21 |
	       (u64)sel->mark_mask << 32;
}

static void selector_key(u32 *key, const struct espah_shape *shape,
			 const struct espah_selector *sel)
{
	unsigned int i;

	fill(key, sel->family, &sel->src, &sel->dst, sel->sport_min, sel->dport_min, sel->proto);
	if (shape->more) {
		key[shape->words - 2] = sel->mark;
		key[shape->words - 1] = sel->ifindex;
	}
	for (i = 0; i < shape->words; i++)
		key[i] &= shape->mask[i];
}

/* --- the table of a shape ------------------------------------------------------------ */

static struct espah_cell *find_cell_of(const struct espah_shape *shape,
				       const struct espah_selector *sel)
{
	struct espah_cell *cell;
	u32 key[ESPAH_WORDS_MAX];

	selector_key(key, shape, sel);
	rcu_read_lock();
	cell = espah_shape_find(shape, key, shape->words);
	rcu_read_unlock();
	return cell; /* only writers free cells, and the caller is the writer */
}

static struct espah_cell *alloc_cell(const struct espah_shape *shape,
				     const struct espah_selector *sel)
{
	struct espah_cell *cell;

	cell = kzalloc(struct_size(cell, key, shape->words), GFP_KERNEL_ACCOUNT);
	if (!cell)
		return NULL;
	INIT_LIST_HEAD(&cell->rules);
	selector_key(cell->key, shape, sel);
	return cell;
}

static void insert_cell(const struct espah_shape *shape, struct espah_cells *cells,
			struct espah_cell *cell)
{
	struct espah_cell __rcu **head;

	head = &cells->heads[espah_shape_bucket(shape, cells, cell->key, shape->words)];
	rcu_assign_pointer(cell->next[cells->link], writer(*head));
	rcu_assign_pointer(*head, cell);
}

static void remove_cell(const struct espah_shape *shape, struct espah_cell *cell)
{
	struct espah_cells *cells = writer(shape->cells);
	struct espah_cell __rcu **link;

	link = &cells->heads[espah_shape_bucket(shape, cells, cell->key, shape->words)];
	while (writer(*link) != cell)
		link = &writer(*link)->next[cells->link];
	rcu_assign_pointer(*link, writer(cell->next[cells->link]));
	kfree_rcu(cell, rcu);
}

static struct espah_cells *alloc_cells(u32 buckets, u32 link)
{
	struct espah_cells *cells;

	cells = kvzalloc(struct_size(cells, heads, buckets), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!cells)
		return NULL;
	cells->mask = buckets - 1;
	cells->link = link;
	return cells;
}

static void resize(struct espah_shape *shape, u32 buckets)
{
	struct espah_cells *old = writer(shape->cells);
	struct espah_cells *new = alloc_cells(buckets, !old->link);
	struct espah_cell *cell;
	u32 i;

	if (!new)
		return; /* the old table still works, and the next change tries again */

	/* The links written below were those of the table before @old. */
	cond_synchronize_rcu(shape->resized);
	for (i = 0; i <= old->mask; i++) {
		for (cell = writer(old->heads[i]); cell; cell = writer(cell->next[old->link]))
			insert_cell(shape, new, cell);
		cond_resched();
	}
	rcu_assign_pointer(shape->cells, new);
	shape->resized = get_state_synchronize_rcu();
	kvfree_rcu(old, rcu);
}

/* adapts the table size to the number of cells; the cost of a resize spreads over many changes */
static void fit(struct espah_shape *shape)
{
	u32 buckets = writer(shape->cells)->mask + 1;

	if (shape->count > max_t(u32, buckets, FEW_CELLS) || shape->count < buckets / 8)
		resize(shape, shape->count <= FEW_CELLS ?
			      1 : roundup_pow_of_two(2 * shape->count));
}

/* --- shapes -------------------------------------------------------------------------- */

static struct espah_shape *alloc_shape(const struct espah_selector *sel)
{
	union espah_addr src = { .ip6 = { ~(__be32)0, ~(__be32)0, ~(__be32)0, ~(__be32)0 } };
	struct espah_shape *shape = kzalloc(sizeof(*shape), GFP_KERNEL_ACCOUNT);
	union espah_addr dst = src;

	if (!shape)
		return NULL;
	RCU_INIT_POINTER(shape->cells, alloc_cells(1, 0));
	if (!rcu_access_pointer(shape->cells)) {
		kfree(shape);
		return NULL;
	}
	espah_addr_mask(&src, sel->family, sel->src_len);
	espah_addr_mask(&dst, sel->family, sel->dst_len);
	fill(shape->mask, sel->family, &src, &dst, exact_sport(sel) ? 0xffff : 0,
	     exact_dport(sel) ? 0xffff : 0, sel->proto ? 0xff : 0);
	shape->ip6 = sel->family == AF_INET6;
	shape->words = shape->ip6 ? ESPAH_WORDS_IP6 : ESPAH_WORDS_IP4;
	shape->more = has_more(sel);
	shape->linked = sel->linked;
	if (shape->more) {
		shape->mask[shape->words++] = sel->mark_mask;
		shape->mask[shape->words++] = sel->ifindex ? ~0U : 0;
	}
	shape->seed = get_random_u32();
	shape->id = shape_id(sel);
	shape->ports = exact_sport(sel) || exact_dport(sel);
	shape->resized = get_completed_synchronize_rcu();
	return shape;
}

/* frees a shape without cells; readers may still use it */
static void free_shape(struct espah_shape *shape)
{
	kvfree_rcu(writer(shape->cells), rcu);
	kfree_rcu(shape, rcu);
}

static struct espah_entry *find_entry(struct espah_shapes *shapes, const struct espah_selector *sel)
{
	u64 id = shape_id(sel);
	unsigned int i;

	for (i = 0; shapes && i < shapes->count; i++)
		if (shapes->entries[i].shape->id == id)
			return &shapes->entries[i];
	return NULL;
}

/* whether @entry sorts before an entry of this family and bound */
static bool precedes(const struct espah_entry *entry, bool ip6, u64 bound)
{
	return entry->shape->ip6 != ip6 ? ip6 : entry->bound <= bound;
}

/* copies the array without empty shapes, and with @add, if any, at its sorted place */
static struct espah_shapes *copy_shapes(const struct espah_shapes *old,
					const struct espah_entry *add)
{
	unsigned int i, n = 0, count = old ? old->count : 0;
	const struct espah_entry *pending = add;
	struct espah_shapes *new;

	new = kvzalloc(struct_size(new, entries, count + !!add), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!new)
		return NULL;
	for (i = 0; i < count; i++) {
		const struct espah_entry *entry = &old->entries[i];

		if (!entry->shape->rules || (add && entry->shape == add->shape))
			continue;
		if (pending && !precedes(entry, pending->shape->ip6, pending->bound)) {
			new->entries[n++] = *pending;
			pending = NULL;
		}
		new->entries[n++] = *entry;
	}
	if (pending)
		new->entries[n++] = *pending;
	new->count = n;
	while (new->ip4 < n && !new->entries[new->ip4].shape->ip6)
		new->ip4++;
	return new;
}

static void publish(struct espah_classifier *cls, struct espah_shapes *new)
{
	struct espah_shapes *old = writer(cls->shapes);
	unsigned int i;

	rcu_assign_pointer(cls->shapes, new);
	for (i = 0; old && i < old->count; i++)
		if (!old->entries[i].shape->rules)
			free_shape(old->entries[i].shape);
	if (old)
		kvfree_rcu(old, rcu);
}

unsigned int espah_classifier_shapes(const struct espah_classifier *cls)
{
	const struct espah_shapes *shapes = writer(cls->shapes);

	return shapes ? shapes->count : 0;
}

/* --- rules --------------------------------------------------------------------------- */

static void count_rule(struct espah_classifier *cls, struct espah_shape *shape,
		       struct espah_cell *cell, int n)
{
	cls->rules += n;
	shape->rules += n;
	cell->count += n;
}

static void count_proto(struct espah_classifier *cls, const struct espah_rule *rule, int n)
{
	if (rule->sel.proto)
		WRITE_ONCE(cls->proto_rules, cls->proto_rules + n);
}

void espah_classifier_insert(struct espah_classifier *cls, struct espah_rule *rule)
{
	struct espah_cell *cell = rule->cell;
	struct espah_rule *other;

	count_proto(cls, rule, 1);
	/* search from the end, because a new rule is usually the last of its priority */
	list_for_each_entry_reverse(other, &cell->rules, link)
		if (espah_rule_rank(other) < espah_rule_rank(rule))
			break;
	list_add_rcu(&rule->link, &other->link);
}

int espah_classifier_reserve(struct espah_classifier *cls, struct espah_rule *rule)
{
	struct espah_shapes *new = NULL, *old = writer(cls->shapes);
	struct espah_entry *entry = find_entry(old, &rule->sel);
	struct espah_entry better = { .bound = espah_rule_rank(rule) };
	struct espah_cell *fresh = NULL, *cell;
	struct espah_shape *shape;

	shape = entry ? entry->shape : alloc_shape(&rule->sel);
	if (!shape)
		return -ENOMEM;
	cell = find_cell_of(shape, &rule->sel);
	if (!cell) {
		fresh = alloc_cell(shape, &rule->sel);
		if (!fresh)
			goto err_shape;
		cell = fresh;
	}
	if (!entry || better.bound < entry->bound) {
		better.shape = shape;
		new = copy_shapes(old, &better);
		if (!new)
			goto err_cell;
	}

	INIT_LIST_HEAD(&rule->link);
	rule->cell = cell;
	if (fresh) {
		insert_cell(shape, writer(shape->cells), fresh);
		shape->count++;
	}
	count_rule(cls, shape, cell, 1);
	if (new)
		publish(cls, new);
	fit(shape);
	return 0;

err_cell:
	kfree(fresh);
err_shape:
	if (!entry) {
		kvfree(writer(shape->cells));
		kfree(shape);
	}
	return -ENOMEM;
}

void espah_classifier_del(struct espah_classifier *cls, struct espah_rule *rule)
{
	struct espah_shapes *new = NULL, *old = writer(cls->shapes);
	struct espah_shape *shape = find_entry(old, &rule->sel)->shape;

	if (!list_empty(&rule->link)) { /* else it was only reserved */
		list_del_rcu(&rule->link);
		count_proto(cls, rule, -1);
	}
	count_rule(cls, shape, rule->cell, -1);
	if (!rule->cell->count) {
		remove_cell(shape, rule->cell);
		shape->count--;
		if (shape->count)
			fit(shape);
	}
	rule->cell = NULL;
	if (shape->rules)
		return;

	if (cls->rules) {
		new = copy_shapes(old, NULL);
		if (!new)
			return; /* the empty shape stays until the next change of the array */
	}
	publish(cls, new);
}

void espah_classifier_replace(struct espah_classifier *cls, struct espah_rule *old,
			      struct espah_rule *new)
{
	new->order = old->order;
	new->cell = old->cell;
	list_replace_rcu(&old->link, &new->link);
	old->cell = NULL;
}

struct espah_rule *espah_classifier_find(struct espah_classifier *cls,
					 const struct espah_selector *sel, s64 priority,
					 struct espah_rule *last)
{
	struct espah_entry *entry = find_entry(writer(cls->shapes), sel);
	struct espah_cell *cell = entry ? find_cell_of(entry->shape, sel) : NULL;
	struct espah_rule *rule;

	if (!cell)
		return NULL;
	rule = last ?: list_entry(&cell->rules, struct espah_rule, link);
	list_for_each_entry_continue(rule, &cell->rules, link)
		if ((priority < 0 || rule->priority == priority) &&
		    espah_selector_equal(&rule->sel, sel))
			return rule;
	return NULL;
}

/* --- lookup -------------------------------------------------------------------------- */

static __always_inline struct espah_rule *search(const struct espah_entry *entry,
						 unsigned int count, const u32 *flow_words,
						 unsigned int words, const struct espah_flow *flow,
						 u8 set)
{
	bool ports = flow->has_ports && !flow->opaque;
	struct espah_rule *rule, *best = NULL;
	u64 best_rank = U64_MAX;
	u32 key[ESPAH_WORDS_MAX] espah_uninit;
	struct espah_cell *cell;
	unsigned int i;

	for (; count--; entry++) {
		const struct espah_shape *shape = entry->shape;

		if (best && entry->bound > best_rank)
			break;
		if ((shape->ports && !ports) || shape->linked != flow->linked)
			continue;
#pragma GCC unroll 16
		for (i = 0; i < words; i++)
			key[i] = flow_words[i] & shape->mask[i];
		if (unlikely(shape->more)) {
			key[words] = flow->mark & shape->mask[words];
			key[words + 1] = flow->ifindex & shape->mask[words + 1];
			cell = espah_shape_find(shape, key, words + ESPAH_WORDS_MORE);
		} else {
			cell = espah_shape_find(shape, key, words);
		}
		if (!cell)
			continue;
		list_for_each_entry_rcu(rule, &cell->rules, link) {
			if (best && espah_rule_rank(rule) > best_rank)
				break;
			if (!espah_selector_match_ports(&rule->sel, flow) ||
			    unlikely(READ_ONCE(rule->hidden) & set))
				continue;
			best = rule;
			best_rank = espah_rule_rank(rule);
			break;
		}
	}
	return best;
}

/* one function per family: the words of one family fit into registers, those of both do not */
static noinline struct espah_rule *classify_ip4(const struct espah_shapes *shapes,
						const struct espah_flow *flow, u8 set)
{
	u32 words[ESPAH_WORDS_IP4] espah_uninit;

	espah_words_ip4(words, &flow->src, &flow->dst, flow->sport, flow->dport, flow->proto);
	return search(shapes->entries, shapes->ip4, words, ESPAH_WORDS_IP4, flow, set);
}

static noinline struct espah_rule *classify_ip6(const struct espah_shapes *shapes,
						const struct espah_flow *flow, u8 set)
{
	u32 words[ESPAH_WORDS_IP6] espah_uninit;

	espah_words_ip6(words, &flow->src, &flow->dst, flow->sport, flow->dport, flow->proto);
	return search(shapes->entries + shapes->ip4, shapes->count - shapes->ip4, words,
		      ESPAH_WORDS_IP6, flow, set);
}

/* The better match of a lookup with the device and a lookup with its VRF. */
static noinline struct espah_rule *classify_vrf(const struct espah_shapes *shapes,
						struct espah_flow flow, u8 set)
{
	bool ip4 = flow.family == AF_INET;
	struct espah_rule *a, *b;

	a = ip4 ? classify_ip4(shapes, &flow, set) : classify_ip6(shapes, &flow, set);
	flow.ifindex = flow.vrf;
	b = ip4 ? classify_ip4(shapes, &flow, set) : classify_ip6(shapes, &flow, set);
	return !a || (b && espah_rule_rank(b) < espah_rule_rank(a)) ? b : a;
}

struct espah_rule *espah_classify(const struct espah_classifier *cls, const struct espah_flow *flow,
				  u8 set)
{
	const struct espah_shapes *shapes = rcu_dereference(cls->shapes);

	if (!shapes)
		return NULL;
	if (unlikely(flow->vrf))
		return classify_vrf(shapes, *flow, set);
	return flow->family == AF_INET ? classify_ip4(shapes, flow, set) :
					 classify_ip6(shapes, flow, set);
}
