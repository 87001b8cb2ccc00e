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
 * struct espah_selectors - the selectors of a policy, of which a flow must match one
 * @sel: array
 * @n: entries
 * @ifname: ESPAH_SEL_IFNAME, in the request, or NULL; then espah_spd_bind() sets their ifindex
 * @one: the array if it has a single entry
 */
struct espah_selectors {
	struct espah_selector *sel;
	unsigned int n;
	const char *ifname;
	struct espah_selector one;
};

static inline void espah_selectors_free(struct espah_selectors *set)
{
	if (set->sel != &set->one)
		kvfree(set->sel);
}

/**
 * struct espah_template - the SA that a protect policy requires
 * @id: id of the slot. All-zero addresses stand for the packet's own addresses in transport mode,
 *	and for any addresses in inbound tunnels.
 * @spi: SPI of the SA: outbound, the one to use while it is there; inbound, no other is admitted;
 *	0: any
 * @slot: the slot; NULL if its addresses depend on the packet
 * @barred: @slot is NULL, and no SA matches; see ESPAH_POLICY_PFP
 */
struct espah_template {
	struct espah_slot_id id;
	__be32 spi;
	struct espah_slot *slot;
	bool barred;
};

/* the ifindex of selectors whose device does not exist; no flow has it */
#define ESPAH_IFINDEX_NONE U32_MAX

/* rules of a policy that have another ifindex than the ones before */
struct espah_rules {
	struct rcu_head rcu;
	struct espah_rule rules[];
};

/**
 * struct espah_policy - a policy
 * @nrules: entries of @rules
 * @nsel: number of selectors, the first entries of @rules; the others are the same selectors
 *	without ports
 * @id: POLICY_ID
 * @dir: enum espah_dir
 * @action: enum espah_action
 * @priority: lower comes first
 * @given: the selectors as given in POLICY_SELECTOR, for answers
 * @given_len: bytes of @given
 * @label: ESPAH_POLICY_LABEL, or NULL
 * @ifname: device of the selectors, which has another index when it is made anew; or NULL
 * @owner: enum espah_owner of a policy without @foreign
 * @account: account charged for the policy, or NULL
 * @foreign: what another interface keeps with the policy; NULL: it came by generic netlink
 * @mss: ESPAH_MSS_OFF, ESPAH_MSS_AUTO, or bytes
 * @tmpl: with protect: the first SA applied to a packet
 * @nouter: number of further SAs, at most ESPAH_BUNDLE_MAX - 1
 * @outer: the further SAs, in the order of application (RFC 4301 4.5); see bundle.h
 * @queue: number of packets that may wait for the SA; see held.h
 * @held: number of packets that are waiting
 * @own_slot: the real @slot of @tmpl, while packets wait
 * @unreach: ESPAH_POLICY_UNREACH
 * @leaving: a transaction ends the policy; under espah_net.lock
 * @pfp: ESPAH_PFP_*
 * @acquired: jiffies of the last acquire event, for a policy that asks for one SA
 * @counters: packets that the policy let pass
 * @counters_block: memory block of @counters
 * @drops: allocated by the first drop
 * @added: ktime_get_real_seconds()
 * @rcu: defers the freeing
 * @rules: rules in the classifiers, with @id as their order: @first, or those of @bound
 * @bound: the rules once the device of @ifname has another index
 * @staged: rules that a transaction puts in their place; under espah_net.lock
 * @first: the first rules; @given lies behind them
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
	char *ifname;
	struct espah_account *account;
	struct espah_foreign *foreign;
	u8 nouter;
	u8 pfp;
	u8 queue;
	u8 held;
	u8 owner;
	bool unreach;
	bool leaving;
	struct espah_template tmpl;
	struct espah_template *outer;
	struct espah_slot *own_slot;
	unsigned long acquired;
	struct espah_counters __percpu *counters;
	struct espah_counters_block *counters_block;
	struct espah_drops *drops;
	time64_t added;
	struct rcu_head rcu;
	struct espah_rule *rules;
	struct espah_rules *bound;
	struct espah_rules *staged;
	struct espah_rule first[];
};

/**
 * struct espah_spd - the SPD of a network namespace
 * @dir: a classifier for each enum espah_dir
 * @opaque: a second classifier for flows with opaque ports: opaque selectors, and
 *	selectors with ports, from which the ports are removed
 * @now: see espah_spd_now()
 * @index: struct espah_policy by id, for dumps
 * @next: start of the search for the next id; ids are in the order of insertion until
 *	they wrap after 2^32 insertions
 * @generation: changes with each addition and removal, to mark torn dumps; never 0
 * @count: policies present
 * @conditions: number of selectors that require a mark or a device
 * @named: number of policies that name a device
 * @uses_names: there has been such a policy; READ_ONCE
 * @asked: recent acquire events; NULL until a policy asks for SAs that depend on the packet
 */
struct espah_spd {
	struct espah_classifier dir[2];
	struct espah_classifier opaque[2];
	atomic64_t now;
	struct xarray index;
	u32 next;
	unsigned int generation;
	unsigned int count;
	unsigned int conditions;
	unsigned int named;
	bool uses_names;
	struct espah_asked *asked;
};

void espah_spd_setup(struct espah_spd *spd);
/* @spd must be empty */
void espah_spd_teardown(struct espah_spd *spd);

/**
 * espah_policy_alloc - allocate a policy
 * @set: its selectors
 * @priority: its ESPAH_POLICY_PRIORITY
 * @given: the selectors as given in ESPAH_POLICY_SELECTOR; copied
 * @given_len: bytes of @given
 *
 * Return: the policy, or NULL. espah_policy_free() frees a policy that was never added.
 */
struct espah_policy *espah_policy_alloc(const struct espah_selectors *set, u32 priority,
					const void *given, u16 given_len);
void espah_policy_free(struct espah_policy *pol);

/**
 * espah_spd_add - make a policy effective
 * @en: network namespace
 * @pol: filled except for @id and the @slot of its templates; owned by the SPD on success
 * @old: policy with the same direction, selectors and priority to be replaced, then removed as by
 *	espah_spd_del(); or NULL
 *
 * Each packet sees the SPD either before or after the change, because a flow is decided
 * by one lookup.
 *
 * Context: espah_net.lock.
 * Return: 0, or -ENOMEM: then the caller keeps @pol, which no packet has seen.
 */
int espah_spd_add(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old);

/* removes a policy, to be freed with espah_policy_retire(); Context: espah_net.lock */
void espah_spd_del(struct espah_net *en, struct espah_policy *pol);

/* frees a removed policy after a grace period; Context: espah_net.lock */
void espah_policy_retire(struct espah_net *en, struct espah_policy *pol);

/**
 * espah_spd_stage - add a policy to the set that no packet sees yet
 * @en: network namespace
 * @pol: as for espah_spd_add(); espah_spd_del() takes it back
 *
 * Context: espah_net.lock, held until espah_spd_commit(). Return: 0 or -ENOMEM.
 */
int espah_spd_stage(struct espah_net *en, struct espah_policy *pol);

/* removes a policy from that set; espah_spd_stay() takes it back; Context: as above */
void espah_spd_leave(struct espah_net *en, struct espah_policy *pol);
void espah_spd_stay(struct espah_policy *pol);

/**
 * espah_spd_commit - have packets see the other set
 * @en: network namespace
 * @in: default action, enum espah_action
 * @out: default action, enum espah_action
 *
 * Waits until no packet sees the old set. Then staged policies are like all others, and those that
 * leave have to be removed with espah_spd_del().
 *
 * Context: as above.
 */
void espah_spd_commit(struct espah_net *en, u8 in, u8 out);

/* changes the default actions alone; Context: espah_net.lock */
void espah_spd_set_default(struct espah_spd *spd, u8 in, u8 out);

/*
 * By id, or by direction, selectors and priority; NULL if there is none. Policies that leave are
 * found by id alone. Context: espah_net.lock.
 */
struct espah_policy *espah_spd_by_id(struct espah_spd *spd, u32 id);
struct espah_policy *espah_spd_find(struct espah_spd *spd, u8 dir,
				    struct espah_selectors *set, u32 priority);

/*
 * Sets the ifindex of a policy that is not yet in the SPD. @old: as for espah_spd_add().
 * Context: espah_net.lock.
 */
void espah_spd_bind(struct espah_net *en, struct espah_policy *pol, const struct espah_policy *old);

/**
 * espah_spd_rebind - have a policy apply to the device that has its name now
 * @en: network namespace
 * @pol: in the SPD
 *
 * Packets see the change with espah_spd_commit().
 *
 * Context: espah_net.lock, held until espah_spd_commit(). Return: 1; 0: it applies to it already;
 * -ENOMEM.
 */
int espah_spd_rebind(struct espah_net *en, struct espah_policy *pol);

/*
 * The next after @last (NULL: the first) with this single selector, of any priority, or NULL.
 * @foreign: those that came by another interface, or those that did not
 */
struct espah_policy *espah_spd_next(struct espah_spd *spd, u8 dir, const struct espah_selector *sel,
				    bool foreign, struct espah_policy *last);

/* whether a policy names this protocol */
static inline bool espah_policy_names(const struct espah_policy *pol, u8 proto)
{
	return pol->rules[0].sel.proto == proto;
}

/* bits of espah_spd_now(): the set that packets see is B, not A; default actions are discard */
#define ESPAH_NOW_B BIT_ULL(0)
#define ESPAH_NOW_DISCARD(dir) BIT_ULL(1 + (dir))
#define ESPAH_NOW_BITS 3

/*
 * What decides about packets at this moment: set, default actions, and above these bits a
 * generation, which ends with each change of the SPD. Context: RCU reader, before any lookup.
 */
static inline u64 espah_spd_now(const struct espah_spd *spd)
{
	return espah_generation(&spd->now);
}

/* sets the bits @mask of espah_spd_now(), and ends the generation */
static inline void espah_spd_set_now(struct espah_spd *spd, u64 mask, u64 bits)
{
	u64 old = atomic64_read(&spd->now), new;

	do {
		new = espah_generation_new() << ESPAH_NOW_BITS | (bits & mask) |
		      (old & (BIT_ULL(ESPAH_NOW_BITS) - 1) & ~mask);
		/* a reader that sees the new value also sees the change before */
	} while (!atomic64_try_cmpxchg_release(&spd->now, &old, new));
}

/* has results of espah_recent_policy() looked up again; Context: as espah_generation_end() */
static inline void espah_spd_changed(struct espah_spd *spd)
{
	espah_spd_set_now(spd, 0, 0);
}

/* the default action, enum espah_action */
static inline u8 espah_spd_default(u64 now, u8 dir)
{
	return now & ESPAH_NOW_DISCARD(dir) ? ESPAH_ACTION_DISCARD : ESPAH_ACTION_BYPASS;
}

static inline u8 espah_spd_set(u64 now)
{
	return now & ESPAH_NOW_B ? ESPAH_SET_B : ESPAH_SET_A;
}

/* continues espah_spd_lookup() for opaque ports; @rule: result of the first lookup */
struct espah_rule *espah_spd_lookup_opaque(const struct espah_spd *spd, u64 now, u8 dir,
					   struct espah_flow *flow, struct espah_rule *rule);

/**
 * espah_spd_lookup - the policy that applies to a flow
 * @spd: the SPD
 * @now: espah_spd_now()
 * @dir: enum espah_dir
 * @flow: the flow. @flow->hidden is set if its ports are opaque and the first policy that
 *	may apply has ports (RFC 4301 7): then that policy is returned, and the packet must be
 *	dropped whatever the policy's action
 *
 * Context: RCU reader. Return: the policy, or NULL.
 */
static inline struct espah_policy *espah_spd_lookup(const struct espah_spd *spd, u64 now, u8 dir,
						    struct espah_flow *flow)
{
	struct espah_rule *rule = espah_classify(&spd->dir[dir], flow, espah_spd_set(now));

	if (unlikely(flow->opaque))
		rule = espah_spd_lookup_opaque(spd, now, dir, flow, rule);
	return rule ? rule->policy : NULL;
}

/* the if_id of the link that a policy belongs to, or 0 */
static inline u32 espah_policy_if_id(const struct espah_policy *pol)
{
	return espah_selector_if_id(&pol->rules[0].sel);
}

/* the templates of a policy, 0 to @nouter */
static inline struct espah_template *espah_policy_tmpl(struct espah_policy *pol, unsigned int i)
{
	return i ? &pol->outer[i - 1] : &pol->tmpl;
}

/*
 * The SA of a template for a packet of @flow with the DSCP @dscp, as espah_slot_sa(), or NULL;
 * Context: RCU reader. The SA may name the VRF while the template does not, or vice versa; in
 * transport mode it may be for any source. Most packets need only espah_template_sa_fast().
 */
struct espah_sa *espah_template_sa(struct espah_net *en, const struct espah_template *tmpl,
				   const struct espah_flow *flow, u8 dscp);

/* the same if all DSCPs have one SA, otherwise NULL; Context: RCU reader */
static inline struct espah_sa *espah_template_sa_fast(const struct espah_template *tmpl)
{
	const struct espah_slot *slot = READ_ONCE(tmpl->slot);

	return likely(slot) ? rcu_dereference(slot->sa) : NULL;
}

/* whether inbound @sa satisfies a template; Context: RCU reader */
bool espah_template_admits(const struct espah_template *tmpl, const struct espah_sa *sa);

#endif /* _ESPAH_SPD_H */
