/* SPDX-License-Identifier: GPL-2.0-only */
/* What the policies say of a packet in clear (RFC 4301 5.1, 5.2). */
#ifndef _ESPAH_DECIDE_H
#define _ESPAH_DECIDE_H

#include "db/net.h"

struct sock;

/**
 * struct espah_packet - a packet of a flow
 * @skb: the packet
 * @thoff: offset of its upper-layer header
 * @sk: outbound: the socket that sends it, or NULL
 */
struct espah_packet {
	const struct sk_buff *skb;
	int thoff;
	struct sock *sk;
};

/** enum espah_exempt - why a packet passes whatever the policies say */
enum espah_exempt {
	ESPAH_EXEMPT_NONE,
	/** @ESPAH_EXEMPT_ND: neighbour or router discovery, which never leaves the link */
	ESPAH_EXEMPT_ND,
	/** @ESPAH_EXEMPT_IKE: IKE; inbound also ESP in UDP of XFRM's */
	ESPAH_EXEMPT_IKE,
	/** @ESPAH_EXEMPT_IPSEC: ESP or AH to this host, which LOCAL_IN takes or drops */
	ESPAH_EXEMPT_IPSEC,
	/** @ESPAH_EXEMPT_MADE: ESP or AH that this host has made; never of a packet, see hooks.c */
	ESPAH_EXEMPT_MADE,
};

/**
 * struct espah_decision - what is to be done with a packet
 * @pol: the policy that applies; NULL: the default
 * @action: enum espah_action
 * @exempt: it passes, though @action is not to bypass
 * @quotes: it is an ICMP error, and @pol is that of the flow that it quotes
 * @quoted: that flow
 */
struct espah_decision {
	struct espah_policy *pol;
	u8 action;
	enum espah_exempt exempt;
	bool quotes;
	struct espah_flow quoted;
};

/**
 * espah_exempt - whether a packet passes whatever the policies say
 * @en: network namespace
 * @dir: enum espah_dir
 * @flow: its flow
 * @packet: the packet; NULL: whether packets of the flow may be exempt
 * @dev: in whose domain the addresses are looked for; NULL: in the main one
 *
 * Context: RCU reader.
 */
enum espah_exempt espah_exempt(struct espah_net *en, u8 dir, const struct espah_flow *flow,
			       const struct espah_packet *packet, const struct net_device *dev);

/**
 * espah_decide - ask the policies
 * @en: network namespace
 * @dir: enum espah_dir
 * @flow: the flow; @flow->hidden is set as by espah_spd_lookup()
 * @packet: the packet; NULL: any packet of the flow that is not exempt and no ICMP error
 * @is: filled in
 *
 * Context: RCU reader, BH disabled.
 * Return: ESPAH_DROP_NONE: the packet passes in clear, or, outbound with ESPAH_ACTION_PROTECT and
 * unless it is exempt, goes through the SAs of @is->pol; or why it has to go.
 */
enum espah_drop espah_decide(struct espah_net *en, u8 dir, struct espah_flow *flow,
			     const struct espah_packet *packet, struct espah_decision *is);

#endif /* _ESPAH_DECIDE_H */
