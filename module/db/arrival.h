/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The route by which IPv4 packets of an SA reach this host. It is kept, as the kernel keeps
 * that of a connected socket, so that not each packet has to look it up. What a rule of the
 * firewall does to a packet still counts: who changes its destination drops the route.
 */
#ifndef _ESPAH_ARRIVAL_H
#define _ESPAH_ARRIVAL_H

#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include "sad.h"

/**
 * struct espah_arrival - a route, and what it is good for
 * @dst: the route; referred to
 * @ifindex: the device that packets came by
 * @kept: jiffies of when it was kept
 * @rcu: defers the freeing
 */
struct espah_arrival {
	struct dst_entry *dst;
	int ifindex;
	unsigned long kept;
	struct rcu_head rcu;
};

/* whether the route of one such packet is that of all */
static inline bool espah_arrival_usual(const struct espah_path *path, const struct sk_buff *skb)
{
	return path->family == AF_INET && ip_hdr(skb)->saddr == path->src.ip4 && !skb->mark;
}

/* gives a packet at PRE_ROUTING the route that was kept, if there is one; Context: RCU reader */
static inline void espah_arrival_use(const struct espah_path *path, struct sk_buff *skb)
{
	const struct espah_arrival *arrival = rcu_dereference(path->arrival);

	if (arrival && arrival->ifindex == skb->dev->ifindex && !skb_dst(skb) &&
	    espah_arrival_usual(path, skb) && dst_check(arrival->dst, 0))
		skb_dst_set_noref(skb, arrival->dst);
}

/* for espah_arrival_keep() */
void espah_arrival_replace(struct espah_path *path, const struct sk_buff *skb);

/* keeps the route of a packet at LOCAL_IN; Context: RCU reader */
static inline void espah_arrival_keep(struct espah_path *path, const struct sk_buff *skb)
{
	const struct espah_arrival *arrival = rcu_dereference(path->arrival);

	if (unlikely(!arrival || arrival->dst != skb_dst(skb) ||
		     arrival->ifindex != skb->dev->ifindex))
		espah_arrival_replace(path, skb);
}

/* nobody uses it any more */
void espah_arrival_free(struct espah_arrival *arrival);

#endif /* _ESPAH_ARRIVAL_H */
