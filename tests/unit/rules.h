/* SPDX-License-Identifier: GPL-2.0-only */
/* Random rules, and a reference list that is searched completely */
#ifndef _ESPAH_RULES_H
#define _ESPAH_RULES_H

#include "classifier.h"
#include "shim.h"
#include "test.h"

#define MAX_RULES 100000

struct model {
	struct espah_classifier cls;
	struct espah_rule *rules[MAX_RULES];
	unsigned int count;
	u32 order;
};

static inline bool bits_equal(const union espah_addr *a, const union espah_addr *b, int bits)
{
	const u8 *x = (const u8 *)a, *y = (const u8 *)b;
	int i;

	for (i = 0; i < bits; i++)
		if ((x[i / 8] ^ y[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* an independent implementation of selector matching, without the module's code */
static inline bool matches(const struct espah_selector *sel, const struct espah_flow *flow)
{
	bool ports = sel->sport_min > 0 || sel->sport_max < 65535 || sel->dport_min > 0 ||
		     sel->dport_max < 65535;

	if (sel->family != flow->family)
		return false;
	if (sel->proto != 0 && sel->proto != flow->proto)
		return false;
	if ((sel->mark ^ flow->mark) & sel->mark_mask)
		return false;
	if (sel->ifindex && sel->ifindex != flow->ifindex)
		return false;
	if (!bits_equal(&sel->src, &flow->src, sel->src_len) ||
	    !bits_equal(&sel->dst, &flow->dst, sel->dst_len))
		return false;
	if (!ports)
		return true;
	return flow->has_ports && !flow->opaque &&
	       sel->sport_min <= flow->sport && flow->sport <= sel->sport_max &&
	       sel->dport_min <= flow->dport && flow->dport <= sel->dport_max;
}

static inline bool before(const struct espah_rule *a, const struct espah_rule *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}

/* @set: ESPAH_SET_A or ESPAH_SET_B */
static inline struct espah_rule *best_of(const struct model *model, const struct espah_flow *flow,
					 u8 set)
{
	struct espah_rule *best = NULL;
	unsigned int i;

	for (i = 0; i < model->count; i++)
		if (!(model->rules[i]->hidden & set) && matches(&model->rules[i]->sel, flow) &&
		    (!best || before(model->rules[i], best)))
			best = model->rules[i];
	return best;
}

/* few distinct bits, so that rules overlap and flows match them */
static inline union espah_addr random_addr(u8 family, u32 spread)
{
	union espah_addr addr = { .ip6 = { 0 } };

	if (family == AF_INET) {
		addr.ip4 = htonl(one_in(8) ? (u32)random64() : 0x0a000000 + below(spread));
		return addr;
	}
	addr.ip6[0] = htonl(one_in(8) ? (u32)random64() : 0x20010db8);
	addr.ip6[1] = htonl(one_in(4) ? below(spread) : 0);
	addr.ip6[2] = htonl(one_in(4) ? below(spread) << 31 : 0);
	addr.ip6[3] = htonl(below(spread));
	return addr;
}

static inline u8 random_proto(void)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP,
				     IPPROTO_SCTP, IPPROTO_GRE };

	return protos[below(ARRAY_SIZE(protos))];
}

static inline void random_range(u16 *min, u16 *max)
{
	u16 a = below(6), b = below(6);

	*min = 0;
	*max = 65535;
	switch (below(4)) {
	case 0:
		*min = *max = a;
		break;
	case 1:
		*min = a < b ? a : b;
		*max = a < b ? b : a;
		break;
	case 2:
		if (a & 1)
			*min = b;
		else
			*max = b;
		break;
	}
}

static inline u32 random_mark(void)
{
	return one_in(4) ? (u32)random64() : below(4);
}

/* uses up to @lens * @lens pairs of prefix lengths */
static inline struct espah_selector random_selector(u32 spread, u32 lens)
{
	static const u8 lens4[] = { 32, 24, 31, 16, 0, 8, 30, 1, 28, 27 };
	static const u8 lens6[] = { 128, 64, 127, 32, 0, 1, 126, 65, 96, 33 };
	struct espah_selector sel = { .sport_max = 65535, .dport_max = 65535 };

	sel.family = one_in(3) ? AF_INET6 : AF_INET;
	sel.src_len = sel.family == AF_INET ? lens4[below(lens)] : lens6[below(lens)];
	sel.dst_len = sel.family == AF_INET ? lens4[below(lens)] : lens6[below(lens)];
	sel.src = random_addr(sel.family, spread);
	sel.dst = random_addr(sel.family, spread);
	espah_addr_mask(&sel.src, sel.family, sel.src_len);
	espah_addr_mask(&sel.dst, sel.family, sel.dst_len);
	if (!one_in(3))
		sel.proto = random_proto();
	if (espah_proto_has_ports(sel.proto)) {
		random_range(&sel.sport_min, &sel.sport_max);
		random_range(&sel.dport_min, &sel.dport_max);
	}
	if (one_in(4)) {
		sel.mark_mask = one_in(2) ? ~0U : 1U << below(32) | below(4);
		sel.mark = random_mark() & sel.mark_mask;
	}
	if (one_in(5))
		sel.ifindex = 1 + below(3);
	return sel;
}

/* often a flow that a rule matches, or almost matches */
static inline struct espah_flow random_flow(const struct model *model, u32 spread)
{
	const struct espah_selector *sel;
	struct espah_flow flow = { .family = one_in(3) ? AF_INET6 : AF_INET };

	flow.proto = random_proto();
	if (model->count && !one_in(4)) {
		sel = &model->rules[below(model->count)]->sel;
		flow.family = sel->family;
		if (sel->proto && !one_in(8))
			flow.proto = sel->proto;
		flow.src = sel->src;
		flow.dst = sel->dst;
		flow.mark = sel->mark;
		flow.src.ip6[flow.family == AF_INET ? 0 : 3] ^= htonl(below(4) * below(2));
		flow.dst.ip6[flow.family == AF_INET ? 0 : 3] ^= htonl(below(4) * below(2));
	} else {
		flow.src = random_addr(flow.family, spread);
		flow.dst = random_addr(flow.family, spread);
	}
	flow.mark ^= one_in(3) ? random_mark() : 0;
	flow.ifindex = 1 + below(4);
	flow.has_ports = espah_proto_has_ports(flow.proto);
	if (flow.has_ports && one_in(8)) {
		flow.has_ports = false;
		flow.opaque = !one_in(4);
	}
	if (flow.has_ports) {
		flow.sport = one_in(8) ? 65535 : below(7);
		flow.dport = one_in(8) ? 65535 : below(7);
	} else if (one_in(2)) { /* invalid ports that the code must not read */
		flow.sport = below(7);
		flow.dport = below(7);
	}
	return flow;
}

static inline struct espah_rule *new_rule(struct espah_selector sel, u32 priority, u32 order)
{
	struct espah_rule *rule = calloc(1, sizeof(*rule));

	rule->sel = sel;
	rule->priority = priority;
	rule->order = order;
	return rule;
}

/* adds a rule that the classifier has accepted to the model */
static inline void keep_rule(struct model *model, struct espah_rule *rule)
{
	CHECK(model->count < MAX_RULES, "the model is full");
	model->rules[model->count++] = rule;
}

static inline int put_in(struct espah_classifier *cls, struct espah_rule *rule)
{
	int err = espah_classifier_reserve(cls, rule);

	if (!err)
		espah_classifier_insert(cls, rule);
	return err;
}

static inline struct espah_rule *add_rule(struct model *model, struct espah_selector sel,
					  u32 priority)
{
	struct espah_rule *rule = new_rule(sel, priority, model->order++);

	CHECK(put_in(&model->cls, rule) == 0, "a rule was refused");
	keep_rule(model, rule);
	return rule;
}

/* freed at once: there is no reader, and the classifier must not use the rule any more */
static inline void del_rule(struct model *model, unsigned int i)
{
	espah_classifier_del(&model->cls, model->rules[i]);
	free(model->rules[i]);
	model->rules[i] = model->rules[--model->count];
}

static inline void clear(struct model *model)
{
	while (model->count)
		del_rule(model, below(model->count));
	rcu_barrier();
	CHECK(shim_live == 0, "%ld allocations are left without rules", shim_live);
	CHECK(!model->cls.shapes && !model->cls.rules && !model->cls.proto_rules,
	      "an empty classifier counts %u rules, %u with a protocol", model->cls.rules,
	      model->cls.proto_rules);
}

#endif /* _ESPAH_RULES_H */
