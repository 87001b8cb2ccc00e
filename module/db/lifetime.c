// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include "net.h"

#define SOFT 0
#define HARD 1

/* jiffies: limits the delay, as the queue uses boot time, but the timer stops during suspend */
#define MAX_DELAY (60 * HZ)

static ktime_t last_used(const struct espah_sa *sa, ktime_t now)
{
	struct espah_counters sum = espah_counters_sum(sa->counters);

	return sum.packets ? ktime_sub_ns(now, jiffies64_to_nsecs(jiffies - sum.last)) : sa->born;
}

s64 espah_life_last(const struct espah_sa *sa)
{
	return div_s64(last_used(sa, ktime_get_boottime()) - sa->born, NSEC_PER_SEC);
}

/* When @at seconds of a limit are over. ESPAH_LIMIT_USE starts with the first packet. */
static ktime_t end_of(const struct espah_sa *sa, enum espah_limit limit, u64 at, ktime_t now)
{
	ktime_t start = sa->born;

	if (limit == ESPAH_LIMIT_IDLE)
		start = last_used(sa, now);
	else if (limit == ESPAH_LIMIT_USE)
		/* pairs with begin_use(): @first_used is valid once the flag is cleared */
		start = smp_load_acquire(&sa->watch) & ESPAH_WATCH_UNUSED ? now : sa->first_used;
	return ktime_add_ns(start, at * NSEC_PER_SEC);
}

u64 espah_life_used(const struct espah_sa *sa, enum espah_limit limit)
{
	ktime_t now = ktime_get_boottime();

	lockdep_assert_held(&sa->en->lock);
	if (limit <= ESPAH_LIMIT_BYTES)
		return atomic64_read(&sa->life->carried[limit]);
	return div_u64(now - end_of(sa, limit, 0, now), NSEC_PER_SEC);
}

/* When a limit is reached, as far as known now; KTIME_MAX: unknown, no limit, or reported. */
static ktime_t due_at(const struct espah_sa *sa, int hard, enum espah_limit limit, ktime_t now)
{
	const struct espah_life *life = sa->life;
	u64 at = life->limits.at[hard][limit];

	if (!at || (hard == SOFT && READ_ONCE(life->told) & BIT(limit)))
		return KTIME_MAX;
	if (limit <= ESPAH_LIMIT_BYTES)
		return (u64)atomic64_read(&life->carried[limit]) >= at ? now : KTIME_MAX;
	return end_of(sa, limit, at, now);
}

static void set_timer(struct espah_clock *clock, ktime_t due, ktime_t now)
{
	u64 delay = due > now ? (u64)nsecs_to_jiffies(due - now) + 1 : 0;

	mod_delayed_work(espah_workqueue, &clock->work, min_t(u64, delay, MAX_DELAY));
}

void espah_life_arm(struct espah_sa *sa)
{
	struct espah_clock *clock = &sa->en->sad.clock;
	struct espah_life *life = sa->life;
	ktime_t now = ktime_get_boottime(), due = KTIME_MAX;
	int i;

	lockdep_assert_held(&sa->en->lock);
	if (!life)
		return;
	spin_lock_bh(&clock->lock);
	if (timerqueue_node_queued(&life->due))
		timerqueue_del(&clock->queue, &life->due);
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++)
		due = min3(due, due_at(sa, SOFT, i, now), due_at(sa, HARD, i, now));
	if (due < KTIME_MAX && !list_empty(&sa->link)) {
		/* round up to full seconds: never early, and at most one wake-up a second */
		if (due > now)
			due = (div_u64(due, NSEC_PER_SEC) + 1) * NSEC_PER_SEC;
		life->due.expires = due;
		if (timerqueue_add(&clock->queue, &life->due))
			set_timer(clock, due, now);
	}
	spin_unlock_bh(&clock->lock);
}

struct espah_sa *espah_life_next(struct espah_clock *clock)
{
	ktime_t now = ktime_get_boottime();
	struct timerqueue_node *node;

	spin_lock_bh(&clock->lock);
	node = timerqueue_getnext(&clock->queue);
	if (node && node->expires > now) {
		set_timer(clock, node->expires, now);
		node = NULL;
	} else if (node) {
		timerqueue_del(&clock->queue, node);
	}
	spin_unlock_bh(&clock->lock);
	return node ? container_of(node, struct espah_life, due)->sa : NULL;
}

bool espah_life_reached(const struct espah_sa *sa, bool hard, enum espah_limit limit, ktime_t now)
{
	lockdep_assert_held(&sa->en->lock);
	return due_at(sa, hard, limit, now) <= now;
}

void espah_clock_setup(struct espah_clock *clock, work_func_t expire)
{
	spin_lock_init(&clock->lock);
	timerqueue_init_head(&clock->queue);
	INIT_DELAYED_WORK(&clock->work, expire);
}

struct espah_life *espah_life_alloc(void)
{
	struct espah_life *life = kzalloc(sizeof(*life), GFP_KERNEL_ACCOUNT);

	if (life)
		timerqueue_init(&life->due);
	return life;
}

void espah_life_set(struct espah_sa *sa, const struct espah_limits *limits,
		    struct espah_life *life)
{
	struct espah_counters sum = espah_counters_sum(sa->counters);
	const u64 *soft = limits->at[SOFT], *hard = limits->at[HARD];
	u8 watch = 0;

	lockdep_assert(espah_sa_stands(sa));
	if (sa->life)
		life = sa->life;
	else
		life->sa = sa;
	if (soft[ESPAH_LIMIT_PACKETS] || soft[ESPAH_LIMIT_BYTES] || hard[ESPAH_LIMIT_PACKETS] ||
	    hard[ESPAH_LIMIT_BYTES])
		watch = ESPAH_WATCH_LIMITED;
	spin_lock_bh(&sa->en->sad.clock.lock);
	if (!(sa->watch & ESPAH_WATCH_LIMITED)) {
		atomic64_set(&life->carried[ESPAH_LIMIT_PACKETS], sum.packets);
		atomic64_set(&life->carried[ESPAH_LIMIT_BYTES], sum.bytes);
	}
	life->limits = *limits;
	life->told = 0;
	sa->life = life;
	/* a reader that sees ESPAH_WATCH_LIMITED also sees the limits */
	smp_store_release(&sa->watch, (sa->watch & ~ESPAH_WATCH_LIMITED) | watch);
	spin_unlock_bh(&sa->en->sad.clock.lock);
	if (!list_empty(&sa->link)) /* an SA that is not in the SAD is armed when it is added */
		espah_life_arm(sa);
}

static void raise_count(atomic64_t *count, u64 to)
{
	s64 old = atomic64_read(count);

	while ((u64)old < to && !atomic64_try_cmpxchg(count, &old, to))
		;
}

/* Moves the times of addition and of the first packet into the past. Context: the clock's lock */
static void carry_times(struct espah_sa *sa, const u64 *used)
{
	ktime_t now = ktime_get_boottime();
	ktime_t born = ktime_sub_ns(now, used[ESPAH_LIMIT_TIME] * NSEC_PER_SEC);
	ktime_t first = ktime_sub_ns(now, used[ESPAH_LIMIT_USE] * NSEC_PER_SEC);

	if (used[ESPAH_LIMIT_TIME] && born < sa->born) {
		sa->added -= div_s64(sa->born - born, NSEC_PER_SEC);
		sa->born = born;
	}
	if (used[ESPAH_LIMIT_USE] && (sa->watch & ESPAH_WATCH_UNUSED || first < sa->first_used)) {
		sa->first_used = first;
		/* pairs with end_of() */
		smp_store_release(&sa->watch, sa->watch & ~ESPAH_WATCH_UNUSED);
	}
}

void espah_life_carry(struct espah_sa *sa, const u64 *used)
{
	struct espah_life *life = sa->life;

	lockdep_assert(espah_sa_stands(sa));
	spin_lock_bh(&sa->en->sad.clock.lock);
	carry_times(sa, used);
	if (life && sa->watch & ESPAH_WATCH_LIMITED) {
		raise_count(&life->carried[ESPAH_LIMIT_PACKETS], used[ESPAH_LIMIT_PACKETS]);
		raise_count(&life->carried[ESPAH_LIMIT_BYTES], used[ESPAH_LIMIT_BYTES]);
	}
	spin_unlock_bh(&sa->en->sad.clock.lock);
	if (!list_empty(&sa->link))
		espah_life_arm(sa);
}

static void begin_use(struct espah_sa *sa)
{
	spin_lock(&sa->en->sad.clock.lock);
	if (sa->watch & ESPAH_WATCH_UNUSED) {
		sa->first_used = ktime_get_boottime();
		/* pairs with end_of() */
		smp_store_release(&sa->watch, sa->watch & ~ESPAH_WATCH_UNUSED);
	}
	spin_unlock(&sa->en->sad.clock.lock);
}

/* Adds to a counter, up to the hard limit at most. */
static bool take(struct espah_sa *sa, enum espah_limit limit, u32 n)
{
	struct espah_life *life = sa->life;
	u64 soft = READ_ONCE(life->limits.at[SOFT][limit]) ?: U64_MAX;
	u64 hard = READ_ONCE(life->limits.at[HARD][limit]) ?: U64_MAX;
	s64 old = atomic64_read(&life->carried[limit]);
	u64 new;

	do {
		if ((u64)old >= hard)
			return false;
		/* a packet that does not fit uses up the rest, so no smaller packet can follow */
		new = min_t(u64, old + n, hard);
	} while (!atomic64_try_cmpxchg(&life->carried[limit], &old, new));
	if (new >= hard || (old < soft && new >= soft))
		espah_life_arm(sa);
	return old + n <= hard;
}

bool espah_life_charge(struct espah_sa *sa, u32 bytes)
{
	u8 watch = smp_load_acquire(&sa->watch); /* pairs with espah_life_set() */

	if (watch & ESPAH_WATCH_UNUSED)
		begin_use(sa);
	return !(watch & ESPAH_WATCH_LIMITED) ||
	       (take(sa, ESPAH_LIMIT_PACKETS, 1) && take(sa, ESPAH_LIMIT_BYTES, bytes));
}
