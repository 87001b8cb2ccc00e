// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/algapi.h>
#include "attr.h"
#include "db/replay.h"
#include "netlink.h"
#include "packet/algo.h"
#include "progress.h"

int espah_read_seq(const struct espah_sa *sa, struct nlattr **attrs, u64 *seq,
		   struct netlink_ext_ack *extack)
{
	*seq = attrs[ESPAH_SA_SEQ] ? nla_get_u64(attrs[ESPAH_SA_SEQ]) : 0;
	if (*seq <= U32_MAX || espah_sa_esn(sa))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_SEQ],
			    "ESPAH_SA_SEQ is at most 4294967295 without ESN");
	return -ERANGE;
}

/* Which SAs have which attributes. */
static int check_kind(const struct espah_sa *sa, struct nlattr **attrs,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *seen = attrs[ESPAH_SA_SEEN], *mask = attrs[ESPAH_SA_IV_MASK];
	const struct nlattr *seq = attrs[ESPAH_SA_SEQ];

	if ((seen || mask || seq) && sa->state == ESPAH_SA_STATE_LARVAL) {
		NL_SET_ERR_MSG_ATTR(extack, seen ?: mask ?: seq, "the SA has no keys yet");
		return -EINVAL;
	}
	if (seen && (!sa->replay || !sa->replay->window))
		return espah_refuse(extack, attrs, ESPAH_SA_SEEN,
				    "is for inbound SAs with a replay window");
	if (mask && (sa->id.dir != ESPAH_DIR_OUT || sa->iv != ESPAH_IV_SEQ))
		return espah_refuse(extack, attrs, ESPAH_SA_IV_MASK,
				    "is for outbound SAs whose IVs come from the sequence number");
	if ((seen || mask) && !seq) {
		NL_SET_ERR_MSG_ATTR(extack, seen ?: mask,
				    "ESPAH_SA_SEEN and ESPAH_SA_IV_MASK need ESPAH_SA_SEQ, the number that belongs to them");
		return -EINVAL;
	}
	return 0;
}

static int check_ahead(struct espah_sa *sa, const struct nlattr *attr, u64 seq,
		       struct netlink_ext_ack *extack)
{
	u64 now = espah_progress_number(sa);

	if (seq >= now)
		return 0;
	if (sa->id.dir == ESPAH_DIR_OUT)
		espah_err_fmt(extack, attr,
			      "the SA has sent a higher number: ESPAH_SA_SEQ only goes ahead",
			      "the SA has sent number %llu: ESPAH_SA_SEQ only goes ahead", now);
	else
		espah_err_fmt(extack, attr,
			      "the SA has accepted a higher number: ESPAH_SA_SEQ only goes ahead",
			      "the SA has accepted number %llu: ESPAH_SA_SEQ only goes ahead", now);
	return -ERANGE;
}

/* See espah_progress_set(). */
static int check_mask(const struct espah_sa *sa, const struct nlattr *mask,
		      struct netlink_ext_ack *extack)
{
	if (!mask || !memcmp(nla_data(mask), &sa->iv_mask, sizeof(sa->iv_mask)) ||
	    !atomic64_read(&sa->seq))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, mask,
			    "the SA has used another IV mask: only an SA with the sequence number 0 can take one");
	return -EINVAL;
}

static int get_used(const struct nlattr *nest, u64 *used, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[ESPAH_LIMIT_MAX + 1];
	int err, i;

	if (!nest)
		return 0;
	err = espah_parse_nest(tb, ESPAH_LIMIT_MAX, nest, NULL, extack);
	if (err)
		return err;
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		used[i] = tb[i] ? nla_get_u64(tb[i]) : 0;
		if (i <= ESPAH_LIMIT_BYTES ? used[i] <= S64_MAX : used[i] <= U32_MAX)
			continue;
		NL_SET_ERR_MSG_ATTR(extack, tb[i],
				    "up to 9223372036854775807 packets or bytes, or 4294967295 seconds, may be used");
		return -EINVAL;
	}
	return 0;
}

int espah_read_progress(struct espah_sa *sa, struct nlattr **attrs,
			struct espah_progress *progress, struct netlink_ext_ack *extack)
{
	const struct nlattr *seen = attrs[ESPAH_SA_SEEN], *mask = attrs[ESPAH_SA_IV_MASK];
	int err;

	memset(progress, 0, sizeof(*progress));
	err = check_kind(sa, attrs, extack) ?:
	      espah_read_seq(sa, attrs, &progress->seq, extack) ?:
	      get_used(attrs[ESPAH_SA_USED], progress->used, extack);
	if (err || !attrs[ESPAH_SA_SEQ])
		return err;
	progress->numbered = true;
	if (seen) {
		progress->seen = nla_data(seen);
		progress->seen_size = nla_len(seen);
	}
	if (mask)
		progress->iv_mask = nla_data(mask);
	return check_ahead(sa, attrs[ESPAH_SA_SEQ], progress->seq, extack) ?:
	       check_mask(sa, mask, extack);
}

int espah_check_same_key(const struct espah_sa *sa, const struct nlattr *key,
			 struct netlink_ext_ack *extack)
{
	if (!key || (sa->algo && nla_len(key) == espah_algo_key_len(sa->algo) &&
		     !crypto_memneq(nla_data(key), sa->key, nla_len(key))))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, key, "the SA has another key");
	return -EKEYREJECTED;
}
