// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <linux/netfilter.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include "compat/gso.h"
#include "confirm.h"
#include "esp.h"
#include "input.h"
#include "netlink/netlink.h"
#include "udp_encap.h"

int espah_encap_port_get(struct espah_net *en, __be16 port)
{
	unsigned long users = xa_to_value(xa_load(&en->encap_ports, ntohs(port)));

	return xa_err(xa_store(&en->encap_ports, ntohs(port), xa_mk_value(users + 1),
			       GFP_KERNEL_ACCOUNT));
}

void espah_encap_port_put(struct espah_net *en, __be16 port)
{
	unsigned long users = xa_to_value(xa_load(&en->encap_ports, ntohs(port)));

	/* the entry is there already, so this needs no memory */
	if (users > 1)
		xa_store(&en->encap_ports, ntohs(port), xa_mk_value(users - 1),
			 GFP_KERNEL_ACCOUNT);
	else
		xa_erase(&en->encap_ports, ntohs(port));
}

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
	/* IPv4 has none (RFC 3948 2.1), IPv6 needs one (RFC 8200 8.1) */
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
	    !xa_load(&en->encap_ports, ntohs(((const struct udphdr *)words)->dest)))
		return -1;
	return off + sizeof(struct udphdr);
}

/* In the order of RFC 3948 2.1 to 2.3: a UDP datagram; a keepalive; IKE; ESP. */
static unsigned int input_one(struct espah_net *en, struct sk_buff *skb,
			      const struct nf_hook_state *state, int off)
{
	int payload_off = off + sizeof(struct udphdr);
	enum espah_drop reason = ESPAH_DROP_UDP;
	unsigned int len = 0;
	struct udphdr uh;
	__be32 word = 0;

	if (!skb_copy_bits(skb, off, &uh, sizeof(uh)))
		len = ntohs(uh.len);
	if (unlikely(len < sizeof(uh) || len > skb->len - off))
		goto drop;
	if (unlikely(pskb_trim_rcsum(skb, off + len))) {
		reason = ESPAH_DROP_NOMEM;
		goto drop;
	}
	/*
	 * One that is there has to be right. None is let pass over IPv6 too, as for
	 * other tunnels (RFC 6935 section 5): the ICV covers what it would.
	 */
	if (uh.check && unlikely(nf_checksum(skb, state->hook, off, IPPROTO_UDP, state->pf)))
		goto drop;

	len -= sizeof(uh);
	skb_copy_bits(skb, payload_off, &word, min_t(unsigned int, len, sizeof(word)));
	reason = ESPAH_DROP_KEEPALIVE;
	if (len == 1 && *(u8 *)&word == 0xff)
		goto drop;
	reason = ESPAH_DROP_SHORT;
	if (unlikely(len < sizeof(word)))
		goto drop;
	if (!word)
		return NF_ACCEPT;
	skb_orphan(skb); /* early demultiplexing may have found a socket */
	return espah_input(en, skb, state, IPPROTO_ESP, payload_off, sizeof(uh));
drop:
	espah_drop(en, NULL, NULL, reason, skb);
	return NF_STOLEN;
}

/* Some receive offloads join UDP packets of equal length; IPsec wants them one by one. */
static void input_gso(struct espah_net *en, struct sk_buff *skb,
		      const struct nf_hook_state *state, int off)
{
	int mac_len = -skb_mac_offset(skb);
	struct sk_buff *segs, *next;

	__skb_push(skb, mac_len);
	segs = __skb_gso_segment(skb, NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM, false);
	if (IS_ERR_OR_NULL(segs)) {
		espah_drop(en, NULL, NULL, ESPAH_DROP_SEGMENT, skb);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		__skb_pull(skb, mac_len);
		if (input_one(en, skb, state, off) != NF_ACCEPT)
			continue;
		/* a socket's; what the hooks behind us would do */
		if (espah_confirm(skb, state) == NF_ACCEPT)
			state->okfn(en->net, state->sk, skb);
		else
			espah_drop(en, NULL, NULL, ESPAH_DROP_CONFIRM, skb);
	}
}

unsigned int espah_encap_input(struct espah_net *en, struct sk_buff *skb,
			       const struct nf_hook_state *state, int off)
{
	struct udphdr buf;
	const struct udphdr *uh = skb_header_pointer(skb, off, sizeof(buf), &buf);

	if (!uh || !xa_load(&en->encap_ports, ntohs(uh->dest)))
		return NF_ACCEPT;
	if (likely(!skb_is_gso(skb)))
		return input_one(en, skb, state, off);
	input_gso(en, skb, state, off);
	return NF_STOLEN;
}

/* --- an authenticated packet --- */

void espah_encap_check_peer(const struct espah_op *op)
{
	const struct espah_path *path = espah_sa_path(op->sa);
	const struct sk_buff *skb = op->skb;
	const struct udphdr *uh = (void *)(skb->data + op->hdr_off - sizeof(*uh));
	union espah_addr src = {};

	if (skb->protocol == htons(ETH_P_IP))
		src.ip4 = ip_hdr(skb)->saddr;
	else
		memcpy(&src, &ipv6_hdr(skb)->saddr, sizeof(src));
	if (unlikely(uh->source != path->sport || !espah_addr_equal(&src, &path->src)))
		espah_event_mapping(op->sa, &src, uh->source);
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
	 * The sender's checksum covers addresses that are not in this packet any
	 * more. As a partial one it passes here, the ICV having said that the data
	 * is as it was sent, and is computed should the packet be sent on.
	 */
	if (flow->family == AF_INET)
		*check = ~csum_tcpudp_magic(flow->src.ip4, flow->dst.ip4, len, flow->proto, 0);
	else
		*check = ~csum_ipv6_magic((const struct in6_addr *)&flow->src,
					  (const struct in6_addr *)&flow->dst, len, flow->proto, 0);
	return skb_partial_csum_set(skb, thoff, check_off);
}
