// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of an inbound ESP or AH packet from LOCAL_IN until the stack receives it again, step by
 * step:
 *
 *   look up   find the SA; packets of XFRM's SAs pass
 *   open      check lengths and replay window, confirm in conntrack; then prepare the crypto
 *   order     run the crypto, here, on another CPU, or in a driver that completes later; packets
 *             of an SA continue in order. Here a packet may leave this CPU: resume.c continues
 *   deliver   check ICV and window, strip padding and tunnel, check the policy; then a cell of
 *             cpu/ has the packet received, or the SA of an inner ESP or AH packet takes it, from
 *             open on
 *
 * Each step may drop the packet.
 */
#include <net/ip.h>
#include <net/ipv6.h>
#include "confirm.h"
#include "db/arrival.h"
#include "deliver.h"
#include "input.h"
#include "open.h"
#include "order.h"
#include "packet/flow.h"
#include "report/drop.h"
#include "xfrm.h"

static void run(struct espah_op *op)
{
	if (likely(op))
		espah_input_on(espah_order_run(op));
}

void espah_input_on(struct espah_op *op)
{
	struct espah_op *next;

	for (; op; op = espah_order_next(op)) {
		next = espah_deliver(op);
		if (unlikely(next)) /* another SA of a bundle */
			run(next);
	}
}

static bool is_fragment(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return ip_is_fragment(ip_hdr(skb));
	return IP6CB(skb)->flags & IP6SKB_FRAGMENTED && ipv6_hdr(skb)->nexthdr == NEXTHDR_FRAGMENT;
}

unsigned int espah_input(struct espah_net *en, struct sk_buff *skb,
			 const struct nf_hook_state *state, u8 proto, unsigned int hdr_off,
			 unsigned int encap_len)
{
	enum espah_drop reason;
	struct espah_sa *sa = NULL;
	struct espah_sa_id id;
	u64 seq;

	/* look up */
	reason = ESPAH_DROP_FRAGMENT;
	if (unlikely(is_fragment(skb)))
		goto drop;
	reason = ESPAH_DROP_SHORT;
	if (unlikely(!espah_sa_id_read(&id, skb, state->pf, proto, hdr_off)))
		goto drop;
	sa = espah_sad_find_recent(en, &id);
	if (unlikely(!sa)) {
		if (espah_xfrm_has(en->net, skb, &id, 0))
			return NF_ACCEPT;
		reason = ntohl(id.spi) < ESPAH_SPI_MIN ? ESPAH_DROP_RESERVED_SPI :
							 ESPAH_DROP_NO_SPI;
		goto drop;
	}
	espah_arrival_keep(espah_sa_path(sa), skb);

	/* open */
	reason = espah_open_check(sa, skb, hdr_off, encap_len, &seq);
	if (unlikely(reason))
		goto drop;
	reason = ESPAH_DROP_CONFIRM;
	if (unlikely(espah_confirm(skb, state) != NF_ACCEPT))
		goto drop;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!skb))
		espah_count_drop(en, sa, NULL, ESPAH_DROP_NOMEM, NULL, 1);
	else
		run(espah_open(sa, skb, hdr_off, encap_len, seq, NULL));
	return NF_STOLEN;
drop:
	espah_drop(en, sa, NULL, reason, skb);
	return NF_STOLEN;
}
