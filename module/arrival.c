// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/route.h>
#include "arrival.h"

/* packets that come by several devices in turn do not replace it each time */
#define KEEP_FOR HZ

void espah_arrival_free(struct espah_arrival *arrival)
{
	if (arrival)
		dst_release(arrival->dst);
	kfree(arrival);
}

static void free_rcu(struct rcu_head *rcu)
{
	espah_arrival_free(container_of(rcu, struct espah_arrival, rcu));
}

void espah_arrival_replace(struct espah_path *path, const struct sk_buff *skb)
{
	struct espah_arrival *old = rcu_dereference(path->arrival), *new;

	if (!espah_arrival_usual(path, skb) || skb_rtable(skb)->rt_type != RTN_LOCAL ||
	    (old && time_before(jiffies, old->kept + KEEP_FOR)))
		return;
	new = kmalloc(sizeof(*new), GFP_ATOMIC | __GFP_NOWARN);
	if (!new)
		return;
	new->dst = skb_dst(skb);
	new->ifindex = skb->dev->ifindex;
	new->kept = jiffies;
	if (!dst_hold_safe(new->dst)) {
		kfree(new);
		return;
	}
	if (cmpxchg((struct espah_arrival __force **)&path->arrival, old, new) != old)
		espah_arrival_free(new); /* another CPU was faster */
	else if (old)
		call_rcu(&old->rcu, free_rcu);
}
