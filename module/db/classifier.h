/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classifier of the SPD: tuple-space search. One hash table for each
 * distinct shape of selector (family, prefix lengths, whether protocol and
 * ports are exact, mask of the mark, whether a device is named), visited in the
 * order of the best rule in it, so that the cost of a lookup depends on the
 * number of shapes and not of rules.
 *
 * Readers hold rcu_read_lock(); writers are serialised by the caller, are in
 * process context and may wait for a grace period when a table is resized.
 * Nothing but memory handed to kfree_rcu() outlives the last rule, so unloading
 * needs no barrier.
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
 * struct espah_rule - a selector in the classifier; one of those of a policy
 * @policy: whose rule it is
 * @priority: lower is found first
 * @order: breaks ties: lower is found first; set by the caller, one for each policy
 * @sel: what it matches; constant while the rule is in the classifier
 * @link: in its cell, sorted; for the classifier
 * @cell: the rules of equal masked key that it is among; for the classifier
 */
struct espah_rule {
	struct espah_policy *policy;
	u32 priority;
	u32 order;
	struct espah_selector sel;
	struct list_head link;
	struct espah_cell *cell;
};

/* lower is found first */
static inline u64 espah_rule_rank(const struct espah_rule *rule)
{
	return (u64)rule->priority << 32 | rule->order;
}

/**
 * struct espah_classifier - rules of one direction
 * @shapes: sorted array of the shapes; NULL when there is no rule
 * @proto_rules: how many rules name a protocol
 * @rules: how many rules there are, or have room; for writers
 */
struct espah_classifier {
	struct espah_shapes __rcu *shapes;
	unsigned int proto_rules;
	unsigned int rules;
};

/**
 * espah_classifier_reserve - make room for a rule, which nobody finds yet
 * @cls: the classifier
 * @rule: the rule; owned by the caller, who frees it only an RCU grace period
 *	after espah_classifier_del() or espah_classifier_replace()
 *
 * Context: process context, writer.
 * Return: 0 or -ENOMEM, with nothing changed.
 */
int espah_classifier_reserve(struct espah_classifier *cls, struct espah_rule *rule);

/* puts a rule in for which there is room; cannot fail; caller is a writer */
void espah_classifier_insert(struct espah_classifier *cls, struct espah_rule *rule);

/* takes a rule out, or its room; cannot fail; process context, writer */
void espah_classifier_del(struct espah_classifier *cls, struct espah_rule *rule);

/*
 * Puts @new, which has the selector and priority of @old and takes over its
 * order, in the place of @old in one step: each reader finds one of the two.
 */
void espah_classifier_replace(struct espah_classifier *cls, struct espah_rule *old,
			      struct espah_rule *new);

/*
 * The next rule after @last (NULL: the first) with this selector and priority,
 * or NULL; caller is a writer.
 */
struct espah_rule *espah_classifier_find(struct espah_classifier *cls,
					 const struct espah_selector *sel, u32 priority,
					 struct espah_rule *last);

/**
 * espah_classify - the rule that applies to a flow
 * @cls: the classifier
 * @flow: the flow
 *
 * Of the rules that match, the one of lowest (priority, order). A flow whose
 * ports are opaque matches only rules that do not speak of ports; see
 * espah_spd_lookup() for those that this may hide.
 *
 * Context: RCU reader. No allocation, no lock.
 * Return: the rule, valid until rcu_read_unlock(), or NULL.
 */
struct espah_rule *espah_classify(const struct espah_classifier *cls,
				  const struct espah_flow *flow);

/* number of shapes that a lookup may visit; for statistics and tests; caller is a writer */
unsigned int espah_classifier_shapes(const struct espah_classifier *cls);

#endif /* _ESPAH_CLASSIFIER_H */
