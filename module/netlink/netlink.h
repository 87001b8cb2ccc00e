/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic-netlink family: declarations shared by its files and with the rest of the module. */
#ifndef _ESPAH_NETLINK_H
#define _ESPAH_NETLINK_H

#include <net/genetlink.h>
#include <linux/espah.h>
#include "db/net.h"

/* bytes of an algorithm name with its NUL */
#define ESPAH_NAME_MAX 64
/* bytes: smallest and largest MSS that a policy may clamp to */
#define ESPAH_MSS_MIN 64
#define ESPAH_MSS_MAX 65495

int espah_netlink_setup(void);
/* waits for requests in progress */
void espah_netlink_teardown(void);

/*
 * --- commands; Context: process, no lock; Return: 0 or -errno. Dumps fill one message, continue
 * at cb->args[0], and return the number of bytes, 0 at the end ---
 */

extern const struct nla_policy espah_sa_new_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_set_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_del_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_get_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_flush_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_alloc_spi_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_limit_policy[ESPAH_LIMIT_MAX + 1];
int espah_cmd_sa_new(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_set(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_del(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_get(struct sk_buff *skb, struct genl_info *info);
int espah_start_sa(struct netlink_callback *cb);
int espah_dump_sa(struct sk_buff *skb, struct netlink_callback *cb);
int espah_cmd_sa_flush(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_alloc_spi(struct sk_buff *skb, struct genl_info *info);

extern const struct nla_policy espah_selector_policy[ESPAH_SEL_MAX + 1];
extern const struct nla_policy espah_policy_new_policy[ESPAH_POLICY_MAX + 1];
extern const struct nla_policy espah_policy_get_policy[ESPAH_POLICY_MAX + 1];
extern const struct nla_policy espah_policy_flush_policy[ESPAH_POLICY_MAX + 1];
int espah_cmd_policy_new(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_policy_del(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_policy_get(struct sk_buff *skb, struct genl_info *info);
int espah_start_policy(struct netlink_callback *cb);
int espah_dump_policy(struct sk_buff *skb, struct netlink_callback *cb);
int espah_cmd_policy_flush(struct sk_buff *skb, struct genl_info *info);

extern const struct nla_policy espah_policy_apply_policy[ESPAH_APPLY_MAX + 1];
int espah_cmd_policy_apply(struct sk_buff *skb, struct genl_info *info);

int espah_dump_algo(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy espah_config_set_policy[ESPAH_CONFIG_MAX + 1];
int espah_cmd_stats_get(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_config_get(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_config_set(struct sk_buff *skb, struct genl_info *info);

/* notes whether a setting is the configuration file's; Context: espah_net.lock */
static inline void espah_config_own(struct espah_net *en, int setting, bool file)
{
	en->by_file = (en->by_file & ~BIT(setting)) | (file ? BIT(setting) : 0);
}

/**
 * espah_get_selectors - read a POLICY_SELECTOR
 * @nest: the attribute
 * @if_id: POLICY_IF_ID, or NULL
 * @set: set to the selectors; the caller frees it with espah_selectors_free()
 * @extack: gets a sentence on failure
 *
 * Return: 0; -EINVAL; -ENOMEM. On failure there is nothing to free.
 */
int espah_get_selectors(const struct nlattr *nest, const struct nlattr *if_id,
			struct espah_selectors *set, struct netlink_ext_ack *extack);

extern const struct nla_policy espah_explain_policy[ESPAH_EXPLAIN_MAX + 1];
int espah_cmd_explain(struct sk_buff *skb, struct genl_info *info);

/* changes the @limits that SA_SOFT and SA_HARD name; Return: 0 or -EINVAL with a sentence */
int espah_get_limits(struct nlattr **attrs, struct espah_limits *limits,
		     struct netlink_ext_ack *extack);

#endif /* _ESPAH_NETLINK_H */
