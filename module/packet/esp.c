// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/esp.h>
#include "algo.h"
#include "compat/compiler.h"
#include "esp.h"

unsigned int espah_esp_tail_len(const struct espah_sa *sa, unsigned int payload_len)
{
	return ALIGN(payload_len + 2, sa->block_len) - payload_len + sa->icv_len;
}

void espah_esp_put_trailer(const struct espah_sa *sa, struct sk_buff *skb, struct sk_buff *trailer,
			   unsigned int payload_len, unsigned int tfc_len, u8 next_header)
{
	unsigned int tail_len = espah_esp_tail_len(sa, payload_len + tfc_len);
	unsigned int pad_len = tail_len - sa->icv_len - 2;
	u8 *tail = pskb_put(skb, trailer, tfc_len + tail_len);
	unsigned int i;

	if (unlikely(tfc_len)) {
		memset(tail, 0, tfc_len);
		tail += tfc_len;
	}
	for (i = 0; i < pad_len; i++)
		tail[i] = i + 1;
	tail[pad_len] = pad_len;
	tail[pad_len + 1] = next_header;
}

static enum espah_drop set_request(struct espah_op *op, unsigned int crypt_len)
{
	struct espah_sa *sa = op->sa;
	unsigned int aad_len = sizeof(struct ip_esp_hdr) + sa->iv_len;
	unsigned int off = op->hdr_off;
	struct aead_request *req = &op->req;
	int nsg = op->nsg;

	/*
	 * With ESN the AAD is SPI, upper half, lower half. The packet has no
	 * room for the upper half, so the SPI moves one word forward until the
	 * driver has answered (RFC 4303 2.2.1).
	 */
	if (espah_sa_esn(sa)) {
		__be32 *words = (__be32 *)(op->skb->data + off) - 1;

		op->saved = words[0];
		words[0] = words[1];
		words[1] = htonl(upper_32_bits(op->seq));
		aad_len += sizeof(__be32);
		off -= sizeof(__be32);
	}
	if (likely(nsg == 1 && !skb_is_nonlinear(op->skb))) {
		/* the op pool initialised the list, see alloc_op() in op.c */
		sg_set_buf(op->sg, op->skb->data + off, aad_len + crypt_len);
		sg_mark_end(op->sg);
	} else {
		if (nsg > ESPAH_OP_SG) {
			op->sg = kmalloc_array(nsg, sizeof(*op->sg), GFP_ATOMIC);
			if (!op->sg) {
				op->sg = op->sg_few;
				return ESPAH_DROP_NOMEM;
			}
		}
		sg_init_table(op->sg, nsg);
		if (skb_to_sgvec(op->skb, op->sg, off, aad_len + crypt_len) < 0)
			return ESPAH_DROP_NOMEM;
	}
	aead_request_set_tfm(req, sa->aead);
	aead_request_set_ad(req, aad_len);
	return ESPAH_DROP_NONE;
}

/*
 * RFC 8750 section 4: the IV is the 64-bit sequence number, or the 32-bit one behind zeros.
 * The last 4 bytes are CCM's counter.
 */
static void set_nonce(struct espah_op *op)
{
	__be64 seq = cpu_to_be64(op->seq);

	memcpy(op->iv, op->sa->salt, 4);
	memcpy(op->iv + 4, &seq, sizeof(seq));
	memset(op->iv + 12, 0, 4);
}

enum espah_drop espah_esp_seal(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	struct ip_esp_hdr *esp = (void *)(op->skb->data + op->hdr_off);

	op->ct_len = op->skb->len - op->hdr_off - sizeof(*esp) - sa->iv_len - sa->icv_len;
	esp->spi = sa->id.spi;
	esp->seq_no = htonl(lower_32_bits(op->seq));
	if (sa->iv == ESPAH_IV_SEQ) {
		__be64 iv = cpu_to_be64(op->seq) ^ sa->iv_mask;

		memcpy(op->iv, &iv, sizeof(iv));
		memcpy(esp->enc_data, &iv, sizeof(iv));
	} else if (sa->iv == ESPAH_IV_RANDOM) {
		get_random_bytes(op->iv, sa->iv_len);
		memcpy(esp->enc_data, op->iv, sa->iv_len);
	} else if (sa->iv == ESPAH_IV_IMPLICIT) {
		set_nonce(op);
	}
	if (set_request(op, op->ct_len + sa->icv_len))
		return ESPAH_DROP_NOMEM;
	aead_request_set_crypt(&op->req, op->sg, op->sg, op->ct_len, op->iv);
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_esp_open(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	struct ip_esp_hdr *esp = (void *)(op->skb->data + op->hdr_off);

	op->ct_len = op->skb->len - op->hdr_off - sizeof(*esp) - sa->iv_len - sa->icv_len;
	memcpy(op->iv, esp->enc_data, sa->iv_len);
	if (unlikely(sa->iv == ESPAH_IV_IMPLICIT))
		set_nonce(op);
	if (set_request(op, op->ct_len + sa->icv_len))
		return ESPAH_DROP_NOMEM;
	aead_request_set_crypt(&op->req, op->sg, op->sg, op->ct_len + sa->icv_len, op->iv);
	return ESPAH_DROP_NONE;
}

void espah_esp_restore(struct espah_op *op)
{
	__be32 *words;

	if (!espah_sa_esn(op->sa) || espah_sa_is_ah(op->sa))
		return;
	words = (__be32 *)(op->skb->data + op->hdr_off) - 1;
	words[1] = words[0];
	words[0] = op->saved;
}

/* noinline, because of its stack usage */
static noinline enum espah_drop check_padding(struct sk_buff *skb, unsigned int off,
					      unsigned int pad_len)
{
	u8 buf[256] espah_uninit;
	const u8 *pad = skb_header_pointer(skb, off, pad_len, buf);
	unsigned int i;

	if (!pad)
		return ESPAH_DROP_PADDING;
	for (i = 0; i < pad_len; i++)
		if (pad[i] != i + 1)
			return ESPAH_DROP_PADDING;
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_esp_strip(const struct espah_sa *sa, struct sk_buff *skb,
				unsigned int hdr_off, u8 *next_header)
{
	unsigned int payload_off = hdr_off + sizeof(struct ip_esp_hdr) + sa->iv_len;
	unsigned int end = skb->len - sa->icv_len;
	unsigned int pad_len;
	const u8 *tail;
	u8 buf[2];

	/* the caller has checked that payload_off + 2 <= end */
	tail = skb_header_pointer(skb, end - 2, 2, buf);
	if (!tail)
		return ESPAH_DROP_PADDING;
	pad_len = tail[0];
	*next_header = tail[1];
	if (pad_len + 2 > end - payload_off ||
	    (pad_len && check_padding(skb, end - 2 - pad_len, pad_len)))
		return ESPAH_DROP_PADDING;
	if (*next_header == IPPROTO_NONE)
		return ESPAH_DROP_DUMMY;
	if (pskb_trim(skb, end - 2 - pad_len))
		return ESPAH_DROP_NOMEM;
	return ESPAH_DROP_NONE;
}
