/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic-netlink family: what its files share with each other and with the packet path. */
#ifndef _ESPAH_NETLINK_H
#define _ESPAH_NETLINK_H

#include <net/genetlink.h>
#include <linux/espah.h>
#include "../net.h"

/* bytes that one SA or policy takes in a message, with drops for each reason */
#define ESPAH_MSG_SIZE 4096
/* the same for a policy whose selector lists as much as it may */
#define ESPAH_POLICY_SIZE (ESPAH_MSG_SIZE + 6144)
/* bytes of an algorithm's name with its NUL */
#define ESPAH_NAME_MAX 64
/* smallest and largest MSS that a policy may clamp to */
#define ESPAH_MSS_MIN 64
#define ESPAH_MSS_MAX 65495

/** enum espah_mcgrp - index of the multicast groups in the family */
enum espah_mcgrp {
	ESPAH_MCGRP_INDEX_SA,
	ESPAH_MCGRP_INDEX_POLICY,
	ESPAH_MCGRP_INDEX_ACQUIRE,
	ESPAH_MCGRP_INDEX_EXPIRE,
	ESPAH_MCGRP_INDEX_MAPPING,
	ESPAH_MCGRP_INDEX_AUDIT,
	ESPAH_MCGRP_INDEX_DROP,
};

extern struct genl_family espah_family;

int espah_netlink_setup(void);
void espah_netlink_teardown(void);

/* --- commands; context: process, no lock --- */

/* genl_ops.start of each dump */
int espah_start_dump(struct netlink_callback *cb);
/* with what each dump begins; Return: 0, or -errno with a sentence if it is refused */
int espah_check_dump(struct netlink_callback *cb);

extern const struct nla_policy espah_sa_new_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_set_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_del_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_get_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_flush_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_sa_alloc_spi_policy[ESPAH_SA_MAX + 1];
extern const struct nla_policy espah_limit_policy[ESPAH_LIMIT_IDLE + 1];
int espah_cmd_sa_new(struct sk_buff *skb, struct genl_info *info);
void espah_forget_keys(const struct nlmsghdr *nlh);
int espah_cmd_sa_set(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_del(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_sa_get(struct sk_buff *skb, struct genl_info *info);
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

int espah_dump_algo(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy espah_config_set_policy[ESPAH_CONFIG_MAX + 1];
int espah_cmd_stats_get(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_config_get(struct sk_buff *skb, struct genl_info *info);
int espah_cmd_config_set(struct sk_buff *skb, struct genl_info *info);

/**
 * espah_get_selectors - read a POLICY_SELECTOR
 * @nest: the attribute
 * @set: is set; the caller frees it with espah_selectors_free()
 * @extack: gets a sentence on failure
 *
 * Return: 0; -EINVAL; -ENOMEM. On failure there is nothing to free.
 */
int espah_get_selectors(const struct nlattr *nest, struct espah_selectors *set,
			struct netlink_ext_ack *extack);

extern const struct nla_policy espah_explain_policy[ESPAH_EXPLAIN_MAX + 1];
int espah_cmd_explain(struct sk_buff *skb, struct genl_info *info);

/* --- parts of messages; Return: 0 or -EMSGSIZE --- */

/* the attributes of an SA; Context: espah_net.lock */
int espah_put_sa(struct sk_buff *skb, struct espah_sa *sa, bool keys);
/* the limits of an SA, and since when it is in use; Context: espah_net.lock */
int espah_put_life(struct sk_buff *skb, const struct espah_sa *sa);
/* changes those @limits that SA_SOFT and SA_HARD name; Return: 0 or -EINVAL with a sentence */
int espah_get_limits(struct nlattr **attrs, struct espah_limits *limits,
		     struct netlink_ext_ack *extack);
/* the attributes of a policy; Context: espah_net.lock or RCU reader */
int espah_put_policy(struct sk_buff *skb, struct espah_policy *pol);
/* those of a flow's own values that @which (ESPAH_PFP_*) names, as parts of a selector */
int espah_put_flow(struct sk_buff *skb, const struct espah_flow *flow, u8 which);
/* a policy's templates, as a nest of the given type; @flow: for a packet of it, or NULL */
int espah_put_template(struct sk_buff *skb, int type, struct espah_policy *pol,
		       const struct espah_flow *flow);
/* the drops of an SA or a policy that are not 0, as a nest of the given type; none: no nest */
int espah_put_drops(struct sk_buff *skb, int type, const struct espah_drops *drops);

/* --- events; Context: process, espah_net.lock --- */

/* once the family is registered */
void espah_events_start(void);

/**
 * espah_events_stop - tell nothing any more
 *
 * Packets are met until the namespaces' hooks are gone, which is after the family is gone. Its
 * number and those of its groups may be another family's by then, whose listeners would get our
 * events. What netlink requests and the clock tell is not waited for here: the first end before the
 * family does, and the second holds a reference to the module.
 *
 * Context: module unload, before the family is unregistered.
 */
void espah_events_stop(void);

/* @cmd: ESPAH_CMD_SA_NEW, _SET or _DEL */
void espah_event_sa(struct espah_net *en, struct espah_sa *sa, u8 cmd);
/* an SA reached a limit */
void espah_event_expire(struct espah_sa *sa, enum espah_limit limit, bool hard);
/* @attrs is the request's: SA_DIR, SA_REQID */
void espah_event_sa_flush(struct espah_net *en, struct nlattr **attrs);
/* @cmd: ESPAH_CMD_POLICY_NEW or _DEL */
void espah_event_policy(struct espah_net *en, struct espah_policy *pol, u8 cmd);
/* @attrs is the request's: POLICY_DIR */
void espah_event_policy_flush(struct espah_net *en, struct nlattr **attrs);

/**
 * espah_event_acquire - say that a packet met a protect policy without an SA
 * @en: network namespace
 * @pol: the policy
 * @flow: the packet's flow
 *
 * At most one event a second for each policy. Context: RCU reader, BH disabled or not.
 */
void espah_event_acquire(struct espah_net *en, struct espah_policy *pol,
			 const struct espah_flow *flow);

/**
 * espah_event_mapping - say that an SA's peer has another address or port
 * @sa: inbound SA with UDP encapsulation
 * @src: source address of an authenticated packet
 * @sport: its UDP source port
 *
 * At most one event a second for each SA. Context: RCU reader, BH disabled.
 */
void espah_event_mapping(struct espah_sa *sa, const union espah_addr *src, __be16 sport);

/**
 * espah_event_drop - tell those who listen of a dropped packet
 * @en: network namespace
 * @sa: the SA concerned, or NULL
 * @pol: the policy concerned, or NULL
 * @reason: why
 * @skb: the packet, or NULL if it is gone
 *
 * At most ten events a second for each reason. Context: RCU reader.
 */
void espah_event_drop(struct espah_net *en, const struct espah_sa *sa,
		      const struct espah_policy *pol, enum espah_drop reason,
		      const struct sk_buff *skb);

#endif /* _ESPAH_NETLINK_H */
