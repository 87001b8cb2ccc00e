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
 * @work: in what a worker has to do, or among those that are free
 * @skb: the packet; owned
 * @sa: the SA
 * @dev: device held while the packet is in flight
 * @seq: its 64-bit sequence number
 * @err: what the driver answered; valid once @done
 * @done: the driver has answered; under espah_queue.lock while @linked
 * @linked: it is in espah_queue.ops; under espah_queue.lock
 * @nsg: what espah_op_room() said
 * @next_header: output: for AH
 * @home: the CPU that allocated it
 * @size: bytes allocated for it
 * @hdr_off: offset of the ESP or AH header from skb->data
 * @encap_len: bytes of the UDP header before it, or 0
 * @plain_len: output: length of the packet before it was wrapped
 * @first_len: output: the same, before the first of several SAs; 0: there was none before
 * @policy_id: output: the policy by which another SA follows; 0: none does
 * @depth: how many SAs the packet has been through before this one
 * @own: input: so many of these were all that a policy asked for the packet then
 * @nesting: output: how many emissions brought it here, see ESPAH_NESTING_MAX
 * @before: input: which they were, by espah_sa.index, the outermost first
 * @ct_len: bytes of ciphertext without header, IV and ICV; AH: bytes that the ICV covers
 * @saved: the word before the ESP header, while the AAD of ESN covers it
 * @sg: the packet for the driver: @sg_few, or allocated when it has more parts
 * @sg_few: enough for most packets
 * @iv: as the driver wants it
 * @req: the request; the driver's own part follows, so it comes last
 *
 * A driver that answers at once lets the CPU use the same op for each packet; one that
 * answers later, or a worker, keeps the op, and the CPU takes another. Ops go back to the
 * CPU that allocated them, so that after a while none allocates any more.
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
 * @head: bytes wanted before it
 * @tail: bytes wanted behind it
 * @trailer: gets the buffer that ends it
 *
 * Return: how many scatter entries it takes, or -ENOMEM.
 */
int espah_op_room(struct sk_buff *skb, unsigned int head, unsigned int tail,
		  struct sk_buff **trailer);

/* why a packet is dropped whose crypto ended like this */
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
