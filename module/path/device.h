/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices of kind espah, see db/link.h: what rtnetlink changes, and packets that are routed in. */
#ifndef _ESPAH_DEVICE_H
#define _ESPAH_DEVICE_H

#include <linux/netlink.h>
#include "db/sad.h"
#include "db/spd.h"

struct module;
struct net;
struct net_device;
struct nlattr;
struct sk_buff;

/* registers the kind of device, at load */
int espah_device_setup(void);
/* deletes all such devices, at unload */
void espah_device_teardown(void);

void espah_device_net_setup(struct espah_net *en);
/* deletes the links that were made in a namespace; Context: process, before the namespace goes */
void espah_device_net_stop(struct espah_net *en);

/**
 * espah_device_follow - have MTU and carrier of a link follow a change of its SAs
 * @sa: an SA that was added, moved or removed
 *
 * The change is made within a moment, because it needs RTNL. Context: espah_net.lock.
 */
void espah_device_follow(const struct espah_sa *sa);

/**
 * espah_device_admits - whether a link may have a policy
 * @en: network namespace
 * @pol: the policy
 * @extack: gets a sentence
 *
 * Context: espah_net.lock. Return: 0; -EINVAL: the carrier of the link follows its SAs, but packets
 * would have to ask for an SA first.
 */
int espah_device_admits(struct espah_net *en, const struct espah_policy *pol,
			struct netlink_ext_ack *extack);

/**
 * espah_device_deliver - make a decrypted packet one that arrives by the link of its SA
 * @sa: the SA
 * @skb: the packet, from its IP header on
 *
 * Context: RCU reader, BH disabled. Return: ESPAH_DROP_NONE, or the drop reason.
 */
enum espah_drop espah_device_deliver(struct espah_sa *sa, struct sk_buff *skb);

/**
 * espah_device_make - register a device that one can route into
 * @net: namespace where it is made
 * @dev: prepared by espah_device_prepare(), with a struct espah_link
 * @tb: attributes of the device, IFLA_*
 * @data: attributes of the kind, ESPAH_LINK_*, or NULL
 * @owner: module of another kind, which stays while the device exists; or NULL
 * @extack: gets a sentence
 *
 * Context: RTNL. Return: 0 or -errno.
 */
int espah_device_make(struct net *net, struct net_device *dev, struct nlattr *tb[],
		      struct nlattr *data[], struct module *owner, struct netlink_ext_ack *extack);

/* changes a device, as espah_device_make() reads attributes; Context: RTNL */
int espah_device_change(struct net_device *dev, struct nlattr *tb[], struct nlattr *data[],
			struct netlink_ext_ack *extack);

/* what kinds of such devices have in common: setup and get_link_net of struct rtnl_link_ops */
void espah_device_prepare(struct net_device *dev);
struct net *espah_device_net(const struct net_device *dev);

#endif /* _ESPAH_DEVICE_H */
