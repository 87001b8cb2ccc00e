/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skb_gso_segment() moved to its own header in Linux 6.5. IPv6 packets of BIG TCP had a hop-by-hop
 * header until 6.19. While IPv6 could be a module, ip6_fragment() was reached through a table of
 * IPv6 functions.
 */
#ifndef _ESPAH_COMPAT_GSO_H
#define _ESPAH_COMPAT_GSO_H

#include <linux/netdevice.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#ifdef ESPAH_HAS_NET_GSO
#include <net/gso.h>
#endif
#ifdef ESPAH_HAS_IPV6_STUBS
#include <net/ipv6_stubs.h>
#endif

/* bytes of the hop-by-hop header that segmentation removes, or 0 */
static inline int espah_gso_jumbo_len(const struct sk_buff *skb)
{
#ifdef IP6SKB_FAKEJUMBO
	return ipv6_has_hopopt_jumbo(skb) ? sizeof(struct hop_jumbo_hdr) : 0;
#else
	return 0;
#endif
}

static inline int espah_ip6_fragment(struct net *net, struct sock *sk, struct sk_buff *skb,
				     int (*output)(struct net *, struct sock *, struct sk_buff *))
{
#ifdef ESPAH_HAS_IPV6_STUBS
	return ipv6_stub->ipv6_fragment(net, sk, skb, output);
#else
	return ip6_fragment(net, sk, skb, output);
#endif
}

#endif /* _ESPAH_COMPAT_GSO_H */
