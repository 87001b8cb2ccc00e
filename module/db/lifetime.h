/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lifetimes of SAs (RFC 4301 4.4.2.1): limits on the traffic that they carry, and on time.
 *
 * Packet and byte limits are checked for each packet. For time limits, each network namespace
 * has one queue of SAs and one timer.
 */
#ifndef _ESPAH_LIFETIME_H
#define _ESPAH_LIFETIME_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/workqueue.h>
#include <linux/espah.h>

struct espah_sa;

/* espah_sa.watch: the SA has carried nothing yet */
#define ESPAH_WATCH_UNUSED BIT(0)
/* espah_sa.watch: packets or bytes are limited */
#define ESPAH_WATCH_LIMITED BIT(1)
/* espah_sa.watch: the SA is for packets with a mark; set before the SA is added */
#define ESPAH_WATCH_MARK BIT(2)

/**
 * struct espah_limits - the soft and hard limits of an SA
 * @at: packets, bytes or seconds, by [hard] and enum espah_limit; 0: no limit
 */
struct espah_limits {
	u64 at[2][ESPAH_LIMIT_IDLE + 1];
};

/**
 * struct espah_life - the lifetime of an SA that has, or had, limits
 * @limits: read by the packet path without a lock, changed under espah_clock.lock
 * @carried: packets and bytes so far, by enum espah_limit; valid while one of them is limited
 * @due: in espah_clock.queue; expires when the next limit may have been reached
 * @sa: the SA
 * @told: soft limits that were reported, BIT(enum espah_limit); under espah_net.lock
 */
struct espah_life {
	struct espah_limits limits;
	atomic64_t carried[ESPAH_LIMIT_BYTES + 1];
	struct timerqueue_node due;
	struct espah_sa *sa;
	u8 told;
};

/**
 * struct espah_clock - the timer of a network namespace
 * @lock: guards @queue, espah_sa.watch and @limits; innermost
 * @queue: struct espah_life, by boot time
 * @work: deletes or reports SAs that are due; see expire.c
 */
struct espah_clock {
	spinlock_t lock;
	struct timerqueue_head queue;
	struct delayed_work work;
};

void espah_clock_setup(struct espah_clock *clock, work_func_t expire);

/* dequeues the first SA that is due, or else sets the timer; Return: the SA, or NULL */
struct espah_sa *espah_life_next(struct espah_clock *clock);

/* whether a limit is reached and, if soft, not yet reported; Context: espah_net.lock */
bool espah_life_reached(const struct espah_sa *sa, bool hard, enum espah_limit limit, ktime_t now);

/* memory for espah_life_set(), or NULL; freed with kfree() if not used */
struct espah_life *espah_life_alloc(void);

/**
 * espah_life_set - limit an SA, or change its limits
 * @sa: the SA; the caller holds espah_net.lock if it is in the SAD
 * @limits: all limits
 * @life: from espah_life_alloc() if @sa has no lifetime yet; then owned by @sa
 *
 * Soft limits that were already reported are reported again.
 */
void espah_life_set(struct espah_sa *sa, const struct espah_limits *limits,
		    struct espah_life *life);

/* updates the place of an SA in the queue, after it was added to the SAD or removed */
void espah_life_arm(struct espah_sa *sa);

/**
 * espah_life_charge - count a packet against the limits
 * @sa: an SA with nonzero espah_sa.watch
 * @bytes: bytes that the cipher processes, padding included (RFC 4301 4.4.2.1)
 *
 * Limits are exact on any number of CPUs. A packet that reaches or would exceed a hard limit
 * ends the SA.
 *
 * Context: RCU reader, BH disabled; input: after the packet was authenticated.
 * Return: whether the packet may pass.
 */
bool espah_life_charge(struct espah_sa *sa, u32 bytes);

/* used part of a limit, in its unit; @sa has a lifetime; Context: espah_net.lock */
u64 espah_life_used(const struct espah_sa *sa, enum espah_limit limit);

/**
 * espah_life_carry - count what was used of the limits elsewhere
 * @sa: the SA; the caller holds espah_net.lock if it is in the SAD
 * @used: by enum espah_limit, each of them in its unit; smaller than what was used here: ignored.
 *	ESPAH_LIMIT_IDLE is ignored
 */
void espah_life_carry(struct espah_sa *sa, const u64 *used);

/* seconds from the addition of an SA to its last packet */
s64 espah_life_last(const struct espah_sa *sa);

#endif /* _ESPAH_LIFETIME_H */
