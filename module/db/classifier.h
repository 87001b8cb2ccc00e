/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classifier of the SPD: tuple-space search. There is one hash table for
 * each distinct shape of selector (family, prefix lengths, whether protocol and
 * ports are exact, mask of the mark, whether a device is named). A lookup visits
 * the tables in the order of their best rules, so its cost depends on the number
 * of shapes, not on the number of rules.
 *
 * Readers hold rcu_read_lock(). The caller serialises writers, which run in
 * process context and may wait for a grace period when a table is resized.
 * Only memory handed to kfree_rcu() outlives the last rule, so unloading needs
 * no barrier.
 */
#ifndef _ESPAH_CLASSIFIER_H
#define _ESPAH_CLASSIFIER_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include "selector.h"

struct espah_shapes;
struct espah_cell;
struct espah_policy;

/**
 * struct espah_rule - a selector of a policy in the classifier
 * @policy: policy of the rule
 * @priority: lower is found first
 * @order: breaks ties: lower is found first; set by the caller, one for each policy
 * @hidden: ESPAH_SET_*: sets of policies that the rule is not in; 0, but during a transaction; its
 *	owner may change it at any time
 * @sel: the selector; constant while the rule is in the classifier
 * @link: in @cell, sorted; for the classifier
 * @cell: the rules with the same masked key; for the classifier
 */
struct espah_rule {
	struct espah_policy *policy;
	u32 priority;
	u32 order;
	u8 hidden;
	struct espah_selector sel;
	struct list_head link;
	struct espah_cell *cell;
};

/*
 * A transaction replaces one set of policies by the other; its rules are in the classifier together
 * with those that it ends, and each lookup sees one set. The next transaction uses them the other
 * way round.
 */
#define ESPAH_SET_A 1
#define ESPAH_SET_B 2

/* lower is found first */
static inline u64 espah_rule_rank(const struct espah_rule *rule)
{
	return (u64)rule->priority << 32 | rule->order;
}

/**
 * struct espah_classifier - rules of one direction
 * @shapes: sorted array of the shapes; NULL when there is no rule
 * @proto_rules: number of rules that name a protocol
 * @rules: number of rules, including reserved ones; for writers
 */
struct espah_classifier {
	struct espah_shapes __rcu *shapes;
	unsigned int proto_rules;
	unsigned int rules;
};

/**
 * espah_classifier_reserve - make room for a rule, without making it visible
 * @cls: the classifier
 * @rule: the rule; owned by the caller, which may free it an RCU grace period
 *	after espah_classifier_del() or espah_classifier_replace()
 *
 * Context: process context, writer.
 * Return: 0 or -ENOMEM, with nothing changed.
 */
int espah_classifier_reserve(struct espah_classifier *cls, struct espah_rule *rule);

/* inserts a reserved rule; cannot fail; caller is a writer */
void espah_classifier_insert(struct espah_classifier *cls, struct espah_rule *rule);

/* removes a rule, or its reservation; cannot fail; process context, writer */
void espah_classifier_del(struct espah_classifier *cls, struct espah_rule *rule);

/*
 * Replaces @old by @new atomically: each reader finds one of the two. @new has
 * the selector and priority of @old and takes over its order.
 */
void espah_classifier_replace(struct espah_classifier *cls, struct espah_rule *old,
			      struct espah_rule *new);

/*
 * The next rule after @last (NULL: the first) with this selector and priority (-1: any),
 * or NULL; caller is a writer.
 */
struct espah_rule *espah_classifier_find(struct espah_classifier *cls,
					 const struct espah_selector *sel, s64 priority,
					 struct espah_rule *last);

/**
 * espah_classify - the rule that applies to a flow
 * @cls: the classifier
 * @flow: the flow
 * @set: ESPAH_SET_A or ESPAH_SET_B
 *
 * Of the matching rules of the set, this is the one with the lowest (priority, order). A
 * flow whose ports are opaque matches only rules without ports;
 * espah_spd_lookup() handles the rules with ports that may precede them.
 *
 * Context: RCU reader. No allocation, no lock.
 * Return: the rule, valid until rcu_read_unlock(), or NULL.
 */
struct espah_rule *espah_classify(const struct espah_classifier *cls,
				  const struct espah_flow *flow, u8 set);

/* number of shapes; for statistics and tests; caller is a writer */
unsigned int espah_classifier_shapes(const struct espah_classifier *cls);

#endif /* _ESPAH_CLASSIFIER_H */
