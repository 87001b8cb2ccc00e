/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Some routers quote the IP header and 8 bytes (RFC 792), which of ESP in UDP says no more than of
 * any other UDP: addresses and ports. As these are the same for all SAs with a peer, and who knows
 * them may lower the path MTU of any UDP flow, it is kept apart, and for few peers.
 */
#ifndef _ESPAH_UDP_PATH_H
#define _ESPAH_UDP_PATH_H

#include <linux/seqlock.h>
#include "sa.h"

/* peers of which it is kept */
#define ESPAH_UDP_PATHS 8

/**
 * struct espah_udp_path - what an ICMP error said that quotes no more than the UDP header
 * @src: address of ours
 * @dst: the peer's
 * @sport: our UDP port
 * @dport: the peer's
 * @family: AF_INET or AF_INET6; 0: nothing is kept here
 * @mtu: path MTU, bytes
 * @expires: jiffies
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
 * struct espah_udp_paths - those of a network namespace
 * @learned: something was kept once
 * @lock: readers see whole entries
 * @at: by a hash of addresses and ports; under @lock
 */
struct espah_udp_paths {
	bool learned;
	seqlock_t lock;
	struct espah_udp_path at[ESPAH_UDP_PATHS];
};

/**
 * espah_udp_path_learn - keep a path MTU, unless a smaller one is known
 * @paths: those of the namespace
 * @quoted: the flow of an answer to the quoted packet
 * @mtu: bytes
 * @expires: jiffies until which it is believed
 *
 * Context: any but hard interrupts.
 */
void espah_udp_path_learn(struct espah_udp_paths *paths, const struct espah_flow *quoted, u32 mtu,
			  unsigned long expires);

/* the path MTU that was told for an SA's path, or UINT_MAX; Context: any but hard interrupts */
unsigned int espah_udp_path_mtu(const struct espah_udp_paths *paths, const struct espah_path *path);

#endif /* _ESPAH_UDP_PATH_H */
