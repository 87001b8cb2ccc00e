/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lifetimes of SAs (RFC 4301 4.4.2.1): how much they may carry, and how long they last.
 *
 * What is counted, packets and bytes, is compared as packets pass. What is timed waits in
 * one queue a network namespace, for the one timer that serves it.
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

/**
 * struct espah_limits - when an SA is to be replaced, and when it ends
 * @at: by [hard] and enum espah_limit; packets, bytes or seconds; 0: no limit
 */
struct espah_limits {
	u64 at[2][ESPAH_LIMIT_IDLE + 1];
};

/**
 * struct espah_life - the lifetime of an SA; those without limits have none
 * @limits: read by the packet path without a lock, changed under espah_clock.lock
 * @carried: packets and bytes so far, by enum espah_limit; while one of them is limited
 * @due: in the queue; expires when the next limit may have been reached
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
 * @work: ends or reports those that are due; see expire.c
 */
struct espah_clock {
	spinlock_t lock;
	struct timerqueue_head queue;
	struct delayed_work work;
};

void espah_clock_setup(struct espah_clock *clock, work_func_t expire);

/* takes the first SA that is due out of the queue, or sets the timer; Return: the SA, or NULL */
struct espah_sa *espah_life_next(struct espah_clock *clock);

/* whether a limit is reached, or a soft one that was not reported; Context: espah_net.lock */
bool espah_life_reached(const struct espah_sa *sa, bool hard, enum espah_limit limit, ktime_t now);

/* what an SA without a lifetime needs for one, or NULL; kfree() takes it back */
struct espah_life *espah_life_alloc(void);

/**
 * espah_life_set - limit an SA, or change its limits
 * @sa: in the SAD (under espah_net.lock), or not yet
 * @limits: all of them
 * @life: of espah_life_alloc() if @sa has no lifetime yet; becomes the SA's
 *
 * Soft limits that were reported are reported again.
 */
void espah_life_set(struct espah_sa *sa, const struct espah_limits *limits,
		    struct espah_life *life);

/* puts an SA where it belongs in the queue, after it has come into the SAD or left it */
void espah_life_arm(struct espah_sa *sa);

/**
 * espah_life_charge - count a packet against the limits
 * @sa: an SA with espah_sa.watch
 * @bytes: what the cipher works on, padding included (RFC 4301 4.4.2.1)
 *
 * Limits hold exactly, on however many CPUs: a packet that would exceed a hard limit ends
 * the SA, as does the one that reaches it.
 *
 * Context: RCU reader, BH disabled; input: only once the packet is authenticated.
 * Return: whether the packet may pass.
 */
bool espah_life_charge(struct espah_sa *sa, u32 bytes);

/* how much of a limit is used up, in its unit; of an SA with limits; Context: espah_net.lock */
u64 espah_life_used(const struct espah_sa *sa, enum espah_limit limit);

/* seconds from the addition of an SA to the last packet that it carried */
s64 espah_life_last(const struct espah_sa *sa);

#endif /* _ESPAH_LIFETIME_H */
