/* SPDX-License-Identifier: GPL-2.0-only */
/* The input path: ESP and AH to this host. */
#ifndef _ESPAH_INPUT_H
#define _ESPAH_INPUT_H

#include <linux/netfilter.h>
#include "db/net.h"

struct espah_op;

/**
 * espah_input - process an ESP or AH packet at LOCAL_IN
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

/*
 * continues with an op that espah_order_run() returned, and others of its queue; @op may be NULL;
 * Context: RCU reader, BH disabled
 */
void espah_input_on(struct espah_op *op);

#endif /* _ESPAH_INPUT_H */
