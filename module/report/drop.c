// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "db/link.h"
#include "drop.h"
#include "event.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Reasons that kfree_skb_reason() passes to drop monitors, whose list is the kernel's own. */
static const enum skb_drop_reason kernel_reasons[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = SKB_DROP_REASON_##kernel,
	ESPAH_DROPS(X)
#undef X
};

/* Allocates the counters at the first drop. Without memory, only the namespace's count is kept. */
static void count_in(struct espah_drops **where, enum espah_drop reason, u32 n)
{
	struct espah_drops *drops = READ_ONCE(*where), *old;

	if (!drops) {
		drops = kzalloc(sizeof(*drops), GFP_ATOMIC | __GFP_ACCOUNT);
		if (!drops)
			return;
		old = cmpxchg(where, NULL, drops);
		if (old) {
			kfree(drops);
			drops = old;
		}
	}
	atomic64_add(n, &drops->count[reason]);
}

/* Counts a packet as dropped on its link. */
static void count_on(struct net_device *dev, const struct espah_sa *sa, u32 n)
{
	while (n--) {
		if (sa && sa->id.dir == ESPAH_DIR_IN)
			dev_core_stats_rx_dropped_inc(dev);
		else
			dev_core_stats_tx_dropped_inc(dev);
	}
}

void espah_count_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		      enum espah_drop reason, const struct sk_buff *skb, u32 n)
{
	this_cpu_add(en->stats->drops[reason], n);
	if (sa)
		count_in(&sa->drops, reason, n);
	if (pol)
		count_in(&pol->drops, reason, n);
	if (skb && skb->dev && espah_is_link(skb->dev))
		count_on(skb->dev, sa, n);
	trace_drop(en->net, sa, pol, reason, skb, n);
	BUILD_BUG_ON(ESPAH_DROP_NUM > 64);
	espah_event_drop(en, sa, pol, reason, skb);
}

void espah_drop(struct espah_net *en, struct espah_sa *sa, struct espah_policy *pol,
		enum espah_drop reason, struct sk_buff *skb)
{
	u32 n = skb_is_gso(skb) ? max_t(u32, skb_shinfo(skb)->gso_segs, 1) : 1;

	espah_count_drop(en, sa, pol, reason, skb, n);
	kfree_skb_reason(skb, kernel_reasons[reason]);
}
