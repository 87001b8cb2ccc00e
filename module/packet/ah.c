// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/slab.h>
#include "ah.h"
#include "ah_mutable.h"
#include "algo.h"

unsigned int espah_ah_len(const struct espah_sa *sa)
{
	return ALIGN(sizeof(struct ip_auth_hdr) + sa->iv_len + sa->icv_len,
		     sa->id.family == AF_INET ? 4 : 8);
}

static struct ip_auth_hdr *ah_hdr(const struct espah_op *op)
{
	return (struct ip_auth_hdr *)(op->skb->data + op->hdr_off);
}

static enum espah_drop set_request(struct espah_op *op, bool out)
{
	const struct espah_sa *sa = op->sa;
	struct sk_buff *skb = op->skb;
	u8 *copy = (u8 *)op + sa->op_size - ESPAH_AH_COPY;
	unsigned int payload_off = op->hdr_off + sa->hdr_len;
	unsigned int aad_len = skb->len;
	/* besides the payload: the copy, the upper half of the number, and the ICV */
	int nsg = op->nsg + 3, n = 0;

	if (op->hdr_off > ESPAH_AH_HEADERS_MAX ||
	    espah_ah_covered(copy, skb->data, op->hdr_off, out))
		return ESPAH_DROP_AH_HEADERS;
	memcpy(copy + op->hdr_off, ah_hdr(op), sa->hdr_len);
	memset(copy + op->hdr_off + sizeof(struct ip_auth_hdr), 0, sa->iv_len + sa->icv_len);

	if (unlikely(nsg > ESPAH_OP_SG)) {
		op->sg = kmalloc_array(nsg, sizeof(*op->sg), GFP_ATOMIC);
		if (!op->sg) {
			op->sg = op->sg_few;
			return ESPAH_DROP_NOMEM;
		}
	}
	sg_init_table(op->sg, nsg);
	sg_set_buf(op->sg, copy, payload_off);
	if (likely(skb->len > payload_off))
		n = skb_to_sgvec_nomark(skb, op->sg + 1, payload_off, skb->len - payload_off);
	if (unlikely(n < 0))
		return ESPAH_DROP_NOMEM;
	if (espah_sa_esn(sa)) {
		/* RFC 4302 3.3.3.2.2: behind the payload */
		__be32 high = htonl(upper_32_bits(op->seq));

		memcpy(copy + payload_off, &high, sizeof(high));
		sg_set_buf(&op->sg[++n], copy + payload_off, sizeof(high));
		aad_len += sizeof(high);
	}
	sg_set_buf(&op->sg[++n], ah_hdr(op)->auth_data + sa->iv_len, sa->icv_len);
	sg_mark_end(&op->sg[n]);

	if (sa->iv == ESPAH_IV_SEQ) {
		/* AES-GMAC (RFC 4543 3.2) */
		memcpy(op->iv, sa->salt, sizeof(sa->salt));
		memcpy(op->iv + sizeof(sa->salt), ah_hdr(op)->auth_data, sa->iv_len);
	}
	op->ct_len = aad_len; /* charged to the SA's lifetime (RFC 4301 4.4.2.1) */
	aead_request_set_tfm(&op->req, sa->aead);
	aead_request_set_ad(&op->req, aad_len);
	aead_request_set_crypt(&op->req, op->sg, op->sg, out ? 0 : sa->icv_len, op->iv);
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_ah_seal(struct espah_op *op)
{
	const struct espah_sa *sa = op->sa;
	struct ip_auth_hdr *ah = ah_hdr(op);
	__be64 iv = cpu_to_be64(op->seq) ^ sa->iv_mask;

	memset(ah, 0, sa->hdr_len);
	ah->nexthdr = op->next_header;
	ah->hdrlen = sa->hdr_len / 4 - 2;
	ah->spi = sa->id.spi;
	ah->seq_no = htonl(lower_32_bits(op->seq));
	memcpy(ah->auth_data, &iv, sa->iv_len);
	return set_request(op, true);
}

enum espah_drop espah_ah_check(const struct espah_sa *sa, struct sk_buff *skb,
			       unsigned int hdr_off, u32 *seq)
{
	const struct ip_auth_hdr *ah;

	if (unlikely(!pskb_may_pull(skb, hdr_off + sa->hdr_len)))
		return ESPAH_DROP_SHORT;
	ah = (const struct ip_auth_hdr *)(skb->data + hdr_off);
	/* only the padding needed for alignment is allowed (RFC 4302 3.3.3.2.1) */
	if (unlikely((ah->hdrlen + 2) * 4 != sa->hdr_len))
		return ESPAH_DROP_LENGTH;
	*seq = ntohl(ah->seq_no);
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_ah_open(struct espah_op *op)
{
	return set_request(op, false);
}
