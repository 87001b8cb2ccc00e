/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Limits on the number of SAs and policies of user namespaces (module parameter `userns`).
 *
 * Most of their kernel memory is charged to the memory cgroup of the requester. The crypto API's
 * memory for a key, hash table buckets and the allocations for packets cannot be charged: up to
 * 5 KB per SA or policy. Therefore the count is limited per network namespace, and per owner,
 * because an owner may have many namespaces. The owner is the user who created the outermost user
 * namespace; the kernel limits the number of namespaces by that user, too. If that user is root,
 * which may create namespaces for containers of others, each outermost namespace is its own owner.
 *
 * SAs and policies of the initial user namespace, and those that its administrator adds
 * elsewhere, are not counted.
 */
#ifndef _ESPAH_ACCOUNT_H
#define _ESPAH_ACCOUNT_H

#include <linux/netlink.h>
#include <net/net_namespace.h>

/* SAs, and policies, per network namespace: enough for a gateway that rekeys with 1000 sites */
#define ESPAH_ACCOUNT_NET 4096
/* SAs, and policies, per owner: at 5 KB each, both together take 80 MB */
#define ESPAH_ACCOUNT_OWNER 8192

enum espah_account_kind { ESPAH_ACCOUNT_SA, ESPAH_ACCOUNT_POLICY, ESPAH_ACCOUNT_KINDS };

struct espah_account;

/**
 * espah_account_charge - count an SA or a policy
 * @account: set to the account for espah_account_uncharge(), or to NULL if not counted
 * @net: network namespace
 * @kind: SA or policy
 * @present: number of this kind in the namespace
 * @skb: the request
 * @extack: gets a sentence on failure
 *
 * An object counts until its memory is freed, so that alternating add and delete requests cannot
 * exceed the limit.
 * Context: process; the request's sender.
 * Return: 0; -ENOSPC; -ENOMEM.
 */
int espah_account_charge(struct espah_account **account, const struct net *net,
			 enum espah_account_kind kind, unsigned int present,
			 const struct sk_buff *skb, struct netlink_ext_ack *extack);

/* uncounts a freed SA or policy; @account may be NULL; Context: any but hard interrupts */
void espah_account_uncharge(struct espah_account *account, enum espah_account_kind kind);

#endif /* _ESPAH_ACCOUNT_H */
