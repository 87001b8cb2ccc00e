/* SPDX-License-Identifier: GPL-2.0-only */
/* Dummy packets that hide when there is traffic (RFC 4303 2.6). */
#ifndef _ESPAH_DUMMY_H
#define _ESPAH_DUMMY_H

#include "db/sa.h"

/* what an SA needs to send dummies, or NULL; kfree() takes it back */
struct espah_dummy *espah_dummy_alloc(void);

/**
 * espah_dummy_set - begin or stop to send dummies
 * @sa: outbound SA, in the SAD (under espah_net.lock) or not yet
 * @interval: mean time between two, microseconds; 0: none
 * @random: not always the same time
 * @dummy: of espah_dummy_alloc() if @sa never sent any; becomes the SA's
 */
void espah_dummy_set(struct espah_sa *sa, u32 interval, bool random, struct espah_dummy *dummy);

/* starts or stops the sending, after @sa has come into the SAD or left it */
void espah_dummy_arm(struct espah_sa *sa);

#endif /* _ESPAH_DUMMY_H */
