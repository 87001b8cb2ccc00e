/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tap: a network device of kind "espah-tap" on which packet sockets see, in clear,
 * the packets that enter SAs ("outgoing") and leave them ("to us"). The link-layer
 * address is the SPI and the low 16 bits of the sequence number. The tap shows
 * copies, so no packet is changed, and it carries no traffic itself. While no tap is
 * up, the packet paths only read a pointer in a cache line that they use anyway; while
 * no packet socket listens, nothing is copied. A static key is not used, because a
 * namespace that flips it would interrupt all CPUs.
 */
#ifndef _ESPAH_TAP_H
#define _ESPAH_TAP_H

#include "db/net.h"

/* registers the kind of device, at load */
int espah_tap_setup(void);
/* deletes all such devices, at unload */
void espah_tap_teardown(void);

void espah_tap_show(const struct espah_sa *sa, const struct sk_buff *skb, u64 seq);

/* whether a tap is up */
static inline bool espah_tap_looks(const struct espah_net *en)
{
	return unlikely(rcu_access_pointer(en->tap));
}

/**
 * espah_tap - show a packet on the tap, if one is up
 * @sa: the SA that the packet enters or leaves
 * @skb: the packet in clear, from its IP header on; not changed
 * @seq: its sequence number in that SA
 *
 * Context: RCU reader, BH disabled.
 */
static inline void espah_tap(const struct espah_sa *sa, const struct sk_buff *skb, u64 seq)
{
	if (espah_tap_looks(sa->en))
		espah_tap_show(sa, skb, seq);
}

#endif /* _ESPAH_TAP_H */
