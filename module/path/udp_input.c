// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netfilter.h>
#include <linux/udp.h>
#include "compat/gso.h"
#include "confirm.h"
#include "db/port.h"
#include "input.h"
#include "report/drop.h"
#include "udp_input.h"

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
	 * A checksum that is present must be right. A zero checksum passes, over IPv6 too, as
	 * for other tunnels (RFC 6935 section 5): the ICV covers the same data.
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

/* Some receive offloads join UDP packets of equal length; IPsec needs them one by one. */
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
		/* for a socket: do the work of the hooks behind us */
		if (espah_confirm(skb, state) == NF_ACCEPT)
			state->okfn(en->net, state->sk, skb);
		else
			espah_drop(en, NULL, NULL, ESPAH_DROP_CONFIRM, skb);
	}
}

unsigned int espah_udp_input(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state, int off)
{
	struct udphdr buf;
	const struct udphdr *uh = skb_header_pointer(skb, off, sizeof(buf), &buf);

	if (!uh || !espah_port_used(en, ntohs(uh->dest)))
		return NF_ACCEPT;
	if (likely(!skb_is_gso(skb)))
		return input_one(en, skb, state, off);
	input_gso(en, skb, state, off);
	return NF_STOLEN;
}
