// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include "db/port.h"
#include "udp_encap.h"

/* --- output --- */

void espah_encap_put(const struct espah_path *path, struct sk_buff *skb)
{
	struct udphdr *uh = udp_hdr(skb);

	uh->source = path->sport;
	uh->dest = path->dport;
	uh->len = htons(skb->len - skb_transport_offset(skb));
	uh->check = 0;
}

void espah_encap_finish(struct sk_buff *skb)
{
	/* IPv4 has no checksum (RFC 3948 2.1), IPv6 needs one (RFC 8200 8.1) */
	if (skb->protocol == htons(ETH_P_IPV6))
		udp6_set_csum(false, skb, &ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
			      skb->len - skb_transport_offset(skb));
}

/* --- input --- */

int espah_encap_esp_off(struct espah_net *en, const struct sk_buff *skb, int off)
{
	const __be32 *words;
	__be32 buf[3];

	if (xa_empty(&en->encap_ports))
		return -1;
	words = skb_header_pointer(skb, off, sizeof(buf), buf);
	if (!words || !words[2] ||
	    !espah_port_used(en, ntohs(((const struct udphdr *)words)->dest)))
		return -1;
	return off + sizeof(struct udphdr);
}

bool espah_encap_fix_checksum(struct sk_buff *skb, const struct espah_flow *flow, int thoff)
{
	unsigned int check_off, len = skb->len - thoff;
	__sum16 *check;

	switch (flow->opaque ? IPPROTO_MAX : flow->proto) {
	case IPPROTO_TCP:
		check_off = offsetof(struct tcphdr, check);
		break;
	case IPPROTO_UDP:
		check_off = offsetof(struct udphdr, check);
		break;
	case IPPROTO_ICMPV6:
		check_off = offsetof(struct icmp6hdr, icmp6_cksum);
		break;
	default:
		return true;
	}
	if (len < check_off + sizeof(*check))
		return true;
	if (!pskb_may_pull(skb, thoff + check_off + sizeof(*check)))
		return false;
	check = (__sum16 *)(skb->data + thoff + check_off);
	if (flow->proto == IPPROTO_UDP && !*check)
		return true;
	/*
	 * The sender's checksum covers addresses that NAT has replaced. The ICV has
	 * verified the data, so the checksum becomes a partial one: it is accepted
	 * on this host, and computed if the packet is forwarded.
	 */
	if (flow->family == AF_INET)
		*check = ~csum_tcpudp_magic(flow->src.ip4, flow->dst.ip4, len, flow->proto, 0);
	else
		*check = ~csum_ipv6_magic((const struct in6_addr *)&flow->src,
					  (const struct in6_addr *)&flow->dst, len, flow->proto, 0);
	return skb_partial_csum_set(skb, thoff, check_off);
}
