/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of an IPv4 datagram of this host to a group that it has joined, or to broadcast, the stack makes
 * a copy for the host itself, which passes POST_ROUTING by the same device ahead of the datagram.
 * The copy stays in clear, since it does not leave; the datagram alone goes into an SA.
 */
#ifndef _ESPAH_LOOPBACK_H
#define _ESPAH_LOOPBACK_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/route.h>

/* for espah_loopback() */
unsigned int espah_loopback_copy(struct sk_buff *skb, const struct nf_hook_state *state);

/**
 * espah_loopback - look whether an IPv4 packet at POST_ROUTING is such a copy
 * @skb: the packet
 * @state: the hook's
 *
 * Context: BH disabled. Return: NF_ACCEPT: it is; NF_STOLEN: it is one of what an SA has made, and
 * gone, since the host has had the plaintext; NF_REPEAT: it is none.
 */
static inline unsigned int espah_loopback(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (likely(!(skb_rtable(skb)->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST))))
		return NF_REPEAT;
	return espah_loopback_copy(skb, state);
}

/* around the emission of what an SA has made of a datagram to such a destination; BH disabled */
void espah_loopback_begin(void);
void espah_loopback_end(void);

/* finds out what the copies are told by */
int espah_loopback_setup(void);

#endif /* _ESPAH_LOOPBACK_H */
