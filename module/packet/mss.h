/* SPDX-License-Identifier: GPL-2.0-only */
/* Clamping of the TCP maximum segment size, so that TCP works where ICMP is filtered. */
#ifndef _ESPAH_MSS_H
#define _ESPAH_MSS_H

#include <linux/skbuff.h>
#include "db/spd.h"

/* whether a packet has a readable TCP header */
static inline bool espah_mss_concerns(const struct espah_flow *flow)
{
	return flow->proto == IPPROTO_TCP && !flow->opaque;
}

/**
 * espah_mss_clamp - lower the MSS option of a TCP SYN
 * @skb: a packet of espah_mss_concerns(); its data begins with the IP header
 * @thoff: offset of the TCP header
 * @mss: highest value, bytes
 *
 * Return: false if memory ran out; true otherwise, also if the packet is no SYN.
 */
bool espah_mss_clamp(struct sk_buff *skb, int thoff, u16 mss);

/* the MSS for packets of @mtu bytes */
static inline u16 espah_mss_of_mtu(u8 family, unsigned int mtu)
{
	unsigned int headers = family == AF_INET ? 20 + 20 : 40 + 20;

	return mtu > headers ? min(mtu - headers, 0xffffU) : 1;
}

#endif /* _ESPAH_MSS_H */
