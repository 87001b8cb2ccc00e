/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When this host sends an IPv4 datagram to a group that it has joined, or to broadcast, the stack
 * makes a copy for the host itself. The copy passes POST_ROUTING with the same device, before the
 * datagram. It stays in clear, because it does not leave; only the datagram goes into an SA.
 */
#ifndef _ESPAH_LOOPBACK_H
#define _ESPAH_LOOPBACK_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/route.h>
#include "compat/frame.h"

/* slow path of espah_loopback() */
unsigned int espah_loopback_copy(struct sk_buff *skb, const struct nf_hook_state *state);

/**
 * espah_loopback - check whether an IPv4 packet at POST_ROUTING is such a copy
 * @skb: the packet
 * @state: the hook's
 *
 * Context: BH disabled.
 * Return: NF_REPEAT: not a copy; NF_ACCEPT: a copy; NF_STOLEN: a copy of an ESP or AH packet, which
 * was freed because the host already got the plaintext.
 */
static inline unsigned int espah_loopback(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (likely(!(skb_rtable(skb)->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST))))
		return NF_REPEAT;
	return espah_loopback_copy(skb, state);
}

/* bracket the emission of an ESP or AH packet to such a destination; Context: BH disabled */
void espah_loopback_begin(struct espah_frame *frame);
void espah_loopback_end(struct espah_frame *frame);

/* learns how to tell copies from packets that leave; Return: 0 or -errno */
int espah_loopback_setup(void);

#endif /* _ESPAH_LOOPBACK_H */
