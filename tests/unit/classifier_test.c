// SPDX-License-Identifier: GPL-2.0-only
/* The classifier against a complete search of a list of all rules */
#include "rules.h"

static struct model model;

void reset(void)
{
	memset(&model, 0, sizeof(model));
	shim_fail_after = -1;
	rcu_barrier();
	shim_live = 0;
}

static struct espah_rule *classify_in(const struct espah_flow *flow, u8 set)
{
	struct espah_rule *rule;

	rcu_read_lock();
	rule = espah_classify(&model.cls, flow, set);
	rcu_read_unlock();
	return rule;
}

static struct espah_rule *classify(const struct espah_flow *flow)
{
	return classify_in(flow, ESPAH_SET_A);
}

/* returns the best rule */
static struct espah_rule *expect_best_in(const struct espah_flow *flow, u8 set)
{
	struct espah_rule *is = classify_in(flow, set), *should = best_of(&model, flow, set);

	CHECK(is == should, "set %u of %u rules, found that of priority %d, order %d; should be "
	      "%d, %d", set, model.count, is ? (int)is->priority : -1, is ? (int)is->order : -1,
	      should ? (int)should->priority : -1, should ? (int)should->order : -1);
	return should;
}

static void expect_best(const struct espah_flow *flow)
{
	expect_best_in(flow, ESPAH_SET_A);
}

static void expect_counts(void)
{
	unsigned int i, protos = 0;

	for (i = 0; i < model.count; i++)
		protos += model.rules[i]->sel.proto != 0;
	CHECK(model.cls.rules == model.count, "counts %u rules of %u", model.cls.rules,
	      model.count);
	CHECK(model.cls.proto_rules == protos, "counts %u rules with a protocol of %u",
	      model.cls.proto_rules, protos);
}

static void compare(int flows, u32 spread)
{
	struct espah_flow flow;

	expect_counts();
	while (flows--) {
		flow = random_flow(&model, spread);
		expect_best(&flow);
	}
}

static u32 random_priority(void)
{
	static const u32 edges[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };

	return one_in(20) ? edges[below(ARRAY_SIZE(edges))] : below(50);
}

static void replace(unsigned int i)
{
	struct espah_rule *old = model.rules[i], *new;

	new = new_rule(old->sel, old->priority, model.order + 1000000);
	espah_classifier_replace(&model.cls, old, new);
	CHECK(new->order == old->order, "the replacement got another order");
	free(old);
	model.rules[i] = new;
}

static void interleave(u32 most, u32 spread, u32 lens, int steps)
{
	u32 grow = 3;

	while (steps--) {
		if (one_in(most))
			grow = 6 - grow; /* 3: more rules are added than removed */
		if (model.count >= most)
			grow = 1;
		if (model.count < most / 20)
			grow = 5;
		if (below(6) < grow)
			add_rule(&model, random_selector(spread, lens), random_priority());
		else if (model.count && one_in(5))
			replace(below(model.count));
		else if (model.count)
			del_rule(&model, below(model.count));
		if (!(steps % 64))
			rcu_barrier();
		compare(2, spread);
	}
	compare(2000, spread);
	clear(&model);
}

static void few_rules(void)
{
	int i;

	for (i = 0; i < 200; i++)
		interleave(1 + below(12), 4, 1 + below(3), 60);
}

static void crowded_cells(void)
{
	interleave(300, 2, 2, 5000);
}

static void many_shapes(void)
{
	interleave(2000, 300, 10, 12000);
}

static void many_cells(void)
{
	interleave(3000, 100000, 2, 12000);
}

static u8 random_hidden(void)
{
	static const u8 masks[] = { 0, ESPAH_SET_A, ESPAH_SET_B };

	return masks[below(ARRAY_SIZE(masks))];
}

/* rules come and go, and change the set that they are not in; returns how often the sets differ */
static unsigned int hide(u32 most, u32 spread, u32 lens, int steps)
{
	struct espah_rule *in_a, *in_b;
	unsigned int differ = 0;
	struct espah_flow flow;
	int i;

	while (steps--) {
		if (model.count < most && (!model.count || one_in(2)))
			add_rule(&model, random_selector(spread, lens), random_priority())->hidden =
				random_hidden();
		else if (one_in(2))
			model.rules[below(model.count)]->hidden = random_hidden();
		else
			del_rule(&model, below(model.count));
		if (!(steps % 64))
			rcu_barrier();
		for (i = 0; i < 4; i++) {
			flow = random_flow(&model, spread);
			in_a = expect_best_in(&flow, ESPAH_SET_A);
			in_b = expect_best_in(&flow, ESPAH_SET_B);
			differ += in_a != in_b;
		}
	}
	expect_counts();
	clear(&model);
	return differ;
}

static void hidden(void)
{
	unsigned int differ = 0;
	int i;

	for (i = 0; i < 100; i++)
		differ += hide(1 + below(12), 4, 1 + below(3), 60);
	differ += hide(300, 2, 2, 4000);
	differ += hide(300, 100, 10, 4000);
	CHECK(differ > 5000, "the sets differed for %u flows only", differ);
}

static void ties(void)
{
	struct espah_selector sel = { .family = AF_INET, .sport_max = 65535, .dport_max = 65535 };
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_ICMP };
	struct espah_rule *first, *second;

	first = add_rule(&model, sel, 7);
	sel.proto = IPPROTO_ICMP;
	second = add_rule(&model, sel, 7);
	CHECK(classify(&flow) == first, "a newer rule of another shape won");
	sel.proto = 0;
	add_rule(&model, sel, 7);
	CHECK(classify(&flow) == first, "a newer rule of the same cell won");
	del_rule(&model, 0);
	CHECK(classify(&flow) == second, "the second rule is not found");
	clear(&model);
}

static void finding(void)
{
	struct espah_selector sel;
	struct espah_rule *rule;
	unsigned int i, n;
	u32 priority;

	for (n = 0; n < 1000; n++) {
		sel = random_selector(3, 3);
		priority = below(5);
		rule = espah_classifier_find(&model.cls, &sel, priority, NULL);
		for (i = 0; i < model.count; i++)
			if (espah_selector_equal(&model.rules[i]->sel, &sel) &&
			    model.rules[i]->priority == priority)
				break;
		CHECK(rule == (i < model.count ? model.rules[i] : NULL),
		      "found what is not there, or did not find it");
		if (!rule)
			add_rule(&model, sel, priority);
		else if (one_in(4))
			del_rule(&model, i);
	}
	clear(&model);
}

/* several policies may share a selector */
static void finding_all(void)
{
	struct espah_rule *rule, *twins[3];
	struct espah_selector sel;
	unsigned int i, n;

	for (n = 0; n < 300; n++)
		add_rule(&model, random_selector(3, 2), below(3));
	for (n = 0; n < 200; n++) {
		sel = random_selector(3, 2);
		while (espah_classifier_find(&model.cls, &sel, 9, NULL))
			sel = random_selector(3, 2);
		for (i = 0; i < 3; i++) {
			twins[i] = add_rule(&model, sel, 9);
			add_rule(&model, sel, 8 + 2 * below(2));
		}
		rule = NULL;
		for (i = 0; i < 3; i++) {
			rule = espah_classifier_find(&model.cls, &sel, 9, rule);
			CHECK(rule == twins[i], "the rule found is not the next one");
		}
		CHECK(!espah_classifier_find(&model.cls, &sel, 9, rule), "found one too many");
	}
	clear(&model);
}

/* --- memory runs out --- */

static void refuse_and_retry(struct espah_selector sel, u32 priority, bool once)
{
	struct espah_rule *rule = new_rule(sel, priority, model.order++);
	unsigned int shapes, rules = model.cls.rules, protos = model.cls.proto_rules;
	long fail_after, live;
	int err, i;

	for (fail_after = 0;; fail_after++) {
		rcu_barrier();
		live = shim_live;
		shapes = espah_classifier_shapes(&model.cls);
		shim_allocations = 0;
		shim_fail_once = once;
		shim_fail_after = fail_after;
		err = put_in(&model.cls, rule);
		shim_fail_after = -1;
		if (!err)
			break;
		CHECK(err == -ENOMEM, "error %d", err);
		rcu_barrier();
		CHECK(shim_live == live, "%ld allocations leaked", shim_live - live);
		CHECK(espah_classifier_shapes(&model.cls) == shapes && model.cls.rules == rules &&
			      model.cls.proto_rules == protos,
		      "a refused rule was counted");
		CHECK(shim_allocations > fail_after, "refused without a failed allocation");
		for (i = 0; i < 20; i++) {
			struct espah_flow flow = random_flow(&model, 4);

			expect_best(&flow);
		}
	}
	keep_rule(&model, rule);
}

static void expect_all_best(void)
{
	struct espah_flow flow;
	int i;

	for (i = 0; i < 10; i++) {
		flow = random_flow(&model, 4);
		expect_best(&flow);
	}
}

/* Room is reserved for rules, then released or used; no rule is found before it is inserted. */
static void room(void)
{
	struct espah_rule *rules[8];
	unsigned int shapes, i, n;
	int round;

	for (round = 0; round < 300; round++) {
		for (i = 0; i < 20; i++)
			add_rule(&model, random_selector(4, 1 + below(4)), random_priority());
		shapes = espah_classifier_shapes(&model.cls);
		for (n = 0; n < ARRAY_SIZE(rules); n++) {
			rules[n] = new_rule(random_selector(4, 1 + below(4)), random_priority(),
					    model.order++);
			CHECK(!espah_classifier_reserve(&model.cls, rules[n]), "no room");
			expect_all_best();
		}
		if (one_in(2)) {
			while (n--) {
				espah_classifier_del(&model.cls, rules[n]);
				expect_all_best();
				free(rules[n]);
			}
			CHECK(espah_classifier_shapes(&model.cls) == shapes, "a shape stays");
		} else {
			for (i = 0; i < n; i++) {
				espah_classifier_insert(&model.cls, rules[i]);
				keep_rule(&model, rules[i]);
				expect_all_best();
			}
		}
		compare(20, 4);
		clear(&model);
	}
}

static void no_memory_to_add(void)
{
	int round, i;

	for (round = 0; round < 60; round++) {
		for (i = 0; i < 100; i++)
			refuse_and_retry(random_selector(4 + 50 * below(2), 1 + below(4)),
					 random_priority(), round & 1);
		compare(100, 4);
		clear(&model);
	}
}

static void no_memory_to_delete(void)
{
	int round, i;

	for (round = 0; round < 60; round++) {
		for (i = 0; i < 150; i++)
			add_rule(&model, random_selector(4 + 50 * below(2), 1 + below(4)),
				 random_priority());
		shim_fail_once = false;
		shim_fail_after = 0;
		for (i = 0; i < 120; i++) {
			del_rule(&model, below(model.count));
			compare(3, 4);
		}
		shim_fail_after = -1;
		/* empty shapes remain; they are reused or removed */
		if (one_in(2))
			for (i = 0; i < 50; i++) {
				add_rule(&model, random_selector(4, 1 + below(4)),
					 random_priority());
				compare(3, 4);
			}
		if (one_in(2))
			shim_fail_after = 0;
		while (model.count) {
			del_rule(&model, below(model.count));
			compare(1, 4);
		}
		shim_fail_after = -1;
		clear(&model);
	}
}

/* --- the cost of a lookup, counted in tables and cells, not in seconds --- */

static struct espah_selector site(u32 n)
{
	struct espah_selector sel = {
		.family = AF_INET, .src_len = 16, .dst_len = 32, .sport_max = 65535,
		.dport_max = 65535,
	};

	sel.src.ip4 = htonl(0x0a010000);
	sel.dst.ip4 = htonl(0xac000000 + n);
	return sel;
}

static void hundred_thousand(void)
{
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_ICMP };
	u64 hashes, steps, writer;
	u32 i, n;

	writer = shim_writer_steps;
	for (i = 0; i < 100000; i++)
		add_rule(&model, site(i), below(100000));
	writer = shim_writer_steps - writer;
	CHECK(writer < 100 * 100000, "%llu steps to add 100,000 rules", writer);
	CHECK(espah_classifier_shapes(&model.cls) == 1, "%u shapes",
	      espah_classifier_shapes(&model.cls));
	flow.src.ip4 = htonl(0x0a010203);
	hashes = shim_hashes;
	steps = shim_reader_steps;
	for (i = 0; i < 10000; i++) {
		n = below(100000);
		flow.dst.ip4 = htonl(0xac000000 + n);
		CHECK(classify(&flow) == model.rules[n], "rule %u is not found", n);
	}
	CHECK(shim_hashes - hashes == 10000, "%llu tables in 10,000 lookups", shim_hashes - hashes);
	CHECK(shim_reader_steps - steps < 7 * 10000, "%llu pointers followed in 10,000 lookups",
	      shim_reader_steps - steps);

	writer = shim_writer_steps;
	while (model.count)
		del_rule(&model, below(model.count));
	writer = shim_writer_steps - writer;
	CHECK(writer < 100 * 100000, "%llu steps to delete 100,000 rules", writer);
	clear(&model);
}

/* exact ports are hashed, not compared one after the other */
static void exact_ports(void)
{
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_TCP, .has_ports = true };
	struct espah_selector sel = { .family = AF_INET, .proto = IPPROTO_TCP };
	u64 steps;
	u32 i;

	for (i = 0; i < 4000; i++) {
		sel.sport_min = sel.sport_max = i / 63;
		sel.dport_min = sel.dport_max = i % 63;
		add_rule(&model, sel, 1);
	}
	steps = shim_reader_steps;
	for (i = 0; i < 4000; i++) {
		flow.sport = i / 63;
		flow.dport = i % 63;
		CHECK(classify(&flow) == model.rules[i], "rule %u is not found", i);
	}
	CHECK(shim_reader_steps - steps < 7 * 4000, "%llu pointers followed in 4,000 lookups",
	      shim_reader_steps - steps);
	clear(&model);
}

/* the table shrinks with its cells as well as it grows */
static void shrinking(void)
{
	size_t i;

	for (i = 0; i < 50000; i++)
		add_rule(&model, site(i), 1);
	CHECK(shim_hashes, "nothing was hashed");
	while (model.count > 1)
		del_rule(&model, below(model.count));
	rcu_barrier();
	shim_hashes = 0;
	for (i = 0; i < 100; i++) {
		struct espah_flow flow = random_flow(&model, 4);

		expect_best(&flow);
	}
	CHECK(shim_hashes == 0, "a single cell is hashed still");
	clear(&model);
}

/* a lookup ends at the first shape that cannot hold a better rule */
static void early_end(void)
{
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_TCP, .has_ports = true };
	struct espah_selector sel;
	u64 hashes;
	u32 len, i;

	/* enough cells in each shape to be hashed; the worst priority is added first */
	for (len = 32; len >= 13; len--) {
		for (i = 0; i < 8; i++) {
			sel = site(i << (32 - len));
			sel.dst_len = len;
			add_rule(&model, sel, 100 + 10 * len);
		}
	}
	CHECK(espah_classifier_shapes(&model.cls) == 20, "%u shapes",
	      espah_classifier_shapes(&model.cls));
	flow.src.ip4 = htonl(0x0a010203);
	flow.dst.ip4 = htonl(0xac000001);
	hashes = shim_hashes;
	expect_best(&flow);
	CHECK(shim_hashes - hashes == 1, "%llu tables for a rule of the best shape",
	      shim_hashes - hashes);
	flow.dst.ip4 = htonl(0xd0000001);
	hashes = shim_hashes;
	expect_best(&flow);
	CHECK(shim_hashes - hashes == 20, "%llu tables where nothing matches",
	      shim_hashes - hashes);
	clear(&model);
}

static void marks(void)
{
	struct espah_flow flow = { .family = AF_INET6, .proto = IPPROTO_TCP };
	struct espah_selector sel = { .family = AF_INET6, .sport_max = 65535, .dport_max = 65535,
				      .mark_mask = 0xffff };
	u64 steps;
	u32 i;

	for (i = 0; i < 4000; i++) {
		sel.mark = i / 63;
		sel.ifindex = 1 + i % 63;
		add_rule(&model, sel, 1);
	}
	steps = shim_reader_steps;
	for (i = 0; i < 4000; i++) {
		flow.mark = (random64() & 0xffff0000) | i / 63;
		flow.ifindex = 1 + i % 63;
		CHECK(classify(&flow) == model.rules[i], "rule %u is not found", i);
	}
	CHECK(shim_reader_steps - steps < 7 * 4000, "%llu pointers followed in 4,000 lookups",
	      shim_reader_steps - steps);
	CHECK(espah_classifier_shapes(&model.cls) == 1, "%u shapes",
	      espah_classifier_shapes(&model.cls));
	clear(&model);
}

/* a lookup skips rules of the other family, and rules with ports if the packet has none */
static void not_my_shapes(void)
{
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_ICMP };
	struct espah_selector sel;
	u64 steps;
	u32 i;

	for (i = 0; i < 400; i++) {
		do
			sel = random_selector(1000, 5);
		while (sel.family == AF_INET && sel.sport_min != sel.sport_max &&
		       sel.dport_min != sel.dport_max);
		add_rule(&model, sel, 5);
	}
	steps = shim_reader_steps;
	CHECK(!classify(&flow), "a flow without ports matches ports");
	CHECK(shim_reader_steps - steps == 1, "%llu pointers followed", shim_reader_steps - steps);
	clear(&model);
}

static const struct test tests[] = {
	{ "classifier: a handful of rules, in all sorts of ways", few_rules },
	{ "classifier: the older of two rules of one priority wins", ties },
	{ "classifier: many rules in few cells agree with a linear search", crowded_cells },
	{ "classifier: many shapes agree with a linear search", many_shapes },
	{ "classifier: many cells agree with a linear search", many_cells },
	{ "classifier: rules that are hidden in a set are not found in it", hidden },
	{ "classifier: finds a rule by selector and priority", finding },
	{ "classifier: all rules of one selector and priority are found, one after the other",
	  finding_all },
	{ "classifier: rules with room are found once they are put in", room },
	{ "classifier: no memory to add: nothing changed, nothing leaked", no_memory_to_add },
	{ "classifier: no memory to delete: deleted all the same", no_memory_to_delete },
	{ "classifier: 100,000 rules of a shape are one table and few cells", hundred_thousand },
	{ "classifier: exact ports are hashed", exact_ports },
	{ "classifier: marks and devices are hashed", marks },
	{ "classifier: a table shrinks with its cells", shrinking },
	{ "classifier: a lookup ends where nothing better can come", early_end },
	{ "classifier: shapes that cannot match are not searched", not_my_shapes },
};
TEST_MAIN(tests)
