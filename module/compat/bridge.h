/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bridge netfilter (br_netfilter) passes frames that a bridge switches through the hooks of IPv4
 * and IPv6. Its state of a frame exists only in kernels that are built with it.
 */
#ifndef _ESPAH_COMPAT_BRIDGE_H
#define _ESPAH_COMPAT_BRIDGE_H

#include <linux/netfilter_bridge.h>
#include <linux/skbuff.h>
#include <net/dst.h>

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)

/*
 * Whether a bridge switches the packet, at FORWARD or later: this host then neither sends nor
 * routes it. Either its dst is no route (its output function is NULL, and it dies with the bridge),
 * or the bridge has already chosen the port, as after DNAT within a bridge, which leaves a real
 * route. For a packet that a bridge received and this host routes, neither holds.
 */
static inline bool espah_is_switched(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	return (dst && dst->flags & DST_FAKE_RTABLE) || nf_bridge_get_physoutdev(skb);
}

#else

static inline bool espah_is_switched(const struct sk_buff *skb)
{
	return false;
}

#endif

#endif /* _ESPAH_COMPAT_BRIDGE_H */
