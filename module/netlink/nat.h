/* SPDX-License-Identifier: GPL-2.0-only */
/* What the firewall does to a flow before a policy sees it, or afterwards, and to its ESP. */
#ifndef _ESPAH_NETLINK_NAT_H
#define _ESPAH_NETLINK_NAT_H

#include <net/net_namespace.h>
#include "db/selector.h"

/*
 * whether rules may translate addresses at a hook: NF_INET_PRE_ROUTING the destination,
 * NF_INET_POST_ROUTING the source; Context: RCU reader
 */
bool espah_nat_hooked(const struct net *net, u8 family, unsigned int hook);

/**
 * espah_rules_hooked - whether the firewall has chains that may drop packets, or mark them
 * @net: network namespace
 * @family: AF_*
 * @hooks: bits of NF_INET_*
 *
 * Chains of nftables and iptables; NAT does not count. Context: RCU reader.
 */
bool espah_rules_hooked(const struct net *net, u8 family, unsigned int hooks);

/**
 * espah_nat_track - give a flow the addresses and ports with which conntrack lets its packets leave
 * @net: network namespace
 * @flow: with ports if its protocol has ports; not ICMP, whose connections have ids
 *
 * Context: RCU reader. Return: whether conntrack has a connection of exactly this flow.
 */
bool espah_nat_track(struct net *net, struct espah_flow *flow);

#endif /* _ESPAH_NETLINK_NAT_H */
