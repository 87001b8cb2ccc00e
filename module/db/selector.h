/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Selectors (RFC 4301 4.4.1.1) and the flows that they match. Pure: no skb, no
 * locks; also compiled into the unit tests.
 */
#ifndef _ESPAH_SELECTOR_H
#define _ESPAH_SELECTOR_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>
#include <linux/types.h>

/**
 * union espah_addr - an address of either family
 * @ip6: four words in network order; IPv4 uses the first, the others are 0
 */
union espah_addr {
	__be32 ip4;
	__be32 ip6[4];
};

/**
 * struct espah_flow - the fields of a packet that the SPD matches
 * @src: source address
 * @dst: destination address
 * @family: AF_INET or AF_INET6
 * @proto: upper-layer protocol, behind IPv6 extension headers
 * @opaque: the ports cannot be known: a fragment other than the first, or a
 *	packet that ends before them (RFC 4301 4.4.1.1, OPAQUE)
 * @has_ports: @sport and @dport come from the packet
 * @sport: source port, host order; or the type of an ICMP message or mobility header
 * @dport: destination port, host order; or the code of an ICMP message
 * @hidden: set by espah_spd_lookup(): a policy with ports that may apply comes first
 * @mark: of the packet
 * @ifindex: outbound: the device by which the packet leaves; inbound: the device by which it
 *	arrived or, if it came by an SA, by which its outer packet arrived
 * @vrf: the VRF that the device belongs to, or 0; a selector may name the device or the VRF
 * @linked: the packet goes into a link or came by its SAs: then @ifindex is the if_id of the link,
 *	and @vrf is 0; see link.h
 */
struct espah_flow {
	union espah_addr src;
	union espah_addr dst;
	u8 family;
	u8 proto;
	bool opaque;
	bool has_ports;
	u16 sport;
	u16 dport;
	bool hidden;
	bool linked;
	u32 mark;
	u32 ifindex;
	u32 vrf;
};

/**
 * struct espah_selector - the flows that a policy applies to
 * @src: source prefix; the bits beyond @src_len are 0
 * @dst: destination prefix
 * @family: AF_INET or AF_INET6
 * @proto: upper-layer protocol; 0 is any
 * @src_len: bits
 * @dst_len: bits
 * @sport_min: lowest source port, host order; 0 to 65535 is any
 * @sport_max: highest source port
 * @dport_min: lowest destination port
 * @dport_max: highest destination port
 * @opaque: only flows whose ports are opaque
 * @mark: required mark in the bits of @mark_mask; 0 in the other bits
 * @mark_mask: 0: any mark
 * @ifindex: device, or VRF of the device; 0: any
 * @linked: only packets of a link, whose if_id is @ifindex; otherwise only other packets
 */
struct espah_selector {
	union espah_addr src;
	union espah_addr dst;
	u8 family;
	u8 proto;
	u8 src_len;
	u8 dst_len;
	u16 sport_min;
	u16 sport_max;
	u16 dport_min;
	u16 dport_max;
	bool opaque;
	u32 mark;
	u32 mark_mask;
	u32 ifindex;
	bool linked;
};

/** enum espah_fields - meaning of @sport and @dport of a flow, by its protocol */
enum espah_fields {
	ESPAH_FIELDS_NONE,
	ESPAH_FIELDS_PORTS,
	ESPAH_FIELDS_ICMP,
	ESPAH_FIELDS_MH,
};

/* Whether the selector restricts ports; a flow without ports cannot match it then. */
static inline bool espah_selector_has_ports(const struct espah_selector *sel)
{
	return sel->sport_min != 0 || sel->sport_max != 0xffff ||
	       sel->dport_min != 0 || sel->dport_max != 0xffff;
}

static inline bool espah_proto_has_ports(u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

static inline enum espah_fields espah_proto_fields(u8 proto)
{
	if (espah_proto_has_ports(proto))
		return ESPAH_FIELDS_PORTS;
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return ESPAH_FIELDS_ICMP;
	return proto == IPPROTO_MH ? ESPAH_FIELDS_MH : ESPAH_FIELDS_NONE;
}

static inline bool espah_addr_equal(const union espah_addr *a, const union espah_addr *b)
{
	return !((a->ip6[0] ^ b->ip6[0]) | (a->ip6[1] ^ b->ip6[1]) |
		 (a->ip6[2] ^ b->ip6[2]) | (a->ip6[3] ^ b->ip6[3]));
}

static inline bool espah_addr_any(const union espah_addr *a)
{
	return !(a->ip6[0] | a->ip6[1] | a->ip6[2] | a->ip6[3]);
}

/* Port part of a match: a flow without ports matches only a selector without ports. */
static inline bool espah_selector_match_ports(const struct espah_selector *sel,
					      const struct espah_flow *flow)
{
	if (!flow->has_ports || flow->opaque)
		return !espah_selector_has_ports(sel);
	return flow->sport >= sel->sport_min && flow->sport <= sel->sport_max &&
	       flow->dport >= sel->dport_min && flow->dport <= sel->dport_max;
}

/* makes a flow one of the link with this if_id */
static inline void espah_flow_link(struct espah_flow *flow, u32 if_id)
{
	flow->linked = true;
	flow->ifindex = if_id;
	flow->vrf = 0;
}

/* the if_id of the link that a selector belongs to, or 0 */
static inline u32 espah_selector_if_id(const struct espah_selector *sel)
{
	return sel->linked ? sel->ifindex : 0;
}

/* whether a selector requires a mark or a device, which conntrack does not know */
static inline bool espah_selector_has_condition(const struct espah_selector *sel)
{
	return sel->mark_mask || (sel->ifindex && !sel->linked);
}

/* zeroes the bits of @addr beyond the first @len, and for IPv4 the words beyond the first */
void espah_addr_mask(union espah_addr *addr, u8 family, u8 len);

/* fields in which a flow of its family mismatches a selector: ESPAH_PFP_*, ESPAH_WHY_*, or 0 */
u32 espah_selector_mismatch(const struct espah_selector *sel, const struct espah_flow *flow);

/**
 * espah_range_next - split the first prefix off a range of addresses
 * @first: lowest address of the range; moved behind the prefix
 * @last: highest address of the range
 * @family: family of both
 * @len: set to the length of the prefix
 *
 * Return: whether anything of the range is left.
 */
bool espah_range_next(union espah_addr *first, const union espah_addr *last, u8 family, u8 *len);

bool espah_selector_equal(const struct espah_selector *a, const struct espah_selector *b);

/**
 * espah_selector_check - whether a selector makes sense
 * @sel: the selector
 *
 * Return: NULL, or a sentence that says what is wrong with it.
 */
const char *espah_selector_check(const struct espah_selector *sel);

#endif /* _ESPAH_SELECTOR_H */
