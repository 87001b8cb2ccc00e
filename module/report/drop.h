/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place where packets are dropped: counted, traced, told to those who listen. */
#ifndef _ESPAH_DROP_H
#define _ESPAH_DROP_H

#include <linux/skbuff.h>
#include "db/reasons.h"

struct espah_net;
struct espah_policy;
struct espah_sa;

/**
 * espah_count_drop - count @n packets under a reason
 * @en: network namespace
 * @sa: the SA concerned, or NULL
 * @pol: the policy concerned, or NULL
 * @reason: why
 * @skb: the packet, for the trace event
 * @n: how many packets @skb stands for
 *
 * Context: any, RCU reader if @sa or @pol is given.
 */
void espah_count_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		      enum espah_drop reason, const struct sk_buff *skb, u32 n);

/* counts as espah_count_drop() does and frees @skb, which may be a GSO packet */
void espah_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		enum espah_drop reason, struct sk_buff *skb);

#endif /* _ESPAH_DROP_H */
