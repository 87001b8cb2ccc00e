/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow, which the SPD matches, from a packet's headers. */
#ifndef _ESPAH_FLOW_H
#define _ESPAH_FLOW_H

#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include "db/domain.h"
#include "db/selector.h"

/**
 * espah_flow_dissect - read a packet's flow
 * @skb: the packet; its network header is set, its contents need not be valid
 * @family: AF_INET or AF_INET6
 * @flow: all members are set
 *
 * Reads only within the packet's bounds and changes nothing.
 *
 * Return: offset of the upper-layer header from skb->data, or -1 if the IP
 * header or an IPv6 extension header is broken.
 */
int espah_flow_dissect(const struct sk_buff *skb, u8 family, struct espah_flow *flow);

/* the same for an inner packet with its IP header at offset @nhoff from skb->data */
int espah_flow_dissect_at(const struct sk_buff *skb, int nhoff, u8 family, struct espah_flow *flow);

/**
 * espah_skip_exthdr - skip the extension headers of an IPv6 packet
 * @skb: the packet
 * @off: offset of the first extension header from skb->data
 * @nexthdr: type of that header; set to the type of the upper-layer header
 * @frag_off: set to the offset and flags of a fragment header, or 0; a fragment other than
 *	the first ends the search
 *
 * AH counts as an upper layer (RFC 4301 4.4.1.1), unlike in the kernel's own function.
 *
 * Return: the offset of the upper-layer header, or -1 if a header is truncated.
 */
int espah_skip_exthdr(const struct sk_buff *skb, int off, u8 *nexthdr, __be16 *frag_off);

static inline bool espah_flow_is_icmp(const struct espah_flow *flow)
{
	return flow->proto == (flow->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/**
 * espah_flow_quoted - read the flow that an ICMP error is about (RFC 4301 6.2)
 * @skb: the ICMP error
 * @flow: flow of the ICMP error
 * @thoff: offset of the ICMP header
 * @quoted: set to the flow of the quoted packet, with addresses and ports reversed, as for
 *	an answer to it
 *
 * Redirects do not count: they are only for this link and must not be sent through an SA.
 *
 * Return: offset of the quoted upper-layer header, or -1 if @skb is no ICMP error or its
 * quotation is too short.
 */
int espah_flow_quoted(const struct sk_buff *skb, const struct espah_flow *flow, int thoff,
		      struct espah_flow *quoted);

/**
 * espah_flow_redirected - read the flow that a redirect of ICMP or neighbour discovery is about
 * @skb: the redirect
 * @flow: flow of the redirect
 * @thoff: offset of the ICMP header
 * @quoted: set to the flow of the quoted packet, not reversed
 *
 * Return: false if @skb is no redirect, or its quotation is not readable.
 */
bool espah_flow_redirected(const struct sk_buff *skb, const struct espah_flow *flow, int thoff,
			   struct espah_flow *quoted);

/**
 * espah_spi_read - read the SPI of an ESP or AH packet, and optionally its sequence number
 * @skb: the packet, or one that quotes it
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @off: offset of the header from skb->data
 * @words: set to the SPI, and the sequence number if @n is 2
 * @n: number of words
 *
 * Return: false if the packet is too short.
 */
static inline bool espah_spi_read(const struct sk_buff *skb, u8 proto, int off, __be32 *words,
				  unsigned int n)
{
	unsigned int at = proto == IPPROTO_AH ? offsetof(struct ip_auth_hdr, spi) : 0;
	const __be32 *found = skb_header_pointer(skb, off + at, n * sizeof(*words), words);

	if (found && found != words)
		memcpy(words, found, n * sizeof(*words));
	return found;
}

/**
 * espah_sa_id_read - read the SA lookup key of an ESP or AH packet to this host
 * @id: set to the key
 * @skb: the packet, from its IP header on
 * @family: AF_INET or AF_INET6
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @off: offset of its header from skb->data
 *
 * Context: RCU reader. Return: false if the SPI is not in the packet.
 */
static inline bool espah_sa_id_read(struct espah_sa_id *id, const struct sk_buff *skb, u8 family,
				    u8 proto, int off)
{
	*id = (struct espah_sa_id){ .proto = proto, .family = family, .dir = ESPAH_DIR_IN,
				    .vrf = espah_domain(skb->dev) };
	if (family == AF_INET)
		id->dst.ip4 = ip_hdr(skb)->daddr;
	else
		memcpy(&id->dst, &ipv6_hdr(skb)->daddr, sizeof(id->dst));
	return espah_spi_read(skb, proto, off, &id->spi, 1);
}

/* the DSCP of a packet, whose network header is readable */
static inline u8 espah_dscp(const struct sk_buff *skb)
{
	return (skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->tos :
						   ipv6_get_dsfield(ipv6_hdr(skb))) >> 2;
}

/* whether an outbound packet was created by this host */
static inline bool espah_is_local(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP) && IPCB(skb)->flags & IPSKB_FORWARDED)
		return false;
	/* neither IPv6 forwarding nor segment routing sets the flag */
	return !skb->skb_iif;
}

/* swaps source and destination: the flow of an answer */
void espah_flow_reverse(struct espah_flow *flow);

/* neighbour and router discovery (RFC 4861 with hop limit 255): never leaves the link */
bool espah_flow_is_nd(const struct sk_buff *skb, const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_FLOW_H */
