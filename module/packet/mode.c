// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/dsfield.h>
#include <net/esp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "esp.h"
#include "mode.h"
#include "udp_encap.h"

enum espah_drop espah_mode_layout(const struct espah_sa *sa, struct sk_buff *skb,
				  struct espah_layout *layout)
{
	bool ip4 = skb->protocol == htons(ETH_P_IP);

	layout->hdr_len = 0;
	layout->dummy = false;
	layout->head_len = layout->path->encap_len + sa->hdr_len;
	if (sa->mode == ESPAH_MODE_TUNNEL) {
		layout->head_len += espah_path_ip_len(layout->path);
		layout->next_header = ip4 ? IPPROTO_IPIP : IPPROTO_IPV6;
		return ESPAH_DROP_NONE;
	}
	/* RFC 4303 3.3.4: only whole datagrams; a socket may turn reassembly off */
	if (ip4) {
		if (unlikely(ip_is_fragment(ip_hdr(skb))))
			return ESPAH_DROP_FRAGMENT_OUT;
		layout->hdr_len = ip_hdrlen(skb);
		layout->nh_off = offsetof(struct iphdr, protocol);
	} else {
		/* after the headers that routers on the path process (RFC 4303 3.1.1) */
		u8 *nexthdr;
		int len = ip6_find_1stfragopt(skb, &nexthdr);

		if (len < 0)
			return ESPAH_DROP_MALFORMED_OUT;
		layout->hdr_len = len;
		layout->nh_off = nexthdr - skb->data;
	}
	if (!pskb_may_pull(skb, layout->hdr_len))
		return ESPAH_DROP_MALFORMED_OUT;
	layout->next_header = skb->data[layout->nh_off];
	return unlikely(layout->next_header == NEXTHDR_FRAGMENT) ? ESPAH_DROP_FRAGMENT_OUT :
								   ESPAH_DROP_NONE;
}

/* The traffic class that a tunnel gives a packet with the class @tos. */
static u8 outer_tos(const struct espah_sa *sa, u8 tos)
{
	if (unlikely(sa->dscp_map))
		tos = sa->dscp_map[tos >> 2] << 2 | (tos & INET_ECN_MASK);
	return (tos & sa->tos_keep) | sa->tos_set;
}

u8 espah_mode_dscp(const struct espah_sa *sa, u8 dscp)
{
	return sa->mode == ESPAH_MODE_TUNNEL ? outer_tos(sa, dscp << 2) >> 2 : dscp;
}

static bool outer_df(const struct espah_sa *sa, const struct sk_buff *skb, bool inner4)
{
	switch (sa->df) {
	case ESPAH_DF_SET:
		return true;
	case ESPAH_DF_CLEAR:
		return false;
	default:
		return !inner4 || ip_hdr(skb)->frag_off & htons(IP_DF);
	}
}

void espah_mode_header(const struct espah_sa *sa, struct sk_buff *skb,
		       const struct espah_path *path, const struct dst_entry *dst, u8 tos, bool df)
{
	skb_reset_network_header(skb);
	if (path->family == AF_INET) {
		struct iphdr *iph = ip_hdr(skb);

		iph->version = 4;
		iph->ihl = sizeof(*iph) / 4;
		iph->tos = tos;
		iph->frag_off = df ? htons(IP_DF) : 0;
		iph->ttl = sa->ttl ?: ip4_dst_hoplimit(dst);
		iph->protocol = path->ip_proto;
		iph->saddr = path->src.ip4;
		iph->daddr = path->dst.ip4;
		iph->id = 0; /* see output.c */
		skb->protocol = htons(ETH_P_IP);
	} else {
		struct ipv6hdr *ip6h = ipv6_hdr(skb);

		/* copied inner flow labels could collide (RFC 4301 5.1.2.2 note 8) */
		ip6_flow_hdr(ip6h, tos, 0);
		ip6h->nexthdr = path->ip_proto;
		ip6h->hop_limit = sa->ttl ?: ip6_dst_hoplimit((struct dst_entry *)dst);
		memcpy(&ip6h->saddr, &path->src, sizeof(ip6h->saddr));
		memcpy(&ip6h->daddr, &path->dst, sizeof(ip6h->daddr));
		skb->protocol = htons(ETH_P_IPV6);
	}
}

/* adds an outer header; the packet begins with the inner IP header */
static void wrap_tunnel(const struct espah_sa *sa, struct sk_buff *skb,
			const struct espah_layout *layout, const struct dst_entry *dst)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	bool df = outer_df(sa, skb, inner4);
	u8 tos = outer_tos(sa, inner4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb)));

	__skb_push(skb, layout->head_len);
	espah_mode_header(sa, skb, layout->path, dst, tos, df);
}

/* moves the IP header forward; the packet begins with it before and after */
static void wrap_transport(struct sk_buff *skb, const struct espah_layout *layout)
{
	__skb_push(skb, layout->head_len);
	memmove(skb->data, skb->data + layout->head_len, layout->hdr_len);
	skb_reset_network_header(skb);
	skb->data[layout->nh_off] = layout->path->ip_proto;
}

unsigned int espah_mode_wrap(const struct espah_sa *sa, struct sk_buff *skb,
			     const struct espah_layout *layout, const struct dst_entry *dst)
{
	unsigned int ip_len;

	if (sa->mode == ESPAH_MODE_TUNNEL) {
		wrap_tunnel(sa, skb, layout, dst);
		ip_len = espah_path_ip_len(layout->path);
	} else {
		wrap_transport(skb, layout);
		ip_len = layout->hdr_len;
	}
	skb_set_transport_header(skb, ip_len);
	if (unlikely(layout->path->encap_len))
		espah_encap_put(layout->path, skb);
	return ip_len + layout->path->encap_len;
}

/* bitmap of the unused combinations of RFC 6040 4.2; bit number: inner ECN * 4 + outer ECN */
#define ECN_ODD (BIT(INET_ECN_ECT_0) | BIT(INET_ECN_ECT_1) | BIT(INET_ECN_CE) |		\
		 BIT(INET_ECN_ECT_1 << 2 | INET_ECN_ECT_0) |				\
		 BIT(INET_ECN_CE << 2 | INET_ECN_ECT_1))

/* Merges a differing outer traffic class into the inner one: ECN (RFC 6040 4.2) and DSCP. */
static enum espah_drop merge_tos(struct espah_sa *sa, struct sk_buff *skb, u8 outer, u8 inner)
{
	if (sa->tos_take & INET_ECN_MASK) {
		if (ECN_ODD & BIT((inner & INET_ECN_MASK) << 2 | (outer & INET_ECN_MASK)))
			atomic64_inc(&sa->ecn_odd);
		if (INET_ECN_decapsulate(skb, outer, inner) > 1)
			return ESPAH_DROP_ECN;
	}
	if (!(sa->tos_take & ~INET_ECN_MASK))
		return ESPAH_DROP_NONE;
	if (skb->protocol == htons(ETH_P_IP))
		ipv4_copy_dscp(outer, ip_hdr(skb));
	else
		ipv6_copy_dscp(outer, ipv6_hdr(skb));
	return ESPAH_DROP_NONE;
}

/* The link-layer header is moved, too, because GRO compares it and packet sockets show it. */
static enum espah_drop unwrap_tunnel(struct espah_sa *sa, struct sk_buff *skb,
				     unsigned int payload_off, u8 next_header)
{
	u8 outer = skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->tos :
						      ipv6_get_dsfield(ipv6_hdr(skb));
	unsigned int len;
	u8 inner;

	if (next_header != IPPROTO_IPIP && next_header != IPPROTO_IPV6)
		return ESPAH_DROP_NEXT_HEADER;
	__skb_pull(skb, payload_off);
	skb_reset_network_header(skb);

	if (next_header == IPPROTO_IPIP) {
		if (!pskb_may_pull(skb, sizeof(struct iphdr)) || ip_hdr(skb)->version != 4 ||
		    ip_hdr(skb)->ihl < 5)
			return ESPAH_DROP_INNER;
		len = ntohs(ip_hdr(skb)->tot_len);
		if (len < ip_hdrlen(skb))
			return ESPAH_DROP_INNER;
		skb->protocol = htons(ETH_P_IP);
		inner = ip_hdr(skb)->tos;
	} else {
		if (!pskb_may_pull(skb, sizeof(struct ipv6hdr)) || ipv6_hdr(skb)->version != 6)
			return ESPAH_DROP_INNER;
		len = sizeof(struct ipv6hdr) + ntohs(ipv6_hdr(skb)->payload_len);
		skb->protocol = htons(ETH_P_IPV6);
		inner = ipv6_get_dsfield(ipv6_hdr(skb));
	}
	/* bytes behind the packet are padding that hides its length (RFC 4303 2.7) */
	if (len > skb->len)
		return ESPAH_DROP_INNER;
	if (pskb_trim(skb, len))
		return ESPAH_DROP_NOMEM;
	/* equal traffic classes need no action in any case of RFC 6040 4.2 */
	if (unlikely((outer ^ inner) & sa->tos_take) && merge_tos(sa, skb, outer, inner))
		return ESPAH_DROP_ECN;

	if (skb_mac_header_was_set(skb) && skb->mac_len) {
		skb_mac_header_rebuild(skb);
		if (skb->mac_len == ETH_HLEN)
			eth_hdr(skb)->h_proto = skb->protocol;
	}
	return ESPAH_DROP_NONE;
}

static enum espah_drop unwrap_transport(struct sk_buff *skb, unsigned int hdr_len,
					unsigned int payload_off, u8 next_header)
{
	unsigned int gap = payload_off - hdr_len;

	if (skb->protocol == htons(ETH_P_IP)) {
		ip_hdr(skb)->protocol = next_header;
	} else {
		/* the field that named ESP is the last one before it */
		u8 nexthdr = ipv6_hdr(skb)->nexthdr;
		unsigned int off = sizeof(struct ipv6hdr);
		unsigned int nh_off = offsetof(struct ipv6hdr, nexthdr);

		while (off < hdr_len && ipv6_ext_hdr(nexthdr)) {
			const struct ipv6_opt_hdr *opt = (void *)(skb->data + off);

			nh_off = off;
			nexthdr = opt->nexthdr;
			off += ipv6_optlen(opt);
		}
		if (off != hdr_len)
			return ESPAH_DROP_INNER;
		skb->data[nh_off] = next_header;
	}
	memmove(skb->data + gap, skb->data, hdr_len);
	__skb_pull(skb, gap);
	skb_reset_network_header(skb);
	if (skb_mac_header_was_set(skb) && skb->mac_len)
		skb_mac_header_rebuild(skb);

	if (skb->protocol == htons(ETH_P_IP)) {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
	}
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_mode_unwrap(const struct espah_op *op, u8 next_header)
{
	unsigned int payload_off = op->hdr_off + op->sa->hdr_len;

	if (op->sa->mode == ESPAH_MODE_TUNNEL)
		return unwrap_tunnel(op->sa, op->skb, payload_off, next_header);
	return unwrap_transport(op->skb, op->hdr_off - op->encap_len, payload_off, next_header);
}
