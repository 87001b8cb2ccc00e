// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "db/net.h"
#include "dummy.h"
#include "output.h"
#include "packet/mtu.h"
#include "packet/number.h"
#include "packet/route.h"
#include "protect.h"

/* Maximum dummies sent at once: several may be due, as the timer is coarse and may be late. */
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

/* Sends a dummy. Return: whether it was sent. Context: RCU reader, BH disabled. */
static bool send_dummy(struct espah_sa *sa)
{
	struct espah_path *path = espah_sa_path(sa);
	struct espah_layout layout = { .path = path };
	struct dst_entry *dst = espah_path_route(sa, path);
	unsigned int ip_len = espah_path_ip_len(path);
	bool ip4 = path->family == AF_INET;
	struct sk_buff *skb = NULL;
	unsigned int mtu, len;
	u64 seq;

	if (!dst)
		return false;
	mtu = espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), ip_len);
	if (mtu <= ip_len)
		goto fail;
	/* an IP header, which transport mode needs, and a random number of random bytes */
	len = ip_len + 1 + get_random_u32() % (mtu - ip_len);
	skb = alloc_skb(MAX_HEADER + len, GFP_ATOMIC);
	if (!skb)
		goto fail;
	skb_reserve(skb, MAX_HEADER);
	get_random_bytes(skb_put(skb, len), len);
	skb->protocol = ip4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	skb->dev = dst->dev;
	skb->mark = sa->sel_mark;
	espah_mode_header(sa, skb, path, dst, 0, true);
	if (ip4) {
		ip_hdr(skb)->protocol = IPPROTO_NONE;
		ip_hdr(skb)->tot_len = htons(len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->nexthdr = IPPROTO_NONE;
		ipv6_hdr(skb)->payload_len = htons(len - ip_len);
	}
	if (espah_mode_layout(sa, skb, &layout) || !espah_number_one(sa, &seq))
		goto fail;
	layout.next_header = IPPROTO_NONE;
	layout.dummy = true;
	layout.pad_to = min_t(unsigned int, READ_ONCE(sa->tfc), mtu);
	skb_dst_set(skb, dst);
	dst_hold(dst);
	espah_output_run(espah_protect(sa, skb, &layout, dst, NULL, seq));
	dst_release(dst);
	return true;
fail:
	kfree_skb(skb);
	dst_release(dst);
	return false;
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
		if (send_dummy(sa))
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

	lockdep_assert(espah_sa_stands(sa));
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
