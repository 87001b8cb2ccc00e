/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors about our own ESP and AH packets (RFC 4301 6.1, 8.2) and protected flows (6.2). */
#ifndef _ESPAH_ICMP_H
#define _ESPAH_ICMP_H

#include <linux/skbuff.h>
#include "db/net.h"

/**
 * espah_icmp_input - process an ICMP message to this host
 * @en: network namespace
 * @skb: the packet; not changed
 * @family: AF_INET or AF_INET6
 * @icmp_off: offset of the ICMP header from skb->data
 *
 * If the message says that a packet recently sent by one of our SAs was too big, lowers the path
 * MTU, within bounds. Context: RCU reader.
 */
void espah_icmp_input(struct espah_net *en, struct sk_buff *skb, u8 family, int icmp_off);

/**
 * espah_icmp_policy - the policy of the flow that an ICMP error is about
 * @en: network namespace
 * @now: espah_spd_now() of the lookup of @pol, so that both are of the same set of policies
 * @dir: enum espah_dir
 * @skb: a packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @pol: the policy that its own header matches, or NULL
 * @quoted: set to the flow that the error is about, as by espah_flow_quoted()
 *
 * An ICMP error belongs in the SA of packets that answer the quoted one, unless @pol discards or
 * names ICMP (RFC 4301 6.2). Context: RCU reader.
 *
 * Return: a protect policy; NULL: @pol applies, or the packet is no ICMP error.
 */
struct espah_policy *espah_icmp_policy(struct espah_net *en, u64 now, u8 dir,
				       const struct sk_buff *skb, const struct espah_flow *flow,
				       int thoff, const struct espah_policy *pol,
				       struct espah_flow *quoted);

/*
 * whether an ICMP error quotes a packet that one of our SAs has sent recently, or quotes only the
 * UDP header, from a port of ours for ESP in UDP; Context: RCU reader
 */
bool espah_icmp_about_sa(struct espah_net *en, const struct sk_buff *skb,
			 const struct espah_flow *flow, int thoff);

/**
 * espah_icmp_redirects - whether a packet is a redirect about a protected flow
 * @en: network namespace
 * @now: espah_spd_now()
 * @skb: a packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 *
 * A redirect quotes a packet that this host forwards, in clear, and steers the next ones around
 * this host's policies. It does not matter which end of the flow is behind an SA.
 * Context: RCU reader.
 */
bool espah_icmp_redirects(struct espah_net *en, u64 now, const struct sk_buff *skb,
			  const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_ICMP_H */
