// SPDX-License-Identifier: GPL-2.0-only
#include <linux/etherdevice.h>
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/xfrm.h>
#include "bundle.h"
#include "compat/compiler.h"
#include "cpu/cell.h"
#include "db/domain.h"
#include "db/recent.h"
#include "deliver.h"
#include "device.h"
#include "icmp.h"
#include "open.h"
#include "packet/esp.h"
#include "packet/flow.h"
#include "packet/mark.h"
#include "packet/mode.h"
#include "packet/mss.h"
#include "packet/mtu.h"
#include "packet/secpath.h"
#include "packet/tap.h"
#include "packet/udp_encap.h"
#include "report/drop.h"
#include "report/event.h"

/* The outbound SA for replies to packets that came by @sa, or NULL. */
static struct espah_sa *reverse(const struct espah_sa *sa)
{
	struct espah_slot_id id = READ_ONCE(sa->slot)->id;
	struct espah_slot *slot;

	swap(id.src, id.dst);
	id.dir = ESPAH_DIR_OUT;
	slot = espah_slot_find(&sa->en->sad, &id);
	return slot ? espah_slot_newest(slot) : NULL;
}

/* Limits the MSS of a received SYN, so that answers fit through the SAs. False: no memory. */
static bool clamp_mss(const struct espah_policy *pol, const struct espah_op *op,
		      struct sk_buff *skb, const struct espah_flow *flow, int thoff)
{
	struct espah_sa *sas[ESPAH_BUNDLE_MAX];
	unsigned int mtu, n, i;
	u16 mss = pol->mss;

	if (mss == ESPAH_MSS_AUTO) {
		const struct tcphdr *tcp;
		struct tcphdr buf;

		tcp = skb_header_pointer(skb, thoff, sizeof(buf), &buf);
		if (!tcp || !tcp->syn)
			return true;
		n = espah_bundle_received(op, sas);
		for (i = 0; i < n && sas[i]; i++)
			sas[i] = reverse(sas[i]);
		if (!i || !sas[i - 1])
			return true;
		mtu = espah_sas_mtu(sas, n, espah_sa_pmtu(sas[n - 1]), thoff);
		if (!mtu)
			return true;
		mss = espah_mss_of_mtu(flow->family, mtu);
	}
	return espah_mss_clamp(skb, thoff, mss);
}

/* RFC 4301 6.2: the policy that admits an ICMP error by the SA of the flow that it quotes. */
static struct espah_policy *icmp_policy(struct espah_net *en, u64 now,
					const struct espah_policy *pol, const struct espah_op *op,
					const struct sk_buff *skb, const struct espah_flow *flow,
					int thoff)
{
	const struct espah_sa *sa = op->sa;
	struct espah_policy *of;
	struct espah_flow quoted;

	of = espah_icmp_policy(en, now, ESPAH_DIR_IN, skb, flow, thoff, pol, &quoted);
	/* a peer may not report on flows of another peer with the same reqid */
	return of && !quoted.hidden && espah_policy_admits(of, op) &&
	       espah_path_carries(sa, espah_sa_path(sa), &quoted) ? of : NULL;
}

/* Opens an ESP or AH packet to this host that came out of an SA. Consumes the packet. */
static struct espah_op *open_next(struct espah_sa *sa, struct espah_op *outer,
				  unsigned int hdr_off)
{
	struct sk_buff *skb = outer->skb;
	enum espah_drop reason;
	u64 seq;

	reason = espah_open_check(sa, skb, hdr_off, 0, &seq);
	if (likely(!reason))
		return espah_open(sa, skb, hdr_off, 0, seq, outer);
	espah_drop(sa->en, sa, NULL, reason, skb);
	return NULL;
}

/* Reports an authenticated packet that came from another address or port than the SA's. */
static void check_peer(const struct espah_op *op)
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

/*
 * Verify, unwrap, check policy: the steps that only an authenticated packet reaches. If an SA of
 * this host comes next, sets @next to it and @hdr_off to the offset of its header; the policy is
 * then checked after that SA.
 */
static enum espah_drop accept(struct espah_net *en, struct espah_op *op,
			      struct espah_policy **policy, struct espah_sa **next, int *hdr_off)
{
	struct espah_sa *sa = op->sa;
	struct sk_buff *skb = op->skb;
	enum espah_replay_verdict verdict;
	struct espah_policy *pol, *of;
	struct espah_flow flow espah_uninit;
	enum espah_drop reason;
	u8 next_header, family;
	int thoff;
	u64 now;

	spin_lock(&sa->lock);
	verdict = espah_replay_advance(sa->replay, op->seq);
	spin_unlock(&sa->lock);
	if (unlikely(verdict != ESPAH_REPLAY_OK))
		return espah_replay_drop(verdict);
	if (unlikely(READ_ONCE(sa->watch))) {
		reason = espah_op_charge(op);
		if (unlikely(reason))
			return reason;
	}
	if (unlikely(op->encap_len))
		check_peer(op);
	if (unlikely(espah_sa_is_ah(sa))) {
		next_header = skb->data[op->hdr_off + offsetof(struct ip_auth_hdr, nexthdr)];
		reason = ESPAH_DROP_NONE;
	} else {
		reason = espah_esp_strip(sa, skb, op->hdr_off, &next_header);
	}
	if (unlikely(reason))
		return reason;
	reason = espah_mode_unwrap(op, next_header);
	if (unlikely(reason))
		return reason;
	espah_tap(sa, skb, op->seq);

	if (unlikely(sa->mark_mask)) /* policies may require it */
		skb->mark = (skb->mark & ~sa->mark_mask) | sa->mark;

	/* RFC 4301 5.2 step 4: the inner packet must be one that this SA is for */
	family = skb->protocol == htons(ETH_P_IP) ? AF_INET : AF_INET6;
	thoff = espah_flow_dissect(skb, family, &flow);
	if (unlikely(thoff < 0))
		return ESPAH_DROP_INNER;
	if (sa->if_id)
		espah_flow_link(&flow, sa->if_id);
	now = espah_spd_now(&en->spd);
	pol = espah_recent_policy(&en->spd, now, ESPAH_DIR_IN, &flow);
	*policy = pol;
	/* in transport mode the addresses must be the SA's; behind a NAT the peer may have moved */
	if (unlikely(!op->encap_len && !espah_path_carries(sa, espah_sa_path(sa), &flow)))
		return ESPAH_DROP_POLICY;
	if (unlikely(flow.hidden))
		return ESPAH_DROP_OPAQUE_IN;
	if (unlikely(espah_proto_is_ipsec(flow.proto) && op->depth < ESPAH_BUNDLE_MAX - 1)) {
		*next = espah_bundle_next(en, skb, &flow, thoff);
		*hdr_off = thoff;
	}
	if (unlikely(!pol || pol->action != ESPAH_ACTION_PROTECT ||
		     !espah_policy_admits(pol, op))) {
		if (*next) {
			espah_count(sa->counters, 1, skb->len);
			return ESPAH_DROP_NONE;
		}
		of = icmp_policy(en, now, pol, op, skb, &flow, thoff);
		if (!of)
			return pol && (pol->nouter || op->depth) ? ESPAH_DROP_BUNDLE :
								   ESPAH_DROP_POLICY;
		pol = of;
		*policy = pol;
	}
	espah_count(sa->counters, 1, skb->len);
	espah_count(pol->counters, 1, skb->len);
	if (unlikely(*next)) {
		op->own = op->depth + 1;
		return ESPAH_DROP_NONE;
	}
	if (unlikely(op->encap_len) && sa->mode == ESPAH_MODE_TRANSPORT &&
	    !espah_encap_fix_checksum(skb, &flow, thoff))
		return ESPAH_DROP_NOMEM;
	if (pol->mss && espah_mss_concerns(&flow) && !clamp_mss(pol, op, skb, &flow, thoff))
		return ESPAH_DROP_NOMEM;
	return ESPAH_DROP_NONE;
}

/*
 * A decrypted packet is received by the device of its outer packet, and enters the VRF through it:
 * sockets may be bound to that device, and link-local addresses belong to its link.
 */
static noinline void leave_vrf(struct sk_buff *skb)
{
	struct net_device *dev = dev_get_by_index_rcu(dev_net(skb->dev), IPCB(skb)->iif);

	if (dev && espah_domain(dev) == skb->dev->ifindex)
		skb->dev = dev;
}

/* Gives a packet the marks by which it is known to have come by an SA. */
static enum espah_drop mark(struct espah_sa *sa, struct sk_buff *skb)
{
	if (unlikely(!espah_mark(sa, skb) || !espah_secpath_give(sa, skb)))
		return ESPAH_DROP_NOMEM;
	if (unlikely(netif_is_l3_master(skb->dev)))
		leave_vrf(skb);
	return ESPAH_DROP_NONE;
}

struct espah_op *espah_deliver(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	struct espah_net *en = sa->en;
	struct sk_buff *skb = op->skb;
	struct espah_policy *pol = NULL;
	struct espah_sa *next = NULL;
	enum espah_drop reason;
	unsigned int len;
	int hdr_off, err = op->err;

	espah_esp_restore(op); /* also on failure: audit events read the headers */
	if (likely(!err)) {
		skb->ip_summed = CHECKSUM_NONE;
		reason = accept(en, op, &pol, &next, &hdr_off);
	} else if (err == -EBADMSG) {
		if (espah_sa_esn(sa))
			espah_esn_failed(sa->replay, ktime_get_seconds());
		reason = ESPAH_DROP_ICV;
	} else {
		reason = espah_op_reason(err);
	}
	if (unlikely(reason)) {
		espah_drop(en, sa, pol, reason, skb);
		return NULL;
	}
	if (unlikely(next))
		return open_next(next, op, hdr_off);

	/* drop the state that defragmentation, bridges and XFRM left about the outer packet */
	nf_reset_ct(skb);
	skb_ext_reset(skb); /* with bridge state, rejections would go to the port past all hooks */
	skb->ignore_df = 0;
	skb->encapsulation = 0;
	if (likely(sa->mode == ESPAH_MODE_TUNNEL || skb->pkt_type != PACKET_MULTICAST))
		skb->pkt_type = PACKET_HOST;
	skb_clear_hash(skb);
	/* a link's packets need no mark: their device says it */
	reason = sa->if_id ? espah_device_deliver(sa, skb) : mark(sa, skb);
	if (unlikely(reason)) {
		espah_drop(en, sa, pol, reason, skb);
		return NULL;
	}
	len = skb->len;
	if (unlikely(!espah_cell_receive(sa->queue, skb, !op->linked && !op->depth))) {
		espah_count_drop(en, sa, pol, ESPAH_DROP_DELIVER, NULL, 1);
		return NULL;
	}
	espah_count_net(en->stats, ESPAH_DIR_IN, len);
	return NULL;
}
