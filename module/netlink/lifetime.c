// SPDX-License-Identifier: GPL-2.0-only
#include "attr.h"
#include "netlink.h"

const struct nla_policy espah_limit_policy[ESPAH_LIMIT_IDLE + 1] = {
	[ESPAH_LIMIT_PACKETS] = ESPAH_NLA(u64),
	[ESPAH_LIMIT_BYTES] = ESPAH_NLA(u64),
	[ESPAH_LIMIT_TIME] = ESPAH_NLA(u64),
	[ESPAH_LIMIT_USE] = ESPAH_NLA(u64),
	[ESPAH_LIMIT_IDLE] = ESPAH_NLA(u64),
};

int espah_get_limits(struct nlattr **attrs, struct espah_limits *limits,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *nests[] = { attrs[ESPAH_SA_SOFT], attrs[ESPAH_SA_HARD] };
	struct nlattr *tb[ESPAH_LIMIT_IDLE + 1];
	int hard, i, err;

	for (hard = 0; hard < ARRAY_SIZE(nests); hard++) {
		if (!nests[hard])
			continue;
		err = espah_parse_nest(tb, ESPAH_LIMIT_IDLE, nests[hard], extack);
		if (err)
			return err;
		for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
			if (!tb[i])
				continue;
			limits->at[hard][i] = nla_get_u64(tb[i]);
			if (i <= ESPAH_LIMIT_BYTES || limits->at[hard][i] <= U32_MAX)
				continue;
			NL_SET_ERR_MSG_ATTR(extack, tb[i],
					    "a limit in seconds is up to 4294967295");
			return -EINVAL;
		}
	}
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!limits->at[1][i] || limits->at[0][i] <= limits->at[1][i])
			continue;
		NL_SET_ERR_MSG_ATTR(extack, nests[0] ?: nests[1],
				    "a soft limit must not be above the hard one of its kind");
		return -EINVAL;
	}
	return 0;
}

/* A nest of those values that count; none: no nest. */
static int put_limits(struct sk_buff *skb, int type, const u64 *at, const u64 *counts)
{
	struct nlattr *nest = NULL;
	int i;

	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!counts[i])
			continue;
		if (!nest)
			nest = nla_nest_start(skb, type);
		if (!nest || nla_put_u64_64bit(skb, i, at[i], ESPAH_LIMIT_PAD))
			return -EMSGSIZE;
	}
	if (nest)
		nla_nest_end(skb, nest);
	return 0;
}

int espah_put_life(struct sk_buff *skb, const struct espah_sa *sa)
{
	u64 used[ESPAH_LIMIT_IDLE + 1], any[ESPAH_LIMIT_IDLE + 1];
	const struct espah_life *life = sa->life;
	const u64 *soft, *hard;
	int i;

	if (!(READ_ONCE(sa->watch) & ESPAH_WATCH_UNUSED) &&
	    (nla_put_u64_64bit(skb, ESPAH_SA_FIRST_USED, sa->added +
			       div_u64(sa->first_used - sa->born, NSEC_PER_SEC), ESPAH_SA_PAD) ||
	     nla_put_u64_64bit(skb, ESPAH_SA_LAST_USED, sa->added + espah_life_last(sa),
			       ESPAH_SA_PAD)))
		return -EMSGSIZE;
	if (!life)
		return 0;
	soft = life->limits.at[0];
	hard = life->limits.at[1];
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		any[i] = soft[i] | hard[i];
		used[i] = espah_life_used(sa, i);
	}
	return put_limits(skb, ESPAH_SA_SOFT, soft, soft) ?:
	       put_limits(skb, ESPAH_SA_HARD, hard, hard) ?:
	       put_limits(skb, ESPAH_SA_USED, used, any);
}
