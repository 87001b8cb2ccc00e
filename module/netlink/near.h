/* SPDX-License-Identifier: GPL-2.0-only */
/* The SA that a policy would use if it were a little different. */
#ifndef _ESPAH_NETLINK_NEAR_H
#define _ESPAH_NETLINK_NEAR_H

#include "db/net.h"

/**
 * espah_near_sa - the SA that differs in the fewest fields from what a policy requires
 * @en: network namespace
 * @wants: what the policy requires; all-zero addresses: any
 * @spi: inbound: the only SPI that the policy admits; or 0
 * @dscp: outbound: the DSCP of the packet
 * @differs: set to ESPAH_DIFFERS_*
 *
 * An SA with other addresses is near only if one address is all that differs.
 *
 * Context: espah_net.lock; may sleep. Return: the SA, or NULL.
 */
struct espah_sa *espah_near_sa(struct espah_net *en, const struct espah_slot_id *wants,
			       __be32 spi, u8 dscp, u32 *differs);

/* the newest SA of the other direction, with the same reqid, or NULL; Context: RCU reader */
struct espah_sa *espah_opposite_sa(const struct espah_sa *sa);

#endif /* _ESPAH_NETLINK_NEAR_H */
