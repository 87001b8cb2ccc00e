// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include "account.h"
#include "domain.h"
#include "net.h"
#include "spd.h"

static void set_rules(struct espah_policy *pol, const struct espah_selectors *set)
{
	unsigned int i;

	for (i = 0; i < pol->nrules; i++) {
		struct espah_selector *sel = &pol->rules[i].sel;

		*sel = set->sel[i % set->n];
		if (i >= set->n) {
			sel->sport_min = 0;
			sel->dport_min = 0;
			sel->sport_max = 0xffff;
			sel->dport_max = 0xffff;
		}
		pol->rules[i].policy = pol;
		pol->rules[i].priority = pol->priority;
	}
}

struct espah_policy *espah_policy_alloc(const struct espah_selectors *set, u32 priority,
					const void *given, u16 given_len)
{
	/* either all selectors have ports, or none */
	unsigned int nrules = espah_selector_has_ports(set->sel) ? 2 * set->n : set->n;
	struct espah_policy *pol;

	pol = kvzalloc(struct_size(pol, rules, nrules) + given_len, GFP_KERNEL_ACCOUNT);
	if (!pol)
		return NULL;
	pol->counters = espah_counters_alloc(&pol->counters_block);
	if (!pol->counters) {
		kvfree(pol);
		return NULL;
	}
	pol->priority = priority;
	pol->nsel = set->n;
	pol->nrules = nrules;
	set_rules(pol, set);
	pol->given = memcpy(pol->rules + nrules, given, given_len);
	pol->given_len = given_len;
	pol->added = ktime_get_real_seconds();
	return pol;
}

void espah_policy_free(struct espah_policy *pol)
{
	espah_counters_free(pol->counters_block, pol->counters);
	kfree(pol->drops);
	kfree(pol->outer);
	kfree(pol->label);
	kfree(pol->foreign);
	espah_account_uncharge(pol->account, ESPAH_ACCOUNT_POLICY);
	kvfree(pol);
}

static void free_policy_rcu(struct rcu_head *rcu)
{
	espah_policy_free(container_of(rcu, struct espah_policy, rcu));
}

static void put_slots(struct espah_net *en, struct espah_policy *pol)
{
	unsigned int i;

	lockdep_assert_held(&en->lock);
	for (i = 0; i <= pol->nouter; i++) {
		struct espah_template *tmpl = espah_policy_tmpl(pol, i);

		if (!tmpl->slot)
			continue;
		if (tmpl->slot->pinned_by == pol)
			espah_slot_pin(tmpl->slot, 0, NULL);
		espah_slot_put(&en->sad, tmpl->slot);
	}
}

void espah_policy_retire(struct espah_net *en, struct espah_policy *pol)
{
	/* slots are also freed after a grace period, so they outlive readers of @pol */
	put_slots(en, pol);
	call_rcu(&pol->rcu, free_policy_rcu);
}

/* Sets the given bits of espah_spd_now(), and ends the generation. */
static void set_now(struct espah_spd *spd, u64 mask, u64 bits)
{
	u64 old = atomic64_read(&spd->now), new;

	do {
		new = espah_generation_new() << ESPAH_NOW_BITS | (bits & mask) |
		      (old & (BIT_ULL(ESPAH_NOW_BITS) - 1) & ~mask);
		/* a reader that sees the new value also sees the change before */
	} while (!atomic64_try_cmpxchg_release(&spd->now, &old, new));
}

void espah_spd_changed(struct espah_spd *spd)
{
	set_now(spd, 0, 0);
}

static void changed(struct espah_spd *spd)
{
	/* for the dump code, 0 means that there is no generation yet */
	if (!++spd->generation)
		spd->generation = 1;
}

/* Return: 0 or -ENOMEM; put_slots() undoes it in both cases */
static int get_slots(struct espah_net *en, struct espah_policy *pol)
{
	unsigned int i;

	for (i = 0; i <= pol->nouter; i++) {
		struct espah_template *tmpl = espah_policy_tmpl(pol, i);

		tmpl->barred = pol->pfp;
		if (tmpl->barred || espah_addr_any(&tmpl->id.dst) ||
		    (pol->dir == ESPAH_DIR_IN && (tmpl->spi || espah_addr_any(&tmpl->id.src))))
			continue;
		tmpl->slot = espah_slot_get(&en->sad, &tmpl->id);
		if (!tmpl->slot)
			return -ENOMEM;
	}
	return 0;
}

/* Has the slots of a policy that came by another interface prefer the SAs whose SPIs it names. */
static void pin_slots(struct espah_policy *pol)
{
	unsigned int i;

	if (!pol->foreign || pol->dir != ESPAH_DIR_OUT)
		return;
	for (i = 0; i <= pol->nouter; i++) {
		struct espah_template *tmpl = espah_policy_tmpl(pol, i);

		if (tmpl->slot && tmpl->spi)
			espah_slot_pin(tmpl->slot, tmpl->spi, pol);
	}
}

/* the classifier that holds a rule of a policy */
static struct espah_classifier *home(struct espah_spd *spd, const struct espah_policy *pol,
				     unsigned int i)
{
	return i >= pol->nsel || pol->rules[i].sel.opaque ? &spd->opaque[pol->dir] :
							    &spd->dir[pol->dir];
}

/* removes the first @n rules */
static void del_rules(struct espah_spd *spd, struct espah_policy *pol, unsigned int n)
{
	while (n--)
		espah_classifier_del(home(spd, pol, n), &pol->rules[n]);
	espah_spd_changed(spd);
}

static unsigned int conditions(const struct espah_policy *pol)
{
	unsigned int i, n = 0;

	for (i = 0; i < pol->nsel; i++)
		n += espah_selector_has_condition(&pol->rules[i].sel);
	return n;
}

/* @hidden: ESPAH_SET_*: sets that the policy is not in */
static int add_new(struct espah_spd *spd, struct espah_policy *pol, u8 hidden)
{
	unsigned int i;
	int err;

	do {
		pol->id = spd->next++ ?: spd->next++;
		err = xa_insert(&spd->index, pol->id, pol, GFP_KERNEL_ACCOUNT);
	} while (err == -EBUSY);
	if (err)
		return err;
	for (i = 0; i < pol->nrules; i++) {
		pol->rules[i].order = pol->id;
		pol->rules[i].hidden = hidden;
		err = espah_classifier_reserve(home(spd, pol, i), &pol->rules[i]);
		if (err) {
			del_rules(spd, pol, i);
			xa_erase(&spd->index, pol->id);
			return err;
		}
	}
	for (i = 0; i < pol->nrules; i++)
		espah_classifier_insert(home(spd, pol, i), &pol->rules[i]);
	spd->count++;
	spd->conditions += conditions(pol);
	espah_spd_changed(spd);
	return 0;
}

static void replace_old(struct espah_spd *spd, struct espah_policy *old, struct espah_policy *pol)
{
	unsigned int i;

	pol->id = old->id;
	/* both have the same selectors in the same order */
	for (i = 0; i < pol->nrules; i++)
		espah_classifier_replace(home(spd, pol, i), &old->rules[i], &pol->rules[i]);
	/* the entry exists, so the store needs no memory */
	xa_store(&spd->index, pol->id, pol, GFP_KERNEL_ACCOUNT);
	espah_spd_changed(spd);
}

/* @old: as for espah_spd_add(); @hidden: as for add_new() */
static int add(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old, u8 hidden)
{
	int err = 0;

	lockdep_assert_held(&en->lock);
	if (pol->action == ESPAH_ACTION_PROTECT)
		err = get_slots(en, pol);
	if (!err) {
		if (old)
			replace_old(&en->spd, old, pol);
		else
			err = add_new(&en->spd, pol, hidden);
	}
	if (err) {
		put_slots(en, pol);
		return err;
	}
	pin_slots(pol);
	changed(&en->spd);
	return 0;
}

int espah_spd_add(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old)
{
	return add(en, pol, old, 0);
}

/* the set that packets see */
static u8 current_set(const struct espah_spd *spd)
{
	return espah_spd_set(atomic64_read(&spd->now));
}

int espah_spd_stage(struct espah_net *en, struct espah_policy *pol)
{
	return add(en, pol, NULL, current_set(&en->spd));
}

static void set_hidden(struct espah_policy *pol, u8 hidden)
{
	unsigned int i;

	for (i = 0; i < pol->nrules; i++)
		WRITE_ONCE(pol->rules[i].hidden, hidden);
}

void espah_spd_leave(struct espah_net *en, struct espah_policy *pol)
{
	lockdep_assert_held(&en->lock);
	pol->leaving = true;
	set_hidden(pol, current_set(&en->spd) ^ (ESPAH_SET_A | ESPAH_SET_B));
}

void espah_spd_stay(struct espah_policy *pol)
{
	pol->leaving = false;
	set_hidden(pol, 0);
}

static u64 default_bits(u8 in, u8 out)
{
	return (in == ESPAH_ACTION_DISCARD ? ESPAH_NOW_DISCARD(ESPAH_DIR_IN) : 0) |
	       (out == ESPAH_ACTION_DISCARD ? ESPAH_NOW_DISCARD(ESPAH_DIR_OUT) : 0);
}

#define DEFAULTS (ESPAH_NOW_DISCARD(ESPAH_DIR_IN) | ESPAH_NOW_DISCARD(ESPAH_DIR_OUT))

void espah_spd_commit(struct espah_net *en, u8 in, u8 out)
{
	struct espah_spd *spd = &en->spd;
	u64 other = ~atomic64_read(&spd->now) & ESPAH_NOW_B;
	struct espah_policy *pol;
	unsigned long id;

	lockdep_assert_held(&en->lock);
	set_now(spd, ESPAH_NOW_B | DEFAULTS, other | default_bits(in, out));
	synchronize_rcu();
	xa_for_each(&spd->index, id, pol) {
		if (!pol->leaving && pol->rules->hidden)
			set_hidden(pol, 0);
		cond_resched();
	}
	changed(spd);
}

void espah_spd_set_default(struct espah_spd *spd, u8 in, u8 out)
{
	set_now(spd, DEFAULTS, default_bits(in, out));
}

void espah_spd_del(struct espah_net *en, struct espah_policy *pol)
{
	struct espah_spd *spd = &en->spd;

	lockdep_assert_held(&en->lock);
	del_rules(spd, pol, pol->nrules);
	xa_erase(&spd->index, pol->id);
	spd->count--;
	spd->conditions -= conditions(pol);
	changed(spd);
}

struct espah_policy *espah_spd_by_id(struct espah_spd *spd, u32 id)
{
	return xa_load(&spd->index, id);
}

static bool has_selectors(const struct espah_policy *pol, const struct espah_selectors *set)
{
	unsigned int i;

	for (i = 0; i < set->n && i < pol->nsel; i++)
		if (!espah_selector_equal(&pol->rules[i].sel, &set->sel[i]))
			return false;
	return i == set->n && i == pol->nsel;
}

struct espah_policy *espah_spd_find(struct espah_spd *spd, u8 dir,
				    const struct espah_selectors *set, u32 priority)
{
	struct espah_classifier *cls = set->sel->opaque ? &spd->opaque[dir] : &spd->dir[dir];
	struct espah_rule *rule = NULL;

	lockdep_assert_held(&container_of(spd, struct espah_net, spd)->lock);
	do {
		rule = espah_classifier_find(cls, set->sel, priority, rule);
	} while (rule && (rule->policy->leaving || !has_selectors(rule->policy, set)));
	return rule ? rule->policy : NULL;
}

struct espah_policy *espah_spd_next(struct espah_spd *spd, u8 dir, const struct espah_selector *sel,
				    bool foreign, struct espah_policy *last)
{
	struct espah_rule *rule = last ? last->rules : NULL;

	lockdep_assert_held(&container_of(spd, struct espah_net, spd)->lock);
	do {
		rule = espah_classifier_find(&spd->dir[dir], sel, -1, rule);
	} while (rule && !(!rule->policy->foreign == !foreign && rule->policy->nsel == 1));
	return rule ? rule->policy : NULL;
}

struct espah_rule *espah_spd_lookup_opaque(const struct espah_spd *spd, u64 now, u8 dir,
					   struct espah_flow *flow, struct espah_rule *rule)
{
	struct espah_rule *other = espah_classify(&spd->opaque[dir], flow, espah_spd_set(now));

	if (other && (!rule || espah_rule_rank(other) < espah_rule_rank(rule))) {
		flow->hidden = !other->sel.opaque;
		rule = other;
	}
	/* extension headers may also hide the protocol (RFC 4301 4.4.1.1, OPAQUE) */
	if (flow->family == AF_INET6 && ipv6_ext_hdr(flow->proto) &&
	    (READ_ONCE(spd->dir[dir].proto_rules) || READ_ONCE(spd->opaque[dir].proto_rules)))
		flow->hidden = true;
	return rule;
}

/* The domain of a slot's local address, or 0. Context: RCU reader. */
static u32 slot_domain(struct espah_net *en, const struct espah_slot_id *id)
{
	const union espah_addr *local = id->dir == ESPAH_DIR_OUT ? &id->src : &id->dst;

	return id->vrf ?: espah_domain_of(en->net, local, id->family);
}

/* The SA of the slot that differs from @id in whether it names the VRF; @any: for any source. */
static struct espah_sa *find_other(struct espah_net *en, struct espah_slot_id id, bool any)
{
	u32 domain = slot_domain(en, &id);
	bool named = id.vrf;
	struct espah_slot *slot;
	struct espah_sa *sa = NULL;

	if (any) {
		id.src = (union espah_addr) {};
		slot = espah_slot_find(&en->sad, &id);
		sa = slot ? rcu_dereference(slot->sa) : NULL;
	}
	if (!sa && domain) {
		id.vrf = named ? 0 : domain;
		slot = espah_slot_find(&en->sad, &id);
		sa = slot ? rcu_dereference(slot->sa) : NULL;
		if (sa && named && espah_path_domain(sa, espah_sa_path(sa)) != domain)
			sa = NULL;
	}
	return sa;
}

/*
 * A template and an SA share a slot if both name the same VRF, or neither names one. This function
 * finds the other SAs: those where only one of the two names the VRF, which is the domain of the
 * other's local address, and SAs for any source.
 */
static noinline struct espah_sa *look_further(struct espah_net *en, const struct espah_slot_id *id)
{
	struct espah_sa *sa = find_other(en, *id, false);

	return sa || id->mode == ESPAH_MODE_TUNNEL ? sa : find_other(en, *id, true);
}

struct espah_sa *espah_template_sa(struct espah_net *en, const struct espah_template *tmpl,
				   const struct espah_flow *flow)
{
	struct espah_slot *slot = READ_ONCE(tmpl->slot);
	struct espah_slot_id id;
	struct espah_sa *sa;

	if (likely(slot)) {
		sa = rcu_dereference(slot->sa);
		return likely(sa) ? sa : look_further(en, &slot->id);
	}
	if (tmpl->barred)
		return NULL;
	id = tmpl->id;
	id.src = flow->src;
	id.dst = flow->dst;
	id.family = flow->family;
	slot = espah_slot_find(&en->sad, &id);
	sa = slot ? rcu_dereference(slot->sa) : NULL;
	return likely(sa) ? sa : look_further(en, &id);
}

/* Whether an SA in a slot other than the template's is one that look_further() finds. */
static noinline bool admits_other(const struct espah_template *tmpl, const struct espah_sa *sa,
				  const struct espah_slot_id *has)
{
	const struct espah_slot_id *wants = &tmpl->id;
	struct espah_path *path = espah_sa_path(sa);

	if ((has->reqid != wants->reqid && !wants->wild) || has->family != wants->family ||
	    has->proto != wants->proto || has->mode != wants->mode || has->dir != wants->dir ||
	    has->if_id != wants->if_id || (tmpl->spi && tmpl->spi != sa->id.spi))
		return false;
	if (!espah_addr_any(&wants->dst) && !espah_addr_equal(&has->dst, &wants->dst))
		return false;
	if (!espah_addr_any(&wants->src) && !espah_addr_equal(&has->src, &wants->src) &&
	    !(has->mode == ESPAH_MODE_TRANSPORT && espah_addr_any(&has->src)))
		return false;
	if (has->vrf == wants->vrf)
		return true;
	return wants->vrf ? espah_path_domain(sa, path) == wants->vrf :
			    has->vrf == espah_domain_of(sa->en->net, &has->dst, has->family);
}

bool espah_template_admits(const struct espah_template *tmpl, const struct espah_sa *sa)
{
	const struct espah_slot *slot = READ_ONCE(sa->slot);

	if (likely(tmpl->slot == slot))
		return true;
	return !tmpl->barred && admits_other(tmpl, sa, &slot->id);
}

void espah_spd_setup(struct espah_spd *spd)
{
	memset(spd, 0, sizeof(*spd));
	xa_init_flags(&spd->index, XA_FLAGS_ACCOUNT);
	spd->next = 1;
	spd->generation = 1;
	espah_spd_changed(spd);
}

void espah_spd_teardown(struct espah_spd *spd)
{
	xa_destroy(&spd->index);
}
