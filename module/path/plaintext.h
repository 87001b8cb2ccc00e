/* SPDX-License-Identifier: GPL-2.0-only */
/* The check that no packet comes in clear that a policy protects (RFC 4301 5.2 step 3). */
#ifndef _ESPAH_PLAINTEXT_H
#define _ESPAH_PLAINTEXT_H

#include <linux/netfilter.h>
#include "db/net.h"

/**
 * espah_plaintext - judge a packet at PRE_ROUTING
 * @en: network namespace
 * @skb: the packet
 * @family: AF_INET or AF_INET6
 * @state: the hook's
 *
 * Return: NF_ACCEPT: the packet was marked (judged.h); NF_STOLEN: it was dropped and counted, or
 * its SA took it.
 */
unsigned int espah_plaintext(struct espah_net *en, struct sk_buff *skb, u8 family,
			     const struct nf_hook_state *state);

/**
 * espah_plaintext_late - judge a packet that has bypassed PRE_ROUTING
 * @en: network namespace
 * @skb: the packet, without a valid mark
 * @family: AF_INET or AF_INET6
 *
 * If conntrack has translated the packet's addresses, uses the original ones.
 *
 * Return: NF_ACCEPT, or NF_STOLEN if the packet was dropped and counted.
 */
unsigned int espah_plaintext_late(struct espah_net *en, struct sk_buff *skb, u8 family);

#endif /* _ESPAH_PLAINTEXT_H */
