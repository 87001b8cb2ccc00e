// SPDX-License-Identifier: GPL-2.0-only
#include "answer.h"
#include "attr.h"
#include "change.h"
#include "db/reasons.h"
#include "db/version.h"
#include "netlink.h"
#include "report/put.h"

static int put_stats(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	const struct espah_sad *sad = &en->sad;
	struct espah_net_stats sum;
	struct nlattr *nest;
	int i;

	espah_net_stats_sum(en, &sum);
	if (nla_put_string(skb, ESPAH_STATS_VERSION, ESPAH_VERSION) ||
	    nla_put_u32(skb, ESPAH_STATS_SAS,
			sad->count[ESPAH_DIR_IN] + sad->count[ESPAH_DIR_OUT]) ||
	    nla_put_u32(skb, ESPAH_STATS_POLICIES, en->spd.count) ||
	    nla_put_u64_64bit(skb, ESPAH_STATS_OUT_PACKETS, sum.dir[ESPAH_DIR_OUT].packets,
			      ESPAH_STATS_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_STATS_OUT_BYTES, sum.dir[ESPAH_DIR_OUT].bytes,
			      ESPAH_STATS_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_STATS_IN_PACKETS, sum.dir[ESPAH_DIR_IN].packets,
			      ESPAH_STATS_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_STATS_IN_BYTES, sum.dir[ESPAH_DIR_IN].bytes,
			      ESPAH_STATS_PAD))
		return -EMSGSIZE;
	nest = nla_nest_start(skb, ESPAH_STATS_DROPS);
	if (!nest)
		return -EMSGSIZE;
	for (i = ESPAH_DROP_NONE + 1; i < ESPAH_DROP_NUM; i++) {
		if (espah_put_drop(skb, i, sum.drops[i], true))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_config(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	u64 now = espah_spd_now(&en->spd);

	if (nla_put_u8(skb, ESPAH_CONFIG_DEFAULT_IN, espah_spd_default(now, ESPAH_DIR_IN)) ||
	    nla_put_u8(skb, ESPAH_CONFIG_DEFAULT_OUT, espah_spd_default(now, ESPAH_DIR_OUT)) ||
	    nla_put_u8(skb, ESPAH_CONFIG_ICMP, en->icmp_plaintext) ||
	    nla_put_u8(skb, ESPAH_CONFIG_SECPATH, en->secpath) ||
	    nla_put_u8(skb, ESPAH_CONFIG_DIRECT, en->direct) ||
	    nla_put_u32(skb, ESPAH_CONFIG_FILE, en->by_file))
		return -EMSGSIZE;
	return 0;
}

int espah_cmd_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	return espah_answer(info, 2 * ESPAH_MSG_SIZE, put_stats);
}

int espah_cmd_config_get(struct sk_buff *skb, struct genl_info *info)
{
	return espah_answer(info, ESPAH_CONFIG_MAX * nla_total_size(sizeof(u32)), put_config);
}

const struct nla_policy espah_config_set_policy[ESPAH_CONFIG_MAX + 1] = {
	[ESPAH_CONFIG_DEFAULT_IN] = { .type = NLA_U8 },
	[ESPAH_CONFIG_DEFAULT_OUT] = { .type = NLA_U8 },
	[ESPAH_CONFIG_ICMP] = { .type = NLA_U8 },
	[ESPAH_CONFIG_SECPATH] = { .type = NLA_U8 },
	[ESPAH_CONFIG_DIRECT] = { .type = NLA_U8 },
	[ESPAH_CONFIG_OWNER] = { .type = NLA_U8 },
};

/* Notes who has changed the settings; those that are as in a new namespace are nobody's. */
static void own(struct espah_net *en, struct nlattr **attrs)
{
	static const u8 initial[ESPAH_CONFIG_MAX + 1] = {
		[ESPAH_CONFIG_DEFAULT_IN] = ESPAH_ACTION_BYPASS,
		[ESPAH_CONFIG_DEFAULT_OUT] = ESPAH_ACTION_BYPASS,
		[ESPAH_CONFIG_ICMP] = ESPAH_ACTION_DISCARD,
		[ESPAH_CONFIG_SECPATH] = 1,
	};
	bool file = espah_get_u8(attrs[ESPAH_CONFIG_OWNER], ESPAH_OWNER_HAND) == ESPAH_OWNER_FILE;
	int i;

	for (i = ESPAH_CONFIG_DEFAULT_IN; i <= ESPAH_CONFIG_DIRECT; i++)
		if (attrs[i])
			espah_config_own(en, i, file && nla_get_u8(attrs[i]) != initial[i]);
}

int espah_cmd_config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	u8 in, out;
	u64 now;
	int err;

	mutex_lock(&en->lock);
	now = espah_spd_now(&en->spd);
	in = espah_get_u8(info->attrs[ESPAH_CONFIG_DEFAULT_IN],
			  espah_spd_default(now, ESPAH_DIR_IN));
	out = espah_get_u8(info->attrs[ESPAH_CONFIG_DEFAULT_OUT],
			   espah_spd_default(now, ESPAH_DIR_OUT));
	err = espah_default_set(en, in, out, info->extack);
	if (!err) {
		WRITE_ONCE(en->icmp_plaintext, espah_get_u8(info->attrs[ESPAH_CONFIG_ICMP],
							    en->icmp_plaintext));
		espah_secpath_set(en, espah_get_u8(info->attrs[ESPAH_CONFIG_SECPATH],
						   en->secpath));
		WRITE_ONCE(en->direct, espah_get_u8(info->attrs[ESPAH_CONFIG_DIRECT], en->direct));
		own(en, info->attrs);
	}
	mutex_unlock(&en->lock);
	return err;
}
