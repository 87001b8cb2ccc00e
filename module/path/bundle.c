// SPDX-License-Identifier: GPL-2.0-only
#include <net/ip.h>
#include <net/ipv6.h>
#include "bundle.h"
#include "packet/flow.h"
#include "packet/mode.h"
#include "packet/mtu.h"

/* The DSCP of a packet that @n SAs were applied to. */
static u8 dscp_after(struct espah_sa **sas, unsigned int n, u8 dscp)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		dscp = espah_mode_dscp(sas[i], dscp);
	return dscp;
}

/* Finds the SAs of a policy behind the first @n. Return: number of all; 0: one is missing */
static unsigned int find_from(unsigned int n, struct espah_net *en, struct espah_policy *pol,
			      const struct espah_flow *flow, u8 dscp, struct espah_sa **sas)
{
	struct espah_template *tmpl;

	for (; n <= pol->nouter; n++) {
		tmpl = espah_policy_tmpl(pol, n);
		sas[n] = espah_template_sa_fast(tmpl) ?:
			 espah_template_sa(en, tmpl, flow, dscp_after(sas, n, dscp));
		if (!sas[n])
			return 0;
	}
	return n;
}

unsigned int espah_bundle_sas(struct espah_net *en, struct espah_policy *pol,
			      const struct espah_flow *flow, u8 dscp, struct espah_sa **sas)
{
	return find_from(0, en, pol, flow, dscp, sas);
}

unsigned int espah_bundle_rest(struct espah_net *en, struct espah_policy *pol,
			       const struct espah_flow *flow, u8 dscp, struct espah_sa **sas)
{
	return find_from(1, en, pol, flow, dscp, sas);
}

noinline struct espah_sa *espah_policy_sa_slow(struct espah_net *en, struct espah_policy *pol,
					       const struct espah_flow *flow,
					       const struct sk_buff *skb)
{
	struct espah_sa *sas[ESPAH_BUNDLE_MAX];

	return find_from(0, en, pol, flow, espah_dscp(skb), sas) ? sas[0] : NULL;
}

enum espah_drop espah_bundle_mtu(struct espah_policy *pol, struct espah_sa *first,
				 const struct espah_flow *flow, u8 dscp, unsigned int hdr_len,
				 unsigned int *mtu)
{
	struct espah_sa *sas[ESPAH_BUNDLE_MAX] = { first };
	unsigned int n = espah_bundle_rest(first->en, pol, flow, dscp, sas), pmtu;

	if (!n)
		return ESPAH_DROP_NO_SA;
	pmtu = espah_sa_pmtu(sas[n - 1]);
	if (!pmtu)
		return ESPAH_DROP_NO_ROUTE;
	*mtu = espah_sas_mtu(sas, n, pmtu, hdr_len);
	return ESPAH_DROP_NONE;
}

unsigned int espah_bundle_received(const struct espah_op *op, struct espah_sa **sas)
{
	unsigned int i;

	sas[0] = op->sa;
	for (i = 1; i <= op->depth; i++) {
		sas[i] = xa_load(&op->sa->en->sad.index, op->before[op->depth - i]);
		if (!sas[i])
			return 0;
	}
	return i;
}

static bool match(struct espah_policy *pol, struct espah_sa **sas, unsigned int n)
{
	unsigned int i;

	if (n != pol->nouter + 1)
		return false;
	for (i = 0; i < n; i++)
		if (!espah_template_admits(espah_policy_tmpl(pol, i), sas[i]))
			return false;
	return true;
}

bool espah_bundle_admits(struct espah_policy *pol, const struct espah_op *op)
{
	struct espah_sa *sas[ESPAH_BUNDLE_MAX];
	unsigned int n = espah_bundle_received(op, sas);

	/* one policy for all SAs; or two, one of them for ESP or AH of the other's SAs */
	return n && (match(pol, sas, n) || (op->depth && op->own && match(pol, sas, n - op->own)));
}

struct espah_sa *espah_bundle_next(struct espah_net *en, const struct sk_buff *skb,
				   const struct espah_flow *flow, int thoff)
{
	struct espah_sa_id id;
	__be16 frag_off = 0;
	u8 nexthdr;

	/* the stack reassembles fragments first */
	if (flow->family == AF_INET) {
		frag_off = ip_hdr(skb)->frag_off & htons(IP_MF | IP_OFFSET);
	} else {
		nexthdr = ipv6_hdr(skb)->nexthdr;
		espah_skip_exthdr(skb, sizeof(struct ipv6hdr), &nexthdr, &frag_off);
	}
	if (frag_off || !espah_sa_id_read(&id, skb, flow->family, flow->proto, thoff))
		return NULL;
	return espah_sad_find_in(&en->sad, &id);
}
