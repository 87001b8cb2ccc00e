// SPDX-License-Identifier: GPL-2.0-only
/* From POST_ROUTING into an SA, in the order in which a packet meets it. */
#include <linux/random.h>
#include <net/esp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/xfrm.h>
#include "ah.h"
#include "bundle.h"
#include "compat/compiler.h"
#include "compat/gso.h"
#include "compat/netdev.h"
#include "confirm.h"
#include "domain.h"
#include "drop.h"
#include "event.h"
#include "flow.h"
#include "flowtable.h"
#include "gather.h"
#include "held.h"
#include "icmp.h"
#include "ike.h"
#include "loopback.h"
#include "mode.h"
#include "mss.h"
#include "mtu.h"
#include "order.h"
#include "output.h"
#include "recent.h"
#include "refuse.h"
#include "route.h"
#include "segment.h"
#include "tap.h"
#include "udp_encap.h"

/*
 * How many emissions a packet may go through. Where the route to an SA's peer leads over a
 * tunnel, what was sent meets the hooks and a policy again while ip_local_out() has not yet
 * returned, and each time lies deeper on the stack, which has 16 KiB. An emission, with the
 * tunnel device, IP output and the hook beneath it, takes 1.6 to 1.9 KB (GRE over IPv4 to
 * over IPv6 with nftables, 6.1 and 6.12), and 2.8 KB when its policy asks for four SAs; a
 * datagram's sender has used 2.2 KB before, and what is beneath the last one takes up to 2 KB.
 * So three take 13 KB at most. Linux 6.12 lets tunnels nest no deeper either; as to devices in
 * between before that, see espah_recursion_enter().
 */
#define ESPAH_NESTING_MAX 3

/* how many emissions this CPU is within; BH disabled, so softirqs do not come in between */
static DEFINE_PER_CPU(u8, nesting);

u8 espah_output_nesting(void)
{
	return __this_cpu_read(nesting);
}

/* Whether a packet may wait for those behind it, without a number. */
static bool is_patient(const struct espah_sa *sa, const struct espah_policy *pol,
		       const struct sk_buff *skb)
{
	return !espah_is_local(skb) && !espah_sa_is_ah(sa) && !pol->nouter && !espah_tap_looks(sa->en);
}

/* Whether a packet that is too big may be fragmented after encryption, rather than refused. */
static bool may_fragment(const struct espah_sa *sa, const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	/* a local socket that did not ask for path MTU discovery */
	if (skb->ignore_df)
		return true;
	/*
	 * TCP of our own in transport mode: a smaller path MTU in the route that
	 * both packets share would shrink the ESP packets too, so TCP is held
	 * down by its MSS, and what is still too big is fragmented.
	 */
	if (sa->mode == ESPAH_MODE_TRANSPORT && espah_is_local(skb) && sk && sk_fullsock(sk) &&
	    sk->sk_protocol == IPPROTO_TCP)
		return true;
	if (skb->protocol == htons(ETH_P_IP))
		return sa->df == ESPAH_DF_CLEAR || !(ip_hdr(skb)->frag_off & htons(IP_DF));
	/* every IPv6 link carries 1280 bytes, and so has a tunnel (RFC 8200 section 5) */
	return skb->len <= IPV6_MIN_MTU;
}

static bool fits(const struct sk_buff *skb, unsigned int mtu)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) : skb->len <= mtu;
}

/* more than any SA adds */
#define OVERHEAD_MAX 192

/*
 * A packet over the path MTU. As a rule its ESP packet is fragmented, or it is refused. Where IP
 * could not say how long that is, the packet itself has to be cut, which a tunnel allows
 * (RFC 4301 7.1); so datagrams of any length pass that came in fragments, or could have.
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

unsigned int espah_output_reserve(struct espah_sa *sa, unsigned int n, u64 *first)
{
	u64 limit = espah_sa_seq_limit(sa);
	u64 last;

	if (unlikely((u64)atomic64_read(&sa->seq) >= limit))
		return 0;
	last = atomic64_add_return(n, &sa->seq);
	*first = last - n + 1;
	if (likely(last <= limit))
		return n;
	return *first <= limit ? limit - *first + 1 : 0;
}

/* Fills in what is the IP layer's to do, but covered by AH (RFC 4302 3.3.3.1). */
static void settle(struct espah_sa *sa, struct sk_buff *skb, const struct dst_entry *dst,
		   bool last)
{
	struct iphdr *iph = ip_hdr(skb);

	if (skb->protocol != htons(ETH_P_IP)) {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
		return;
	}
	iph->tot_len = htons(skb->len);
	/* 0 will do for a packet that is never fragmented (RFC 6864 4.1) */
	if (!iph->id && (!(iph->frag_off & htons(IP_DF)) || skb->len > dst_mtu(dst) || !last))
		__ip_select_ident(sa->en->net, iph, 1);
}

/* Prepares the encryption of a packet that has its number, and lets it count. */
static enum espah_drop seal(struct espah_op *op, int nsg, u8 next_header)
{
	struct espah_sa *sa = op->sa;
	enum espah_drop reason = unlikely(espah_sa_is_ah(sa)) ?
				 espah_ah_seal(op, nsg, next_header) : espah_esp_seal(op, nsg);

	if (unlikely(READ_ONCE(sa->watch)) && !reason && !espah_life_charge(sa, op->ct_len))
		reason = ESPAH_DROP_EXPIRED;
	return reason;
}

bool espah_output_seal(struct espah_op *op, u64 seq)
{
	enum espah_drop reason = ESPAH_DROP_SEQ_OVERFLOW;

	if (likely(seq)) {
		op->seq = seq;
		reason = seal(op, op->nsg, 0);
	}
	if (likely(!reason))
		return true;
	espah_drop(op->sa->en, op->sa, NULL, reason, op->skb);
	op->skb = NULL;
	return false;
}

/*
 * Wraps and encrypts one packet. Consumes it, and the reference to its route if there is one.
 * Without a number it waits.
 */
static void protect_one(struct espah_sa *sa, struct sk_buff *skb,
			const struct espah_layout *layout, struct dst_entry *dst,
			struct dst_entry **held, u64 seq)
{
	unsigned int payload_len = skb->len - layout->hdr_len;
	unsigned int head = layout->head_len + LL_RESERVED_SPACE(dst->dev);
	enum espah_drop reason = ESPAH_DROP_NOMEM;
	unsigned int tfc_len = 0, tail_len = 0;
	bool ah = espah_sa_is_ah(sa);
	struct sk_buff *trailer;
	struct espah_op *op;
	int nsg;

	if (unlikely(layout->pad_to > payload_len))
		tfc_len = layout->pad_to - payload_len;
	if (likely(!ah))
		tail_len = tfc_len + espah_esp_tail_len(sa, payload_len + tfc_len);
	nsg = espah_esp_room(skb, head, tail_len, &trailer);
	if (unlikely(nsg < 0))
		goto drop;
	op = espah_op_get(sa, skb);
	if (unlikely(!op))
		goto drop;
	espah_tap(sa, skb, seq);
	if (likely(!ah))
		espah_esp_put_trailer(sa, skb, trailer, payload_len, tfc_len, layout->next_header);
	op->seq = seq;
	op->policy_id = layout->policy_id;
	op->depth = layout->depth;
	op->nesting = layout->nesting;
	op->first_len = layout->first_len;
	op->plain_len = layout->dummy ? 0 : payload_len + layout->hdr_len;
	op->hdr_off = espah_mode_wrap(sa, skb, layout, dst);
	op->encap_len = layout->path->encap_len;
	if (sa->mode == ESPAH_MODE_TUNNEL) {
		skb_dst_drop(skb);
		if (likely(held)) {
			skb_dst_set(skb, dst);
			*held = NULL;
		} else {
			skb_dst_set_noref(skb, dst);
		}
	}
	settle(sa, skb, dst, !layout->policy_id);
	if (!seq) {
		op->nsg = nsg;
		espah_gather(op);
		return;
	}
	reason = seal(op, nsg, layout->next_header);
	if (unlikely(reason)) {
		espah_op_put(op);
		goto drop;
	}
	espah_order_run(op);
	return;
drop:
	espah_drop(sa->en, sa, NULL, reason, skb);
}

/**
 * lay_out - find out how an SA would wrap a packet
 * @sa: the SA
 * @skb: the packet
 * @flow: its flow
 * @layout: with @path; the rest that espah_mode_layout() knows is filled in
 * @dst: gets the route of the wrapped packet
 * @held: gets what the caller has to release
 *
 * Return: ESPAH_DROP_NONE, or why the SA cannot take it.
 */
static enum espah_drop lay_out(struct espah_sa *sa, struct sk_buff *skb,
			       const struct espah_flow *flow, struct espah_layout *layout,
			       struct dst_entry **dst, struct dst_entry **held)
{
	*held = NULL;
	if (unlikely(!espah_path_takes(sa, layout->path, flow)))
		return ESPAH_DROP_FAMILY;
	if (sa->mode == ESPAH_MODE_TUNNEL) {
		*held = espah_path_route(sa, layout->path);
		*dst = *held;
	} else {
		*dst = skb_dst(skb);
	}
	return likely(*dst) ? espah_mode_layout(sa, skb, layout) : ESPAH_DROP_NO_ROUTE;
}

/*
 * What segmentation made has headers of its own: some are gone, and UFO makes IP fragments. Nor
 * has it computed checksums of tunnels around what was segmented, which a device might.
 */
static enum espah_drop look_again(const struct espah_sa *sa, struct sk_buff *skb,
				  struct espah_layout *layout)
{
	if (unlikely(!espah_segment_finish(skb)))
		return ESPAH_DROP_NOMEM;
	if (unlikely(skb->len + espah_sa_overhead(sa) > IP_MAX_MTU))
		return ESPAH_DROP_TOO_BIG;
	return espah_mode_layout(sa, skb, layout);
}

/*
 * Fits a packet to the path of its SAs. @cut gets the size of the fragments that it has to be cut
 * into, or 0.
 */
static enum espah_drop fit(struct espah_policy *pol, struct espah_sa *sa, struct sk_buff *skb,
			   const struct espah_flow *flow, int thoff,
			   const struct dst_entry *dst, struct espah_layout *layout,
			   unsigned int *cut)
{
	enum espah_drop reason;
	unsigned int mtu;
	u16 mss;

	if (likely(!pol->nouter)) {
		mtu = espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), layout->hdr_len);
	} else {
		reason = espah_bundle_mtu(pol, sa, flow, layout->hdr_len, &mtu);
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

/*
 * Does what drivers behind us would have done. The packet becomes a list of @n, where each has to
 * be looked at again, or none.
 */
static enum espah_drop divide(struct espah_net *en, struct sk_buff **skb, unsigned int cut,
			      unsigned int *n)
{
	struct sk_buff *segs, *next;

	if (likely(!skb_is_gso(*skb) && !cut))
		return espah_segment_finish(*skb) ? ESPAH_DROP_NONE : ESPAH_DROP_NOMEM;
	segs = cut ? espah_segment_cut(en->net, *skb, cut) : espah_segment_gso(*skb);
	if (unlikely(!segs))
		return ESPAH_DROP_SEGMENT;
	*skb = segs;
	skb_list_walk_safe(segs, segs, next)
		(*n)++;
	return ESPAH_DROP_NONE;
}

/**
 * protect - send a packet through an SA
 * @en: network namespace
 * @pol: the policy that asks for it
 * @sa: the SA that it asks for
 * @skb: the packet; consumed whatever comes
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @state: the hook's
 *
 * Context: RCU reader, BH disabled.
 */
static void protect(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		    struct sk_buff *skb, const struct espah_flow *flow, int thoff,
		    const struct nf_hook_state *state)
{
	struct espah_layout layout = { .path = espah_sa_path(sa),
				       .nesting = __this_cpu_read(nesting) };
	enum espah_drop reason = ESPAH_DROP_NESTING;
	struct dst_entry *dst, *held = NULL;
	struct sk_buff *segs, *next;
	unsigned int cut, left = 0, usable = 0, n = 0, bytes = 0, verdict;
	bool waits = false, several;
	u64 seq;

	if (unlikely(layout.nesting == ESPAH_NESTING_MAX))
		goto drop;

	/* fit */
	reason = ESPAH_DROP_NOMEM;
	if (skb_is_gso(skb) && !espah_segment_plain(skb, &thoff))
		goto drop;
	reason = lay_out(sa, skb, flow, &layout, &dst, &held);
	if (unlikely(reason))
		goto drop;
	reason = fit(pol, sa, skb, flow, thoff, dst, &layout, &cut);
	if (unlikely(reason))
		goto drop;

	/* what hooks and drivers behind us would have done */
	verdict = espah_confirm(skb, state);
	if (unlikely(verdict != NF_ACCEPT)) {
		reason = ESPAH_DROP_CONFIRM;
		if (verdict != NF_STOLEN)
			goto drop;
		dst_release(held);
		return;
	}
	reason = divide(en, &skb, cut, &left);
	if (unlikely(reason))
		goto drop;
	several = left;
	left = left ?: 1;

	if (espah_gather_expects(skb)) {
		waits = state && is_patient(sa, pol, skb) && espah_gather_takes(sa, skb);
		if (!waits)
			espah_gather_flush();
	}

	/* reserve, transform, emit */
	skb_list_walk_safe(skb, segs, next) {
		skb_mark_not_on_list(segs);
		reason = several ? look_again(sa, segs, &layout) : ESPAH_DROP_NONE;
		if (unlikely(reason)) {
			espah_drop(en, sa, pol, reason, segs);
			continue;
		}
		if (waits) {
			usable = 1;
			seq = 0;
		} else if (!usable) {
			usable = espah_output_reserve(sa, min(left, ESPAH_BATCH), &seq);
			left -= usable;
		}
		if (unlikely(!usable)) {
			espah_drop(en, sa, pol, ESPAH_DROP_SEQ_OVERFLOW, segs);
			continue;
		}
		usable--;
		n++;
		bytes += segs->len;
		protect_one(sa, segs, &layout, dst, next ? NULL : &held, seq++);
	}
	if (likely(n))
		espah_count(pol->counters, n, bytes);
	dst_release(held);
	return;
drop:
	espah_drop(en, sa, pol, reason, skb);
	dst_release(held);
}

void espah_output_held(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		       struct sk_buff *skb, const struct espah_flow *flow, int thoff, u8 level)
{
	local_bh_disable();
	__this_cpu_write(nesting, level);
	protect(en, pol, sa, skb, flow, thoff, NULL);
	__this_cpu_write(nesting, 0);
	local_bh_enable();
}

bool espah_output_dummy(struct espah_sa *sa)
{
	struct espah_path *path = espah_sa_path(sa);
	struct espah_layout layout = { .path = path };
	struct dst_entry *dst = espah_path_route(sa, path);
	unsigned int ip_len = espah_path_ip_len(path);
	bool ip4 = path->family == AF_INET;
	struct sk_buff *skb = NULL;
	unsigned int mtu, len;
	u64 seq;

	if (!dst)
		return false;
	mtu = espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), ip_len);
	if (mtu <= ip_len)
		goto fail;
	/* a header, which transport mode needs, and random bytes, as many as chance will have it */
	len = ip_len + 1 + get_random_u32() % (mtu - ip_len);
	skb = alloc_skb(MAX_HEADER + len, GFP_ATOMIC);
	if (!skb)
		goto fail;
	skb_reserve(skb, MAX_HEADER);
	get_random_bytes(skb_put(skb, len), len);
	skb->protocol = ip4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	skb->dev = dst->dev;
	espah_mode_header(sa, skb, path, dst, 0, true);
	if (ip4) {
		ip_hdr(skb)->protocol = IPPROTO_NONE;
		ip_hdr(skb)->tot_len = htons(len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->nexthdr = IPPROTO_NONE;
		ipv6_hdr(skb)->payload_len = htons(len - ip_len);
	}
	if (espah_mode_layout(sa, skb, &layout) || !espah_output_reserve(sa, 1, &seq))
		goto fail;
	layout.next_header = IPPROTO_NONE;
	layout.dummy = true;
	layout.pad_to = min_t(unsigned int, READ_ONCE(sa->tfc), mtu);
	skb_dst_set(skb, dst);
	dst_hold(dst);
	protect_one(sa, skb, &layout, dst, NULL, seq);
	dst_release(dst);
	return true;
fail:
	kfree_skb(skb);
	dst_release(dst);
	return false;
}

/* Lets the next SA of a bundle take what the last one has made. Consumes the packet. */
static void protect_more(const struct espah_op *op)
{
	struct espah_layout layout = { .depth = op->depth + 1, .policy_id = op->policy_id,
				       .nesting = op->nesting,
				       .first_len = op->first_len ?: op->plain_len };
	struct espah_net *en = op->sa->en;
	/* by its number, as a driver may have kept the packet for longer than the policy lived */
	struct espah_policy *pol = espah_spd_by_id(&en->spd, op->policy_id);
	bool ip4 = op->skb->protocol == htons(ETH_P_IP);
	enum espah_drop reason = ESPAH_DROP_NO_SA;
	struct dst_entry *dst, *held = NULL;
	struct sk_buff *skb = op->skb;
	struct espah_sa *sa = NULL;
	struct espah_flow flow;
	u64 seq;

	if (espah_flow_dissect(skb, ip4 ? AF_INET : AF_INET6, &flow) >= 0 && pol &&
	    layout.depth <= pol->nouter)
		sa = espah_template_sa(en, espah_policy_tmpl(pol, layout.depth), &flow);
	if (unlikely(!sa))
		goto drop;
	layout.path = espah_sa_path(sa);
	if (layout.depth == pol->nouter)
		layout.policy_id = 0;
	if (op->sa->mode == ESPAH_MODE_TUNNEL)
		memset(skb->cb, 0, sizeof(skb->cb)); /* says something about the inner header */
	if (ip4)
		ip_send_check(ip_hdr(skb));
	reason = lay_out(sa, skb, &flow, &layout, &dst, &held);
	if (unlikely(reason))
		goto drop;
	reason = ESPAH_DROP_TOO_BIG;
	if (unlikely(skb->len + espah_sa_overhead(sa) > IP_MAX_MTU))
		goto drop;
	layout.pad_to = min_t(unsigned int, READ_ONCE(sa->tfc),
			      espah_sa_mtu(sa, espah_sa_dst_mtu(sa, dst), layout.hdr_len));
	reason = ESPAH_DROP_SEQ_OVERFLOW;
	if (unlikely(!espah_output_reserve(sa, 1, &seq)))
		goto drop;
	protect_one(sa, skb, &layout, dst, &held, seq);
	dst_release(held);
	return;
drop:
	espah_drop(en, sa ?: op->sa, pol, reason, skb);
	dst_release(held);
}

/* Leaves it to the IP layer to send an ESP packet. */
static void emit4(struct espah_sa *sa, struct sk_buff *skb)
{
	bool group = skb_rtable(skb)->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST);
	u16 flags = IPSKB_XFRM_TRANSFORMED;

	if (sa->mode == ESPAH_MODE_TUNNEL)
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (!READ_ONCE(sa->pmtu))
		flags |= IPSKB_FORWARDED; /* or the IP layer fragments to its own path MTU */
	IPCB(skb)->flags |= flags;
	IPCB(skb)->frag_max_size = 0;
	if (unlikely(group))
		espah_loopback_begin();
	ip_local_out(sa->en->net, skb->sk, skb);
	if (unlikely(group))
		espah_loopback_end();
}

static void emit6(struct espah_sa *sa, struct sk_buff *skb)
{
	if (sa->mode == ESPAH_MODE_TUNNEL)
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->flags |= IP6SKB_XFRM_TRANSFORMED;
	IP6CB(skb)->frag_max_size = 0;
	ip6_local_out(sa->en->net, skb->sk, skb);
}

/*
 * Sends it. The packet keeps its level while it waits for a driver, for those behind it or for
 * an SA: so one that goes round in a circle ends, though it begins each time on an empty stack.
 */
static void emit(const struct espah_op *op)
{
	u8 outer = __this_cpu_read(nesting), level = max(outer, op->nesting);
	unsigned int sas = op->depth + !!level; /* the first one hardly takes any of the stack */

	if (unlikely(!espah_recursion_enter(sas))) {
		espah_drop(op->sa->en, op->sa, NULL, ESPAH_DROP_NESTING, op->skb);
		return;
	}
	__this_cpu_write(nesting, level + 1);
	if (op->skb->protocol == htons(ETH_P_IP))
		emit4(op->sa, op->skb);
	else
		emit6(op->sa, op->skb);
	__this_cpu_write(nesting, outer);
	espah_recursion_leave(sas);
}

void espah_output_done(struct espah_op *op, int err)
{
	struct espah_sa *sa = op->sa;
	struct espah_net *en = sa->en;
	struct sk_buff *skb = op->skb;
	struct espah_net_stats *stats;
	unsigned int len;

	if (unlikely(err)) {
		espah_drop(en, sa, NULL, espah_op_reason(err), skb);
		return;
	}
	espah_esp_restore(op);
	if (unlikely(!skb_dst(skb))) {
		espah_drop(en, sa, NULL, ESPAH_DROP_NO_ROUTE, skb);
		return;
	}
	len = op->plain_len;
	if (likely(len)) { /* no dummy */
		espah_count(sa->counters, 1, len);
		if (likely(!op->policy_id)) {
			stats = this_cpu_ptr(en->stats);
			stats->dir[ESPAH_DIR_OUT].packets++;
			stats->dir[ESPAH_DIR_OUT].bytes += op->first_len ?: len;
		}
	}

	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	skb->ignore_df = 1;
	nf_reset_ct(skb);
	secpath_reset(skb); /* of what came by another SA */
	if (unlikely(op->encap_len))
		espah_encap_finish(skb);
	if (unlikely(op->policy_id))
		protect_more(op);
	else
		emit(op);
}

unsigned int espah_output(struct espah_net *en, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	struct espah_flow flow espah_uninit;
	struct espah_flow quoted espah_uninit;
	struct espah_policy *pol, *of = NULL;
	struct espah_sa *sa;
	u8 action;
	int thoff;

	/* XFRM lets its packets pass here before they have a device */
	if (unlikely(!skb->dev))
		skb->dev = state->out;

	/* classify */
	thoff = espah_flow_dissect(skb, state->pf, &flow);
	if (unlikely(thoff < 0)) {
		espah_drop(en, NULL, NULL, ESPAH_DROP_MALFORMED_OUT, skb);
		return NF_STOLEN;
	}
	pol = espah_recent_policy(&en->spd, ESPAH_DIR_OUT, &flow);
	action = pol ? pol->action : READ_ONCE(en->default_action[ESPAH_DIR_OUT]);
	if (unlikely(flow.hidden)) {
		espah_drop(en, NULL, pol, ESPAH_DROP_OPAQUE_OUT, skb);
		return NF_STOLEN;
	}
	if (unlikely(espah_flow_is_icmp(&flow)) && espah_icmp_redirects(en, skb, &flow, thoff)) {
		espah_drop(en, NULL, pol, ESPAH_DROP_REDIRECT, skb);
		return NF_STOLEN;
	}
	if (unlikely(espah_flow_is_icmp(&flow)) && action != ESPAH_ACTION_PROTECT)
		of = espah_icmp_policy(en, ESPAH_DIR_OUT, skb, &flow, thoff, pol, &quoted);
	if (unlikely(of)) {
		pol = of;
	} else if (action == ESPAH_ACTION_BYPASS) {
		if (unlikely(!espah_is_local(skb) && !espah_flowtable_allow(en, skb, state))) {
			espah_drop(en, NULL, pol, ESPAH_DROP_CONFIRM, skb);
			return NF_STOLEN;
		}
		if (pol)
			espah_count(pol->counters, 1, skb->len);
		return NF_ACCEPT;
	}
	espah_flowtable_end(skb);
	if (espah_flow_is_nd(skb, &flow, thoff) ||
	    espah_ike_sends(state->sk, skb, &flow, thoff))
		return NF_ACCEPT;
	if (action == ESPAH_ACTION_DISCARD && !of) {
		if (pol && pol->unreach)
			espah_refuse(skb, true);
		espah_drop(en, NULL, pol, ESPAH_DROP_DISCARD_OUT, skb);
		return NF_STOLEN;
	}

	/* resolve */
	sa = espah_policy_sa(en, pol, of ? &quoted : &flow);
	if (unlikely(!sa)) {
		if (!of) /* RFC 4301 6.2: for an ICMP error no SA is made */
			espah_event_acquire(en, pol, &flow);
		if (!of && READ_ONCE(pol->queue)) {
			espah_hold(en, pol, skb, &flow, thoff, state);
			return NF_STOLEN;
		}
		if (!of && pol->unreach)
			espah_refuse(skb, false);
		espah_drop(en, NULL, pol, of ? ESPAH_DROP_ICMP_NO_SA : ESPAH_DROP_NO_SA, skb);
		return NF_STOLEN;
	}
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!skb)) {
		espah_count_drop(en, sa, pol, ESPAH_DROP_NOMEM, NULL, 1);
		return NF_STOLEN;
	}
	protect(en, pol, sa, skb, &flow, thoff, state);
	return NF_STOLEN;
}
