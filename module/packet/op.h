/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet on its way through the crypto API. */
#ifndef _ESPAH_OP_H
#define _ESPAH_OP_H

#include <crypto/aead.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/scatterlist.h>
#include <linux/skbuff.h>
#include "db/sa.h"

#define ESPAH_OP_SG 4

/**
 * struct espah_op - one packet on its way through the crypto API
 * @link: in espah_queue.ops
 * @work: in the list of a worker, or of free ops
 * @skb: the packet; owned
 * @sa: the SA
 * @dev: device held while the packet is in flight
 * @seq: 64-bit sequence number of the packet
 * @err: result of the driver; valid once @done
 * @done: the driver has answered; under espah_queue.lock while @linked
 * @linked: the op is in espah_queue.ops; under espah_queue.lock
 * @nsg: result of espah_op_room()
 * @next_header: output: for AH
 * @home: the CPU that allocated the op
 * @size: bytes allocated for the op
 * @hdr_off: offset of the ESP or AH header from skb->data
 * @encap_len: bytes of the UDP header before it, or 0
 * @plain_len: output: length of the packet before it was wrapped
 * @first_len: output: the same, before the first of several SAs; 0: this is the first SA
 * @policy_id: output: policy that requires another SA after this one; 0: none
 * @depth: number of SAs that handled the packet before this one
 * @own: input: number of these SAs, outermost first, that satisfied the policy of a packet outside
 *	the current one
 * @nesting: output: number of nested emissions so far, see ESPAH_NESTING_MAX
 * @before: input: the SAs of @depth, by espah_sa.index, the outermost first
 * @ct_len: bytes of ciphertext without header, IV and ICV; AH: bytes that the ICV covers
 * @saved: the word before the ESP header, while the AAD of ESN overwrites it
 * @sg: scatter list for the driver: @sg_few, or allocated if it needs more entries
 * @sg_few: enough entries for most packets
 * @iv: IV in the format of the driver
 * @req: the request; last, because the driver's context follows it
 *
 * With a driver that answers at once, a CPU uses the same op for each packet. A driver that answers
 * later, or a worker, keeps the op, and the CPU uses another one. Ops return to the CPU that
 * allocated them, so that after a while no CPU allocates any more.
 */
struct espah_op {
	struct list_head link;
	struct llist_node work;
	struct sk_buff *skb;
	struct espah_sa *sa;
	struct net_device *dev;
	u64 seq;
	int err;
	bool done;
	bool linked;
	u8 encap_len;
	u8 depth;
	u8 own;
	u8 nesting;
	u8 next_header;
	u16 home;
	int nsg;
	u32 policy_id;
	u32 size;
	u32 hdr_off;
	u32 plain_len;
	u32 first_len;
	u32 ct_len;
	__be32 saved;
	u32 before[ESPAH_BUNDLE_MAX - 1];
	struct scatterlist *sg;
	struct scatterlist sg_few[ESPAH_OP_SG];
	u8 iv[16];
	struct aead_request req;
};

/* an op for a packet of @sa, or NULL; Context: BH disabled */
struct espah_op *espah_op_get(struct espah_sa *sa, struct sk_buff *skb);
/* gives back an op that the driver no longer uses; Context: BH disabled */
void espah_op_put(struct espah_op *op);
/* frees the ops that CPUs keep; at unload */
void espah_op_cleanup(void);

/**
 * espah_op_room - make a packet writable, with room around it
 * @skb: the packet, not shared; may be cloned, paged or a list of fragments
 * @head: bytes of headroom needed
 * @tail: bytes of tailroom needed
 * @trailer: set to the last buffer of the packet
 *
 * Return: number of scatter list entries needed, or -ENOMEM.
 */
int espah_op_room(struct sk_buff *skb, unsigned int head, unsigned int tail,
		  struct sk_buff **trailer);

/**
 * espah_op_charge - charge a packet to its SA
 * @op: the packet; its SA has a nonzero espah_sa.watch
 *
 * Return: ESPAH_DROP_NONE, or why the SA does not carry it. Context: BH disabled.
 */
enum espah_drop espah_op_charge(struct espah_op *op);

/* the drop reason for an error of the crypto driver */
static inline enum espah_drop espah_op_reason(int err)
{
	switch (err) {
	case -ENOSPC:
	case -EBUSY:
	case -EAGAIN:
		return ESPAH_DROP_QUEUE_FULL;
	default:
		return ESPAH_DROP_CRYPTO;
	}
}

#endif /* _ESPAH_OP_H */
