/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mark of a packet that the PRE_ROUTING hook has judged. There are ways round that hook,
 * and what comes by one is judged at LOCAL_IN or FORWARD. What has passed PRE_ROUTING is not
 * judged there again: NAT without conntrack may have changed its addresses meanwhile, and of
 * what came out of an SA the metadata dst that says so is gone.
 *
 * The mark lies in the control block, behind the part that belongs to the IP layer. Nothing
 * else clears that place, so a mark is as good as a random secret that it holds, and says of
 * which header it speaks: a packet that is taken out of its tunnel, or has got another
 * destination from a lightweight tunnel, has none. A mark that gets lost costs a second
 * judgement.
 */
#ifndef _ESPAH_JUDGED_H
#define _ESPAH_JUDGED_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/netns/hash.h>

/**
 * struct espah_judged - the mark
 * @key: one of the two keys, and the network namespace
 * @header: the header that was judged
 * @sa: IPv6, exempt: number of the SA whose secpath was put aside, or 0; see secpath.h
 */
struct espah_judged {
	u32 key;
	u32 header;
	u32 sa;
};

/**
 * struct espah_judged_keys - random numbers, drawn at load
 * @plain: the packet came in clear, and the policies let it
 * @exempt: it came out of an SA, or this host has sent it to itself
 * @hash: multipliers of what tells a header
 */
struct espah_judged_keys {
	u32 plain;
	u32 exempt;
	u64 hash[2];
};

extern struct espah_judged_keys espah_judged_keys;

/* draws these; at load */
void espah_judged_setup(void);

/* IPCB and IP6CB, which the IP layer clears, are shorter */
#define ESPAH_JUDGED_OFF ALIGN(max(sizeof(struct inet_skb_parm), sizeof(struct inet6_skb_parm)), 8)

static inline struct espah_judged *espah_judged(const struct sk_buff *skb)
{
	BUILD_BUG_ON(ESPAH_JUDGED_OFF + sizeof(struct espah_judged) > sizeof(skb->cb));
	return (struct espah_judged *)(skb->cb + ESPAH_JUDGED_OFF);
}

/* Both offsets change alike when a buffer grows; the first alone when a header is removed. */
static inline u32 espah_judged_where(const struct sk_buff *skb)
{
	return (u16)(skb->network_header - skb->mac_header);
}

/*
 * Tells one IP header from another by what no NAT changes, so that most packets that NAT has
 * changed keep their mark. For IPv6, whose destination segment routing changes in place, it is
 * the destination: it is found out otherwise whether that was NAT.
 */
static __always_inline u32 espah_judged_hash(const void *header, bool ip6)
{
	const struct espah_judged_keys *keys = &espah_judged_keys;
	u64 part[2];

	if (!ip6) {
		const struct iphdr *iph = header;

		part[0] = (u32)(__force u16)iph->id << 8 | iph->protocol;
		return (u32)(part[0] * keys->hash[0] >> 32);
	}
	memcpy(part, &((const struct ipv6hdr *)header)->daddr, sizeof(part));
	return (u32)((part[0] * keys->hash[0] + part[1] * keys->hash[1]) >> 32);
}

static __always_inline u32 espah_judged_header(const struct sk_buff *skb, bool ip6)
{
	return espah_judged_hash(skb_network_header(skb), ip6) ^ espah_judged_where(skb);
}

static __always_inline void espah_judged_set(struct sk_buff *skb, const struct net *net, bool ip6,
					     bool exempt)
{
	const struct espah_judged_keys *keys = &espah_judged_keys;
	struct espah_judged *judged = espah_judged(skb);

	judged->key = (exempt ? keys->exempt : keys->plain) ^ net_hash_mix(net);
	judged->header = espah_judged_header(skb, ip6);
	judged->sa = 0;
}

static inline void espah_judged_clear(struct sk_buff *skb)
{
	espah_judged(skb)->key = 0;
	espah_judged(skb)->header = 0;
}

/* whether it was marked as exempt, maybe with another header */
static inline bool espah_judged_exempt(const struct sk_buff *skb, const struct net *net)
{
	return (espah_judged(skb)->key ^ net_hash_mix(net)) == espah_judged_keys.exempt;
}

/* whether it was marked, maybe with another header */
static inline bool espah_judged_once(const struct sk_buff *skb, const struct net *net)
{
	u32 key = espah_judged(skb)->key ^ net_hash_mix(net);

	return key == espah_judged_keys.plain || key == espah_judged_keys.exempt;
}

/* whether the packet as it is now passed PRE_ROUTING */
static __always_inline bool espah_judged_holds(const struct sk_buff *skb, const struct net *net,
					       bool ip6)
{
	return espah_judged_once(skb, net) &&
	       espah_judged(skb)->header == espah_judged_header(skb, ip6);
}

/* whether the IP header follows that of the link, so that nothing was taken away before it */
static inline bool espah_judged_outermost(const struct sk_buff *skb)
{
	return espah_judged_where(skb) == skb->mac_len;
}

#endif /* _ESPAH_JUDGED_H */
