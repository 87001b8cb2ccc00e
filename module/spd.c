// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netlink.h>
#include <linux/slab.h>
#include "net.h"
#include "spd.h"

/**
 * espah_policy_alloc - memory for a policy
 *
 * Return: a zeroed policy, or NULL; given up by espah_policy_free() or espah_spd_add().
 */
struct espah_policy *espah_policy_alloc(void)
{
	struct espah_policy *pol = kzalloc(sizeof(*pol), GFP_KERNEL_ACCOUNT);

	if (!pol)
		return NULL;
	pol->counters = alloc_percpu_gfp(struct espah_counters, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!pol->counters) {
		kfree(pol);
		return NULL;
	}
	pol->added = ktime_get_real_seconds();
	return pol;
}

/**
 * espah_policy_free - give up a policy that was never added
 * @pol: the policy
 */
void espah_policy_free(struct espah_policy *pol)
{
	free_percpu(pol->counters);
	kfree(pol->drops);
	kfree(pol);
}

static void free_policy_rcu(struct rcu_head *rcu)
{
	espah_policy_free(container_of(rcu, struct espah_policy, rcu));
}

static void changed(struct espah_spd *spd)
{
	/* 0 means to the dump code that there is no generation yet */
	if (!++spd->generation)
		spd->generation = 1;
}

/* What is left to do for a policy that the classifier no longer finds. */
static void release_policy(struct espah_net *en, struct espah_policy *pol)
{
	/* the slot outlives readers of @pol: it too is freed after a grace period */
	if (pol->slot)
		espah_slot_put(&en->sad, pol->slot);
	call_rcu(&pol->rcu, free_policy_rcu);
}

static int add_new(struct espah_spd *spd, struct espah_policy *pol)
{
	int err = xa_alloc_cyclic(&spd->index, &pol->id, pol, XA_LIMIT(1, U32_MAX), &spd->next,
				  GFP_KERNEL_ACCOUNT);

	if (err < 0)
		return err;
	pol->rule.order = pol->id;
	err = espah_classifier_add(&spd->dir[pol->dir], &pol->rule);
	if (err) {
		xa_erase(&spd->index, pol->id);
		return err;
	}
	spd->count++;
	return 0;
}

static void replace_old(struct espah_net *en, struct espah_policy *old, struct espah_policy *pol)
{
	struct espah_spd *spd = &en->spd;

	pol->id = old->id;
	espah_classifier_replace(&spd->dir[pol->dir], &old->rule, &pol->rule);
	/* the entry is there already, so this needs no memory */
	xa_store(&spd->index, pol->id, pol, GFP_KERNEL_ACCOUNT);
	release_policy(en, old);
}

/**
 * espah_spd_add - make a policy effective
 * @en: network namespace
 * @pol: filled but for @id, @slot; owned by the SPD on success
 * @replace: take the place of the policy with the same direction, selector and priority
 * @extack: gets a sentence on failure
 *
 * Context: espah_net.lock.
 * Return: 0; -EEXIST; -ENOMEM. On failure the caller keeps @pol and nothing has changed.
 */
int espah_spd_add(struct espah_net *en, struct espah_policy *pol, bool replace,
		  struct netlink_ext_ack *extack)
{
	struct espah_policy *old;
	int err = 0;

	old = espah_spd_find(&en->spd, pol->dir, &pol->rule.sel, pol->rule.priority);
	if (old && !replace) {
		NL_SET_ERR_MSG(extack,
			       "a policy with this direction, selector and priority exists");
		return -EEXIST;
	}
	if (pol->action == ESPAH_ACTION_PROTECT && !espah_addr_any(&pol->tmpl.dst)) {
		pol->slot = espah_slot_get(&en->sad, &pol->tmpl);
		if (!pol->slot)
			err = -ENOMEM;
	}
	if (!err) {
		if (old)
			replace_old(en, old, pol);
		else
			err = add_new(&en->spd, pol);
	}
	if (err) {
		NL_SET_ERR_MSG(extack, "out of memory for the policy");
		if (pol->slot)
			espah_slot_put(&en->sad, pol->slot);
		pol->slot = NULL;
		return err;
	}
	changed(&en->spd);
	return 0;
}

/**
 * espah_spd_del - take a policy out and free it after a grace period
 * @en: network namespace
 * @pol: the policy
 *
 * Context: espah_net.lock.
 */
void espah_spd_del(struct espah_net *en, struct espah_policy *pol)
{
	struct espah_spd *spd = &en->spd;

	espah_classifier_del(&spd->dir[pol->dir], &pol->rule);
	xa_erase(&spd->index, pol->id);
	spd->count--;
	changed(spd);
	release_policy(en, pol);
}

/**
 * espah_spd_by_id - the policy of an id
 * @spd: the SPD
 * @id: POLICY_ID
 *
 * Context: espah_net.lock.
 * Return: the policy, or NULL.
 */
struct espah_policy *espah_spd_by_id(struct espah_spd *spd, u32 id)
{
	return xa_load(&spd->index, id);
}

/**
 * espah_spd_find - the policy of a direction, selector and priority
 * @spd: the SPD
 * @dir: enum espah_dir
 * @sel: the selector
 * @priority: the priority
 *
 * Context: espah_net.lock.
 * Return: the policy, or NULL.
 */
struct espah_policy *espah_spd_find(struct espah_spd *spd, u8 dir,
				    const struct espah_selector *sel, u32 priority)
{
	struct espah_rule *rule = espah_classifier_find(&spd->dir[dir], sel, priority);

	return rule ? container_of(rule, struct espah_policy, rule) : NULL;
}

/**
 * espah_policy_sa - the SA that a packet needs
 * @en: network namespace
 * @pol: a protect policy
 * @flow: the packet's flow, as the policy's direction sees it
 *
 * Context: RCU reader.
 * Return: the newest SA with keys, or NULL.
 */
struct espah_sa *espah_policy_sa(struct espah_net *en, const struct espah_policy *pol,
				 const struct espah_flow *flow)
{
	struct espah_slot *slot = pol->slot;

	if (!slot) {
		struct espah_slot_id id = pol->tmpl;

		id.src = flow->src;
		id.dst = flow->dst;
		id.family = flow->family;
		slot = espah_slot_find(&en->sad, &id);
	}
	return slot ? rcu_dereference(slot->sa) : NULL;
}

/**
 * espah_policy_admits - whether packets of an SA may come under a policy
 * @pol: a protect policy that matches the inner packet
 * @sa: the inbound SA that it came through
 *
 * A template without addresses asks for those of the packet, which in
 * transport mode are those of the SA that it came through.
 *
 * Context: RCU reader.
 */
bool espah_policy_admits(const struct espah_policy *pol, const struct espah_sa *sa)
{
	const struct espah_slot_id *has = &sa->slot->id, *wants = &pol->tmpl;

	if (pol->slot)
		return pol->slot == sa->slot;
	return has->reqid == wants->reqid && has->family == wants->family &&
	       has->proto == wants->proto && has->mode == wants->mode && has->dir == wants->dir;
}

/**
 * espah_spd_setup - an empty SPD
 * @spd: the SPD
 */
void espah_spd_setup(struct espah_spd *spd)
{
	memset(spd, 0, sizeof(*spd));
	xa_init_flags(&spd->index, XA_FLAGS_ALLOC1);
	spd->next = 1;
	spd->generation = 1;
}

/**
 * espah_spd_teardown - take out all policies
 * @en: network namespace
 *
 * Context: process; takes espah_net.lock.
 */
void espah_spd_teardown(struct espah_net *en)
{
	struct espah_policy *pol;
	unsigned long id;

	mutex_lock(&en->lock);
	xa_for_each(&en->spd.index, id, pol) {
		espah_spd_del(en, pol);
		cond_resched();
	}
	mutex_unlock(&en->lock);
	xa_destroy(&en->spd.index);
}
