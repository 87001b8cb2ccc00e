/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP about our own ESP packets: the path MTU (RFC 4301 8.2). */
#ifndef _ESPAH_ICMP_H
#define _ESPAH_ICMP_H

#include <linux/skbuff.h>
#include "net.h"

/**
 * espah_icmp_input - look at an ICMP message to this host
 * @en: network namespace
 * @skb: the packet; not changed
 * @family: AF_INET or AF_INET6
 * @icmp_off: offset of the ICMP header from skb->data
 *
 * If it says that an ESP packet of ours was too big, the path MTU is lowered.
 * Context: RCU reader.
 */
void espah_icmp_input(struct espah_net *en, struct sk_buff *skb, u8 family, int icmp_off);

#endif /* _ESPAH_ICMP_H */
