/* SPDX-License-Identifier: GPL-2.0-only */
/* The security policy database (RFC 4301 4.4.1). */
#ifndef _ESPAH_SPD_H
#define _ESPAH_SPD_H

#include <linux/slab.h>
#include <linux/xarray.h>
#include <linux/espah.h>
#include "classifier.h"
#include "generation.h"
#include "sad.h"
#include "stats.h"

struct espah_net;

/**
 * struct espah_selectors - the selectors of a policy: a flow matches it that matches one of them
 * @sel: array
 * @n: entries
 * @one: the array of a single one
 */
struct espah_selectors {
	struct espah_selector *sel;
	unsigned int n;
	struct espah_selector one;
};

static inline void espah_selectors_free(struct espah_selectors *set)
{
	if (set->sel != &set->one)
		kvfree(set->sel);
}

/**
 * struct espah_template - which SAs a protect policy asks for
 * @id: the slot that they meet in. Addresses that are all zero (transport mode) stand
 *	for the packet's own.
 * @slot: it; NULL if its addresses depend on the packet
 * @barred: without @slot: no SA will do; see ESPAH_POLICY_PFP
 */
struct espah_template {
	struct espah_slot_id id;
	struct espah_slot *slot;
	bool barred;
};

/* acquire events a second that a policy with populate-from-packet flags has room for */
#define ESPAH_ACQUIRE_FLOWS 8

/**
 * struct espah_policy - a policy
 * @nrules: entries of @rules
 * @nsel: so many of them, the first, are the selectors; the others are what
 *	these are without their ports
 * @id: POLICY_ID
 * @dir: enum espah_dir
 * @action: enum espah_action
 * @priority: lower is looked at first
 * @given: the selectors as POLICY_SELECTOR had them, for answers
 * @given_len: bytes of @given
 * @label: ESPAH_POLICY_LABEL, or NULL
 * @account: where it counts, or NULL
 * @mss: ESPAH_MSS_OFF, ESPAH_MSS_AUTO, or bytes
 * @tmpl: with protect: the SA that takes the packet
 * @nouter: how many more SAs take it after that, at most ESPAH_BUNDLE_MAX - 1
 * @outer: these, in their order (RFC 4301 4.5); see bundle.h
 * @queue: how many packets may wait for the SA; see held.h
 * @held: so many do
 * @own_slot: the @slot of @tmpl, while packets wait
 * @unreach: ESPAH_POLICY_UNREACH
 * @pfp: ESPAH_PFP_*
 * @acquired: jiffies of the last acquire event; with @pfp, by a hash of the flow
 * @counters: packets that it let through
 * @counters_block: where they lie
 * @drops: allocated by the first drop
 * @added: ktime_get_real_seconds()
 * @rcu: defers the freeing
 * @rules: its places in the classifiers; their order is its id; @given lies behind them
 */
struct espah_policy {
	u32 id;
	u8 dir;
	u8 action;
	u16 mss;
	u32 priority;
	unsigned int nrules;
	unsigned int nsel;
	const void *given;
	u16 given_len;
	char *label;
	struct espah_account *account;
	u8 nouter;
	u8 pfp;
	u8 queue;
	u8 held;
	bool unreach;
	struct espah_template tmpl;
	struct espah_template *outer;
	struct espah_slot *own_slot;
	unsigned long acquired[ESPAH_ACQUIRE_FLOWS];
	struct espah_counters __percpu *counters;
	struct espah_counters_block *counters_block;
	struct espah_drops *drops;
	time64_t added;
	struct rcu_head rcu;
	struct espah_rule rules[];
};

/**
 * struct espah_spd - the SPD of a network namespace
 * @dir: a classifier for each enum espah_dir
 * @opaque: a second one for flows with opaque ports: selectors of just these, and
 *	what those with ports would be without them
 * @changes: generation of what espah_recent_policy() found; ends with each change
 * @index: struct espah_policy by id, for dumps
 * @next: where the next id is looked for; ids are the order of insertion until
 *	they wrap after 2^32 of them
 * @generation: changes with each addition and removal, to mark torn dumps; never 0
 * @count: policies present
 * @conditions: how many selectors ask for a mark or a device
 */
struct espah_spd {
	struct espah_classifier dir[2];
	struct espah_classifier opaque[2];
	atomic64_t changes;
	struct xarray index;
	u32 next;
	unsigned int generation;
	unsigned int count;
	unsigned int conditions;
};

void espah_spd_setup(struct espah_spd *spd);
/* when no policy is left in it */
void espah_spd_teardown(struct espah_spd *spd);

/**
 * espah_policy_alloc - make a policy
 * @set: its selectors
 * @priority: its ESPAH_POLICY_PRIORITY
 * @given: the selectors as ESPAH_POLICY_SELECTOR had them; copied
 * @given_len: bytes of @given
 *
 * Return: it, or NULL; espah_policy_free() gives up one that was never added.
 */
struct espah_policy *espah_policy_alloc(const struct espah_selectors *set, u32 priority,
					const void *given, u16 given_len);
void espah_policy_free(struct espah_policy *pol);

/**
 * espah_spd_add - make a policy effective
 * @en: network namespace
 * @pol: filled but for @id and its templates' @slot; owned by the SPD on success
 * @old: the policy with the same direction, selectors and priority whose place it takes, and which
 *	is out then as after espah_spd_del(); NULL: there is none
 *
 * Each packet meets either all that was there before or all that is there
 * afterwards: one flow is decided by one lookup.
 *
 * Context: espah_net.lock.
 * Return: 0 or -ENOMEM: then the caller keeps @pol, which no packet has met.
 */
int espah_spd_add(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old);

/* takes a policy out, for espah_policy_retire(); Context: espah_net.lock */
void espah_spd_del(struct espah_net *en, struct espah_policy *pol);

/* frees a policy that was taken out, after a grace period; Context: espah_net.lock */
void espah_policy_retire(struct espah_net *en, struct espah_policy *pol);

/* by id, or by direction, selectors and priority; NULL if there is none; Context: espah_net.lock */
struct espah_policy *espah_spd_by_id(struct espah_spd *spd, u32 id);
struct espah_policy *espah_spd_find(struct espah_spd *spd, u8 dir,
				    const struct espah_selectors *set, u32 priority);

/* whether a policy is about this protocol alone */
static inline bool espah_policy_names(const struct espah_policy *pol, u8 proto)
{
	return pol->rules[0].sel.proto == proto;
}

/* goes on with espah_spd_lookup() where ports are opaque; @rule: what the first lookup gave */
struct espah_rule *espah_spd_lookup_opaque(const struct espah_spd *spd, u8 dir,
					   struct espah_flow *flow, struct espah_rule *rule);

/**
 * espah_spd_lookup - the policy that applies to a flow
 * @spd: the SPD
 * @dir: enum espah_dir
 * @flow: the flow; @flow->hidden is set if its ports are opaque and a policy with
 *	ports comes first that may be meant (RFC 4301 7): drop it then, whatever the
 *	policy returned, which is that one, says
 *
 * Context: RCU reader. Return: the policy, or NULL.
 */
static inline struct espah_policy *espah_spd_lookup(const struct espah_spd *spd, u8 dir,
						    struct espah_flow *flow)
{
	struct espah_rule *rule = espah_classify(&spd->dir[dir], flow);

	if (unlikely(flow->opaque))
		rule = espah_spd_lookup_opaque(spd, dir, flow, rule);
	return rule ? rule->policy : NULL;
}

/* the templates of a policy, 0 to @nouter */
static inline struct espah_template *espah_policy_tmpl(struct espah_policy *pol, unsigned int i)
{
	return i ? &pol->outer[i - 1] : &pol->tmpl;
}

/*
 * The newest SA of a template for a packet of @flow, or NULL; Context: RCU reader. It may name the
 * VRF where the template does not, or the other way round, and in transport mode be of any source.
 */
struct espah_sa *espah_template_sa(struct espah_net *en, const struct espah_template *tmpl,
				   const struct espah_flow *flow);

/* whether inbound @sa is one of those that a template asks for; Context: RCU reader */
bool espah_template_admits(const struct espah_template *tmpl, const struct espah_sa *sa);

#endif /* _ESPAH_SPD_H */
