/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The route by which IPv4 packets of an SA reach this host. It is cached, as for a connected
 * socket, to save a route lookup per packet. Firewall rules still apply: a rule that changes the
 * destination of a packet drops its route.
 */
#ifndef _ESPAH_ARRIVAL_H
#define _ESPAH_ARRIVAL_H

#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include "sad.h"

/**
 * struct espah_arrival - a cached route
 * @dst: the route; holds a reference
 * @ifindex: device by which the packets arrived
 * @kept: jiffies when the route was cached
 * @rcu: defers the freeing
 */
struct espah_arrival {
	struct dst_entry *dst;
	int ifindex;
	unsigned long kept;
	struct rcu_head rcu;
};

/* whether a packet may use the cached route: IPv4 from the SA's source address, without a mark */
static inline bool espah_arrival_usual(const struct espah_path *path, const struct sk_buff *skb)
{
	return path->family == AF_INET && ip_hdr(skb)->saddr == path->src.ip4 && !skb->mark;
}

/* sets the cached route, if any, on a packet at PRE_ROUTING; Context: RCU reader */
static inline void espah_arrival_use(const struct espah_path *path, struct sk_buff *skb)
{
	const struct espah_arrival *arrival = rcu_dereference(path->arrival);

	if (arrival && arrival->ifindex == skb->dev->ifindex && !skb_dst(skb) &&
	    espah_arrival_usual(path, skb) && dst_check(arrival->dst, 0))
		skb_dst_set_noref(skb, arrival->dst);
}

/* slow path of espah_arrival_keep() */
void espah_arrival_replace(struct espah_path *path, const struct sk_buff *skb);

/* caches the route of a packet at LOCAL_IN; Context: RCU reader */
static inline void espah_arrival_keep(struct espah_path *path, const struct sk_buff *skb)
{
	const struct espah_arrival *arrival = rcu_dereference(path->arrival);

	if (unlikely(!arrival || arrival->dst != skb_dst(skb) ||
		     arrival->ifindex != skb->dev->ifindex))
		espah_arrival_replace(path, skb);
}

/* frees a cached route that has no users left; @arrival may be NULL */
void espah_arrival_free(struct espah_arrival *arrival);

#endif /* _ESPAH_ARRIVAL_H */
