/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each CPU has looked up in the SPD of late. A packet's flow is looked up when it comes,
 * when it is decrypted and when it leaves, and the next packet is often of the same flow: so
 * that many shapes of selectors cost no more than one. Of fixed size, and never waited for:
 * who floods it pays for the lookups that there were without it. What is remembered of an SPD
 * goes when that one changes, see espah_spd.changes.
 */
#ifndef _ESPAH_RECENT_H
#define _ESPAH_RECENT_H

#include "spd.h"

/* espah_spd_lookup(), if need be; Context: RCU reader, BH disabled */
struct espah_policy *espah_recent_policy(const struct espah_spd *spd, u8 dir,
					 struct espah_flow *flow);

int espah_recent_setup(void);
void espah_recent_teardown(void);

#endif /* _ESPAH_RECENT_H */
