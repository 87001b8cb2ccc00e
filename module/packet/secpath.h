/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rest of the kernel recognises an IPsec packet by its secpath, XFRM's list of the SAs by which
 * the packet came. rp_filter lets such a packet pass, no redirect is sent about it, and firewall
 * rules match it (nft "meta ipsec exists" and "ipsec in reqid", xt_policy).
 *
 * The secpath of an SA of this module has one XFRM state, which is in no XFRM table and satisfies
 * no template of an XFRM policy. It is made for the SA's first packet and shared by all packets, so
 * that a packet only costs a reference.
 *
 * With a secpath, each packet goes through XFRM's full policy lookup. So a packet has its secpath
 * for firewall rules and routing, but not when XFRM would look for a policy and has none. At
 * LOCAL_IN the secpath is removed after all rules. Forwarded IPv4 packets have a flag that makes
 * XFRM skip the lookup. IPv6 has no such flag: the secpath is put aside at the end of PRE_ROUTING,
 * as only routing comes next, and restored before the rules of FORWARD and LOCAL_IN. A redirect
 * that is sent about such a packet meanwhile ends at POST_ROUTING, see espah_icmp_redirects().
 */
#ifndef _ESPAH_SECPATH_H
#define _ESPAH_SECPATH_H

#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/xfrm.h>
#include "db/net.h"

#if IS_ENABLED(CONFIG_XFRM)

/**
 * espah_secpath_give - give a packet a secpath, if the configuration or rp_filter needs it
 * @sa: the SA by which the packet came
 * @skb: the packet, about to be delivered; has no extensions
 *
 * Context: RCU reader, BH disabled. Return: false if there is no memory.
 */
bool espah_secpath_give(struct espah_sa *sa, struct sk_buff *skb);

/**
 * espah_secpath_aside - put the secpath of an IPv6 packet aside, if XFRM has no policies
 * @net: network namespace
 * @skb: a packet at the end of PRE_ROUTING
 */
void espah_secpath_aside(const struct net *net, struct sk_buff *skb);

/* restores the secpath; Context: RCU reader, BH disabled */
void espah_secpath_return(struct espah_net *en, struct sk_buff *skb);

/**
 * espah_secpath_filtered - whether rp_filter applies to packets from a device
 * @dev: the device by which they arrive
 *
 * Context: RCU reader.
 */
bool espah_secpath_filtered(const struct net_device *dev);

/* whether the secpath is one of this module; real XFRM states always have a type */
static inline bool espah_secpath_ours(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);

	return sp && sp->len == 1 && !sp->xvec[0]->type;
}

/* whether XFRM lets all packets without a secpath pass */
static inline bool espah_secpath_xfrm_idle(const struct net *net)
{
	return !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_IN]) &&
	       !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_FWD]) &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_IN]) == XFRM_USERPOLICY_ACCEPT &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_FWD]) == XFRM_USERPOLICY_ACCEPT;
}

/* at PRE_ROUTING: makes XFRM skip the policy lookup of an IPv4 packet if it has no policies */
static inline void espah_secpath_spare(const struct net *net, struct sk_buff *skb)
{
	if (secpath_exists(skb) && likely(espah_secpath_xfrm_idle(net)))
		IPCB(skb)->flags |= IPSKB_NOPOLICY;
}

/* at LOCAL_IN, after all rules: removes the secpath before XFRM's check */
static inline void espah_secpath_end(struct sk_buff *skb)
{
	if (unlikely(espah_secpath_ours(skb)))
		secpath_reset(skb);
}

#else

static inline bool espah_secpath_give(struct espah_sa *sa, struct sk_buff *skb)
{
	return true;
}

static inline bool espah_secpath_filtered(const struct net_device *dev)
{
	return false;
}

static inline void espah_secpath_spare(const struct net *net, struct sk_buff *skb)
{
}

static inline void espah_secpath_aside(const struct net *net, struct sk_buff *skb)
{
}

static inline void espah_secpath_return(struct espah_net *en, struct sk_buff *skb)
{
}

static inline void espah_secpath_end(struct sk_buff *skb)
{
}

#endif /* CONFIG_XFRM */

#endif /* _ESPAH_SECPATH_H */
