// SPDX-License-Identifier: GPL-2.0-only
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "bundle.h"
#include "compat/gso.h"
#include "packet/esp.h"
#include "packet/flow.h"
#include "packet/mss.h"
#include "packet/mtu.h"
#include "packet/number.h"
#include "packet/route.h"
#include "packet/segment.h"
#include "packet/tap.h"
#include "protect.h"
#include "refuse.h"
#include "report/drop.h"

enum espah_drop espah_protect_layout(struct espah_sa *sa, struct sk_buff *skb,
				     const struct espah_flow *flow, struct espah_layout *layout,
				     struct dst_entry **dst, struct dst_entry **held)
{
	*held = NULL;
	if (unlikely(!espah_path_carries(sa, layout->path, flow)))
		return ESPAH_DROP_FAMILY;
	/* the route of a packet that goes into a link ends there */
	if (sa->mode == ESPAH_MODE_TUNNEL || flow->linked) {
		*held = espah_path_route(sa, layout->path);
		*dst = *held;
	} else {
		*dst = skb_dst(skb);
	}
	if (unlikely(!*dst))
		return ESPAH_DROP_NO_ROUTE;
	if (unlikely(flow->linked && (*dst)->dev == skb->dev))
		return ESPAH_DROP_DEVICE_LOOP;
	return espah_mode_layout(sa, skb, layout);
}

/* Whether a packet that is too big may be fragmented after encryption, rather than refused. */
static bool may_fragment(const struct espah_sa *sa, const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	/* a local socket that did not ask for path MTU discovery */
	if (skb->ignore_df)
		return true;
	/*
	 * Local TCP in transport mode: a smaller path MTU in the route that both packets share
	 * would shrink the ESP packets too. So TCP is limited by its MSS, and packets that are
	 * still too big are fragmented.
	 */
	if (sa->mode == ESPAH_MODE_TRANSPORT && espah_is_local(skb) && sk && sk_fullsock(sk) &&
	    sk->sk_protocol == IPPROTO_TCP)
		return true;
	if (skb->protocol == htons(ETH_P_IP))
		return sa->df == ESPAH_DF_CLEAR || !(ip_hdr(skb)->frag_off & htons(IP_DF));
	/* every IPv6 link carries 1280 bytes, so a tunnel must too (RFC 8200 section 5) */
	return skb->len <= IPV6_MIN_MTU;
}

static bool fits(const struct sk_buff *skb, unsigned int mtu)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) : skb->len <= mtu;
}

/* bytes: more than any SA adds */
#define OVERHEAD_MAX 192

/*
 * A packet over the path MTU. Normally its ESP packet is fragmented, or the packet is refused. If
 * the ESP packet would exceed IP's maximum length, the packet itself is cut, which tunnel mode
 * allows (RFC 4301 7.1). So datagrams of any length pass if they came in fragments, or could have.
 */
static noinline enum espah_drop fit_large(const struct espah_sa *sa,
					  const struct espah_policy *pol, struct sk_buff *skb,
					  unsigned int mtu, unsigned int *cut)
{
	unsigned int more = espah_sa_overhead(sa) + pol->nouter * OVERHEAD_MAX;
	bool may = may_fragment(sa, skb);

	if (may && !fits(skb, IP_MAX_MTU - more)) {
		may = mtu && sa->mode == ESPAH_MODE_TUNNEL && !skb_is_gso(skb) &&
		      (skb->ignore_df || (skb->protocol == htons(ETH_P_IP) &&
					  !(ip_hdr(skb)->frag_off & htons(IP_DF))));
		*cut = mtu;
	}
	if (may)
		return ESPAH_DROP_NONE;
	if (mtu) /* 0: nothing would fit */
		espah_refuse_size(skb, mtu);
	return ESPAH_DROP_TOO_BIG;
}

enum espah_drop espah_protect_fit(struct espah_policy *pol, struct espah_sa *sa,
				  struct sk_buff *skb, const struct espah_flow *flow, int thoff,
				  const struct dst_entry *dst, struct espah_layout *layout,
				  unsigned int *cut)
{
	enum espah_drop reason;
	unsigned int mtu;
	u16 mss;

	if (likely(!pol->nouter)) {
		mtu = espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), layout->hdr_len);
	} else {
		reason = espah_bundle_mtu(pol, sa, flow, espah_dscp(skb), layout->hdr_len, &mtu);
		if (unlikely(reason))
			return reason;
		layout->policy_id = pol->id;
	}
	*cut = 0;
	if (unlikely(!fits(skb, mtu))) {
		reason = fit_large(sa, pol, skb, mtu, cut);
		if (reason)
			return reason;
	}
	layout->pad_to = min_t(unsigned int, READ_ONCE(sa->tfc), mtu);
	if (pol->mss && espah_mss_concerns(flow)) {
		mss = pol->mss == ESPAH_MSS_AUTO ? espah_mss_of_mtu(flow->family, mtu) : pol->mss;
		if (!espah_mss_clamp(skb, thoff, mss))
			return ESPAH_DROP_NOMEM;
	}
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_protect_segment(const struct espah_sa *sa, struct sk_buff *skb,
				      struct espah_layout *layout)
{
	if (unlikely(!espah_segment_finish(skb)))
		return ESPAH_DROP_NOMEM;
	if (unlikely(skb->len + espah_sa_overhead(sa) > IP_MAX_MTU))
		return ESPAH_DROP_TOO_BIG;
	return espah_mode_layout(sa, skb, layout);
}

/* Fills in fields that the IP layer would set later, but AH covers (RFC 4302 3.3.3.1). */
static void settle(struct espah_sa *sa, struct sk_buff *skb, const struct dst_entry *dst,
		   bool last)
{
	struct iphdr *iph = ip_hdr(skb);

	if (skb->protocol != htons(ETH_P_IP)) {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
		return;
	}
	iph->tot_len = htons(skb->len);
	/* ID 0 is enough for a packet that is never fragmented (RFC 6864 4.1) */
	if (!iph->id && (!(iph->frag_off & htons(IP_DF)) || skb->len > dst_mtu(dst) || !last))
		__ip_select_ident(sa->en->net, iph, 1);
}

struct espah_op *espah_protect(struct espah_sa *sa, struct sk_buff *skb,
			       const struct espah_layout *layout, struct dst_entry *dst,
			       struct dst_entry **held, u64 seq)
{
	unsigned int payload_len = skb->len - layout->hdr_len;
	unsigned int head = layout->head_len + LL_RESERVED_SPACE(dst->dev);
	unsigned int tfc_len = 0, tail_len = 0;
	bool ah = espah_sa_is_ah(sa);
	struct sk_buff *trailer;
	struct espah_op *op;
	int nsg;

	if (unlikely(layout->pad_to > payload_len))
		tfc_len = layout->pad_to - payload_len;
	if (likely(!ah))
		tail_len = tfc_len + espah_esp_tail_len(sa, payload_len + tfc_len);
	nsg = espah_op_room(skb, head, tail_len, &trailer);
	op = likely(nsg >= 0) ? espah_op_get(sa, skb) : NULL;
	if (unlikely(!op)) {
		espah_drop(sa->en, sa, NULL, ESPAH_DROP_NOMEM, skb);
		return NULL;
	}
	espah_tap(sa, skb, seq);
	if (likely(!ah))
		espah_esp_put_trailer(sa, skb, trailer, payload_len, tfc_len, layout->next_header);
	op->seq = seq;
	op->nsg = nsg;
	op->next_header = layout->next_header;
	op->policy_id = layout->policy_id;
	op->depth = layout->depth;
	op->nesting = layout->nesting;
	op->first_len = layout->first_len;
	op->plain_len = layout->dummy ? 0 : payload_len + layout->hdr_len;
	op->hdr_off = espah_mode_wrap(sa, skb, layout, dst);
	op->encap_len = layout->path->encap_len;
	if (dst != skb_dst(skb)) {
		skb_dst_drop(skb);
		if (likely(held)) {
			skb_dst_set(skb, dst);
			*held = NULL;
		} else {
			skb_dst_set_noref(skb, dst);
		}
	}
	settle(sa, skb, dst, !layout->policy_id);
	return op;
}

struct espah_op *espah_protect_next(const struct espah_op *op)
{
	struct espah_layout layout = { .depth = op->depth + 1, .policy_id = op->policy_id,
				       .nesting = op->nesting,
				       .first_len = op->first_len ?: op->plain_len };
	struct espah_net *en = op->sa->en;
	/* by its id, because the policy may have gone while a driver had the packet */
	struct espah_policy *pol = espah_spd_by_id(&en->spd, op->policy_id);
	bool ip4 = op->skb->protocol == htons(ETH_P_IP);
	enum espah_drop reason = ESPAH_DROP_NO_SA;
	struct dst_entry *dst, *held = NULL;
	struct sk_buff *skb = op->skb;
	struct espah_template *tmpl;
	struct espah_sa *sa = NULL;
	struct espah_op *next;
	struct espah_flow flow;
	u64 seq;

	if (espah_flow_dissect(skb, ip4 ? AF_INET : AF_INET6, &flow) >= 0 && pol &&
	    layout.depth <= pol->nouter) {
		tmpl = espah_policy_tmpl(pol, layout.depth);
		sa = espah_template_sa_fast(tmpl) ?:
		     espah_template_sa(en, tmpl, &flow, espah_dscp(skb));
	}
	if (unlikely(!sa))
		goto drop;
	layout.path = espah_sa_path(sa);
	if (layout.depth == pol->nouter)
		layout.policy_id = 0;
	if (op->sa->mode == ESPAH_MODE_TUNNEL)
		memset(skb->cb, 0, sizeof(skb->cb)); /* it describes the inner header */
	if (ip4)
		ip_send_check(ip_hdr(skb));
	reason = espah_protect_layout(sa, skb, &flow, &layout, &dst, &held);
	if (unlikely(reason))
		goto drop;
	reason = ESPAH_DROP_TOO_BIG;
	if (unlikely(skb->len + espah_sa_overhead(sa) > IP_MAX_MTU))
		goto drop;
	layout.pad_to = min_t(unsigned int, READ_ONCE(sa->tfc),
			      espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), layout.hdr_len));
	reason = ESPAH_DROP_SEQ_OVERFLOW;
	if (unlikely(!espah_number_one(sa, &seq)))
		goto drop;
	next = espah_protect(sa, skb, &layout, dst, &held, seq);
	dst_release(held);
	return next;
drop:
	espah_drop(en, sa ?: op->sa, pol, reason, skb);
	dst_release(held);
	return NULL;
}
