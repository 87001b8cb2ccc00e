/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic-netlink family: what its files share with each other and with the packet path. */
#ifndef _ESPAH_NETLINK_H
#define _ESPAH_NETLINK_H

#include <net/genetlink.h>
#include <linux/espah.h>
#include "../net.h"

/** enum espah_mcgrp - index of the multicast groups in the family */
enum espah_mcgrp {
	ESPAH_MCGRP_INDEX_SA,
	ESPAH_MCGRP_INDEX_POLICY,
	ESPAH_MCGRP_INDEX_ACQUIRE,
};

int espah_netlink_setup(void);
void espah_netlink_teardown(void);

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

/* says that a larval SA has expired (SA_DEL to group "sa"); process context */
void espah_event_sa_del(struct espah_net *en, const struct espah_sa *sa);

#endif /* _ESPAH_NETLINK_H */
