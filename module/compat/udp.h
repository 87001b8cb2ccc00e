/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks up the UDP socket that gets a packet. The table is a parameter while the kernel has
 * UDP-Lite, and belongs to the namespace from Linux 6.2 on.
 *
 * The packet itself is not passed: a BPF program that chooses among the sockets of a SO_REUSEPORT
 * group would expect its data to begin with the UDP header.
 */
#ifndef _ESPAH_COMPAT_UDP_H
#define _ESPAH_COMPAT_UDP_H

#include <net/udp.h>

#ifdef ESPAH_HAS_UDP_TABLE_OF_NET
#define espah_udp_table(net) ((net)->ipv4.udp_table)
#else
#define espah_udp_table(net) (&udp_table)
#endif

static inline struct sock *espah_udp4_lookup(struct net *net, __be32 saddr, __be16 sport,
					     __be32 daddr, __be16 dport, int dif, int sdif)
{
#ifdef ESPAH_HAS_UDPLITE
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, espah_udp_table(net),
				 NULL);
#else
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, NULL);
#endif
}

static inline struct sock *espah_udp6_lookup(struct net *net, const struct in6_addr *saddr,
					     __be16 sport, const struct in6_addr *daddr,
					     __be16 dport, int dif, int sdif)
{
#ifdef ESPAH_HAS_UDPLITE
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, espah_udp_table(net),
				 NULL);
#else
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, NULL);
#endif
}

#endif /* _ESPAH_COMPAT_UDP_H */
