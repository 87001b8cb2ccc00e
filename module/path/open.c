// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
#include <net/esp.h>
#include "open.h"
#include "packet/ah.h"
#include "report/drop.h"

static enum espah_drop check_esp(const struct espah_sa *sa, struct sk_buff *skb,
				 unsigned int hdr_off, u32 *seq)
{
	unsigned int fixed = sizeof(struct ip_esp_hdr) + sa->iv_len + sa->icv_len;
	unsigned int ct_len;

	if (unlikely(skb->len < hdr_off + fixed + 2 ||
		     !pskb_may_pull(skb, hdr_off + sizeof(struct ip_esp_hdr) + sa->iv_len)))
		return ESPAH_DROP_SHORT;
	ct_len = skb->len - hdr_off - fixed;
	if (unlikely(ct_len & (sa->block_len - 1)))
		return ESPAH_DROP_LENGTH;
	*seq = ntohl(((const struct ip_esp_hdr *)(skb->data + hdr_off))->seq_no);
	return ESPAH_DROP_NONE;
}

enum espah_drop espah_open_check(const struct espah_sa *sa, struct sk_buff *skb,
				 unsigned int hdr_off, unsigned int encap_len, u64 *seq)
{
	const struct espah_replay *replay = sa->replay;
	enum espah_replay_verdict verdict;
	enum espah_drop reason;
	u32 low;

	if (unlikely(sa->state != ESPAH_SA_STATE_VALID))
		return ESPAH_DROP_LARVAL;
	if (unlikely(espah_sa_path(sa)->encap_len != encap_len))
		return ESPAH_DROP_ENCAP;
	reason = espah_sa_is_ah(sa) ? espah_ah_check(sa, skb, hdr_off, &low) :
				      check_esp(sa, skb, hdr_off, &low);
	if (unlikely(reason))
		return reason;
	*seq = low;
	if (espah_sa_esn(sa)) {
		*seq = espah_esn_expand(READ_ONCE(replay->top), replay->window, low);
		if (unlikely(READ_ONCE(replay->failures) >= ESPAH_RESYNC_FAILURES))
			*seq = espah_esn_resync(replay, *seq, ktime_get_seconds(),
						get_random_u32());
	}
	verdict = espah_replay_check(replay, *seq);
	return likely(verdict == ESPAH_REPLAY_OK) ? ESPAH_DROP_NONE : espah_replay_drop(verdict);
}

struct espah_op *espah_open(struct espah_sa *sa, struct sk_buff *skb, unsigned int hdr_off,
			    unsigned int encap_len, u64 seq, const struct espah_op *outer)
{
	enum espah_drop reason = ESPAH_DROP_NOMEM;
	struct sk_buff *trailer;
	struct espah_op *op;
	int nsg = espah_op_room(skb, 0, 0, &trailer);

	if (unlikely(nsg < 0))
		goto drop;
	skb_dst_drop(skb);
	op = espah_op_get(sa, skb);
	if (unlikely(!op))
		goto drop;
	if (unlikely(outer)) {
		memcpy(op->before, outer->before, sizeof(op->before));
		op->before[outer->depth] = outer->sa->index;
		op->depth = outer->depth + 1;
		op->own = outer->own;
	}
	op->seq = seq;
	op->nsg = nsg;
	op->hdr_off = hdr_off;
	op->encap_len = encap_len;
	reason = unlikely(espah_sa_is_ah(sa)) ? espah_ah_open(op) : espah_esp_open(op);
	if (likely(!reason))
		return op;
	espah_op_put(op);
drop:
	espah_drop(sa->en, sa, NULL, reason, skb);
	return NULL;
}
