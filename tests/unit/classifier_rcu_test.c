// SPDX-License-Identifier: GPL-2.0-only
/*
 * First, a reader looks at the classifier after each single store of a writer. Then, a
 * reader is stopped at each pointer that it has just fetched, while a writer changes
 * everything around it. The two threads take turns, so each run is the same. A writer
 * that has to wait for readers hands the turn back.
 */
#include <pthread.h>
#include "rules.h"

static struct model model;
static void (*change)(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static enum { READER, WRITER } turn;
static bool waited;
static pthread_t reader, writer;
static u64 stop_at, steps;

static void wait_for(int whose)
{
	while (turn != whose)
		pthread_cond_wait(&turned, &lock);
}

static void give(int whose)
{
	turn = whose;
	pthread_cond_broadcast(&turned);
}

static void on_reader_step(void)
{
	if (!pthread_equal(pthread_self(), reader) || ++steps != stop_at)
		return;
	pthread_mutex_lock(&lock);
	give(WRITER);
	wait_for(READER);
	pthread_mutex_unlock(&lock);
}

/* lets the reader continue; when it leaves, it wakes the writer */
static void on_wait(void)
{
	if (!pthread_equal(pthread_self(), writer))
		return;
	pthread_mutex_lock(&lock);
	waited = true;
	give(READER);
	pthread_mutex_unlock(&lock);
}

static void *write_once(void *unused)
{
	pthread_mutex_lock(&lock);
	wait_for(WRITER);
	pthread_mutex_unlock(&lock);
	change();
	pthread_mutex_lock(&lock);
	give(READER);
	pthread_mutex_unlock(&lock);
	return unused;
}

static struct espah_selector host(u32 n)
{
	struct espah_selector sel = {
		.family = AF_INET, .dst_len = 32, .sport_max = 65535, .dport_max = 65535,
	};

	sel.dst.ip4 = htonl(0x0a000000 + n);
	return sel;
}

static struct espah_flow to_host(u32 n)
{
	struct espah_flow flow = { .family = AF_INET, .proto = IPPROTO_ICMP };

	flow.dst.ip4 = htonl(0x0a000000 + n);
	return flow;
}

void reset(void)
{
	memset(&model, 0, sizeof(model));
	shim_on_publish = NULL;
	rcu_barrier();
	shim_live = 0;
}

/* removed rules leave the classifier at once; their memory is freed after the readers left */
static struct espah_rule *dead[MAX_RULES];
static unsigned int deaths;

static void del_later(unsigned int i)
{
	dead[deaths++] = model.rules[i];
	espah_classifier_del(&model.cls, model.rules[i]);
	model.rules[i] = model.rules[--model.count];
}

/*
 * For all n: builds a model with @setup, looks up @flow, and runs @changes at the n-th step
 * of the lookup. The result must be the best rule before or after the changes. The writer
 * may wait for the reader only if @may_wait.
 */
static void interrupt_everywhere(void (*setup)(void), void (*changes)(void),
				 struct espah_flow flow, bool may_wait)
{
	struct espah_rule *found, *old, *new;
	u64 waits = 0;

	change = changes;
	for (stop_at = 1;; stop_at++) {
		setup();
		old = best_of(&model, &flow, ESPAH_SET_A);
		steps = 0;
		waited = false;
		turn = READER;
		reader = pthread_self();
		if (pthread_create(&writer, NULL, write_once, NULL))
			fail("no thread");

		shim_on_reader_step = on_reader_step;
		shim_on_wait = on_wait;
		rcu_read_lock();
		found = espah_classify(&model.cls, &flow, ESPAH_SET_A);
		rcu_read_unlock();
		shim_on_reader_step = NULL;
		pthread_mutex_lock(&lock);
		if (steps < stop_at)
			give(WRITER); /* the lookup ended before step n */
		pthread_mutex_unlock(&lock);
		pthread_join(writer, NULL);
		shim_on_wait = NULL;

		waits += waited;
		new = best_of(&model, &flow, ESPAH_SET_A);
		CHECK(found == old || found == new,
		      "stopped at step %llu: found order %d, which is neither %d nor %d", stop_at,
		      found ? (int)found->order : -1, old ? (int)old->order : -1,
		      new ? (int)new->order : -1);
		while (deaths)
			free(dead[--deaths]);
		clear(&model);
		model.order = 0;
		if (steps < stop_at)
			break;
	}
	CHECK(stop_at > 3, "the lookup had only %llu steps", stop_at - 1);
	CHECK(may_wait || !waits, "the writer waited for the reader");
}

static void hosts(u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		add_rule(&model, host(i), 5);
	rcu_barrier();
}

/* a rule that does not change is found during any number of resizes, from any step */

static void few_hosts(void) { hosts(4); }
static void hundred_hosts(void) { hosts(100); }

static void grow(void)
{
	u32 i;

	for (i = 1000; i < 3000; i++)
		add_rule(&model, host(i), 5);
}

static void growing(void)
{
	u32 n;

	for (n = 0; n < 4; n++)
		interrupt_everywhere(few_hosts, grow, to_host(n), true);
	for (n = 0; n < 100; n += 3)
		interrupt_everywhere(hundred_hosts, grow, to_host(n), true);
}

static void two_thousand_hosts(void) { hosts(2000); }

static void shrink(void)
{
	unsigned int i;

	for (i = model.count; i-- > 0;)
		if (model.rules[i]->order > 3)
			del_later(i);
}

static void shrinking(void)
{
	u32 n;

	for (n = 0; n < 4; n++)
		interrupt_everywhere(two_thousand_hosts, shrink, to_host(n), true);
}

/* neighbours in the bucket and in the cell are added and removed */

static void neighbours(void)
{
	struct espah_selector sel;
	u32 i;

	for (i = 0; i < 4; i++) {
		sel = host(i);
		add_rule(&model, sel, 5);
		sel.dport_max = 79 + i;
		sel.proto = IPPROTO_TCP;
		add_rule(&model, sel, 4);
	}
	rcu_barrier();
}

static void move_in_and_out(void)
{
	unsigned int i;

	for (i = model.count; i-- > 0;)
		if (model.rules[i]->order != 4) /* host 2 */
			del_later(i);
	for (i = 10; i < 13; i++)
		add_rule(&model, host(i), 5);
	add_rule(&model, host(2), 6);
}

static void neighbourhood(void)
{
	interrupt_everywhere(neighbours, move_in_and_out, to_host(2), false);
}

/* replacing is atomic: a lookup never finds nothing or a rule of worse priority */

static void fallback(void)
{
	struct espah_selector any = { .family = AF_INET, .sport_max = 65535, .dport_max = 65535 };
	u32 i;

	add_rule(&model, any, 9);
	for (i = 0; i < 4; i++)
		add_rule(&model, host(i), 5);
	rcu_barrier();
}

static void replace_all(void)
{
	unsigned int i;

	for (i = 0; i < model.count; i++) {
		struct espah_rule *old = model.rules[i];

		model.rules[i] = new_rule(old->sel, old->priority, 0);
		espah_classifier_replace(&model.cls, old, model.rules[i]);
		dead[deaths++] = old;
	}
}

static void replacing(void)
{
	interrupt_everywhere(fallback, replace_all, to_host(3), false);
}

/* shapes are added, removed and reordered */

static void some_shapes(void)
{
	struct espah_selector sel;
	u8 len;

	for (len = 32; len > 24; len--) {
		sel = host(256 * len);
		sel.dst_len = len;
		add_rule(&model, sel, 10 + len);
	}
	add_rule(&model, host(7), 60);
	sel = host(0);
	sel.dst_len = 20;
	add_rule(&model, sel, 70);
	rcu_barrier();
}

static void shuffle_shapes(void)
{
	struct espah_selector sel;
	unsigned int i;
	u8 len;

	for (i = model.count; i-- > 0;)
		if (model.rules[i]->priority < 60 && i % 2)
			del_later(i);
	for (len = 32; len > 16; len--) {
		sel = host(0x10000 * len);
		sel.dst_len = len;
		add_rule(&model, sel, len % 5);
	}
}

static void shapes(void)
{
	interrupt_everywhere(some_shapes, shuffle_shapes, to_host(7), false);
}

static void remove_all(void)
{
	while (model.count)
		del_later(model.count - 1);
}

static void removing(void)
{
	interrupt_everywhere(some_shapes, remove_all, to_host(7), false);
	interrupt_everywhere(fallback, remove_all, to_host(3), false);
}

/* --- a lookup after each store: each change is visible at once and completely --- */

#define LOOKS 8

static struct espah_flow seen_flows[LOOKS];
static struct espah_rule *seen_before[LOOKS], *seen[LOOKS][200];
static unsigned int looks;

static void look(void)
{
	unsigned int i;

	CHECK(looks < 200, "a change has more than 200 steps");
	for (i = 0; i < LOOKS; i++) {
		rcu_read_lock();
		seen[i][looks] = espah_classify(&model.cls, &seen_flows[i], ESPAH_SET_A);
		rcu_read_unlock();
	}
	looks++;
}

static void watch(void)
{
	unsigned int i;

	for (i = 0; i < LOOKS; i++) {
		seen_flows[i] = random_flow(&model, 4);
		seen_before[i] = best_of(&model, &seen_flows[i], ESPAH_SET_A);
	}
	looks = 0;
	shim_on_publish = look;
}

static void judge(const char *what)
{
	struct espah_rule *after;
	unsigned int i, k;

	shim_on_publish = NULL;
	CHECK(looks, "%s stored nothing", what);
	for (i = 0; i < LOOKS; i++) {
		after = best_of(&model, &seen_flows[i], ESPAH_SET_A);
		for (k = 0; k < looks; k++)
			CHECK(seen[i][k] == seen_before[i] || seen[i][k] == after,
			      "%s: after step %u of %u, a lookup found neither the best rule "
			      "of before nor that of after", what, k + 1, looks);
		CHECK(seen[i][looks - 1] == after, "%s: not there after its last step", what);
	}
}

static void watched(void)
{
	struct espah_rule *rule, *old;
	int steps = 30000;
	unsigned int i;

	while (steps--) {
		if (!model.count || (model.count < 40 && one_in(3))) {
			rule = new_rule(random_selector(4, 1 + below(4)), below(8), model.order++);
			watch();
			if (put_in(&model.cls, rule))
				fail("a rule was refused");
			keep_rule(&model, rule);
			judge("adding");
		} else if (one_in(2)) {
			i = below(model.count);
			watch();
			del_later(i);
			judge("deleting");
			free(dead[--deaths]);
		} else {
			i = below(model.count);
			old = model.rules[i];
			rule = new_rule(old->sel, old->priority, 0);
			watch();
			espah_classifier_replace(&model.cls, old, rule);
			model.rules[i] = rule;
			judge("replacing");
			free(old);
		}
		if (!(steps % 16))
			rcu_barrier();
	}
	clear(&model);
}

static const struct test tests[] = {
	{ "classifier, watched: each change is there at once and as a whole", watched },
	{ "classifier, interrupted: tables grow under the reader", growing },
	{ "classifier, interrupted: tables shrink under the reader", shrinking },
	{ "classifier, interrupted: neighbours come and go", neighbourhood },
	{ "classifier, interrupted: replacing is one step", replacing },
	{ "classifier, interrupted: shapes come, go and change places", shapes },
	{ "classifier, interrupted: everything is deleted", removing },
};
TEST_MAIN(tests)
