/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connection tracking confirms a connection in the very last hook of
 * POST_ROUTING and LOCAL_IN. Who takes a packet away before that has to do its
 * part. Until Linux 6.2 the function that also runs helpers was private to
 * conntrack, so there it is confirmation alone.
 */
#ifndef _ESPAH_COMPAT_CONNTRACK_H
#define _ESPAH_COMPAT_CONNTRACK_H

#include <linux/netfilter.h>
#include <linux/version.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>

static inline unsigned int espah_confirm(struct sk_buff *skb, const struct nf_hook_state *state)
{
#if !IS_ENABLED(CONFIG_NF_CONNTRACK)
	return NF_ACCEPT;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return skb_nfct(skb) ? nf_confirm(NULL, skb, state) : NF_ACCEPT;
#else
	return skb_nfct(skb) ? nf_conntrack_confirm(skb) : NF_ACCEPT;
#endif
}

#endif /* _ESPAH_COMPAT_CONNTRACK_H */
