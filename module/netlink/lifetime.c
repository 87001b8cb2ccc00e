// SPDX-License-Identifier: GPL-2.0-only
#include "attr.h"
#include "netlink.h"

const struct nla_policy espah_limit_policy[ESPAH_LIMIT_MAX + 1] = {
	[ESPAH_LIMIT_PACKETS] = { .type = NLA_U64 },
	[ESPAH_LIMIT_BYTES] = { .type = NLA_U64 },
	[ESPAH_LIMIT_TIME] = { .type = NLA_U64 },
	[ESPAH_LIMIT_USE] = { .type = NLA_U64 },
	[ESPAH_LIMIT_IDLE] = { .type = NLA_U64 },
	[ESPAH_LIMIT_PAD] = { .type = NLA_FLAG },
};

int espah_get_limits(struct nlattr **attrs, struct espah_limits *limits,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *nests[] = { attrs[ESPAH_SA_SOFT], attrs[ESPAH_SA_HARD] };
	struct nlattr *tb[ESPAH_LIMIT_MAX + 1];
	int hard, i, err;

	for (hard = 0; hard < ARRAY_SIZE(nests); hard++) {
		if (!nests[hard])
			continue;
		err = espah_parse_nest(tb, ESPAH_LIMIT_MAX, nests[hard], NULL, extack);
		if (err)
			return err;
		for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
			if (!tb[i])
				continue;
			limits->at[hard][i] = nla_get_u64(tb[i]);
			if (i <= ESPAH_LIMIT_BYTES || limits->at[hard][i] <= U32_MAX)
				continue;
			NL_SET_ERR_MSG_ATTR(extack, tb[i],
					    "a limit in seconds may be up to 4294967295");
			return -EINVAL;
		}
	}
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!limits->at[1][i] || limits->at[0][i] <= limits->at[1][i])
			continue;
		NL_SET_ERR_MSG_ATTR(extack, nests[0] ?: nests[1],
				    "a soft limit must not be above the hard limit of the same kind");
		return -EINVAL;
	}
	return 0;
}
