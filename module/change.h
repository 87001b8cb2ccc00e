/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All changes of SAs, policies and settings. Each function makes a whole change: the databases and
 * everything that follows from them. Netlink and the clock change nothing in any other way.
 *
 * Hooks are registered exactly while there is an SA, a policy or a default action other than
 * bypass, so a namespace without any pays nothing for the module. While there is a policy or such
 * a default, the module cannot be removed.
 *
 * Context: process, espah_net.lock, unless stated otherwise.
 */
#ifndef _ESPAH_CHANGE_H
#define _ESPAH_CHANGE_H

#include "db/net.h"
#include "db/progress.h"

struct nlattr;

/**
 * espah_sa_add - make an SA effective
 * @sa: filled; its reference passes to the SAD
 * @reqid: for the slot
 * @tell: send an event
 * @extack: gets a message on failure
 *
 * A larval SA with the same id is replaced if @sa has keys. The caller has to check whether another
 * SA has the same key, and may have it: espah_key_used().
 *
 * Return: 0; -EEXIST if the id is taken; -ENOMEM; -ENODEV; another error of netfilter. On failure
 * the caller keeps its reference, and nothing has changed.
 */
int espah_sa_add(struct espah_sa *sa, u32 reqid, bool tell, struct netlink_ext_ack *extack);

/**
 * espah_sa_move - give an SA other addresses or ports
 * @sa: in the SAD
 * @src: source address
 * @dst: destination address
 * @family: of both
 * @sport: UDP source port
 * @dport: UDP destination port; both 0: no UDP encapsulation
 * @extack: gets a message on failure
 *
 * Return: 0; -EINVAL; -EEXIST if the new id is taken; -ENOMEM.
 */
int espah_sa_move(struct espah_sa *sa, const union espah_addr *src, const union espah_addr *dst,
		  u8 family, __be16 sport, __be16 dport, struct netlink_ext_ack *extack);

#define ESPAH_AS_IT_IS -1

/**
 * struct espah_sa_change - a change of an SA, or additional settings of a new one
 * @limits: all limits
 * @dscps: as espah_sa.dscps
 * @progress: how far it has come; all zero: as far as it has
 * @limited: change the limits
 * @dummies: change the dummies
 * @classed: change the DSCPs
 * @random: for espah_dummy_set()
 * @interval: for espah_dummy_set()
 * @df: enum espah_df, or ESPAH_AS_IT_IS
 * @tfc: as espah_sa.tfc, or ESPAH_AS_IT_IS
 * @cpus: as espah_sa.cpus, or ESPAH_AS_IT_IS
 * @owner: enum espah_owner, or ESPAH_AS_IT_IS
 * @life: for the SA's first limits
 * @dummy: for its first dummies
 * @classes: for the table of its slot
 */
struct espah_sa_change {
	struct espah_limits limits;
	u64 dscps;
	struct espah_progress progress;
	bool limited;
	bool dummies;
	bool classed;
	bool random;
	u32 interval;
	int df;
	int tfc;
	int cpus;
	int owner;
	struct espah_life *life;
	struct espah_dummy *dummy;
	struct espah_classes *classes;
};

/**
 * espah_sa_change_prepare - allocate the memory for a change, so that it cannot fail
 * @sa: in the SAD, or not yet added
 * @change: filled except for @life and @dummy
 * @extack: gets a message on failure
 *
 * Return: 0; -ENOMEM: there is nothing to undo.
 */
int espah_sa_change_prepare(const struct espah_sa *sa, struct espah_sa_change *change,
			    struct netlink_ext_ack *extack);

/* makes a prepared change; Context: for an SA that is not in the SAD, any */
void espah_sa_change(struct espah_sa *sa, const struct espah_sa_change *change);

/* gives up a prepared change */
void espah_sa_change_cancel(struct espah_sa_change *change);

/* ends an SA, of which packets may still be in flight; @tell: send an event */
void espah_sa_del(struct espah_sa *sa, bool tell);

/* ends all SAs for which @wanted is true; @wanted and the event get @attrs */
void espah_sa_flush(struct espah_net *en, struct nlattr **attrs,
		    bool (*wanted)(const struct espah_sa *sa, struct nlattr **attrs));

/**
 * espah_policy_add - make a policy effective
 * @en: network namespace
 * @pol: filled except for @id and its templates' @slot
 * @set: its selectors
 * @replace: replace a policy with the same direction, selectors and priority
 * @extack: gets a message on failure
 *
 * Return: 0; -EEXIST; -ENOMEM; -ENODEV; another error of netfilter. On failure the caller keeps
 * @pol, and nothing has changed.
 */
int espah_policy_add(struct espah_net *en, struct espah_policy *pol,
		     struct espah_selectors *set, bool replace,
		     struct netlink_ext_ack *extack);

/**
 * espah_policy_put - the same, even if there are others with the direction, selectors and priority
 * @en: network namespace
 * @pol: as for espah_policy_add()
 * @old: the one of them that is replaced, or NULL
 * @extack: gets a message on failure
 *
 * Return: as espah_policy_add(), but for -EEXIST.
 */
int espah_policy_put(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old,
		     struct netlink_ext_ack *extack);

/* ends a policy */
void espah_policy_del(struct espah_net *en, struct espah_policy *pol);

/* ends all policies for which @wanted is true; as espah_sa_flush() */
void espah_policy_flush(struct espah_net *en, struct nlattr **attrs,
			bool (*wanted)(const struct espah_policy *pol, struct nlattr **attrs));

/**
 * struct espah_applied - a policy that a transaction adds
 * @pol: as for espah_policy_add(); NULL once it was added, or given up
 * @set: its selectors
 * @attr: where it is in the request
 */
struct espah_applied {
	struct espah_policy *pol;
	struct espah_selectors set;
	const struct nlattr *attr;
};

/**
 * struct espah_apply - a transaction: changes of policies that packets see at the same time
 * @new: policies to add
 * @del: policies to remove, each once
 * @adopt: policies that become those of ESPAH_OWNER_FILE
 * @nnew: entries of @new
 * @ndel: entries of @del
 * @nadopt: entries of @adopt
 * @in: default action
 * @out: default action
 * @at: on failure: index of the new policy that is at fault; @nnew: none is
 */
struct espah_apply {
	struct espah_applied *new;
	struct espah_policy **del;
	struct espah_policy **adopt;
	unsigned int nnew;
	unsigned int ndel;
	unsigned int nadopt;
	u8 in;
	u8 out;
	unsigned int at;
};

/**
 * espah_policy_apply - change policies and default actions together
 * @en: network namespace
 * @apply: the changes; each @pol that is not NULL afterwards is still the caller's
 * @extack: gets a message on failure
 *
 * Waits for a grace period. Return: 0, or as espah_policy_add(): nothing has changed.
 */
int espah_policy_apply(struct espah_net *en, struct espah_apply *apply,
		       struct netlink_ext_ack *extack);

/**
 * espah_policy_rebind - have policies apply to the devices that have their names now
 * @en: network namespace
 *
 * Waits for a grace period if there is anything to do. Return: 0; -ENOMEM: some apply to what they
 * applied to before.
 */
int espah_policy_rebind(struct espah_net *en);

/**
 * espah_default_set - change what happens to packets that match no policy
 * @en: network namespace
 * @in: enum espah_action, not ESPAH_ACTION_PROTECT
 * @out: the same
 * @extack: gets a message on failure
 *
 * Return: 0; -errno: nothing has changed.
 */
int espah_default_set(struct espah_net *en, u8 in, u8 out, struct netlink_ext_ack *extack);

/* changes ESPAH_CONFIG_SECPATH */
void espah_secpath_set(struct espah_net *en, bool secpath);

/* unregisters the hooks for good, before a namespace goes; Context: process, no lock */
void espah_change_stop(struct espah_net *en);

/* ends all policies, then all SAs, after the last packet; Context: process, no lock */
void espah_change_teardown(struct espah_net *en);

#endif /* _ESPAH_CHANGE_H */
