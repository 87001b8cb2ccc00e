/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rest of the kernel takes for IPsec: a packet with a secpath, XFRM's list of the SAs by
 * which a packet came. rp_filter lets it pass, no redirect is sent about it, and rules of the
 * firewall match it (nft "meta ipsec exists" and "ipsec in reqid", xt_policy).
 *
 * The list of an SA of ours has one state, which is XFRM's by its form only: it is in no table of
 * XFRM's, and satisfies no template of its policies. It is made for the SA's first packet and
 * shared by all, so that a packet pays for a reference.
 *
 * A secpath makes each packet take XFRM's whole search for a policy. So it is there while rules
 * and routing look, and where XFRM would look without having a policy, it is not: at LOCAL_IN it
 * ends behind all rules. Forwarded IPv4 packets have a flag by which XFRM skips the search. Those
 * of IPv6 have none, so their secpath is put aside at the end of PRE_ROUTING, as nothing but
 * routing comes next, and comes back ahead of the rules of FORWARD and LOCAL_IN. A redirect that
 * is made of one meanwhile ends at POST_ROUTING, see espah_icmp_redirects().
 */
#ifndef _ESPAH_SECPATH_H
#define _ESPAH_SECPATH_H

#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/xfrm.h>
#include "db/net.h"

#if IS_ENABLED(CONFIG_XFRM)

/**
 * espah_secpath_give - let a packet look like IPsec, if somebody is to see that
 * @sa: the SA that it came by
 * @skb: about to be delivered; has no extensions
 *
 * Context: RCU reader, BH disabled. Return: false if there is no memory.
 */
bool espah_secpath_give(struct espah_sa *sa, struct sk_buff *skb);

/**
 * espah_secpath_aside - put the secpath of an IPv6 packet aside, if XFRM has nothing to say
 * @net: network namespace
 * @skb: a packet at the end of PRE_ROUTING
 */
void espah_secpath_aside(const struct net *net, struct sk_buff *skb);

/* gives it back; Context: RCU reader, BH disabled */
void espah_secpath_return(struct espah_net *en, struct sk_buff *skb);

/**
 * espah_secpath_filtered - whether rp_filter would look at packets of a device
 * @dev: the device that they come by
 *
 * Context: RCU reader.
 */
bool espah_secpath_filtered(const struct net_device *dev);

/* whether a packet has a secpath of ours; no SA that transforms is without a type */
static inline bool espah_secpath_ours(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);

	return sp && sp->len == 1 && !sp->xvec[0]->type;
}

/* whether XFRM lets everything pass that has no secpath */
static inline bool espah_secpath_xfrm_idle(const struct net *net)
{
	return !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_IN]) &&
	       !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_FWD]) &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_IN]) == XFRM_USERPOLICY_ACCEPT &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_FWD]) == XFRM_USERPOLICY_ACCEPT;
}

/* at PRE_ROUTING: spares an IPv4 packet of ours XFRM's search where there is nothing to find */
static inline void espah_secpath_spare(const struct net *net, struct sk_buff *skb)
{
	if (secpath_exists(skb) && likely(espah_secpath_xfrm_idle(net)))
		IPCB(skb)->flags |= IPSKB_NOPOLICY;
}

/* at LOCAL_IN, behind all rules: takes it away, ahead of XFRM's check */
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
