// SPDX-License-Identifier: GPL-2.0-only
#include <net/esp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/xfrm.h>
#include "compat/compiler.h"
#include "compat/netdev.h"
#include "db/net.h"
#include "emit.h"
#include "loopback.h"
#include "packet/esp.h"
#include "packet/udp_encap.h"
#include "protect.h"
#include "report/drop.h"

ESPAH_FRAMES(espah_emissions);

/* Has the IP layer send an ESP or AH packet. */
static void emit4(struct espah_sa *sa, struct sk_buff *skb)
{
	bool group = skb_rtable(skb)->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST);
	u16 flags = IPSKB_XFRM_TRANSFORMED;
	struct espah_frame frame espah_uninit;

	if (sa->mode == ESPAH_MODE_TUNNEL)
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (!READ_ONCE(sa->pmtu))
		flags |= IPSKB_FORWARDED; /* else the IP layer fragments to its own path MTU */
	IPCB(skb)->flags |= flags;
	IPCB(skb)->frag_max_size = 0;
	if (READ_ONCE(sa->en->direct) && likely(!group)) {
		IPCB(skb)->flags |= IPSKB_REROUTED; /* skips POST_ROUTING */
		ip_send_check(ip_hdr(skb));
		dst_output(sa->en->net, skb->sk, skb);
		return;
	}
	if (unlikely(group))
		espah_loopback_begin(&frame);
	ip_local_out(sa->en->net, skb->sk, skb);
	if (unlikely(group))
		espah_loopback_end(&frame);
}

static void emit6(struct espah_sa *sa, struct sk_buff *skb)
{
	if (sa->mode == ESPAH_MODE_TUNNEL)
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->flags |= IP6SKB_XFRM_TRANSFORMED;
	IP6CB(skb)->frag_max_size = 0;
	if (READ_ONCE(sa->en->direct)) {
		IP6CB(skb)->flags |= IP6SKB_REROUTED; /* skips POST_ROUTING */
		dst_output(sa->en->net, skb->sk, skb);
		return;
	}
	ip6_local_out(sa->en->net, skb->sk, skb);
}

/*
 * Sends a packet. The packet keeps its nesting level while it waits for a driver, for packets
 * behind it or for an SA. So a packet that loops is dropped in the end, although each round begins
 * on an empty stack.
 */
static void send(const struct espah_op *op)
{
	u8 level = max(espah_nesting(), op->nesting);
	unsigned int sas = op->depth + !!level; /* the first SA hardly uses the stack */
	struct espah_emission emission espah_uninit;

	if (unlikely(!espah_recursion_enter(sas))) {
		espah_drop(op->sa->en, op->sa, NULL, ESPAH_DROP_NESTING, op->skb);
		return;
	}
	espah_emission_begin(&emission, level + 1);
	if (op->skb->protocol == htons(ETH_P_IP))
		emit4(op->sa, op->skb);
	else
		emit6(op->sa, op->skb);
	espah_emission_end(&emission);
	espah_recursion_leave(sas);
}

struct espah_op *espah_emit(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	struct espah_net *en = sa->en;
	struct sk_buff *skb = op->skb;
	unsigned int len;

	if (unlikely(op->err)) {
		espah_drop(en, sa, NULL, espah_op_reason(op->err), skb);
		return NULL;
	}
	espah_esp_restore(op);
	if (unlikely(!skb_dst(skb))) {
		espah_drop(en, sa, NULL, ESPAH_DROP_NO_ROUTE, skb);
		return NULL;
	}
	len = op->plain_len;
	if (likely(len)) { /* not a dummy */
		espah_count(sa->counters, 1, len);
		if (likely(!op->policy_id))
			espah_count_net(en->stats, ESPAH_DIR_OUT, op->first_len ?: len);
	}

	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	skb->ignore_df = 1;
	if (unlikely(sa->mark_mask))
		skb->mark = (skb->mark & ~sa->mark_mask) | sa->mark;
	nf_reset_ct(skb);
	secpath_reset(skb); /* left from an SA by which the packet came */
	if (unlikely(op->encap_len))
		espah_encap_finish(skb);
	if (unlikely(op->policy_id))
		return espah_protect_next(op);
	send(op);
	return NULL;
}
