// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include "account.h"
#include "asked.h"
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

	pol = kvzalloc(struct_size(pol, first, nrules) + given_len, GFP_KERNEL_ACCOUNT);
	if (!pol)
		return NULL;
	pol->rules = pol->first;
	pol->ifname = set->ifname ? kstrdup(set->ifname, GFP_KERNEL_ACCOUNT) : NULL;
	pol->counters = espah_counters_alloc(&pol->counters_block);
	if (!pol->counters || (set->ifname && !pol->ifname)) {
		if (pol->counters)
			espah_counters_free(pol->counters_block, pol->counters);
		kfree(pol->ifname);
		kvfree(pol);
		return NULL;
	}
	pol->priority = priority;
	pol->nsel = set->n;
	pol->nrules = nrules;
	set_rules(pol, set);
	pol->given = memcpy(pol->first + nrules, given, given_len);
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
	kfree(pol->ifname);
	kvfree(pol->bound);
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
		    (pol->dir == ESPAH_DIR_IN && (tmpl->spi || espah_addr_any(&tmpl->id.src)))) {
			if (pol->dir == ESPAH_DIR_OUT) {
				en->spd.asked = en->spd.asked ?: espah_asked_alloc();
				if (!en->spd.asked)
					return -ENOMEM;
			}
			continue;
		}
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

/* removes the first @n of the rules that a policy has or had */
static void del_rules(struct espah_spd *spd, struct espah_policy *pol, struct espah_rule *rules,
		      unsigned int n)
{
	while (n--)
		espah_classifier_del(home(spd, pol, n), &rules[n]);
	espah_spd_changed(spd);
}

/* Makes room for all rules. Return: 0; -ENOMEM: there is nothing to undo. */
static int reserve_rules(struct espah_spd *spd, struct espah_policy *pol, struct espah_rule *rules)
{
	unsigned int i;

	for (i = 0; i < pol->nrules; i++) {
		if (!espah_classifier_reserve(home(spd, pol, i), &rules[i]))
			continue;
		del_rules(spd, pol, rules, i);
		return -ENOMEM;
	}
	return 0;
}

static void insert_rules(struct espah_spd *spd, struct espah_policy *pol, struct espah_rule *rules)
{
	unsigned int i;

	for (i = 0; i < pol->nrules; i++)
		espah_classifier_insert(home(spd, pol, i), &rules[i]);
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
	}
	err = reserve_rules(spd, pol, pol->rules);
	if (err) {
		xa_erase(&spd->index, pol->id);
		return err;
	}
	insert_rules(spd, pol, pol->rules);
	spd->count++;
	spd->conditions += conditions(pol);
	spd->named += !!pol->ifname;
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

static void set_hidden(struct espah_policy *pol, struct espah_rule *rules, u8 hidden)
{
	unsigned int i;

	for (i = 0; i < pol->nrules; i++)
		WRITE_ONCE(rules[i].hidden, hidden);
}

static u8 other_set(const struct espah_spd *spd)
{
	return current_set(spd) ^ (ESPAH_SET_A | ESPAH_SET_B);
}

void espah_spd_leave(struct espah_net *en, struct espah_policy *pol)
{
	lockdep_assert_held(&en->lock);
	pol->leaving = true;
	set_hidden(pol, pol->rules, other_set(&en->spd));
}

void espah_spd_stay(struct espah_policy *pol)
{
	pol->leaving = false;
	set_hidden(pol, pol->rules, 0);
}

/* The index of the device that has a name or alternative name, or ESPAH_IFINDEX_NONE. */
static u32 index_of(struct net *net, const char *name)
{
	const struct net_device *dev;
	u32 index;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, name);
	index = dev ? dev->ifindex : ESPAH_IFINDEX_NONE;
	rcu_read_unlock();
	return index;
}

void espah_spd_bind(struct espah_net *en, struct espah_policy *pol, const struct espah_policy *old)
{
	unsigned int i;
	u32 index;

	lockdep_assert_held(&en->lock);
	if (!pol->ifname)
		return;
	WRITE_ONCE(en->spd.uses_names, true);
	/* either the name is looked up after a change of it, or that change sees @uses_names */
	smp_mb();
	/* a replacement takes the place of the old rules, until both are bound anew */
	index = old ? old->rules->sel.ifindex : index_of(en->net, pol->ifname);
	for (i = 0; i < pol->nrules; i++)
		pol->rules[i].sel.ifindex = index;
}

int espah_spd_rebind(struct espah_net *en, struct espah_policy *pol)
{
	struct espah_spd *spd = &en->spd;
	struct espah_rules *new;
	unsigned int i;
	u32 index;

	lockdep_assert_held(&en->lock);
	index = pol->ifname ? index_of(en->net, pol->ifname) : 0;
	if (!pol->ifname || index == pol->rules->sel.ifindex)
		return 0;
	new = kvzalloc(struct_size(new, rules, pol->nrules), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < pol->nrules; i++) {
		struct espah_rule *rule = &new->rules[i];

		rule->policy = pol;
		rule->priority = pol->rules[i].priority;
		rule->order = pol->rules[i].order;
		rule->hidden = current_set(spd);
		rule->sel = pol->rules[i].sel;
		rule->sel.ifindex = index;
	}
	if (reserve_rules(spd, pol, new->rules)) {
		kvfree(new);
		return -ENOMEM;
	}
	insert_rules(spd, pol, new->rules);
	set_hidden(pol, pol->rules, other_set(spd));
	pol->staged = new;
	return 1;
}

/* Puts the staged rules of a policy in the place of those that no packet sees any more. */
static void switch_rules(struct espah_spd *spd, struct espah_policy *pol)
{
	struct espah_rules *old = pol->bound;
	struct espah_rule *rules = pol->rules;

	set_hidden(pol, pol->staged->rules, 0);
	pol->bound = pol->staged;
	pol->staged = NULL;
	/* readers of the policy may still look at the old ones */
	smp_store_release(&pol->rules, pol->bound->rules);
	del_rules(spd, pol, rules, pol->nrules);
	if (old)
		kvfree_rcu(old, rcu);
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
	espah_spd_set_now(spd, ESPAH_NOW_B | DEFAULTS, other | default_bits(in, out));
	synchronize_net(); /* faster than synchronize_rcu() while RTNL is held */
	xa_for_each(&spd->index, id, pol) {
		if (pol->staged)
			switch_rules(spd, pol);
		else if (!pol->leaving && pol->rules->hidden)
			set_hidden(pol, pol->rules, 0);
		cond_resched();
	}
	changed(spd);
}

void espah_spd_set_default(struct espah_spd *spd, u8 in, u8 out)
{
	espah_spd_set_now(spd, DEFAULTS, default_bits(in, out));
}

void espah_spd_del(struct espah_net *en, struct espah_policy *pol)
{
	struct espah_spd *spd = &en->spd;

	lockdep_assert_held(&en->lock);
	del_rules(spd, pol, pol->rules, pol->nrules);
	xa_erase(&spd->index, pol->id);
	spd->count--;
	spd->conditions -= conditions(pol);
	spd->named -= !!pol->ifname;
	changed(spd);
}

struct espah_policy *espah_spd_by_id(struct espah_spd *spd, u32 id)
{
	return xa_load(&spd->index, id);
}

static bool has_selectors(const struct espah_policy *pol, const struct espah_selectors *set)
{
	unsigned int i;

	if (!pol->ifname != !set->ifname || (set->ifname && strcmp(pol->ifname, set->ifname)))
		return false;
	for (i = 0; i < set->n && i < pol->nsel; i++)
		if (!espah_selector_equal(&pol->rules[i].sel, &set->sel[i]))
			return false;
	return i == set->n && i == pol->nsel;
}

/* espah_spd_find() by the name of a device, whichever index it has in the rules. */
static struct espah_policy *find_named(struct espah_spd *spd, u8 dir, struct espah_selectors *set,
				       u32 priority)
{
	struct espah_policy *pol;
	unsigned long id;
	unsigned int i;

	xa_for_each(&spd->index, id, pol) {
		if (!pol->ifname || pol->dir != dir || pol->priority != priority || pol->leaving)
			continue;
		for (i = 0; i < set->n; i++)
			set->sel[i].ifindex = pol->rules->sel.ifindex;
		if (has_selectors(pol, set))
			return pol;
	}
	return NULL;
}

struct espah_policy *espah_spd_find(struct espah_spd *spd, u8 dir,
				    struct espah_selectors *set, u32 priority)
{
	struct espah_classifier *cls = set->sel->opaque ? &spd->opaque[dir] : &spd->dir[dir];
	struct espah_rule *rule = NULL;

	lockdep_assert_held(&container_of(spd, struct espah_net, spd)->lock);
	if (set->ifname)
		return find_named(spd, dir, set, priority);
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

/* The SA of the slot with @id, or NULL. */
static struct espah_sa *find_sa(struct espah_net *en, const struct espah_slot_id *id, u8 dscp)
{
	const struct espah_slot *slot = espah_slot_find(&en->sad, id);

	return slot ? espah_slot_sa(slot, dscp) : NULL;
}

/* The SA of the slot that differs from @id in whether it names the VRF; @any: for any source. */
static struct espah_sa *find_other(struct espah_net *en, struct espah_slot_id id, bool any, u8 dscp)
{
	u32 domain = slot_domain(en, &id);
	bool named = id.vrf;
	struct espah_sa *sa = NULL;

	if (any) {
		id.src = (union espah_addr) {};
		sa = find_sa(en, &id, dscp);
	}
	if (!sa && domain) {
		id.vrf = named ? 0 : domain;
		sa = find_sa(en, &id, dscp);
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
static struct espah_sa *look_further(struct espah_net *en, const struct espah_slot_id *id, u8 dscp)
{
	struct espah_sa *sa = find_other(en, *id, false, dscp);

	return sa || id->mode == ESPAH_MODE_TUNNEL ? sa : find_other(en, *id, true, dscp);
}

struct espah_sa *espah_template_sa(struct espah_net *en, const struct espah_template *tmpl,
				   const struct espah_flow *flow, u8 dscp)
{
	struct espah_slot *slot = READ_ONCE(tmpl->slot);
	struct espah_slot_id id;
	struct espah_sa *sa;

	if (slot) {
		sa = espah_slot_sa(slot, dscp);
		return sa ?: look_further(en, &slot->id, dscp);
	}
	if (tmpl->barred)
		return NULL;
	id = tmpl->id;
	id.src = flow->src;
	id.dst = flow->dst;
	id.family = flow->family;
	sa = find_sa(en, &id, dscp);
	return likely(sa) ? sa : look_further(en, &id, dscp);
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
	kvfree(spd->asked);
}
