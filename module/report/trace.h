/* SPDX-License-Identifier: GPL-2.0-only */
/* The trace event espah:drop. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM espah

#if !defined(_ESPAH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ESPAH_TRACE_H

#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include "db/net.h"

#define DROP_SYMBOL(id, name, kernel, text) { ESPAH_DROP_##id, name },
#define DROP_SYMBOLS ESPAH_DROPS(DROP_SYMBOL) { ESPAH_DROP_NONE, "none" }

/**
 * trace_drop - packets were dropped
 *
 * netns is the inode number that "ls -l /proc/self/ns/net" shows; spi and
 * policy are 0 when no SA or policy is concerned.
 */
TRACE_EVENT(drop,
	TP_PROTO(const struct net *net, const struct espah_sa *sa, const struct espah_policy *pol,
		 enum espah_drop reason, const struct sk_buff *skb, u32 n),
	TP_ARGS(net, sa, pol, reason, skb, n),
	TP_STRUCT__entry(
		__field(const void *, skb)
		__field(unsigned int, netns)
		__field(unsigned int, reason)
		__field(u32, spi)
		__field(u32, policy)
		__field(u32, packets)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->skb = skb;
		__entry->netns = net->ns.inum;
		__entry->reason = reason;
		__entry->spi = sa ? be32_to_cpu(sa->id.spi) : 0;
		__entry->policy = pol ? pol->id : 0;
		__entry->packets = n;
		__entry->len = skb ? skb->len : 0;
	),
	TP_printk("reason=%s spi=0x%08x policy=%u packets=%u len=%u netns=%u skb=%p",
		  __print_symbolic(__entry->reason, DROP_SYMBOLS), __entry->spi,
		  __entry->policy, __entry->packets, __entry->len, __entry->netns, __entry->skb)
);

#endif /* _ESPAH_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH report
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
