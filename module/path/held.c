// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <net/dst.h>
#include "bundle.h"
#include "confirm.h"
#include "db/net.h"
#include "emit.h"
#include "held.h"
#include "packet/flow.h"
#include "refuse.h"
#include "report/drop.h"

/* maximum passes over packets that came while others were sent */
#define ROUNDS 8

/* an empty slot: templates point to it while packets are held */
static struct espah_slot closed;

/**
 * struct held - a held packet
 * @link: in espah_waiting.packets or .sending, or in a list of packets to drop
 * @pol: its policy; when the policy goes, the packet is dropped
 * @skb: the packet, not shared, with a reference to its route
 * @sa: in espah_waiting.sending: the SA to send it through; NULL: its time is over
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @nesting: espah_nesting() when it came
 * @until: jiffies until which it is held
 */
struct held {
	struct list_head link;
	struct espah_policy *pol;
	struct sk_buff *skb;
	struct espah_sa *sa;
	struct espah_flow flow;
	int thoff;
	u8 nesting;
	unsigned long until;
};

/*
 * The SA to apply first, or NULL if any SA of the policy is missing. Context: RCU reader,
 * espah_waiting.lock, while packets of the policy are held.
 */
static struct espah_sa *find_sa(struct espah_net *en, struct espah_policy *pol,
				const struct espah_flow *flow, u8 dscp)
{
	struct espah_template tmpl = { .id = pol->tmpl.id, .slot = pol->own_slot };
	struct espah_sa *sas[ESPAH_BUNDLE_MAX];

	sas[0] = espah_template_sa(en, &tmpl, flow, dscp);
	return sas[0] && espah_bundle_rest(en, pol, flow, dscp, sas) ? sas[0] : NULL;
}

static struct espah_sa *sa_of(struct espah_net *en, const struct held *held)
{
	return find_sa(en, held->pol, &held->flow, espah_dscp(held->skb));
}

/* Begins and ends holding a policy's packets. Context: espah_waiting.lock. */
static void close_policy(struct espah_policy *pol)
{
	if (pol->held++)
		return;
	pol->own_slot = pol->tmpl.slot;
	WRITE_ONCE(pol->tmpl.slot, &closed);
}

static void open_policy(struct espah_policy *pol)
{
	WRITE_ONCE(pol->tmpl.slot, pol->own_slot);
}

/* Prepares a packet to be held. Return: NULL if it was dropped, or queued to a helper. */
static struct held *wrap(struct espah_net *en, struct espah_policy *pol, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	enum espah_drop reason = ESPAH_DROP_NOMEM;
	unsigned int verdict = espah_confirm(skb, state);
	struct held *held;

	if (verdict == NF_STOLEN)
		return NULL;
	if (verdict != NF_ACCEPT) {
		reason = ESPAH_DROP_CONFIRM;
		goto drop;
	}
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb) {
		espah_count_drop(en, NULL, pol, reason, NULL, 1);
		return NULL;
	}
	held = kmalloc(sizeof(*held), GFP_ATOMIC | __GFP_ACCOUNT);
	if (!held)
		goto drop;
	nf_reset_ct(skb); /* confirm only once */
	held->skb = skb;
	if (skb_dst_force(skb))
		return held;
	kfree(held);
	reason = ESPAH_DROP_NO_ROUTE;
drop:
	espah_drop(en, NULL, pol, reason, skb);
	return NULL;
}

void espah_hold(struct espah_net *en, struct espah_policy *pol, struct sk_buff *skb,
		const struct espah_flow *flow, int thoff, const struct nf_hook_state *state)
{
	struct espah_waiting *waiting = &en->waiting;
	struct held *held = wrap(en, pol, skb, state);
	bool full;

	if (!held)
		return;
	held->pol = pol;
	held->sa = NULL;
	held->flow = *flow;
	held->thoff = thoff;
	held->nesting = espah_nesting();
	held->until = jiffies + ESPAH_HELD_TIME;
	spin_lock_bh(&waiting->lock);
	full = pol->held >= pol->queue || waiting->count >= ESPAH_HELD_MAX;
	if (!full) {
		close_policy(pol);
		list_add_tail(&held->link, &waiting->packets);
		waiting->count++;
		/* the SA may have come meanwhile */
		if (sa_of(en, held))
			mod_delayed_work(espah_workqueue, &waiting->work, 0);
		else
			queue_delayed_work(espah_workqueue, &waiting->work, ESPAH_HELD_TIME);
	}
	spin_unlock_bh(&waiting->lock);
	if (full) {
		espah_drop(en, NULL, pol, ESPAH_DROP_ACQUIRE_FULL, held->skb);
		kfree(held);
	}
}

/* Whether a held packet of the policy leaves by @sa, or by an SA that @sa has replaced. */
static bool waits_for(struct espah_net *en, const struct espah_policy *pol,
		      const struct espah_sa *sa)
{
	const struct espah_sa *other;
	const struct held *held;

	list_for_each_entry(held, &en->waiting.sending, link)
		if (held->pol == pol && held->sa && held->sa->queue == sa->queue)
			return true;
	list_for_each_entry(held, &en->waiting.packets, link) {
		other = held->pol == pol ? sa_of(en, held) : NULL;
		if (other && other->queue == sa->queue)
			return true;
	}
	return false;
}

struct espah_sa *espah_held_passed(struct espah_net *en, struct espah_policy *pol,
				   const struct espah_flow *flow, u8 dscp)
{
	struct espah_waiting *waiting = &en->waiting;
	struct espah_sa *sa = NULL;

	if (!READ_ONCE(pol->held))
		return NULL;
	spin_lock_bh(&waiting->lock);
	if (pol->held)
		sa = find_sa(en, pol, flow, dscp);
	if (sa && waits_for(en, pol, sa))
		sa = NULL;
	spin_unlock_bh(&waiting->lock);
	return sa;
}

void espah_held_kick(struct espah_net *en)
{
	bool any;

	lockdep_assert_held(&en->lock);
	/* a CPU that holds a packet after this sees the SA */
	spin_lock_bh(&en->waiting.lock);
	any = en->waiting.count;
	spin_unlock_bh(&en->waiting.lock);
	if (any)
		mod_delayed_work(espah_workqueue, &en->waiting.work, 0);
}

/* Context: espah_waiting.lock; RCU reader for as long as the packet is used. */
static void take_out(struct espah_net *en, struct held *held, struct list_head *to)
{
	/* the packet's output device may be gone, but not the route's device */
	held->skb->dev = skb_dst(held->skb)->dev;
	list_move_tail(&held->link, to);
	en->waiting.count--;
}

/*
 * Takes out the packets whose SA is there, or whose time is over.
 * Return: jiffies until the next packet's time is over.
 */
static unsigned long take_ready(struct espah_net *en)
{
	unsigned long next = ESPAH_HELD_TIME, now = jiffies;
	struct held *held, *more;

	list_for_each_entry_safe(held, more, &en->waiting.packets, link) {
		held->sa = sa_of(en, held);
		if (held->sa || time_after_eq(now, held->until))
			take_out(en, held, &en->waiting.sending);
		else
			next = min(next, held->until - now);
	}
	return next;
}

static void send_ready(struct espah_net *en)
{
	struct held *held;

	list_for_each_entry(held, &en->waiting.sending, link) {
		if (held->sa) {
			en->waiting.send(en, held->pol, held->sa, held->skb, &held->flow,
					 held->thoff, held->nesting);
			continue;
		}
		if (held->pol->unreach)
			espah_refuse(held->skb, false);
		espah_drop(en, NULL, held->pol, ESPAH_DROP_ACQUIRE_LATE, held->skb);
	}
}

static void drop_ready(struct espah_net *en)
{
	struct held *held;

	list_for_each_entry(held, &en->waiting.sending, link)
		espah_drop(en, NULL, held->pol, held->sa ? ESPAH_DROP_ACQUIRE_FULL :
			   ESPAH_DROP_ACQUIRE_LATE, held->skb);
}

/* Frees entries, and reopens policies without held packets. Context: espah_waiting.lock. */
static void end_ready(struct espah_net *en)
{
	struct held *held, *more;

	list_for_each_entry_safe(held, more, &en->waiting.sending, link) {
		/* 0 if espah_held_end() was called meanwhile */
		if (held->pol->held && !--held->pol->held)
			open_policy(held->pol);
		list_del(&held->link);
		kfree(held);
	}
}

static void release(struct work_struct *work)
{
	struct espah_waiting *waiting = container_of(to_delayed_work(work), struct espah_waiting,
						     work);
	struct espah_net *en = container_of(waiting, struct espah_net, waiting);
	unsigned int round = 0;
	unsigned long next;

	rcu_read_lock();
	spin_lock_bh(&waiting->lock);
	for (next = take_ready(en); !list_empty(&waiting->sending); next = take_ready(en)) {
		/* more packets came while these were sent; if that goes on, drop them */
		if (++round > ROUNDS) {
			drop_ready(en);
		} else {
			spin_unlock_bh(&waiting->lock);
			send_ready(en);
			spin_lock_bh(&waiting->lock);
		}
		end_ready(en);
	}
	/* may postpone an earlier run, because requests made meanwhile have been served */
	if (waiting->count)
		mod_delayed_work(espah_workqueue, &waiting->work, next);
	spin_unlock_bh(&waiting->lock);
	rcu_read_unlock();
}

void espah_held_end(struct espah_net *en, struct espah_policy *pol)
{
	struct held *held, *more;
	LIST_HEAD(gone);

	lockdep_assert_held(&en->lock);
	if (!pol->queue)
		return;
	rcu_read_lock();
	spin_lock_bh(&en->waiting.lock);
	WRITE_ONCE(pol->queue, 0);
	if (pol->held)
		open_policy(pol);
	pol->held = 0;
	list_for_each_entry_safe(held, more, &en->waiting.packets, link) {
		if (held->pol == pol)
			take_out(en, held, &gone);
	}
	spin_unlock_bh(&en->waiting.lock);
	list_for_each_entry_safe(held, more, &gone, link) {
		espah_drop(en, NULL, pol, ESPAH_DROP_ACQUIRE_LATE, held->skb);
		kfree(held);
	}
	rcu_read_unlock();
}

void espah_held_setup(struct espah_net *en, espah_held_send_t *send)
{
	en->waiting.send = send;
	spin_lock_init(&en->waiting.lock);
	INIT_LIST_HEAD(&en->waiting.packets);
	INIT_LIST_HEAD(&en->waiting.sending);
	INIT_DELAYED_WORK(&en->waiting.work, release);
}

void espah_held_teardown(struct espah_net *en)
{
	cancel_delayed_work_sync(&en->waiting.work);
}
