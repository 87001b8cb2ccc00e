/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Permission to configure: for administrators in the initial user namespace, and with the module
 * parameter `userns` also for the owners of network namespaces of other user namespaces.
 */
#ifndef _ESPAH_PRIVILEGE_H
#define _ESPAH_PRIVILEGE_H

#include <linux/netlink.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

/* the parameter `userns`: set at load, constant afterwards */
extern bool espah_userns;

/* error text for all other users */
#define ESPAH_UNPRIVILEGED \
	"espah needs CAP_NET_ADMIN in the initial user namespace, unless it is loaded with userns=1"

/* whether a network namespace belongs to a user namespace other than the initial one */
static inline bool espah_net_foreign(const struct net *net)
{
	return net->user_ns != &init_user_ns;
}

/**
 * espah_privileged - whether a request comes from an administrator of the host
 * @skb: the request
 *
 * Both the sender of the request and the opener of its socket must have CAP_NET_ADMIN in the
 * initial user namespace. So neither a passed descriptor nor a privileged program that is tricked
 * into writing to one gives the privilege away.
 *
 * Context: process of the request's sender.
 */
static inline bool espah_privileged(const struct sk_buff *skb)
{
	return netlink_capable(skb, CAP_NET_ADMIN);
}

/* Context: process of the request's sender. Return: 0, or -EPERM with a sentence */
int espah_permitted(const struct sk_buff *skb, struct netlink_ext_ack *extack);
/* the same for rtnetlink, which does not pass the request to device kinds */
int espah_device_permitted(struct netlink_ext_ack *extack);

#endif /* _ESPAH_PRIVILEGE_H */
