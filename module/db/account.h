/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many SAs and policies user namespaces may have, with the module parameter `userns`.
 *
 * Most of what they make the kernel hold is charged to their memory cgroup. What cannot be is what
 * the crypto API keeps for a key, the buckets of hash tables, and what a packet allocates: up to
 * 5 KB an SA or policy. So there are limits: for each network namespace, and for all of an owner,
 * who may have many. The owner is who made the outermost user namespace, as the user is by whom
 * the kernel limits the number of namespaces. A root that starts containers for others makes their
 * namespaces, too: there, each outermost namespace is on its own.
 *
 * SAs and policies of the initial user namespace, and those that its administrator adds
 * elsewhere, are not counted.
 */
#ifndef _ESPAH_ACCOUNT_H
#define _ESPAH_ACCOUNT_H

#include <linux/netlink.h>
#include <net/net_namespace.h>

/* of each kind in a network namespace: enough for a gateway of a thousand sites that rekey */
#define ESPAH_ACCOUNT_NET 4096
/* in all of an owner: 5 KB each make 80 MB of both kinds */
#define ESPAH_ACCOUNT_OWNER 8192

enum espah_account_kind { ESPAH_ACCOUNT_SA, ESPAH_ACCOUNT_POLICY, ESPAH_ACCOUNT_KINDS };

struct espah_account;

/**
 * espah_account_charge - count an SA or a policy
 * @account: set to what espah_account_uncharge() takes, NULL if it is not counted
 * @net: network namespace
 * @kind: which of both
 * @present: how many of this kind the namespace has
 * @skb: the request
 * @extack: gets a sentence on failure
 *
 * What is being freed still counts: so who adds and deletes by turns cannot outrun that.
 * Context: process; the request's sender.
 * Return: 0; -ENOSPC; -ENOMEM.
 */
int espah_account_charge(struct espah_account **account, const struct net *net,
			 enum espah_account_kind kind, unsigned int present,
			 const struct sk_buff *skb, struct netlink_ext_ack *extack);

/* when its memory is freed; @account may be NULL; Context: any but hard interrupts */
void espah_account_uncharge(struct espah_account *account, enum espah_account_kind kind);

#endif /* _ESPAH_ACCOUNT_H */
