/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place where packets are dropped: counted, traced and reported to listeners. */
#ifndef _ESPAH_DROP_H
#define _ESPAH_DROP_H

#include <linux/skbuff.h>
#include "db/reasons.h"

struct espah_net;
struct espah_policy;
struct espah_sa;

/**
 * espah_count_drop - count dropped packets under a reason
 * @en: network namespace
 * @sa: the SA concerned, or NULL
 * @pol: the policy concerned, or NULL
 * @reason: the reason
 * @skb: the packet, for the trace event and the drop event; NULL if it is gone
 * @n: number of packets that @skb stands for
 *
 * Context: any, RCU reader if @sa or @pol is given.
 */
void espah_count_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		      enum espah_drop reason, const struct sk_buff *skb, u32 n);

/* counts like espah_count_drop() and frees @skb, which may be a GSO packet */
void espah_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		enum espah_drop reason, struct sk_buff *skb);

#endif /* _ESPAH_DROP_H */
