/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mark of a packet that the PRE_ROUTING hook has checked against the policies. Some packets
 * bypass that hook; they are checked at LOCAL_IN or FORWARD. Packets that passed PRE_ROUTING must
 * not be checked there again: NAT without conntrack may have changed their addresses meanwhile, and
 * a packet that came by an SA no longer has the metadata dst that says so.
 *
 * The mark lies in the control block, behind the part of the IP layer. Nothing clears that memory,
 * so a mark is recognised by the random key that it holds. It also identifies the header that was
 * checked: it is not valid for a packet that was decapsulated from a tunnel since, or got another
 * destination from a lightweight tunnel. A lost mark only costs a second check.
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
 * @header: hash of the header that was checked
 * @sa: IPv6, exempt: number of the SA whose secpath was put aside, or 0; see secpath.h
 */
struct espah_judged {
	u32 key;
	u32 header;
	u32 sa;
};

/**
 * struct espah_judged_keys - random numbers, drawn at load
 * @plain: key for a packet that came in clear and that the policies let pass
 * @exempt: key for a packet that came by an SA, or that this host sent to itself
 * @hash: multipliers of the header hash
 */
struct espah_judged_keys {
	u32 plain;
	u32 exempt;
	u64 hash[2];
};

extern struct espah_judged_keys espah_judged_keys;

/* draws the random keys; at load */
void espah_judged_setup(void);

/* IPCB and IP6CB, which the IP layer clears, are shorter */
#define ESPAH_JUDGED_OFF ALIGN(max(sizeof(struct inet_skb_parm), sizeof(struct inet6_skb_parm)), 8)

static inline struct espah_judged *espah_judged(const struct sk_buff *skb)
{
	BUILD_BUG_ON(ESPAH_JUDGED_OFF + sizeof(struct espah_judged) > sizeof(skb->cb));
	return (struct espah_judged *)(skb->cb + ESPAH_JUDGED_OFF);
}

/* Both offsets change by the same amount when a buffer grows, only the first on decapsulation. */
static inline u32 espah_judged_where(const struct sk_buff *skb)
{
	return (u16)(skb->network_header - skb->mac_header);
}

/*
 * Identifies an IP header. For IPv4 the hash covers fields that NAT does not change, so that most
 * packets keep their mark after NAT. For IPv6 it covers the destination, because segment routing
 * changes it in place; callers find out by other means whether NAT changed it.
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

/* whether the packet was marked as exempt, possibly with another header */
static inline bool espah_judged_exempt(const struct sk_buff *skb, const struct net *net)
{
	return (espah_judged(skb)->key ^ net_hash_mix(net)) == espah_judged_keys.exempt;
}

/* whether the packet was marked, possibly with another header */
static inline bool espah_judged_once(const struct sk_buff *skb, const struct net *net)
{
	u32 key = espah_judged(skb)->key ^ net_hash_mix(net);

	return key == espah_judged_keys.plain || key == espah_judged_keys.exempt;
}

/* whether the packet passed PRE_ROUTING with its current header */
static __always_inline bool espah_judged_holds(const struct sk_buff *skb, const struct net *net,
					       bool ip6)
{
	return espah_judged_once(skb, net) &&
	       espah_judged(skb)->header == espah_judged_header(skb, ip6);
}

/* whether the IP header follows the link-layer header: no header between them was removed */
static inline bool espah_judged_outermost(const struct sk_buff *skb)
{
	return espah_judged_where(skb) == skb->mac_len;
}

#endif /* _ESPAH_JUDGED_H */
