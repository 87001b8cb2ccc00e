/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet that becomes several before an SA takes them: GSO, and what is too long for ESP. */
#ifndef _ESPAH_SEGMENT_H
#define _ESPAH_SEGMENT_H

#include <linux/skbuff.h>

/**
 * espah_segment_plain - take off a header that is there for packet sockets only
 * @skb: a GSO packet, not shared; skb->data is its IP header
 * @thoff: offset of its upper-layer header, which is corrected
 *
 * Until Linux 6.19 IPv6 packets of BIG TCP have a hop-by-hop header that never leaves the host,
 * as segmentation removes it; in 6.1 wrongly where no Ethernet header is in front.
 *
 * Return: false if there was no memory.
 */
bool espah_segment_plain(struct sk_buff *skb, int *thoff);

/**
 * espah_segment_gso - segment a GSO packet
 * @skb: the packet; consumed if all is well
 *
 * Segments may have checksums left to a device, of tunnels around them or of their own, see
 * espah_segment_finish().
 *
 * Return: a list of segments, chained by @next; NULL: it could not be done.
 */
struct sk_buff *espah_segment_gso(struct sk_buff *skb);

/**
 * espah_segment_cut - cut a packet into IP fragments
 * @net: network namespace
 * @skb: the packet, which may be fragmented, with a route; consumed if all is well
 * @mtu: most bytes of a fragment; IPv6 may take 1280 nevertheless
 *
 * Context: BH disabled. Return: as espah_segment_gso().
 */
struct sk_buff *espah_segment_cut(struct net *net, struct sk_buff *skb, unsigned int mtu);

/* computes what was left to a device: a checksum, or SCTP's CRC; false: no memory */
static inline bool espah_segment_finish(struct sk_buff *skb)
{
	return skb->ip_summed != CHECKSUM_PARTIAL || !skb_csum_hwoffload_help(skb, 0);
}

#endif /* _ESPAH_SEGMENT_H */
