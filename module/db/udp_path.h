/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Path MTUs of ESP in UDP from short ICMP quotations. Some routers quote only the IP header and 8
 * bytes (RFC 792), which for ESP in UDP are the UDP header: addresses and ports, but no SPI. They
 * are the same for all SAs with a peer, and an attacker who knows them can lower the path MTU of
 * any UDP flow. So this path MTU is stored separately, and only for a few peers.
 */
#ifndef _ESPAH_UDP_PATH_H
#define _ESPAH_UDP_PATH_H

#include <linux/seqlock.h>
#include "sa.h"

/* number of peers for which a path MTU is stored */
#define ESPAH_UDP_PATHS 8

/**
 * struct espah_udp_path - path MTU from an ICMP error that quotes only the UDP header
 * @src: local address
 * @dst: address of the peer
 * @sport: local UDP port
 * @dport: UDP port of the peer
 * @family: AF_INET or AF_INET6; 0: the entry is empty
 * @mtu: path MTU, bytes
 * @expires: jiffies until which the entry is valid
 */
struct espah_udp_path {
	union espah_addr src;
	union espah_addr dst;
	__be16 sport;
	__be16 dport;
	u8 family;
	u32 mtu;
	unsigned long expires;
};

/**
 * struct espah_udp_paths - the path MTUs of a network namespace
 * @learned: an entry was stored at least once
 * @lock: makes readers see consistent entries
 * @at: entries, by a hash of addresses and ports; under @lock
 */
struct espah_udp_paths {
	bool learned;
	seqlock_t lock;
	struct espah_udp_path at[ESPAH_UDP_PATHS];
};

/**
 * espah_udp_path_learn - store a path MTU, unless a smaller one is known
 * @paths: the path MTUs of the namespace
 * @quoted: the quoted flow, reversed
 * @mtu: bytes
 * @expires: jiffies until which the entry is valid
 *
 * Context: any but hard interrupts.
 */
void espah_udp_path_learn(struct espah_udp_paths *paths, const struct espah_flow *quoted, u32 mtu,
			  unsigned long expires);

/* the stored path MTU of an SA's path, or UINT_MAX; Context: any but hard interrupts */
unsigned int espah_udp_path_mtu(const struct espah_udp_paths *paths, const struct espah_path *path);

#endif /* _ESPAH_UDP_PATH_H */
