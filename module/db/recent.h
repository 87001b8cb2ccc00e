/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A per-CPU cache of SPD lookups. A packet's flow is looked up when the packet arrives, when it
 * is decrypted and when it leaves, and the next packet often has the same flow. With the cache,
 * many selector shapes cost no more than one. The cache has a fixed size: a sender that floods it
 * only causes the lookups that would happen without it. Entries of an SPD become invalid when the
 * SPD changes, see espah_spd_now().
 */
#ifndef _ESPAH_RECENT_H
#define _ESPAH_RECENT_H

#include "spd.h"

/* a cached espah_spd_lookup(); Context: RCU reader, BH disabled */
struct espah_policy *espah_recent_policy(const struct espah_spd *spd, u64 now, u8 dir,
					 struct espah_flow *flow);

int espah_recent_setup(void);
void espah_recent_teardown(void);

#endif /* _ESPAH_RECENT_H */
