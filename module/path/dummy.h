/* SPDX-License-Identifier: GPL-2.0-only */
/* Dummy packets, which hide when there is traffic (RFC 4303 2.6). */
#ifndef _ESPAH_DUMMY_H
#define _ESPAH_DUMMY_H

#include "db/sa.h"

/* allocates the state that an SA needs to send dummies; NULL without memory; undo with kfree() */
struct espah_dummy *espah_dummy_alloc(void);

/**
 * espah_dummy_set - start or stop sending dummies
 * @sa: outbound SA, in the SAD (under espah_net.lock) or not yet added
 * @interval: microseconds: mean time between two dummies; 0: send none
 * @random: randomise the intervals
 * @dummy: from espah_dummy_alloc() if @sa has never sent dummies; owned by the SA afterwards
 */
void espah_dummy_set(struct espah_sa *sa, u32 interval, bool random, struct espah_dummy *dummy);

/* starts or stops sending after @sa was added to or removed from the SAD */
void espah_dummy_arm(struct espah_sa *sa);

#endif /* _ESPAH_DUMMY_H */
