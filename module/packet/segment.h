/* SPDX-License-Identifier: GPL-2.0-only */
/* Splitting a packet before an SA handles it: GSO packets, and packets that are too long. */
#ifndef _ESPAH_SEGMENT_H
#define _ESPAH_SEGMENT_H

#include <linux/skbuff.h>

/**
 * espah_segment_plain - remove a header that is only there for packet sockets
 * @skb: a GSO packet, not shared; skb->data is its IP header
 * @thoff: offset of its upper-layer header; corrected
 *
 * Until Linux 6.19, IPv6 packets of BIG TCP have a hop-by-hop header that never leaves the host,
 * because segmentation removes it. Linux 6.1 does that wrongly without an Ethernet header.
 *
 * Return: false if there was no memory.
 */
bool espah_segment_plain(struct sk_buff *skb, int *thoff);

/**
 * espah_segment_gso - segment a GSO packet
 * @skb: the packet; consumed on success
 *
 * Segments may have checksums left to a device, their own or those of tunnels around them, see
 * espah_segment_finish().
 *
 * Return: a list of segments, chained by @next; NULL on failure.
 */
struct sk_buff *espah_segment_gso(struct sk_buff *skb);

/**
 * espah_segment_cut - cut a packet into IP fragments
 * @net: network namespace
 * @skb: a packet that may be fragmented, with a route; consumed on success
 * @mtu: most bytes of a fragment; raised to 1280 for IPv6
 *
 * Context: BH disabled. Return: as espah_segment_gso().
 */
struct sk_buff *espah_segment_cut(struct net *net, struct sk_buff *skb, unsigned int mtu);

/* computes a checksum, or SCTP's CRC, that was left to a device; Return: false without memory */
static inline bool espah_segment_finish(struct sk_buff *skb)
{
	return skb->ip_summed != CHECKSUM_PARTIAL || !skb_csum_hwoffload_help(skb, 0);
}

#endif /* _ESPAH_SEGMENT_H */
