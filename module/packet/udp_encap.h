/* SPDX-License-Identifier: GPL-2.0-only */
/* NAT traversal: ESP in UDP (RFC 3948). */
#ifndef _ESPAH_UDP_ENCAP_H
#define _ESPAH_UDP_ENCAP_H

#include <linux/netfilter.h>
#include "db/net.h"
#include "db/selector.h"

struct espah_op;

/* writes the UDP header at the transport header; its length covers the rest of the packet */
void espah_encap_put(const struct espah_path *path, struct sk_buff *skb);
/* completes the UDP header after the encryption: the checksum */
void espah_encap_finish(struct sk_buff *skb);

/**
 * espah_encap_esp_off - find the ESP header in a UDP packet
 * @en: network namespace
 * @skb: the packet
 * @off: offset of the UDP header from skb->data
 *
 * Return: offset from skb->data, or -1 if no SA uses the port or the packet is no ESP.
 */
int espah_encap_esp_off(struct espah_net *en, const struct sk_buff *skb, int off);

/**
 * espah_encap_fix_checksum - correct the checksum after NAT changed addresses (RFC 3948 3.1.2)
 * @skb: an authenticated packet of transport mode, unwrapped; CHECKSUM_NONE
 * @flow: its flow
 * @thoff: offset of its upper-layer header
 *
 * Return: false without memory.
 */
bool espah_encap_fix_checksum(struct sk_buff *skb, const struct espah_flow *flow, int thoff);

#endif /* _ESPAH_UDP_ENCAP_H */
