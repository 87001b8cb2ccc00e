// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where packets meet the module:
 *
 *   PRE_ROUTING    before all but the earliest rules: packets that came in clear
 *   FORWARD        before all rules: the same, for packets that bypassed PRE_ROUTING; and packets
 *                  that will bypass POST_ROUTING
 *   LOCAL_IN       after all rules of the administrator: AH, and ESP in UDP or not, to this host;
 *                  and packets in clear that bypassed PRE_ROUTING
 *   LOCAL_OUT      after all rules: packets that will bypass POST_ROUTING
 *   POST_ROUTING   after source NAT: packets that may have to be protected
 *
 * The hooks at LOCAL_IN and POST_ROUTING come just before conntrack's confirmation, which
 * espah_confirm() does for packets that are taken away.
 *
 * Bridge netfilter also calls PRE_ROUTING, FORWARD and POST_ROUTING for frames that a bridge
 * switches. These are not ours. At PRE_ROUTING the bridge does not know yet which frames are for
 * this host; such a frame then comes to FORWARD or LOCAL_IN without another PRE_ROUTING.
 *
 * The PRE_ROUTING hook reassembles fragments. A hook of nf_defrag could do that, but each hook
 * costs every packet, and fragments are rare. Only raw sockets send fragments through
 * POST_ROUTING: these stay as they are (RFC 4301 7).
 */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ipv6_frag.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include "compat/bridge.h"
#include "db/link.h"
#include "gather.h"
#include "hooks.h"
#include "icmp.h"
#include "input.h"
#include "loopback.h"
#include "lwtunnel.h"
#include "output.h"
#include "packet/flow.h"
#include "packet/judged.h"
#include "packet/mark.h"
#include "packet/secpath.h"
#include "plaintext.h"
#include "report/drop.h"
#include "udp_input.h"

/*
 * Defragmentation user for fragments that came by an SA. They are reassembled apart from others:
 * otherwise an attacker who guesses an ID could put plaintext between authenticated fragments.
 */
#define DEFRAG_MARKED 0x65737061

/*
 * The code behind the hooks needs BH disabled, because it uses per-CPU data. Usually BH is already
 * disabled, but not for packets that this host sends or that NFQUEUE reinjects.
 */
static noinline unsigned int disable_bh(nf_hookfn *hook, void *priv, struct sk_buff *skb,
					const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = hook(priv, skb, state);
	local_bh_enable();
	return verdict;
}

/* Reassembles a fragment; NF_ACCEPT once @skb is whole. */
static unsigned int defrag4(struct net *net, struct sk_buff *skb, bool marked)
{
	if (ip_defrag(net, skb, marked ? DEFRAG_MARKED : IP_DEFRAG_CONNTRACK_IN))
		return NF_STOLEN;
	skb->ignore_df = 1;
	return NF_ACCEPT;
}

/* Reassembles @skb if it is a fragment; NF_ACCEPT once @skb is whole. */
static unsigned int defrag6(struct net *net, struct sk_buff *skb, bool marked)
{
	int err = nf_ct_frag6_gather(net, skb, marked ? DEFRAG_MARKED : IP6_DEFRAG_CONNTRACK_IN);

	if (err && err != -EINPROGRESS)
		espah_drop(espah_pernet(net), NULL, NULL,
			   marked ? ESPAH_DROP_INNER : ESPAH_DROP_MALFORMED_IN, skb);
	return err ? NF_STOLEN : NF_ACCEPT;
}

/*
 * An administrator who exempts packets from tracking wants fragments left as they are, by conntrack
 * and by us. But fragments that came by an SA must not be reassembled with others later.
 */
static bool left_alone(const struct sk_buff *skb, bool marked)
{
	return !marked && skb_get_nfct(skb) == IP_CT_UNTRACKED;
}

/* A frame that a bridge has not decided about. If it came by an SA, that is known only here. */
static noinline unsigned int bridged(struct sk_buff *skb, const struct net *net, bool ip6,
				     bool marked)
{
	if (marked)
		espah_judged_set(skb, net, ip6, true);
	else
		espah_judged_clear(skb);
	return NF_ACCEPT;
}

/* Whether a packet came by an SA: it has the mark, or a link has delivered it. */
static inline bool came_by_sa(const struct sk_buff *skb)
{
	return espah_marked(skb) || espah_is_link(skb->dev);
}

static unsigned int pre_routing4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	bool marked = came_by_sa(skb);

	if (unlikely(!in_softirq()))
		return disable_bh(pre_routing4, priv, skb, state);
	if (unlikely(nf_bridge_in_prerouting(skb)))
		return bridged(skb, state->net, false, marked);
	espah_gather_note(skb);
	if (unlikely(ip_is_fragment(ip_hdr(skb))) && !left_alone(skb, marked) &&
	    defrag4(state->net, skb, marked) != NF_ACCEPT)
		return NF_STOLEN;
	if (!marked)
		return espah_plaintext(espah_pernet(state->net), skb, AF_INET, state);
	espah_judged_set(skb, state->net, false, true);
	espah_secpath_spare(state->net, skb);
	return NF_ACCEPT;
}

static unsigned int pre_routing6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	bool marked = came_by_sa(skb);

	if (unlikely(!in_softirq()))
		return disable_bh(pre_routing6, priv, skb, state);
	if (unlikely(nf_bridge_in_prerouting(skb)))
		return bridged(skb, state->net, true, marked);
	espah_gather_note(skb);
	if (unlikely(ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr)) && !left_alone(skb, marked) &&
	    defrag6(state->net, skb, marked) != NF_ACCEPT)
		return NF_STOLEN;
	if (!marked)
		return espah_plaintext(espah_pernet(state->net), skb, AF_INET6, state);
	espah_secpath_return(espah_pernet(state->net), skb); /* a VRF calls this a second time */
	espah_judged_set(skb, state->net, true, true);
	return NF_ACCEPT;
}

/*
 * Does PRE_ROUTING's work for a packet that did not pass it in this form; skips switched frames and
 * packets of links.
 */
static noinline unsigned int late(struct net *net, struct sk_buff *skb, bool ip6)
{
	unsigned int verdict = NF_ACCEPT;

	if (espah_is_switched(skb) || espah_is_link(skb->dev))
		return NF_ACCEPT;
	if (!left_alone(skb, false)) {
		if (ip6 && ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr))
			verdict = defrag6(net, skb, false);
		else if (!ip6 && ip_is_fragment(ip_hdr(skb)))
			verdict = defrag4(net, skb, false);
	}
	if (verdict != NF_ACCEPT)
		return verdict;
	/* the packet was exempt; its header was changed, but nothing was decapsulated */
	if (espah_judged_exempt(skb, net) && espah_judged_outermost(skb))
		return NF_ACCEPT;
	return espah_plaintext_late(espah_pernet(net), skb, ip6 ? AF_INET6 : AF_INET);
}

static noinline unsigned int forward_late(struct sk_buff *skb, const struct nf_hook_state *state)
{
	/* headers that this host has put before the judged one are its own */
	if (!espah_lwtunnel_encapsulated(skb, state) &&
	    late(state->net, skb, state->pf == NFPROTO_IPV6) != NF_ACCEPT)
		return NF_STOLEN;
	return espah_lwtunnel_inner(espah_pernet(state->net), skb, state);
}

static unsigned int forward4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (unlikely(!in_softirq()))
		return disable_bh(forward4, priv, skb, state);
	if (unlikely(!espah_judged_holds(skb, state->net, false)) &&
	    forward_late(skb, state) != NF_ACCEPT)
		return NF_STOLEN;
	if (unlikely(espah_lwtunnel_hides(skb)))
		return espah_lwtunnel_forward(espah_pernet(state->net), skb, state);
	return NF_ACCEPT;
}

static unsigned int forward6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (unlikely(!in_softirq()))
		return disable_bh(forward6, priv, skb, state);
	if (unlikely(!espah_judged_holds(skb, state->net, true)) &&
	    forward_late(skb, state) != NF_ACCEPT)
		return NF_STOLEN;
	espah_secpath_return(espah_pernet(state->net), skb);
	if (unlikely(espah_lwtunnel_hides(skb)))
		return espah_lwtunnel_forward(espah_pernet(state->net), skb, state);
	return NF_ACCEPT;
}

/*
 * Ends the mark: the receiver may take another packet out of this one, which a bridge or segment
 * routing may then deliver in this buffer.
 */
static __always_inline unsigned int arrive(struct net *net, struct sk_buff *skb, bool ip6)
{
	if (unlikely(!espah_judged_holds(skb, net, ip6)) && late(net, skb, ip6) != NF_ACCEPT)
		return NF_STOLEN;
	espah_judged_clear(skb);
	return NF_ACCEPT;
}

static unsigned int local_in4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct espah_net *en = espah_pernet(state->net);
	const struct iphdr *iph;

	if (unlikely(!in_softirq()))
		return disable_bh(local_in4, priv, skb, state);
	if (arrive(state->net, skb, false) != NF_ACCEPT)
		return NF_STOLEN;
	iph = ip_hdr(skb);
	espah_secpath_end(skb);
	if (espah_proto_is_ipsec(iph->protocol))
		return espah_input(en, skb, state, iph->protocol, ip_hdrlen(skb), 0);
	if (iph->protocol == IPPROTO_UDP)
		return espah_udp_input(en, skb, state, ip_hdrlen(skb));
	if (unlikely(iph->protocol == IPPROTO_ICMP))
		espah_icmp_input(en, skb, AF_INET, ip_hdrlen(skb));
	return NF_ACCEPT;
}

/*
 * A packet with segments left in its routing header is not for this host, which would learn that by
 * processing the headers in order (RFC 8200 4.1).
 */
static bool on_its_way(const struct sk_buff *skb)
{
	int flags = IP6_FH_F_SKIP_RH;
	unsigned int off = 0;

	return ipv6_find_hdr(skb, &off, NEXTHDR_ROUTING, NULL, &flags) == NEXTHDR_ROUTING;
}

static unsigned int local_in6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct espah_net *en = espah_pernet(state->net);
	int off = sizeof(struct ipv6hdr);
	__be16 frag_off;
	u8 nexthdr;

	if (unlikely(!in_softirq()))
		return disable_bh(local_in6, priv, skb, state);
	if (arrive(state->net, skb, true) != NF_ACCEPT)
		return NF_STOLEN;
	nexthdr = ipv6_hdr(skb)->nexthdr;
	espah_secpath_end(skb);
	if (unlikely(ipv6_ext_hdr(nexthdr))) {
		off = espah_skip_exthdr(skb, off, &nexthdr, &frag_off);
		if (off < 0 || on_its_way(skb))
			return NF_ACCEPT;
	}
	if (espah_proto_is_ipsec(nexthdr))
		return espah_input(en, skb, state, nexthdr, off, 0);
	if (nexthdr == IPPROTO_UDP)
		return espah_udp_input(en, skb, state, off);
	if (unlikely(nexthdr == IPPROTO_ICMPV6))
		espah_icmp_input(en, skb, AF_INET6, off);
	return NF_ACCEPT;
}

/*
 * A packet that MPLS has unpacked into a VRF leaves the VRF as if this host had sent it. It passes
 * neither PRE_ROUTING nor FORWARD.
 */
static inline bool is_masked(const struct sk_buff *skb)
{
	return unlikely(skb->skb_iif) && skb->dev && netif_is_l3_master(skb->dev);
}

static noinline unsigned int leave(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct espah_net *en = espah_pernet(state->net);
	struct net_device *dev = skb->dev;
	unsigned int verdict = NF_ACCEPT;

	if (!in_softirq())
		return disable_bh(leave, priv, skb, state);
	if (is_masked(skb) && !espah_judged_once(skb, state->net))
		verdict = espah_plaintext_late(en, skb, state->pf);
	if (verdict == NF_ACCEPT && espah_lwtunnel_hides(skb)) {
		verdict = espah_output(en, skb, state);
		if (verdict == NF_ACCEPT)
			skb->dev = dev; /* NULL for a packet of this host */
	}
	return verdict;
}

static unsigned int local_out4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (IPCB(skb)->flags & IPSKB_XFRM_TRANSFORMED ||
	    likely(!espah_lwtunnel_hides(skb) && !is_masked(skb)))
		return NF_ACCEPT;
	return leave(priv, skb, state);
}

static unsigned int local_out6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (IP6CB(skb)->flags & IP6SKB_XFRM_TRANSFORMED ||
	    likely(!espah_lwtunnel_hides(skb) && !is_masked(skb)))
		return NF_ACCEPT;
	return leave(priv, skb, state);
}

/*
 * Whether a packet does not leave this host yet. A VRF device is its domain's loopback. A packet
 * that leaves a VRF passes here twice: the second time, with a device that belongs to the VRF, it
 * has gone through source NAT and has its real route.
 */
static bool stays(const struct nf_hook_state *state)
{
	return state->out->flags & IFF_LOOPBACK || netif_is_l3_master(state->out);
}

static unsigned int post_routing4(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	unsigned int verdict;

	if (unlikely(!in_softirq()))
		return disable_bh(post_routing4, priv, skb, state);
	verdict = espah_loopback(skb, state);
	if (unlikely(verdict != NF_REPEAT))
		return verdict;
	if (IPCB(skb)->flags & IPSKB_XFRM_TRANSFORMED || stays(state))
		return NF_ACCEPT;
	if (espah_is_link(state->out))
		return espah_output_enters(espah_pernet(state->net), skb, state);
	if (unlikely(espah_is_switched(skb)))
		return NF_ACCEPT;
	return espah_output(espah_pernet(state->net), skb, state);
}

static unsigned int post_routing6(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	if (unlikely(!in_softirq()))
		return disable_bh(post_routing6, priv, skb, state);
	if (IP6CB(skb)->flags & IP6SKB_XFRM_TRANSFORMED || stays(state))
		return NF_ACCEPT;
	if (espah_is_link(state->out))
		return espah_output_enters(espah_pernet(state->net), skb, state);
	if (unlikely(espah_is_switched(skb)))
		return NF_ACCEPT;
	return espah_output(espah_pernet(state->net), skb, state);
}

#define HOOK(function, family, where, prio)                                                        \
	{ .hook = function, .pf = family, .hooknum = where, .priority = prio }

static const struct nf_hook_ops hooks[] = {
	HOOK(pre_routing4, NFPROTO_IPV4, NF_INET_PRE_ROUTING, NF_IP_PRI_CONNTRACK_DEFRAG - 1),
	HOOK(pre_routing6, NFPROTO_IPV6, NF_INET_PRE_ROUTING, NF_IP6_PRI_CONNTRACK_DEFRAG - 1),
	HOOK(forward4, NFPROTO_IPV4, NF_INET_FORWARD, NF_IP_PRI_FIRST + 1),
	HOOK(forward6, NFPROTO_IPV6, NF_INET_FORWARD, NF_IP6_PRI_FIRST + 1),
	HOOK(local_in4, NFPROTO_IPV4, NF_INET_LOCAL_IN, NF_IP_PRI_LAST - 1),
	HOOK(local_in6, NFPROTO_IPV6, NF_INET_LOCAL_IN, NF_IP6_PRI_LAST - 1),
	HOOK(local_out4, NFPROTO_IPV4, NF_INET_LOCAL_OUT, NF_IP_PRI_LAST - 1),
	HOOK(local_out6, NFPROTO_IPV6, NF_INET_LOCAL_OUT, NF_IP6_PRI_LAST - 1),
	HOOK(post_routing4, NFPROTO_IPV4, NF_INET_POST_ROUTING, NF_IP_PRI_LAST - 1),
	HOOK(post_routing6, NFPROTO_IPV6, NF_INET_POST_ROUTING, NF_IP6_PRI_LAST - 1),
};

/* Hooks that spare IPv6 packets XFRM's search, see secpath.h; without them packets take it. */
static unsigned int pre_routing6_end(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	if (skb->active_extensions)
		espah_secpath_aside(state->net, skb);
	return NF_ACCEPT;
}

static unsigned int local_in6_begin(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	if (unlikely(!in_softirq()))
		return disable_bh(local_in6_begin, priv, skb, state);
	espah_secpath_return(espah_pernet(state->net), skb);
	return NF_ACCEPT;
}

static const struct nf_hook_ops sparing_hooks[] = {
	HOOK(pre_routing6_end, NFPROTO_IPV6, NF_INET_PRE_ROUTING, NF_IP6_PRI_LAST),
	HOOK(local_in6_begin, NFPROTO_IPV6, NF_INET_LOCAL_IN, NF_IP6_PRI_FIRST + 1),
};

void espah_hooks_spare(struct espah_net *en)
{
	bool wanted = en->hooked && en->secpath;

	lockdep_assert_held(&en->lock);
	if (wanted && !en->sparing)
		en->sparing = !nf_register_net_hooks(en->net, sparing_hooks,
						     ARRAY_SIZE(sparing_hooks));
	else if (!wanted && en->sparing)
		nf_unregister_net_hooks(en->net, sparing_hooks, ARRAY_SIZE(sparing_hooks));
	en->sparing = wanted && en->sparing;
}

void espah_hooks_remove(struct espah_net *en)
{
	lockdep_assert_held(&en->lock);
	if (en->hooked)
		nf_unregister_net_hooks(en->net, hooks, ARRAY_SIZE(hooks));
	en->hooked = false;
	espah_hooks_spare(en);
}

int espah_hooks_register(struct espah_net *en)
{
	int err = nf_register_net_hooks(en->net, hooks, ARRAY_SIZE(hooks));

	lockdep_assert_held(&en->lock);
	if (err)
		return err;
	en->hooked = true;
	espah_hooks_spare(en);
	return 0;
}
