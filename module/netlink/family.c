// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include "answer.h"
#include "attr.h"
#include "db/privilege.h"
#include "netlink.h"
#include "path/flowtable.h"
#include "report/event.h"
#include "report/put.h"
#include "sa_read.h"

/* for commands without attributes: without a policy, Linux 6.1 would ignore attributes */
static const struct nla_policy no_attrs[] = { {}, { .type = NLA_REJECT } };

/*
 * Keys and topology are confidential, so all commands need CAP_NET_ADMIN: over the network
 * namespace, checked here, and without userns=1 also in the initial user namespace, checked in
 * check_request() and espah_start_dump().
 */
#define ESPAH_OP(command, attr_policy)		\
	.cmd = ESPAH_CMD_##command,		\
	.flags = GENL_UNS_ADMIN_PERM,		\
	.policy = attr_policy,			\
	.maxattr = ARRAY_SIZE(attr_policy) - 1

static const struct genl_ops ops[] = {
	{ ESPAH_OP(SA_NEW, espah_sa_new_policy), .doit = espah_cmd_sa_new },
	{ ESPAH_OP(SA_SET, espah_sa_set_policy), .doit = espah_cmd_sa_set },
	{ ESPAH_OP(SA_DEL, espah_sa_del_policy), .doit = espah_cmd_sa_del },
	{ ESPAH_OP(SA_GET, espah_sa_get_policy), .doit = espah_cmd_sa_get,
	  .start = espah_start_sa, .dumpit = espah_dump_sa },
	{ ESPAH_OP(SA_FLUSH, espah_sa_flush_policy), .doit = espah_cmd_sa_flush },
	{ ESPAH_OP(SA_ALLOC_SPI, espah_sa_alloc_spi_policy), .doit = espah_cmd_sa_alloc_spi },
	{ ESPAH_OP(POLICY_NEW, espah_policy_new_policy), .doit = espah_cmd_policy_new },
	{ ESPAH_OP(POLICY_DEL, espah_policy_get_policy), .doit = espah_cmd_policy_del },
	{ ESPAH_OP(POLICY_GET, espah_policy_get_policy), .doit = espah_cmd_policy_get,
	  .start = espah_start_policy, .dumpit = espah_dump_policy },
	{ ESPAH_OP(POLICY_FLUSH, espah_policy_flush_policy), .doit = espah_cmd_policy_flush },
	{ ESPAH_OP(POLICY_APPLY, espah_policy_apply_policy), .doit = espah_cmd_policy_apply },
	{ ESPAH_OP(ALGO_GET, no_attrs), .start = espah_start_dump, .dumpit = espah_dump_algo },
	{ ESPAH_OP(STATS_GET, no_attrs), .doit = espah_cmd_stats_get },
	{ ESPAH_OP(CONFIG_GET, no_attrs), .doit = espah_cmd_config_get },
	{ ESPAH_OP(CONFIG_SET, espah_config_set_policy), .doit = espah_cmd_config_set },
	{ ESPAH_OP(EXPLAIN, espah_explain_policy), .doit = espah_cmd_explain },
};

/*
 * Listeners need CAP_NET_ADMIN over the network namespace. Events never hold keys, and the
 * administrator of the namespace can see their contents in its packets, too.
 */
static const struct genl_multicast_group groups[] = {
	[ESPAH_MCGRP_INDEX_SA] = { ESPAH_MCGRP_SA, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_POLICY] = { ESPAH_MCGRP_POLICY, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_ACQUIRE] = { ESPAH_MCGRP_ACQUIRE, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_EXPIRE] = { ESPAH_MCGRP_EXPIRE, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_MAPPING] = { ESPAH_MCGRP_MAPPING, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_AUDIT] = { ESPAH_MCGRP_AUDIT, GENL_MCAST_CAP_NET_ADMIN },
	[ESPAH_MCGRP_INDEX_DROP] = { ESPAH_MCGRP_DROP, GENL_MCAST_CAP_NET_ADMIN },
};

static int check_request(const struct espah_genl_ops *op, struct sk_buff *skb,
			 struct genl_info *info)
{
	int err = espah_permitted(skb, info->extack) ?:
		  espah_check_message(info->nlhdr, info->extack);

	/* the command, which would zero the keys, is not called */
	if (err && (info->genlhdr->cmd == ESPAH_CMD_SA_NEW ||
		    info->genlhdr->cmd == ESPAH_CMD_SA_SET))
		espah_forget_keys(info->nlhdr);
	return err;
}

/*
 * Ends offloaded connections that a request made stale, before the request is answered. If no
 * answer was requested and more messages follow in the buffer, this is left to a later request.
 */
static void end_request(const struct espah_genl_ops *op, struct sk_buff *skb,
			struct genl_info *info)
{
	const struct nlmsghdr *nlh = info->nlhdr;
	bool more = !(nlh->nlmsg_flags & (NLM_F_ACK | NLM_F_ECHO)) &&
		    skb->len >= NLMSG_ALIGN(nlh->nlmsg_len) + NLMSG_HDRLEN;

	espah_flowtable_settle(espah_pernet(genl_info_net(info)), more);
}

static struct genl_family family __ro_after_init = {
	.name = ESPAH_GENL_NAME,
	.version = ESPAH_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.pre_doit = check_request,
	.post_doit = end_request,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init espah_netlink_setup(void)
{
	int err;

	espah_put_setup(&family);
	err = genl_register_family(&family);
	if (!err)
		espah_events_start();
	return err;
}

void espah_netlink_teardown(void)
{
	espah_events_stop();
	genl_unregister_family(&family);
}
