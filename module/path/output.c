// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of an outbound packet from POST_ROUTING to the wire, step by step:
 *
 *   decide    ask the policies: the packet passes, is dropped, or has to go through SAs
 *   resolve   find those SAs; without them the packet is held or dropped
 *   protect   lay the packet out, fit it to the path and wrap it. The sender is told if it is too
 *             big; conntrack or a helper may keep it; GSO packets are segmented. If more packets
 *             wait behind it, the packet may be gathered, and continues together with them
 *   seal      prepare the crypto, and charge the packet to the SA's lifetime
 *   order     run the crypto, here, on another CPU, or in a driver that completes later; packets
 *             of an SA continue in order. Here a packet may leave this CPU: resume.c continues
 *   emit      the IP layer sends the packet; or the next SA of a bundle takes it, from protect on
 */
#include <net/ip.h>
#include "bundle.h"
#include "compat/compiler.h"
#include "confirm.h"
#include "decide.h"
#include "emit.h"
#include "flowtable.h"
#include "gather.h"
#include "held.h"
#include "order.h"
#include "output.h"
#include "packet/flow.h"
#include "packet/number.h"
#include "packet/segment.h"
#include "packet/tap.h"
#include "protect.h"
#include "refuse.h"
#include "report/drop.h"
#include "report/event.h"
#include "seal.h"

/* --- the path, from a packet that espah_protect() has wrapped --- */

void espah_output_run(struct espah_op *op)
{
	bool spread;

	if (unlikely(!op))
		return;
	if (espah_bh_yields && !op->seq) {
		if (espah_order_enter(op, &spread))
			espah_output_on(espah_seal(op) ? espah_order_go(op, spread) :
							 espah_order_leave(op));
		return;
	}
	if (likely(espah_seal(op)))
		espah_output_on(espah_order_run(op));
}

void espah_output_on(struct espah_op *op)
{
	struct espah_op *next;

	for (; op; op = espah_order_next(op)) {
		next = espah_emit(op);
		if (unlikely(next)) /* another SA of a bundle */
			espah_output_run(next);
	}
}

/* The same for several packets of an SA: number them, run the crypto of all, then send them. */
static void run_together(struct espah_op **ops, unsigned int n)
{
	struct espah_sa *sa = ops[0]->sa;
	/* packets in the queue by now came before these */
	unsigned int i, usable, direct = unlikely(espah_order_queued(sa)) ? 0 : n;
	struct net_device *dev;
	bool sealed;
	u64 seq;

	usable = espah_number_take(sa, n, &seq);
	for (i = 0; i < n; i++) {
		dev = ops[i]->dev;
		if (likely(i < usable)) {
			ops[i]->seq = seq + i;
			sealed = espah_seal(ops[i]);
		} else {
			espah_drop(sa->en, sa, NULL, ESPAH_DROP_SEQ_OVERFLOW, ops[i]->skb);
			espah_op_put(ops[i]);
			sealed = false;
		}
		if (unlikely(!sealed)) {
			dev_put(dev);
			ops[i] = NULL;
		} else if (unlikely(!espah_order_crypt(ops[i]))) {
			direct = min(direct, i);
		}
	}
	for (i = 0; i < n; i++) {
		if (unlikely(!ops[i]))
			continue;
		dev = ops[i]->dev;
		espah_output_on(likely(i < direct) ? ops[i] : espah_order_queue(ops[i]));
		dev_put(dev);
	}
}

static void run_gathered(struct espah_gathering *gathering)
{
	struct espah_op **ops;
	struct espah_sa *sa;
	unsigned int n;

	if (!espah_gather_begin(gathering))
		return;
	while ((n = espah_gather_next(gathering, &ops))) {
		sa = ops[0]->sa;
		run_together(ops, n);
		espah_sa_put(sa);
	}
	espah_gather_end(gathering);
}

int espah_output_poll(struct napi_struct *napi, int budget)
{
	rcu_read_lock();
	run_gathered(container_of(napi, struct espah_gathering, napi));
	rcu_read_unlock();
	napi_complete_done(napi, 0);
	return 0;
}

/* --- how packets get there --- */

/* Whether a packet may wait for those behind it without a sequence number. */
static bool is_patient(const struct espah_sa *sa, const struct espah_policy *pol,
		       const struct sk_buff *skb)
{
	return !espah_is_local(skb) && !espah_sa_is_ah(sa) && !pol->nouter &&
	       !espah_tap_looks(sa->en);
}

/*
 * Segments and checksums a packet, which drivers behind us would do. If the packet becomes a list,
 * adds its length to @n: then each packet of it needs a new layout.
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
 * send - send a packet through its SAs
 * @en: network namespace
 * @pol: the policy that requires them
 * @sa: the first SA of the policy
 * @skb: the packet; always consumed
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @state: the hook's; NULL for a packet of a link, or that was held
 *
 * Context: RCU reader, BH disabled.
 */
static void send(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
		 struct sk_buff *skb, const struct espah_flow *flow, int thoff,
		 const struct nf_hook_state *state)
{
	struct espah_layout layout = { .path = espah_sa_path(sa),
				       .nesting = espah_nesting() };
	enum espah_drop reason = ESPAH_DROP_NESTING;
	struct dst_entry *dst, *held = NULL;
	struct sk_buff *segs, *next;
	unsigned int cut, left = 0, usable = 0, n = 0, bytes = 0, verdict;
	bool waits = false, several;
	struct espah_op *op;
	u64 seq;

	if (unlikely(layout.nesting == ESPAH_NESTING_MAX))
		goto drop;

	reason = ESPAH_DROP_NOMEM;
	if (skb_is_gso(skb) && !espah_segment_plain(skb, &thoff))
		goto drop;
	reason = espah_protect_layout(sa, skb, flow, &layout, &dst, &held);
	if (unlikely(reason))
		goto drop;
	reason = espah_protect_fit(pol, sa, skb, flow, thoff, dst, &layout, &cut);
	if (unlikely(reason))
		goto drop;

	/* do the work of the hooks and drivers behind us */
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
			run_gathered(espah_gather_here());
	}

	skb_list_walk_safe(skb, segs, next) {
		skb_mark_not_on_list(segs);
		reason = several ? espah_protect_segment(sa, segs, &layout) : ESPAH_DROP_NONE;
		if (unlikely(reason)) {
			espah_drop(en, sa, pol, reason, segs);
			continue;
		}
		if (waits || espah_number_later(en)) {
			usable = 1;
			seq = 0;
		} else if (!usable) {
			usable = espah_number_take(sa, min(left, ESPAH_BATCH), &seq);
			left -= usable;
		}
		if (unlikely(!usable)) {
			espah_drop(en, sa, pol, ESPAH_DROP_SEQ_OVERFLOW, segs);
			continue;
		}
		usable--;
		n++;
		bytes += segs->len;
		op = espah_protect(sa, segs, &layout, dst, next ? NULL : &held, seq++);
		if (!waits)
			espah_output_run(op);
		else if (likely(op) && espah_gather(op))
			run_gathered(espah_gather_here());
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
		       struct sk_buff *skb, const struct espah_flow *flow, int thoff, u8 nesting)
{
	struct espah_emission emission;

	local_bh_disable();
	espah_emission_begin(&emission, nesting);
	send(en, pol, sa, skb, flow, thoff, NULL);
	espah_emission_end(&emission);
	local_bh_enable();
}

/* Sends a packet that a policy protects, as send(), or holds or drops it without an SA. */
static __always_inline void resolve(struct espah_net *en, struct espah_decision *is,
				    struct sk_buff *skb, const struct espah_flow *flow, int thoff,
				    const struct nf_hook_state *state)
{
	const struct espah_flow *of = is->quotes ? &is->quoted : flow;
	struct espah_sa *sa = espah_policy_sa(en, is->pol, of, skb);

	if (unlikely(!sa))
		sa = espah_held_passed(en, is->pol, of, espah_dscp(skb));
	if (likely(sa)) {
		skb = skb_share_check(skb, GFP_ATOMIC);
		if (unlikely(!skb))
			espah_count_drop(en, sa, is->pol, ESPAH_DROP_NOMEM, NULL, 1);
		else
			send(en, is->pol, sa, skb, flow, thoff, state);
		return;
	}
	if (is->quotes) { /* RFC 4301 6.2: ICMP errors create no SA */
		espah_drop(en, NULL, is->pol, ESPAH_DROP_ICMP_NO_SA, skb);
		return;
	}
	espah_event_acquire(en, is->pol, flow);
	if (READ_ONCE(is->pol->queue)) {
		espah_hold(en, is->pol, skb, flow, thoff, state);
		return;
	}
	if (is->pol->unreach)
		espah_refuse(skb, false);
	espah_drop(en, NULL, is->pol, ESPAH_DROP_NO_SA, skb);
}

unsigned int espah_output_enters(struct espah_net *en, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (likely(espah_is_local(skb) || espah_flowtable_allow(en, skb, state)))
		return NF_ACCEPT;
	espah_drop(en, NULL, NULL, ESPAH_DROP_CONFIRM, skb);
	return NF_STOLEN;
}

void espah_output_link(struct espah_net *en, u32 if_id, struct sk_buff *skb)
{
	u8 family = skb->protocol == htons(ETH_P_IP) ? AF_INET : AF_INET6;
	enum espah_drop reason = ESPAH_DROP_MALFORMED_OUT;
	struct espah_packet packet = { .skb = skb };
	struct espah_decision is espah_uninit;
	struct espah_flow flow espah_uninit;

	is.pol = NULL;
	if (unlikely(!pskb_inet_may_pull(skb)))
		goto drop;
	packet.thoff = espah_flow_dissect(skb, family, &flow);
	if (unlikely(packet.thoff < 0))
		goto drop;
	espah_flow_link(&flow, if_id);
	reason = espah_decide(en, ESPAH_DIR_OUT, &flow, &packet, &is);
	if (likely(!reason)) {
		resolve(en, &is, skb, &flow, packet.thoff, NULL);
		return;
	}
	if (reason == ESPAH_DROP_DISCARD_OUT && is.pol->unreach)
		espah_refuse(skb, true);
drop:
	espah_drop(en, NULL, is.pol, reason, skb);
}

unsigned int espah_output(struct espah_net *en, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	struct espah_flow flow espah_uninit;
	struct espah_decision is espah_uninit;
	struct espah_packet packet = { .skb = skb, .sk = state->sk };
	enum espah_drop reason;

	/* XFRM's packets pass here before they have a device */
	if (unlikely(!skb->dev))
		skb->dev = state->out;

	packet.thoff = espah_flow_dissect(skb, state->pf, &flow);
	if (unlikely(packet.thoff < 0)) {
		espah_drop(en, NULL, NULL, ESPAH_DROP_MALFORMED_OUT, skb);
		return NF_STOLEN;
	}
	reason = espah_decide(en, ESPAH_DIR_OUT, &flow, &packet, &is);
	if (is.action == ESPAH_ACTION_BYPASS && likely(!reason)) {
		if (likely(espah_is_local(skb) || espah_flowtable_allow(en, skb, state))) {
			if (is.pol)
				espah_count(is.pol->counters, 1, skb->len);
			return NF_ACCEPT;
		}
		reason = ESPAH_DROP_CONFIRM;
	} else if (likely(!reason) || reason == ESPAH_DROP_DISCARD_OUT) {
		espah_flowtable_end(skb);
	}
	if (unlikely(is.exempt))
		return NF_ACCEPT;
	if (unlikely(reason)) {
		if (reason == ESPAH_DROP_DISCARD_OUT && is.pol && is.pol->unreach)
			espah_refuse(skb, true);
		goto drop;
	}

	resolve(en, &is, skb, &flow, packet.thoff, state);
	return NF_STOLEN;
drop:
	espah_drop(en, NULL, is.pol, reason, skb);
	return NF_STOLEN;
}
