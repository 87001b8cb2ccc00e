// SPDX-License-Identifier: GPL-2.0-only
/* Sequence numbers and replay windows, as XFRM counts them. */
#include <linux/slab.h>
#include "db/replay.h"
#include "nlx_sa.h"

/* packets: the largest window of XFRMA_REPLAY_VAL */
#define OLD_WINDOW_MAX 32

/* --- reading --- */

static int check_out(struct nlx_request *rq, const struct xfrm_replay_state_esn *esn)
{
	if (esn->replay_window || esn->bmp_len)
		return NLX_FAIL(rq, -EINVAL, "an outbound SA has no replay window");
	if (esn->seq || esn->seq_hi)
		return NLX_FAIL(rq, -EINVAL, "an outbound SA has no received sequence number");
	return 0;
}

static int check_end(struct nlx_request *rq, bool long_numbers, u32 low, u32 high)
{
	if (!long_numbers && high)
		return NLX_FAIL(rq, -EINVAL, "without ESN, sequence numbers have 32 bits");
	if (low == U32_MAX && (!long_numbers || high == U32_MAX))
		return NLX_FAIL(rq, -EINVAL, "no sequence number is left");
	return 0;
}

int nlx_check_replay(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir)
{
	const struct nlattr *attr = rq->attrs[XFRMA_REPLAY_ESN_VAL];
	const struct xfrm_replay_state_esn *esn;
	bool long_numbers = info->flags & XFRM_STATE_ESN;
	int err = 0;

	if (!attr)
		return long_numbers ? NLX_FAIL(rq, -EINVAL, "ESN needs XFRMA_REPLAY_ESN_VAL") : 0;
	esn = nla_data(attr);
	if (esn->bmp_len > XFRMA_REPLAY_ESN_MAX / 32)
		return NLX_FAIL(rq, -EINVAL, "the bitmap of a replay window has at most 128 words");
	if (nla_len(attr) < struct_size(esn, bmp, esn->bmp_len) && nla_len(attr) != sizeof(*esn))
		return NLX_FAIL(rq, -EINVAL, "XFRMA_REPLAY_ESN_VAL is shorter than its bitmap");
	if (info->replay_window)
		return NLX_FAIL(rq, -EINVAL, "two replay windows: one of them must be 0");
	if (dir == NLX_DIR_OUT)
		err = check_out(rq, esn) ?:
		      check_end(rq, long_numbers, esn->oseq, esn->oseq_hi);
	else if (dir == NLX_DIR_IN)
		err = esn->oseq || esn->oseq_hi ?
		      NLX_FAIL(rq, -EINVAL, "an inbound SA has sent no sequence number") :
		      check_end(rq, long_numbers, esn->seq, esn->seq_hi);
	if (err)
		return err;
	if (esn->replay_window > esn->bmp_len * 32)
		return NLX_FAIL(rq, -EINVAL, "the replay window is larger than its bitmap");
	if (long_numbers && !esn->replay_window && dir != NLX_DIR_OUT)
		return NLX_FAIL(rq, -EINVAL, "ESN needs a replay window (RFC 4303 3.3.3)");
	/* the last number of all would be followed by 0 */
	if (long_numbers && esn->oseq == U32_MAX && esn->oseq_hi == U32_MAX)
		return NLX_FAIL(rq, -EINVAL, "no sequence number is left");
	return 0;
}

static u64 whole(u32 low, u32 high, bool long_numbers)
{
	return long_numbers ? (u64)high << 32 | low : low;
}

/* Keeps the numbers of a request; Return: whether there are any. */
static bool keep_numbers(const struct nlx_request *rq, struct nlx_sa *nlx)
{
	const struct nlattr *esn_attr = rq->attrs[XFRMA_REPLAY_ESN_VAL];
	const struct nlattr *old_attr = rq->attrs[XFRMA_REPLAY_VAL];
	bool long_numbers = nlx->info.flags & XFRM_STATE_ESN;

	if (nlx->esn_val && esn_attr) {
		const struct xfrm_replay_state_esn *esn = nla_data(esn_attr);

		nlx->sent = whole(esn->oseq, esn->oseq_hi, long_numbers);
		nlx->received = whole(esn->seq, esn->seq_hi, long_numbers);
	} else if (!nlx->esn_val && old_attr) {
		const struct xfrm_replay_state *old = nla_data(old_attr);

		nlx->sent = old->oseq;
		nlx->received = old->seq;
		nlx->bitmap = old->bitmap;
	} else {
		return false;
	}
	return true;
}

void nlx_read_replay(const struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir,
		     struct nlx_sa *nlx, u64 *seq, u32 *window)
{
	const struct nlattr *attr = rq->attrs[XFRMA_REPLAY_ESN_VAL];

	*window = min_t(u32, info->replay_window, OLD_WINDOW_MAX);
	if (attr) {
		const struct xfrm_replay_state_esn *esn = nla_data(attr);

		nlx->esn_val = true;
		nlx->bmp_len = esn->bmp_len;
		nlx->window = esn->replay_window;
		*window = esn->replay_window;
	}
	keep_numbers(rq, nlx);
	*seq = dir == ESPAH_DIR_IN ? nlx->received : nlx->sent;
	/* espah has no smaller window than that of RFC 4303 3.4.3 */
	if (*window && *window < ESPAH_WINDOW_MIN)
		*window = ESPAH_WINDOW_MIN;
}

/* the bit of the number @back before the top, in XFRM's ring of @window bits */
static u32 ring_bit(u32 seq, u32 window, u32 back)
{
	u32 top = (seq - 1) % window;

	return top >= back ? top - back : window - (back - top);
}

void nlx_read_bitmap(const struct nlx_request *rq, struct espah_sa *sa)
{
	const struct nlattr *esn_attr = rq->attrs[XFRMA_REPLAY_ESN_VAL];
	const struct nlattr *old_attr = rq->attrs[XFRMA_REPLAY_VAL];
	struct espah_replay *replay = sa->replay;
	u32 back, bit;

	if (!replay || !replay->window)
		return;
	/* an attribute of the other kind is ignored, and was not checked */
	if (nlx_sa(sa)->esn_val ? !esn_attr : !old_attr)
		return;
	if (nlx_sa(sa)->esn_val) {
		const struct xfrm_replay_state_esn *esn = nla_data(esn_attr);
		bool given = nla_len(esn_attr) >= struct_size(esn, bmp, esn->bmp_len);

		for (back = 0; back < esn->replay_window && back < replay->top; back++) {
			bit = ring_bit(esn->seq, esn->replay_window, back);
			if (!given || !(esn->bmp[bit / 32] & BIT(bit % 32)))
				espah_replay_forget(replay, replay->top - back);
		}
	} else {
		const struct xfrm_replay_state *old = nla_data(old_attr);

		for (back = 0; back < OLD_WINDOW_MAX && back < replay->top; back++)
			if (!(old->bitmap & BIT(back)))
				espah_replay_forget(replay, replay->top - back);
	}
}

/* Raises the number that was sent last; numbers of a counter mode must not come again. */
static int set_sent(struct nlx_request *rq, struct espah_sa *sa, u64 seq)
{
	s64 old = atomic64_read(&sa->seq);

	do {
		if ((u64)old > seq && espah_algo_counts(sa->algo))
			return NLX_FAIL(rq, -EINVAL,
					"the SA has sent higher sequence numbers: with a counter mode, to use one again exposes plaintext");
	} while (!atomic64_try_cmpxchg(&sa->seq, &old, seq));
	return 0;
}

static void set_received(struct nlx_request *rq, struct espah_sa *sa, u64 seq)
{
	spin_lock_bh(&sa->lock);
	espah_replay_init(sa->replay, sa->replay->window, seq);
	nlx_read_bitmap(rq, sa);
	spin_unlock_bh(&sa->lock);
}

int nlx_set_replay(struct nlx_request *rq, struct espah_sa *sa)
{
	struct nlx_sa *nlx = nlx_sa(sa);

	if (!keep_numbers(rq, nlx))
		return 0;
	if (sa->id.dir == ESPAH_DIR_OUT)
		return set_sent(rq, sa, nlx->sent);
	set_received(rq, sa, nlx->received);
	return 0;
}

/* --- answers --- */

/* one direction's numbers of an SA: the other direction's are those that came */
struct numbers {
	u64 sent;
	u64 received;
	u32 window;
	const struct espah_replay *replay;
};

static struct numbers numbers(const struct espah_sa *sa)
{
	const struct espah_sa *partner = nlx_partner(sa);
	const struct espah_sa *out = sa->id.dir == ESPAH_DIR_OUT ? sa : partner;
	const struct nlx_sa *nlx = nlx_sa(sa);
	struct numbers n = { .replay = sa->replay };

	if (nlx) {
		n.sent = nlx->sent;
		n.received = nlx->received;
		n.window = nlx->esn_val ? nlx->window : min_t(u32, nlx->info.replay_window, 32);
	} else if (n.replay) {
		n.window = min_t(u32, n.replay->window, NLX_WINDOW_MAX);
	}
	if (out)
		n.sent = min_t(u64, atomic64_read(&out->seq),
			       espah_sa_esn(out) ? U64_MAX : U32_MAX);
	if (n.replay)
		n.received = n.replay->top;
	return n;
}

static bool seen(const struct numbers *n, u32 back)
{
	return back < n->received &&
	       espah_replay_check(n->replay, n->received - back) != ESPAH_REPLAY_OK;
}

static void fill_esn(struct xfrm_replay_state_esn *esn, const struct numbers *n, u32 bmp_len)
{
	u32 back, bit;

	memset(esn, 0, struct_size(esn, bmp, bmp_len));
	esn->bmp_len = bmp_len;
	esn->oseq = lower_32_bits(n->sent);
	esn->oseq_hi = upper_32_bits(n->sent);
	esn->seq = lower_32_bits(n->received);
	esn->seq_hi = upper_32_bits(n->received);
	esn->replay_window = n->window;
	for (back = 0; n->replay && back < n->window; back++) {
		bit = ring_bit(esn->seq, n->window, back);
		if (seen(n, back))
			esn->bmp[bit / 32] |= BIT(bit % 32);
	}
}

static void fill_old(struct xfrm_replay_state *old, const struct numbers *n, u32 bitmap)
{
	u32 back;

	old->oseq = n->sent;
	old->seq = n->received;
	old->bitmap = n->replay ? 0 : bitmap;
	for (back = 0; n->replay && back < n->window; back++)
		if (seen(n, back))
			old->bitmap |= BIT(back);
}

int nlx_put_replay(struct sk_buff *skb, struct espah_sa *sa)
{
	const struct nlx_sa *nlx = nlx_sa(sa);
	struct numbers n;
	struct nlattr *attr;
	u32 bmp_len;
	bool old;

	/* both kinds of lock: that of the window, and espah_net.lock for the SA */
	spin_lock_bh(&sa->lock);
	n = numbers(sa);
	old = nlx ? !nlx->esn_val : !espah_sa_esn(sa) && n.window <= OLD_WINDOW_MAX;
	bmp_len = nlx ? nlx->bmp_len : DIV_ROUND_UP(n.window, 32);
	attr = old ? nla_reserve(skb, XFRMA_REPLAY_VAL, sizeof(struct xfrm_replay_state)) :
		     nla_reserve(skb, XFRMA_REPLAY_ESN_VAL,
				 struct_size((struct xfrm_replay_state_esn *)NULL, bmp, bmp_len));
	if (attr && old)
		fill_old(nla_data(attr), &n, nlx ? nlx->bitmap : 0);
	else if (attr)
		fill_esn(nla_data(attr), &n, bmp_len);
	spin_unlock_bh(&sa->lock);
	return attr ? 0 : -EMSGSIZE;
}
