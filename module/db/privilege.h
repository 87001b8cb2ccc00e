/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may configure: the root of the machine, and with the module parameter `userns` the owners
 * of network namespaces that belong to other user namespaces.
 */
#ifndef _ESPAH_PRIVILEGE_H
#define _ESPAH_PRIVILEGE_H

#include <linux/netlink.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

/* the parameter `userns`: set at load, constant afterwards */
extern bool espah_userns;

/* what the others are told; espah_device_permitted() says the same */
#define ESPAH_UNPRIVILEGED \
	"espah is for CAP_NET_ADMIN of the initial user namespace, unless it is loaded with userns=1"

/* whether a network namespace belongs to another user namespace than the initial one */
static inline bool espah_net_foreign(const struct net *net)
{
	return net->user_ns != &init_user_ns;
}

/**
 * espah_privileged - whether a request comes from the machine's own administrator
 * @skb: the request
 *
 * Both its sender and the opener of its socket must have CAP_NET_ADMIN in the initial user
 * namespace, so that neither a descriptor that is passed on nor a program that is tricked into
 * writing to one lends its privilege.
 *
 * Context: the request's sender.
 */
static inline bool espah_privileged(const struct sk_buff *skb)
{
	return netlink_capable(skb, CAP_NET_ADMIN);
}

/* whether a request may be served: -EPERM with a sentence, or 0; Context: the request's sender */
int espah_permitted(const struct sk_buff *skb, struct netlink_ext_ack *extack);
/* the same for rtnetlink, which shows its devices' kinds no request */
int espah_device_permitted(struct netlink_ext_ack *extack);

#endif /* _ESPAH_PRIVILEGE_H */
