/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several SAs for one packet, as a policy may require (RFC 4301 4.5). On output each SA wraps the
 * result of the one before. On input they are removed in one pass, and the policy is checked once,
 * at the end, against all of them.
 */
#ifndef _ESPAH_BUNDLE_H
#define _ESPAH_BUNDLE_H

#include "db/net.h"
#include "packet/esp.h"

/**
 * espah_bundle_sas - find the SAs for a packet under a protect policy
 * @en: network namespace
 * @pol: the policy
 * @flow: the packet's flow
 * @dscp: its DSCP; each further SA is that for the DSCP which the SA before gives the packet
 * @sas: array of ESPAH_BUNDLE_MAX entries; filled, innermost SA first
 *
 * Context: RCU reader. Return: number of SAs; 0 if one is missing.
 */
unsigned int espah_bundle_sas(struct espah_net *en, struct espah_policy *pol,
			      const struct espah_flow *flow, u8 dscp, struct espah_sa **sas);

/* the same, once @sas[0] is set */
unsigned int espah_bundle_rest(struct espah_net *en, struct espah_policy *pol,
			       const struct espah_flow *flow, u8 dscp, struct espah_sa **sas);

/* continues espah_policy_sa() */
struct espah_sa *espah_policy_sa_slow(struct espah_net *en, struct espah_policy *pol,
				      const struct espah_flow *flow, const struct sk_buff *skb);

/* the SA to apply first, or NULL if any SA of the policy is missing; Context: RCU reader */
static inline struct espah_sa *espah_policy_sa(struct espah_net *en, struct espah_policy *pol,
					       const struct espah_flow *flow,
					       const struct sk_buff *skb)
{
	struct espah_sa *sa = espah_template_sa_fast(&pol->tmpl);

	if (likely(sa && !pol->nouter))
		return sa;
	return espah_policy_sa_slow(en, pol, flow, skb);
}

/**
 * espah_bundle_mtu - the largest packet that fits through all SAs of a policy
 * @pol: the policy
 * @first: the SA to apply first; while packets are held, its template has no SA
 * @flow: the packet's flow
 * @dscp: its DSCP
 * @hdr_len: as for espah_sa_mtu()
 * @mtu: bytes; set to the result, 0 if nothing fits
 *
 * Context: RCU reader.
 * Return: ESPAH_DROP_NONE, or a reason that names what is missing: an SA or the route.
 */
enum espah_drop espah_bundle_mtu(struct espah_policy *pol, struct espah_sa *first,
				 const struct espah_flow *flow, u8 dscp, unsigned int hdr_len,
				 unsigned int *mtu);

/**
 * espah_bundle_received - the SAs that a received packet has passed
 * @op: the packet
 * @sas: array of ESPAH_BUNDLE_MAX entries; filled, innermost SA first
 *
 * Context: RCU reader. Return: number of SAs; 0 if one was deleted meanwhile.
 */
unsigned int espah_bundle_received(const struct espah_op *op, struct espah_sa **sas);

/*
 * whether @op came by exactly the SAs that protect policy @pol requires, apart from outer SAs that
 * another policy required; Context: RCU reader
 */
bool espah_bundle_admits(struct espah_policy *pol, const struct espah_op *op);

static inline bool espah_policy_admits(struct espah_policy *pol, const struct espah_op *op)
{
	if (likely(!op->depth && !pol->nouter))
		return espah_template_admits(&pol->tmpl, op->sa);
	return espah_bundle_admits(pol, op);
}

/* the SA of an ESP or AH packet found inside another SA's, or NULL; Context: RCU reader */
struct espah_sa *espah_bundle_next(struct espah_net *en, const struct sk_buff *skb,
				   const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_BUNDLE_H */
