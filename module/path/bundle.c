// SPDX-License-Identifier: GPL-2.0-only
#include <net/ip.h>
#include <net/ipv6.h>
#include "bundle.h"
#include "packet/flow.h"
#include "packet/mtu.h"

unsigned int espah_bundle_sas(struct espah_net *en, struct espah_policy *pol,
			      const struct espah_flow *flow, struct espah_sa **sas)
{
	unsigned int i;

	for (i = 0; i <= pol->nouter; i++) {
		sas[i] = espah_template_sa(en, espah_policy_tmpl(pol, i), flow);
		if (!sas[i])
			return 0;
	}
	return i;
}

enum espah_drop espah_bundle_mtu(struct espah_policy *pol, struct espah_sa *first,
				 const struct espah_flow *flow, unsigned int hdr_len,
				 unsigned int *mtu)
{
	struct espah_sa *sas[ESPAH_BUNDLE_MAX] = { first };
	unsigned int n, pmtu;

	for (n = 1; n <= pol->nouter; n++) {
		sas[n] = espah_template_sa(first->en, espah_policy_tmpl(pol, n), flow);
		if (!sas[n])
			return ESPAH_DROP_NO_SA;
	}
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
