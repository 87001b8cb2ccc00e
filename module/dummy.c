// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>
#include "dummy.h"
#include "net.h"
#include "output.h"

/* How many are sent at once at most: the timer is coarse, and may be late. */
#define BURST 64

static u64 step(const struct espah_dummy *dummy)
{
	u64 interval = (u64)dummy->interval * NSEC_PER_USEC;

	return dummy->random ? mul_u64_u32_shr(2 * interval, get_random_u32(), 32) : interval;
}

/* Queues the work, under espah_sa.lock. Return: whether it was not queued before. */
static bool queue(struct espah_dummy *dummy, ktime_t now)
{
	u64 left = max_t(s64, dummy->due - now, 0);

	return queue_delayed_work(espah_workqueue, &dummy->work, nsecs_to_jiffies(left) + 1);
}

static bool wanted(const struct espah_sa *sa)
{
	return sa->dummy->interval && !list_empty(&sa->link);
}

static void send(struct work_struct *work)
{
	struct espah_dummy *dummy = container_of(to_delayed_work(work), struct espah_dummy, work);
	struct espah_sa *sa = dummy->sa;
	ktime_t now = ktime_get();
	bool again;
	int n = 0;

	spin_lock_bh(&sa->lock);
	while (wanted(sa) && dummy->due <= now && n++ < BURST) {
		dummy->due += step(dummy);
		spin_unlock(&sa->lock);
		rcu_read_lock();
		if (espah_output_dummy(sa))
			atomic64_inc(&dummy->sent);
		rcu_read_unlock();
		spin_lock(&sa->lock);
	}
	if (dummy->due <= now)
		dummy->due = now;
	again = wanted(sa) && queue(dummy, now);
	spin_unlock_bh(&sa->lock);
	if (!again)
		espah_sa_put(sa);
}

void espah_dummy_arm(struct espah_sa *sa)
{
	struct espah_dummy *dummy = sa->dummy;
	bool stopped = false;

	if (!dummy)
		return;
	spin_lock_bh(&sa->lock);
	if (!wanted(sa)) {
		stopped = cancel_delayed_work(&dummy->work);
	} else if (!delayed_work_pending(&dummy->work)) {
		ktime_t now = ktime_get();

		dummy->due = now + step(dummy);
		refcount_inc(&sa->refs);
		queue(dummy, now);
	}
	spin_unlock_bh(&sa->lock);
	if (stopped)
		espah_sa_put(sa);
}

struct espah_dummy *espah_dummy_alloc(void)
{
	struct espah_dummy *dummy = kzalloc(sizeof(*dummy), GFP_KERNEL_ACCOUNT);

	if (dummy)
		INIT_DELAYED_WORK(&dummy->work, send);
	return dummy;
}

void espah_dummy_set(struct espah_sa *sa, u32 interval, bool random, struct espah_dummy *dummy)
{
	bool stopped;

	if (sa->dummy) {
		dummy = sa->dummy;
	} else {
		dummy->sa = sa;
		sa->dummy = dummy;
	}
	spin_lock_bh(&sa->lock);
	dummy->interval = interval;
	dummy->random = random;
	stopped = cancel_delayed_work(&dummy->work);
	spin_unlock_bh(&sa->lock);
	if (stopped)
		espah_sa_put(sa);
	espah_dummy_arm(sa);
}
