/* SPDX-License-Identifier: GPL-2.0-only */
/* Tunnel and transport mode: adding and removing headers (RFC 4301 5.1.2, RFC 4303 3.1). */
#ifndef _ESPAH_MODE_H
#define _ESPAH_MODE_H

#include <linux/skbuff.h>
#include "db/reasons.h"
#include "db/sad.h"

struct espah_op;

/**
 * struct espah_layout - how a packet is wrapped
 * @path: path of the SA, while the packet is being wrapped
 * @head_len: bytes of all headers that are added
 * @hdr_len: bytes from skb->data on that stay before the ESP or AH header (transport)
 * @nh_off: transport: offset of the field that names the upper-layer protocol
 * @pad_to: length up to which the packet is padded, to hide its length (RFC 4303 2.7)
 * @first_len: bytes of the packet before the first of several SAs wrapped it, or 0
 * @policy_id: policy that requires another SA after this one; 0: none
 * @next_header: for the ESP trailer or AH
 * @depth: number of SAs applied before
 * @nesting: number of nested emissions so far, see ESPAH_NESTING_MAX
 * @dummy: the packet is a dummy
 */
struct espah_layout {
	struct espah_path *path;
	u16 head_len;
	u16 hdr_len;
	u16 nh_off;
	u16 pad_to;
	u16 first_len;
	u32 policy_id;
	u8 next_header;
	u8 depth;
	u8 nesting;
	bool dummy;
};

/* fills @layout, from @layout->path; Return: ESPAH_DROP_NONE, or the drop reason */
enum espah_drop espah_mode_layout(const struct espah_sa *sa, struct sk_buff *skb,
				  struct espah_layout *layout);

/**
 * espah_mode_header - write an IP header without options for a packet of an SA
 * @sa: the SA
 * @skb: the packet, which begins with the header; sets skb->protocol
 * @path: path of the SA
 * @dst: route of the packet
 * @tos: traffic class
 * @df: IPv4: do not fragment
 *
 * Lengths, checksum and IP identification are left to the IP layer.
 */
void espah_mode_header(const struct espah_sa *sa, struct sk_buff *skb,
		       const struct espah_path *path, const struct dst_entry *dst, u8 tos, bool df);

/* the DSCP of the packet that an outbound SA makes of one with @dscp */
u8 espah_mode_dscp(const struct espah_sa *sa, u8 dscp);

/**
 * espah_mode_wrap - make room for ESP header and IV or AH, and write the headers before them
 * @sa: the SA
 * @skb: the packet, with headroom; an ESP trailer is already appended
 * @layout: from espah_mode_layout()
 * @dst: route of the outer packet
 *
 * IP lengths, checksum and identification are left to the IP layer.
 *
 * Return: offset of the ESP or AH header from skb->data.
 */
unsigned int espah_mode_wrap(const struct espah_sa *sa, struct sk_buff *skb,
			     const struct espah_layout *layout, const struct dst_entry *dst);

/**
 * espah_mode_unwrap - remove the outer headers of an authenticated packet
 * @op: the packet, with a trailer already removed
 * @next_header: from the ESP trailer or AH
 *
 * Return: ESPAH_DROP_NONE, with skb->data, network header and protocol of the inner packet; or
 * the drop reason.
 */
enum espah_drop espah_mode_unwrap(const struct espah_op *op, u8 next_header);

#endif /* _ESPAH_MODE_H */
