// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/route.h>
#include "arrival.h"

/* jiffies: minimum time between replacements, for packets that arrive by alternating devices */
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

/*
 * A route with a realm is allocated per packet and is not on the lists of routes that release
 * their device when it is unregistered: it would hold the device as long as the SA exists.
 */
static bool is_listed(const struct dst_entry *dst)
{
#ifdef CONFIG_IP_ROUTE_CLASSID
	return !dst->tclassid;
#else
	return true;
#endif
}

void espah_arrival_replace(struct espah_path *path, const struct sk_buff *skb)
{
	struct espah_arrival *old = rcu_dereference(path->arrival), *new;

	/* without a route it is still at PRE_ROUTING, see ESPAH_CONFIG_DIRECT */
	if (!skb_dst(skb) || !espah_arrival_usual(path, skb) ||
	    skb_rtable(skb)->rt_type != RTN_LOCAL || !is_listed(skb_dst(skb)) ||
	    (old && time_before(jiffies, old->kept + KEEP_FOR)))
		return;
	new = kmalloc(sizeof(*new), GFP_ATOMIC | __GFP_NOWARN | __GFP_ACCOUNT);
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
