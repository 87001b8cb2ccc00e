/* SPDX-License-Identifier: GPL-2.0-only */
/* The input path: ESP and AH to this host. */
#ifndef _ESPAH_INPUT_H
#define _ESPAH_INPUT_H

#include <linux/netfilter.h>
#include "net.h"

struct espah_op;

/**
 * espah_input - what happens to an ESP or AH packet at LOCAL_IN
 * @en: network namespace
 * @skb: the packet, from the IP header on
 * @state: the hook's
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @hdr_off: offset of its header from skb->data
 * @encap_len: bytes of the UDP header before it, or 0
 *
 * Return: NF_ACCEPT if the SA is XFRM's; NF_STOLEN if the packet was taken, or dropped and counted.
 */
unsigned int espah_input(struct espah_net *en, struct sk_buff *skb,
			 const struct nf_hook_state *state, u8 proto, unsigned int hdr_off,
			 unsigned int encap_len);

/**
 * espah_is_xfrms - whether an SA is one of XFRM's: the two live side by side
 * @net: network namespace
 * @skb: a packet of it
 * @id: what it would be found by
 * @port: UDP destination port of the packet, or 0 for any way that it came
 */
bool espah_is_xfrms(struct net *net, const struct sk_buff *skb, const struct espah_sa_id *id,
		    __be16 port);

/* checks and delivers a decrypted packet; consumes @op->skb; Context: RCU reader, BH disabled */
void espah_input_done(struct espah_op *op, int err);

/**
 * espah_input_marked - whether a packet came out of an SA of ours
 * @skb: a packet at PRE_ROUTING
 *
 * The mark is a metadata dst. It lives until routing replaces it, and nobody
 * outside the kernel can make one that passes for ours.
 */
bool espah_input_marked(const struct sk_buff *skb);

#endif /* _ESPAH_INPUT_H */
