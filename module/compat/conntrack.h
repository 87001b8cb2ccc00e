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
#include <net/netfilter/nf_conntrack_helper.h>

/* the connection that a packet begins, or NULL */
static inline struct nf_conn *espah_new_ct(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && !nf_ct_is_confirmed(ct) && !nf_ct_is_template(ct) ? ct : NULL;
}

static inline struct nf_conn *espah_ct(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;

	return nf_ct_get(skb, &info);
}

static inline bool espah_ct_is_reply(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;

	nf_ct_get(skb, &info);
	return CTINFO2DIR(info) == IP_CT_DIR_REPLY;
}

/* whether a flowtable has it */
static inline bool espah_ct_is_offloaded(const struct nf_conn *ct)
{
	return READ_ONCE(ct->status) & IPS_OFFLOAD;
}

/* whether it has begun, and no flowtable has it */
static inline bool espah_ct_is_settled(const struct nf_conn *ct)
{
	return (READ_ONCE(ct->status) & (IPS_CONFIRMED | IPS_OFFLOAD)) == IPS_CONFIRMED;
}

/* makes conntrack and flowtables forget a connection; Context: BH disabled or not */
static inline void espah_ct_end(struct nf_conn *ct)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	nf_ct_kill(ct);
#endif
}

/* ends the connections of a namespace for which @over() is true; Context: process */
static inline void espah_ct_walk(struct net *net, int (*over)(struct nf_conn *ct, void *data),
				 void *data)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	struct nf_ct_iter_data iteration = { .net = net, .data = data };

	nf_ct_iterate_cleanup_net(over, &iteration);
#endif
}

/* keeps a new connection out of flowtables, see flowtable.h; false: there is no memory for it */
static inline bool espah_ct_own(struct nf_conn *ct)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	return nfct_help(ct) || nf_ct_helper_ext_add(ct, GFP_ATOMIC);
#else
	return true;
#endif
}

static inline unsigned int espah_confirm(struct sk_buff *skb, const struct nf_hook_state *state)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	struct nf_conn *ct = espah_new_ct(skb);

	if (unlikely(ct) && !espah_ct_own(ct))
		return NF_DROP;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return skb_nfct(skb) ? nf_confirm(NULL, skb, state) : NF_ACCEPT;
#else
	return skb_nfct(skb) ? nf_conntrack_confirm(skb) : NF_ACCEPT;
#endif
#else
	return NF_ACCEPT;
#endif
}

#endif /* _ESPAH_COMPAT_CONNTRACK_H */
