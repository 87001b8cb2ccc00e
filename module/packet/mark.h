/* SPDX-License-Identifier: GPL-2.0-only */
/* The mark of packets that came by an SA. */
#ifndef _ESPAH_MARK_H
#define _ESPAH_MARK_H

#include <linux/skbuff.h>
#include "db/sa.h"

/**
 * espah_mark - mark a packet as decapsulated, visible to PRE_ROUTING, nft, tc and eBPF
 * @sa: the SA that it came by
 * @skb: the packet, without a route
 *
 * Context: RCU reader. Return: false without memory.
 */
bool espah_mark(struct espah_sa *sa, struct sk_buff *skb);

/**
 * espah_marked - whether a packet came by an SA of this module
 * @skb: a packet at PRE_ROUTING
 *
 * The mark is a metadata dst. It exists until routing replaces it, and cannot be forged from
 * outside the kernel.
 */
bool espah_marked(const struct sk_buff *skb);

#endif /* _ESPAH_MARK_H */
