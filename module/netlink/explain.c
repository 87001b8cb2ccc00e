// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/ndisc.h>
#include "answer.h"
#include "attr.h"
#include "db/domain.h"
#include "db/link.h"
#include "db/port.h"
#include "db/reasons.h"
#include "nat.h"
#include "near.h"
#include "netlink.h"
#include "packet/ike.h"
#include "packet/mode.h"
#include "packet/mtu.h"
#include "packet/number.h"
#include "packet/route.h"
#include "path/bundle.h"
#include "path/decide.h"
#include "path/held.h"
#include "report/put.h"

const struct nla_policy espah_explain_policy[ESPAH_EXPLAIN_MAX + 1] = {
	[ESPAH_EXPLAIN_DIR] = { .type = NLA_U8 },
	[ESPAH_EXPLAIN_SRC] = { .type = NLA_BINARY },
	[ESPAH_EXPLAIN_DST] = { .type = NLA_BINARY },
	[ESPAH_EXPLAIN_PROTO] = { .type = NLA_U8 },
	[ESPAH_EXPLAIN_SPORT] = { .type = NLA_U16 },
	[ESPAH_EXPLAIN_DPORT] = { .type = NLA_U16 },
	[ESPAH_EXPLAIN_TYPE] = { .type = NLA_U8 },
	[ESPAH_EXPLAIN_CODE] = { .type = NLA_U8 },
	[ESPAH_EXPLAIN_FRAGMENT] = { .type = NLA_FLAG },
	[ESPAH_EXPLAIN_MARK] = { .type = NLA_U32 },
	[ESPAH_EXPLAIN_IFINDEX] = { .type = NLA_U32 },
	[ESPAH_EXPLAIN_DSCP] = { .type = NLA_U8 },
};

static int get_flow(struct nlattr **attrs, struct espah_flow *flow, struct netlink_ext_ack *extack)
{
	struct nlattr *sport = attrs[ESPAH_EXPLAIN_SPORT], *dport = attrs[ESPAH_EXPLAIN_DPORT];
	struct nlattr *type = attrs[ESPAH_EXPLAIN_TYPE], *code = attrs[ESPAH_EXPLAIN_CODE];
	enum espah_fields fields;

	memset(flow, 0, sizeof(*flow));
	flow->family = espah_get_addr(attrs[ESPAH_EXPLAIN_SRC], &flow->src);
	if (espah_get_addr(attrs[ESPAH_EXPLAIN_DST], &flow->dst) != flow->family) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_EXPLAIN_DST],
				    "source and destination must both be IPv4 or both be IPv6");
		return -EINVAL;
	}
	flow->proto = espah_get_u8(attrs[ESPAH_EXPLAIN_PROTO], 0);
	fields = espah_proto_fields(flow->proto);
	if ((sport || dport) && fields != ESPAH_FIELDS_PORTS) {
		NL_SET_ERR_MSG_ATTR(extack, sport ?: dport,
				    "ports need a protocol with ports: ESPAH_EXPLAIN_PROTO TCP, UDP, SCTP, DCCP or UDP-Lite");
		return -EINVAL;
	}
	if ((type && fields != ESPAH_FIELDS_ICMP && fields != ESPAH_FIELDS_MH) ||
	    (code && fields != ESPAH_FIELDS_ICMP)) {
		NL_SET_ERR_MSG_ATTR(extack, type ?: code,
				    "types need ICMP, ICMPv6 or mobility headers; codes need ICMP or ICMPv6");
		return -EINVAL;
	}
	flow->opaque = attrs[ESPAH_EXPLAIN_FRAGMENT];
	flow->mark = espah_get_u32(attrs[ESPAH_EXPLAIN_MARK], 0);
	flow->ifindex = espah_get_u32(attrs[ESPAH_EXPLAIN_IFINDEX], 0);
	flow->has_ports = sport || dport || type || code;
	flow->sport = type ? nla_get_u8(type) : sport ? ntohs(nla_get_be16(sport)) : 0;
	flow->dport = code ? nla_get_u8(code) : dport ? ntohs(nla_get_be16(dport)) : 0;
	return 0;
}

/* Sets the VRF of the flow's device, or the if_id of a link. Context: RCU reader. */
static void set_device(struct espah_net *en, struct espah_flow *flow)
{
	const struct net_device *dev = dev_get_by_index_rcu(en->net, flow->ifindex);
	const struct espah_link *link = dev && espah_is_link(dev) ? netdev_priv(dev) : NULL;

	if (link && link->en == en)
		espah_flow_link(flow, link->if_id);
	else if (dev && netif_is_l3_slave(dev))
		flow->vrf = espah_domain(dev);
}

/* Why packets of a flow bypass the policies, or NULL; @partly: only some packets do. */
static const char *exemption(struct espah_net *en, u8 dir, const struct espah_flow *flow,
			     bool *partly)
{
	struct espah_flow asked = *flow;
	bool out = dir == ESPAH_DIR_OUT;
	/* without a device: the domain of the local address of the flow */
	u32 device = flow->ifindex ?: espah_domain_of(en->net, out ? &flow->src : &flow->dst,
						      flow->family);
	const struct net_device *dev = dev_get_by_index_rcu(en->net, device);

	*partly = false;
	if (flow->linked)
		return NULL;
	/* a packet that came by a device was not sent by this host, whatever its source */
	if ((out || !dev || dev->flags & IFF_LOOPBACK || netif_is_l3_master(dev)) &&
	    espah_domain_has(en->net, &flow->src, flow->family, dev) &&
	    espah_domain_has(en->net, &flow->dst, flow->family, dev))
		return "it does not leave this host";
	*partly = true;
	/* any UDP: some of it may be IKE */
	if (flow->proto == IPPROTO_UDP && !flow->has_ports && !flow->opaque) {
		asked.sport = ESPAH_IKE_PORT;
		asked.dport = ESPAH_IKE_PORT;
	}
	switch (espah_exempt(en, dir, &asked, NULL, dev)) {
	case ESPAH_EXEMPT_ND:
		if (flow->has_ports && (flow->sport < NDISC_ROUTER_SOLICITATION ||
					flow->sport > NDISC_REDIRECT))
			return NULL;
		return "neighbour discovery passes, but no other ICMPv6";
	case ESPAH_EXEMPT_IKE:
		return (out ? asked.sport : asked.dport) == ESPAH_IKE_PORT ?
		       "IKE of sockets opened with CAP_NET_ADMIN" :
		       "IKE of sockets opened with CAP_NET_ADMIN, but not all of UDP port 4500";
	case ESPAH_EXEMPT_IPSEC:
		*partly = false;
		return flow->proto == IPPROTO_AH ? "AH to this host: its SPI selects the SA" :
						   "ESP to this host: its SPI selects the SA";
	case ESPAH_EXEMPT_MADE:
		return flow->proto == IPPROTO_AH ?
		       "AH packets that espah or XFRM made, but not AH of other programs" :
		       "ESP packets that espah or XFRM made, but not ESP of other programs";
	case ESPAH_EXEMPT_NONE:
		break;
	}
	return NULL;
}

static int put_nested_policy(struct sk_buff *skb, struct espah_policy *pol)
{
	struct nlattr *nest = nla_nest_start(skb, ESPAH_EXPLAIN_POLICY);

	if (!nest || espah_put_policy(skb, pol))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_sizes(struct sk_buff *skb, struct espah_sa **sas, unsigned int n,
		     const struct espah_flow *flow)
{
	unsigned int ip_len = flow->family == AF_INET ? sizeof(struct iphdr) :
							sizeof(struct ipv6hdr);
	unsigned int mtu = espah_sas_mtu(sas, n, espah_sa_pmtu(sas[n - 1]), ip_len);
	unsigned int overhead = 0;

	while (n--)
		overhead += espah_sa_overhead(sas[n]);
	if (nla_put_u32(skb, ESPAH_EXPLAIN_OVERHEAD, overhead))
		return -EMSGSIZE;
	/* @mtu is 0 without a route */
	if (mtu <= ip_len + sizeof(struct tcphdr))
		return 0;
	return nla_put_u32(skb, ESPAH_EXPLAIN_MTU, mtu) ?:
	       nla_put_u32(skb, ESPAH_EXPLAIN_MSS, mtu - ip_len - sizeof(struct tcphdr));
}

/* The last SA is the one whose packets a NAT on the way sees. */
static int put_opposite(struct sk_buff *skb, const struct espah_sa *last)
{
	const struct espah_sa *opposite = espah_opposite_sa(last);

	return opposite ? nla_put_u8(skb, ESPAH_EXPLAIN_OPPOSITE_ENCAP,
				     espah_sa_path(opposite)->sport != 0) : 0;
}

static int put_sas(struct sk_buff *skb, struct espah_net *en, struct espah_sa **sas,
		   unsigned int n, const struct espah_flow *flow)
{
	bool classes = false;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct nlattr *nest = nla_nest_start(skb, ESPAH_EXPLAIN_SA);

		if (!nest || espah_put_sa(skb, sas[i], 0))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
		classes |= !rcu_access_pointer(sas[i]->slot->sa);
	}
	if (!n)
		return 0;
	if (classes && nla_put_flag(skb, ESPAH_EXPLAIN_CLASSES))
		return -EMSGSIZE;
	/* with "direct", rules do not see the packets of SAs */
	if (sas[0]->id.dir == ESPAH_DIR_IN && !en->direct &&
	    espah_rules_hooked(en->net, espah_sa_path(sas[n - 1])->family,
			       BIT(NF_INET_LOCAL_IN)) &&
	    nla_put_flag(skb, ESPAH_EXPLAIN_INPUT))
		return -EMSGSIZE;
	return put_opposite(skb, sas[n - 1]) ?:
	       (sas[0]->id.dir == ESPAH_DIR_OUT ? put_sizes(skb, sas, n, flow) : 0);
}

/* Why the packet of an SA would have no route, or ESPAH_DROP_NONE. Context: RCU reader. */
static enum espah_drop check_route(const struct espah_sa *sa, const struct espah_flow *flow)
{
	const struct espah_link *link = flow->linked ? espah_link_find(sa->en, flow->ifindex) :
						       NULL;
	enum espah_drop drop = ESPAH_DROP_NONE;
	struct dst_entry *dst;

	/* otherwise in transport mode the packet keeps its route */
	if (sa->mode != ESPAH_MODE_TUNNEL && !flow->linked)
		return ESPAH_DROP_NONE;
	local_bh_disable();
	dst = espah_path_route(sa, espah_sa_path(sa));
	if (!dst)
		drop = ESPAH_DROP_NO_ROUTE;
	else if (link && dst->dev == link->dev)
		drop = ESPAH_DROP_DEVICE_LOOP;
	dst_release(dst);
	local_bh_enable();
	return drop;
}

/* ESPAH_DROP_NONE, or why the SAs of a policy cannot be applied to a packet. */
static enum espah_drop resolve(const struct espah_policy *pol, struct espah_sa **sas,
			       unsigned int n, const struct espah_flow *flow)
{
	enum espah_drop drop;
	unsigned int i;

	if (!n)
		return pol->queue ? ESPAH_DROP_ACQUIRE_LATE : ESPAH_DROP_NO_SA;
	if (!espah_path_carries(sas[0], espah_sa_path(sas[0]), flow))
		return ESPAH_DROP_FAMILY;
	/* in the order of output.c */
	for (i = 0; i < n; i++) {
		drop = check_route(sas[i], flow);
		if (drop)
			return drop;
		if ((u64)atomic64_read(&sas[i]->seq) >= espah_number_limit(sas[i]))
			return ESPAH_DROP_SEQ_OVERFLOW;
		if (!espah_sa_for_mark(sas[i], flow->mark))
			return ESPAH_DROP_SA_MARK;
	}
	return ESPAH_DROP_NONE;
}

/* Whether the request says all by which conntrack tells connections apart. */
static bool is_exact(struct nlattr **attrs, const struct espah_flow *flow)
{
	if (!flow->proto || flow->opaque)
		return false;
	switch (espah_proto_fields(flow->proto)) {
	case ESPAH_FIELDS_PORTS:
		return attrs[ESPAH_EXPLAIN_SPORT] && attrs[ESPAH_EXPLAIN_DPORT];
	case ESPAH_FIELDS_NONE:
		return flow->proto != IPPROTO_GRE; /* which has a key */
	default:
		return false;
	}
}

/* Outbound, translates the flow as conntrack does. Context: RCU reader. */
static int put_nat(struct sk_buff *skb, struct espah_net *en, struct nlattr **attrs,
		   struct espah_flow *flow)
{
	bool out = nla_get_u8(attrs[ESPAH_EXPLAIN_DIR]) == ESPAH_DIR_OUT;
	struct nlattr *nest;

	/* each NAT chain registers the hooks of all */
	if (!espah_nat_hooked(en->net, flow->family,
			      out ? NF_INET_POST_ROUTING : NF_INET_PRE_ROUTING))
		return 0;
	if (nla_put_flag(skb, ESPAH_EXPLAIN_NAT))
		return -EMSGSIZE;
	if (!out || !is_exact(attrs, flow) || !espah_nat_track(en->net, flow))
		return 0;
	nest = nla_nest_start(skb, ESPAH_EXPLAIN_TRACKED);
	if (!nest || espah_put_flow(skb, flow, ESPAH_PFP_ALL))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* The SAs of a policy, some of which packets may be waiting for. Return: their number, or 0 */
static unsigned int find_sas(struct espah_net *en, struct espah_policy *pol,
			     const struct espah_flow *flow, u8 dscp, struct espah_sa **sas)
{
	unsigned int n = espah_bundle_sas(en, pol, flow, dscp, sas);

	if (n)
		return n;
	sas[0] = espah_held_passed(en, pol, flow, dscp);
	return sas[0] ? espah_bundle_rest(en, pol, flow, dscp, sas) : 0;
}

static bool is_redirect(u8 dir, const struct espah_flow *flow)
{
	return dir == ESPAH_DIR_OUT && flow->has_ports &&
	       flow->sport == (flow->family == AF_INET ? ICMP_REDIRECT : NDISC_REDIRECT);
}

/* Whether a packet may be an ICMP error, by its type. */
static bool may_be_error(const struct espah_flow *flow)
{
	if (!flow->has_ports)
		return true;
	return flow->family == AF_INET6 ? icmpv6_is_err(flow->sport) :
	       flow->sport == ICMP_DEST_UNREACH || flow->sport == ICMP_TIME_EXCEEDED ||
	       flow->sport == ICMP_PARAMETERPROB;
}

/* Whether a packet may be one that is judged by the packet that it quotes. */
static bool may_quote(u8 dir, const struct espah_decision *is, const struct espah_flow *flow)
{
	if (!espah_flow_is_icmp(flow) || flow->opaque)
		return false;
	if (is_redirect(dir, flow))
		return true;
	/* see espah_icmp_policy(); inbound it may be about a packet of our SAs, which passes */
	return may_be_error(flow) && !(is->pol && espah_policy_names(is->pol, flow->proto)) &&
	       (dir == ESPAH_DIR_IN || !is->pol || is->action == ESPAH_ACTION_BYPASS);
}

/* The fields that a request does not give, and by which the policy selects its packet. */
static u32 assumed(struct nlattr **attrs, const struct espah_policy *pol,
		   const struct espah_flow *flow)
{
	const struct espah_selector *sel;
	unsigned int i;
	u32 fields = 0;

	for (i = 0; pol && i < pol->nsel; i++) {
		sel = &pol->rules[i].sel;
		if (espah_selector_mismatch(sel, flow))
			continue;
		if (sel->proto && !attrs[ESPAH_EXPLAIN_PROTO])
			fields |= ESPAH_PFP_PROTO;
		if ((sel->sport_min || sel->sport_max != 0xffff) && !attrs[ESPAH_EXPLAIN_SPORT] &&
		    !attrs[ESPAH_EXPLAIN_TYPE])
			fields |= ESPAH_PFP_SPORT;
		if ((sel->dport_min || sel->dport_max != 0xffff) && !attrs[ESPAH_EXPLAIN_DPORT] &&
		    !attrs[ESPAH_EXPLAIN_CODE])
			fields |= ESPAH_PFP_DPORT;
		if (sel->mark_mask && !attrs[ESPAH_EXPLAIN_MARK])
			fields |= ESPAH_WHY_MARK;
	}
	return fields;
}

/* On what the answer depends that the request does not say. Context: RCU reader. */
static int put_caveats(struct sk_buff *skb, struct espah_net *en, struct nlattr **attrs,
		       const struct espah_flow *flow, const struct espah_decision *is)
{
	u8 dir = nla_get_u8(attrs[ESPAH_EXPLAIN_DIR]);
	unsigned int hooks = BIT(NF_INET_PRE_ROUTING) | BIT(NF_INET_FORWARD);
	u32 fields = assumed(attrs, is->pol, flow);

	hooks |= dir == ESPAH_DIR_IN ? BIT(NF_INET_LOCAL_IN) :
				       BIT(NF_INET_LOCAL_OUT) | BIT(NF_INET_POST_ROUTING);
	if ((READ_ONCE(en->direct) && nla_put_flag(skb, ESPAH_EXPLAIN_DIRECT)) ||
	    (espah_rules_hooked(en->net, flow->family, hooks) &&
	     nla_put_flag(skb, ESPAH_EXPLAIN_FIREWALL)) ||
	    (en->hooked && may_quote(dir, is, flow) && nla_put_flag(skb, ESPAH_EXPLAIN_QUOTES)) ||
	    (fields && nla_put_u32(skb, ESPAH_EXPLAIN_ASSUMED, fields)))
		return -EMSGSIZE;
	return 0;
}

/* What else happens to a packet that comes in. Context: RCU reader. */
static int put_arrival(struct sk_buff *skb, struct espah_net *en, const struct espah_flow *flow,
		       const struct espah_decision *is)
{
	enum espah_drop other = flow->hidden ? ESPAH_DROP_OPAQUE_IN :
				is->pol && is->pol->nouter ? ESPAH_DROP_BUNDLE : ESPAH_DROP_POLICY;
	const struct net_device *dev = flow->linked ? NULL :
				       dev_get_by_index_rcu(en->net, flow->ifindex);

	if (nla_put_string(skb, ESPAH_EXPLAIN_BY_SA, espah_drop_names[other]) ||
	    (is->action == ESPAH_ACTION_PROTECT &&
	     nla_put_u8(skb, ESPAH_EXPLAIN_SECPATH, en->secpath)))
		return -EMSGSIZE;
	if (flow->proto == IPPROTO_UDP && espah_port_used(en, flow->dport) &&
	    espah_domain_has(en->net, &flow->dst, flow->family, dev))
		return nla_put_flag(skb, ESPAH_EXPLAIN_ENCAP);
	return 0;
}

/* Sets @met to the policy that matches. Context: RCU reader, and espah_net.lock, which keeps it. */
static int put_answer(struct sk_buff *skb, struct espah_net *en, struct nlattr **attrs,
		      struct espah_flow *flow, struct espah_policy **met)
{
	u8 dir = nla_get_u8(attrs[ESPAH_EXPLAIN_DIR]);
	struct espah_sa *sas[ESPAH_BUNDLE_MAX];
	struct espah_decision is;
	unsigned int n = 0;
	enum espah_drop drop;
	const char *exempt;
	bool partly;

	local_bh_disable();
	drop = espah_decide(en, dir, flow, NULL, &is);
	local_bh_enable();
	*met = is.pol;
	if (is.action == ESPAH_ACTION_PROTECT && !flow->hidden)
		n = find_sas(en, is.pol, flow, espah_get_u8(attrs[ESPAH_EXPLAIN_DSCP], 0), sas);
	if (!drop && dir == ESPAH_DIR_OUT && is.action == ESPAH_ACTION_PROTECT)
		drop = resolve(is.pol, sas, n, flow);
	else if (dir == ESPAH_DIR_IN && n &&
		 !espah_path_carries(sas[0], espah_sa_path(sas[0]), flow))
		n = 0; /* transport mode, but between other addresses */
	exempt = exemption(en, dir, flow, &partly);
	if (exempt && partly && is.action == ESPAH_ACTION_BYPASS && !drop)
		exempt = NULL; /* it passes anyway */
	if (exempt && !partly)
		drop = ESPAH_DROP_NONE;
	/* nothing comes in clear by a link */
	if (flow->linked && dir == ESPAH_DIR_IN && !flow->hidden)
		drop = is.action == ESPAH_ACTION_PROTECT ? ESPAH_DROP_NONE : ESPAH_DROP_POLICY;
	if (nla_put_u8(skb, ESPAH_EXPLAIN_ACTION, is.action) ||
	    (en->hooked && nla_put_string(skb, ESPAH_EXPLAIN_HOOK, dir == ESPAH_DIR_IN ?
					  "PRE_ROUTING" : "POST_ROUTING")) ||
	    (is.pol && put_nested_policy(skb, is.pol)) ||
	    put_sas(skb, en, sas, n, flow) || put_caveats(skb, en, attrs, flow, &is) ||
	    (dir == ESPAH_DIR_IN && put_arrival(skb, en, flow, &is)) ||
	    (drop && nla_put_string(skb, ESPAH_EXPLAIN_DROP, espah_drop_names[drop])) ||
	    (exempt && nla_put_string(skb, ESPAH_EXPLAIN_EXEMPT, exempt)))
		return -EMSGSIZE;
	return 0;
}

/**
 * struct passed - a policy that does not match
 * @pol: the policy
 * @why: the fewest fields in which one of its rules does not match
 */
struct passed {
	struct espah_policy *pol;
	u32 why;
};

static u32 why_not(const struct espah_policy *pol, const struct espah_flow *flow)
{
	u32 why, least = ~0U;
	unsigned int i;

	for (i = 0; i < pol->nsel; i++) {
		why = espah_selector_mismatch(&pol->rules[i].sel, flow);
		if (hweight32(why) < hweight32(least))
			least = why;
	}
	return least;
}

/* Order of the answer: fewest mismatching fields first, then rank. */
static bool nearer(const struct passed *a, const struct passed *b)
{
	u32 fields = hweight32(a->why), others = hweight32(b->why);

	return fields != others ? fields < others :
	       espah_rule_rank(a->pol->rules) < espah_rule_rank(b->pol->rules);
}

/* Context: espah_net.lock. */
static int put_passed(struct sk_buff *skb, struct espah_net *en, u8 dir, struct espah_flow *flow)
{
	struct passed passed[ESPAH_PASSED_MAX], next;
	unsigned int i, n = 0, count = 0;
	struct espah_policy *met;
	struct nlattr *nest;
	unsigned long id;

	rcu_read_lock();
	met = espah_spd_lookup(&en->spd, espah_spd_now(&en->spd), dir, flow);
	rcu_read_unlock();
	xa_for_each(&en->spd.index, id, next.pol) {
		cond_resched();
		if (next.pol->dir != dir || next.pol->rules->sel.family != flow->family ||
		    (met && espah_rule_rank(next.pol->rules) >= espah_rule_rank(met->rules)))
			continue;
		count++;
		next.why = why_not(next.pol, flow);
		for (i = n; i && nearer(&next, &passed[i - 1]); i--)
			if (i < ESPAH_PASSED_MAX)
				passed[i] = passed[i - 1];
		if (i < ESPAH_PASSED_MAX)
			passed[i] = next;
		n = min_t(unsigned int, n + 1, ESPAH_PASSED_MAX);
	}
	for (i = 0; i < n; i++) {
		nest = nla_nest_start(skb, ESPAH_EXPLAIN_PASSED);
		if (!nest || nla_put_u32(skb, ESPAH_PASSED_POLICY_ID, passed[i].pol->id) ||
		    nla_put_u32(skb, ESPAH_PASSED_PRIORITY, passed[i].pol->priority) ||
		    nla_put_u32(skb, ESPAH_PASSED_WHY, passed[i].why))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return nla_put_u32(skb, ESPAH_EXPLAIN_PASSED_COUNT, count);
}

/* The first template of a policy that has no SA, or NULL. @dscp: becomes that of its packets */
static struct espah_template *unmet(struct espah_net *en, struct espah_policy *pol,
				    const struct espah_flow *flow, u8 *dscp)
{
	struct espah_template *tmpl = NULL;
	struct espah_sa *sa = NULL;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i <= pol->nouter; i++) {
		tmpl = espah_policy_tmpl(pol, i);
		sa = espah_template_sa(en, tmpl, flow, *dscp);
		if (!sa)
			break;
		*dscp = espah_mode_dscp(sa, *dscp);
	}
	rcu_read_unlock();
	return sa ? NULL : tmpl;
}

static int put_wanted(struct sk_buff *skb, const struct espah_slot_id *wants)
{
	struct nlattr *nest = nla_nest_start(skb, ESPAH_NEAR_TEMPLATE);

	if (!nest || nla_put_u8(skb, ESPAH_TMPL_PROTO, wants->proto) ||
	    nla_put_u8(skb, ESPAH_TMPL_MODE, wants->mode) ||
	    nla_put_u32(skb, ESPAH_TMPL_REQID, wants->reqid) ||
	    (wants->vrf && nla_put_u32(skb, ESPAH_TMPL_VRF, wants->vrf)) ||
	    (!espah_addr_any(&wants->dst) &&
	     (espah_put_addr(skb, ESPAH_TMPL_SRC, &wants->src, wants->family) ||
	      espah_put_addr(skb, ESPAH_TMPL_DST, &wants->dst, wants->family))))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Names an SA that a policy without SAs could use if it differed less. Context: espah_net.lock. */
static int put_near(struct sk_buff *skb, struct espah_net *en, struct espah_policy *pol,
		    const struct espah_flow *flow, u8 dscp)
{
	const struct espah_template *tmpl = unmet(en, pol, flow, &dscp);
	struct espah_slot_id wants;
	struct nlattr *nest, *inner;
	struct espah_sa *sa;
	u32 differs;

	/* a policy with populate-from-packet flags uses no SA */
	if (!tmpl || tmpl->barred)
		return 0;
	wants = tmpl->id;
	if (wants.mode == ESPAH_MODE_TRANSPORT && espah_addr_any(&wants.dst)) {
		wants.src = flow->src;
		wants.dst = flow->dst;
		wants.family = flow->family;
	}
	sa = espah_near_sa(en, &wants, wants.dir == ESPAH_DIR_IN ? tmpl->spi : 0, dscp,
			   &differs);
	if (!sa || !differs)
		return 0;
	nest = nla_nest_start(skb, ESPAH_EXPLAIN_NEAR);
	inner = nest ? nla_nest_start(skb, ESPAH_NEAR_SA) : NULL;
	if (!inner || espah_put_sa(skb, sa, 0))
		return -EMSGSIZE;
	nla_nest_end(skb, inner);
	if (nla_put_u32(skb, ESPAH_NEAR_DIFFERS, differs) || put_wanted(skb, &wants))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Counts SAs, besides the one that is named, that may bring a packet. Context: espah_net.lock. */
static int put_others(struct sk_buff *skb, struct espah_net *en, struct espah_policy *pol,
		      const struct espah_flow *flow)
{
	const struct espah_sa *named;
	unsigned long index;
	struct espah_sa *sa;
	u32 n = 0;

	if (pol->nouter || flow->hidden)
		return 0;
	rcu_read_lock();
	named = espah_template_sa(en, &pol->tmpl, flow, 0);
	xa_for_each(&en->sad.index, index, sa)
		n += sa != named && sa->id.dir == ESPAH_DIR_IN &&
		     sa->state == ESPAH_SA_STATE_VALID && espah_template_admits(&pol->tmpl, sa) &&
		     (espah_sa_path(sa)->encap_len ||
		      espah_path_carries(sa, espah_sa_path(sa), flow));
	rcu_read_unlock();
	return n ? nla_put_u32(skb, ESPAH_EXPLAIN_OTHERS, n) : 0;
}

static int put_all(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	u8 dscp = espah_get_u8(attrs[ESPAH_EXPLAIN_DSCP], 0);
	struct espah_policy *met = NULL;
	struct espah_flow flow;
	int err = espah_need(info->extack, attrs, ESPAH_EXPLAIN_DIR) ?:
		  espah_need(info->extack, attrs, ESPAH_EXPLAIN_SRC) ?:
		  espah_need(info->extack, attrs, ESPAH_EXPLAIN_DST) ?:
		  get_flow(attrs, &flow, info->extack);

	if (err)
		return err;
	rcu_read_lock();
	set_device(en, &flow);
	err = espah_put_attrs(skb, attrs, ESPAH_EXPLAIN_MAX) ?:
	      put_nat(skb, en, attrs, &flow) ?:
	      put_answer(skb, en, attrs, &flow, &met);
	rcu_read_unlock();
	if (!err && met && met->action == ESPAH_ACTION_PROTECT)
		err = put_near(skb, en, met, &flow, dscp) ?:
		      (met->dir == ESPAH_DIR_IN ? put_others(skb, en, met, &flow) : 0);
	return err ?: put_passed(skb, en, nla_get_u8(attrs[ESPAH_EXPLAIN_DIR]), &flow);
}

int espah_cmd_explain(struct sk_buff *skb, struct genl_info *info)
{
	return espah_answer(info, ESPAH_BUNDLE_MAX * ESPAH_MSG_SIZE + ESPAH_POLICY_SIZE, put_all);
}
