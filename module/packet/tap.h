/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tap: a network device of kind "espah" on which packet sockets see what goes
 * into SAs ("outgoing") and what comes out of them ("to us"), in clear, each with
 * its SPI and the low 16 bits of its sequence number as link-layer address. It
 * copies, so that no packet is changed, and carries nothing itself. While no such
 * device is up, that costs the packet paths a look at a pointer on a line that they have
 * read; while nobody looks at it, nothing is copied. There is no static key, as a namespace
 * that flips one interrupts all CPUs.
 */
#ifndef _ESPAH_TAP_H
#define _ESPAH_TAP_H

#include "db/net.h"

/* registers the kind of device, at load */
int espah_tap_setup(void);
/* deletes all such devices, at unload */
void espah_tap_teardown(void);

void espah_tap_show(const struct espah_sa *sa, const struct sk_buff *skb, u64 seq);

/* whether there may be anybody to show packets to */
static inline bool espah_tap_looks(const struct espah_net *en)
{
	return unlikely(rcu_access_pointer(en->tap));
}

/**
 * espah_tap - show a packet to whoever looks
 * @sa: the SA that it goes into or came out of
 * @skb: the packet in clear, from its IP header on; stays as it is
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
