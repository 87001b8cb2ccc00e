/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP in UDP to this host (RFC 3948). */
#ifndef _ESPAH_UDP_INPUT_H
#define _ESPAH_UDP_INPUT_H

#include <linux/netfilter.h>
#include "db/net.h"

/**
 * espah_udp_input - process a UDP packet at LOCAL_IN
 * @en: network namespace
 * @skb: the packet, from the IP header on; may be a GSO packet
 * @state: the hook's
 * @off: offset of the UDP header from skb->data
 *
 * Return: NF_ACCEPT if the packet is for a socket (another port, IKE, or XFRM's); NF_STOLEN if it
 * was taken, or dropped and counted.
 */
unsigned int espah_udp_input(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state, int off);

#endif /* _ESPAH_UDP_INPUT_H */
