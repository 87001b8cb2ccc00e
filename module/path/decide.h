/* SPDX-License-Identifier: GPL-2.0-only */
/* Policy decisions for packets in clear (RFC 4301 5.1, 5.2). */
#ifndef _ESPAH_DECIDE_H
#define _ESPAH_DECIDE_H

#include "db/net.h"

struct sock;

/**
 * struct espah_packet - a packet of a flow
 * @skb: the packet
 * @thoff: offset of its upper-layer header
 * @sk: outbound: the sending socket, or NULL
 */
struct espah_packet {
	const struct sk_buff *skb;
	int thoff;
	struct sock *sk;
};

/** enum espah_exempt - why a packet passes regardless of the policies */
enum espah_exempt {
	ESPAH_EXEMPT_NONE,
	/** @ESPAH_EXEMPT_ND: neighbour or router discovery, which never leaves the link */
	ESPAH_EXEMPT_ND,
	/** @ESPAH_EXEMPT_IKE: IKE; inbound also ESP in UDP for an SA of XFRM */
	ESPAH_EXEMPT_IKE,
	/** @ESPAH_EXEMPT_IPSEC: ESP or AH to this host, which LOCAL_IN consumes or drops */
	ESPAH_EXEMPT_IPSEC,
	/** @ESPAH_EXEMPT_MADE: ESP or AH made by this host; never for a packet, see hooks.c */
	ESPAH_EXEMPT_MADE,
};

/**
 * struct espah_decision - what to do with a packet
 * @pol: the policy that applies; NULL: the default
 * @action: enum espah_action
 * @exempt: why the packet passes although @action is not bypass
 * @quotes: the packet is an ICMP error, and @pol is the policy of the flow that it quotes
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
 * espah_exempt - whether a packet passes regardless of the policies
 * @en: network namespace
 * @dir: enum espah_dir
 * @flow: its flow
 * @packet: the packet; NULL: ask whether packets of the flow may be exempt
 * @dev: look for local addresses in this device's domain; NULL: in the main domain
 *
 * Context: RCU reader.
 */
enum espah_exempt espah_exempt(struct espah_net *en, u8 dir, const struct espah_flow *flow,
			       const struct espah_packet *packet, const struct net_device *dev);

/**
 * espah_decide - look up the policy for a packet and decide
 * @en: network namespace
 * @dir: enum espah_dir
 * @flow: the flow; @flow->hidden is set as by espah_spd_lookup()
 * @packet: the packet; NULL: any packet of the flow that is not exempt and not an ICMP error
 * @is: filled in
 *
 * Context: RCU reader, BH disabled.
 * Return: a drop reason, or ESPAH_DROP_NONE: the packet passes in clear, or, if outbound with
 * ESPAH_ACTION_PROTECT and not exempt, goes through the SAs of @is->pol.
 */
enum espah_drop espah_decide(struct espah_net *en, u8 dir, struct espah_flow *flow,
			     const struct espah_packet *packet, struct espah_decision *is);

#endif /* _ESPAH_DECIDE_H */
