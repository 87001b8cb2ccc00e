/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors: about our own packets (RFC 4301 6.1, 8.2), and about protected flows (6.2). */
#ifndef _ESPAH_ICMP_H
#define _ESPAH_ICMP_H

#include <linux/skbuff.h>
#include "db/net.h"

/**
 * espah_icmp_input - look at an ICMP message to this host
 * @en: network namespace
 * @skb: the packet; not changed
 * @family: AF_INET or AF_INET6
 * @icmp_off: offset of the ICMP header from skb->data
 *
 * If it says that a packet that an SA of ours has sent of late was too big, the path
 * MTU is lowered, within bounds. Context: RCU reader.
 */
void espah_icmp_input(struct espah_net *en, struct sk_buff *skb, u8 family, int icmp_off);

/**
 * espah_icmp_policy - the policy of the flow that an ICMP error is about
 * @en: network namespace
 * @dir: enum espah_dir
 * @skb: a packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 * @pol: what its own header leads to, or NULL
 * @quoted: gets the flow that it is about, as espah_flow_quoted() has it
 *
 * An ICMP error belongs into the SA of what would answer the packet that it quotes,
 * unless a policy says discard, or names ICMP (RFC 4301 6.2). Context: RCU reader.
 *
 * Return: a protect policy; NULL: @pol applies, or it is no ICMP error.
 */
struct espah_policy *espah_icmp_policy(struct espah_net *en, u8 dir, const struct sk_buff *skb,
				       const struct espah_flow *flow, int thoff,
				       const struct espah_policy *pol, struct espah_flow *quoted);

/*
 * whether an ICMP error quotes what an SA of ours has sent of late, or no more of UDP than its
 * header, from a port of ESP in UDP; Context: RCU reader
 */
bool espah_icmp_about_sa(struct espah_net *en, const struct sk_buff *skb,
			 const struct espah_flow *flow, int thoff);

/**
 * espah_icmp_redirects - whether a message is a redirect about a flow that a policy protects
 * @en: network namespace
 * @skb: a packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 *
 * A redirect quotes a packet that this host forwards, in clear, and sends the next ones round its
 * policies. Which end of the flow lies behind an SA does not matter. Context: RCU reader.
 */
bool espah_icmp_redirects(struct espah_net *en, const struct sk_buff *skb,
			  const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_ICMP_H */
