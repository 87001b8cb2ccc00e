/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies in requests. */
#ifndef _ESPAH_NETLINK_POLICY_READ_H
#define _ESPAH_NETLINK_POLICY_READ_H

#include "db/net.h"

/**
 * espah_read_policy - make a policy of attributes
 * @en: network namespace
 * @attrs: enum espah_policy_attr, checked by espah_policy_new_policy and espah_policy_checks
 * @skb: the request, for the sender's limits
 * @present: number of policies that the namespace has
 * @set: set to its selectors; the caller frees it with espah_selectors_free()
 * @extack: gets a sentence on failure
 *
 * Context: process, no lock. Return: the policy, of which espah_policy_free() also ends the charge
 * of the sender, or ERR_PTR(): then there is nothing to free.
 */
struct espah_policy *espah_read_policy(struct espah_net *en, struct nlattr **attrs,
				       const struct sk_buff *skb, unsigned int present,
				       struct espah_selectors *set, struct netlink_ext_ack *extack);

#endif /* _ESPAH_NETLINK_POLICY_READ_H */
