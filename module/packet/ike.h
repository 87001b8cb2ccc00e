/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IKE has to pass in clear regardless of the policies, or no SA could ever be established. The
 * socket decides whether a packet is IKE, not the port alone, which any user may bind. IKE is:
 *
 *   - UDP sockets on port 500, or on port 4500 for datagrams with the non-ESP marker and
 *     keepalives (RFC 3948 2.2, 2.3), if the process that opened the socket had CAP_NET_ADMIN
 *     over the network namespace;
 *   - UDP sockets on any port with an XFRM policy of their own that lets their packets pass
 *     (IP_XFRM_POLICY, IPV6_XFRM_POLICY), which takes the same privilege to set.
 *
 * The peer's port is no evidence: a sender that wants to reach another port of this host in clear
 * can choose it freely.
 */
#ifndef _ESPAH_IKE_H
#define _ESPAH_IKE_H

#include "flow.h"

#define ESPAH_IKE_PORT 500
#define ESPAH_IKE_NATT_PORT 4500

struct sock;

/**
 * espah_ike_sends - whether a packet is IKE that this host sends
 * @sk: the sending socket, from the hook state, because skb->sk of the outer packet of a tunnel
 *	is the socket of the inner packet; may be NULL
 * @skb: the packet
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 *
 * Context: RCU reader, BH disabled.
 */
bool espah_ike_sends(struct sock *sk, const struct sk_buff *skb, const struct espah_flow *flow,
		     int thoff);

/**
 * espah_ike_receives - whether a packet is IKE for a socket of this host
 * @net: network namespace
 * @skb: the packet, to an address of this host and not a fragment
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 *
 * Looks up the socket that would receive the packet, so it is called last, only for packets that
 * would otherwise be dropped.
 *
 * Context: RCU reader, BH disabled.
 */
bool espah_ike_receives(struct net *net, const struct sk_buff *skb,
			const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_IKE_H */
