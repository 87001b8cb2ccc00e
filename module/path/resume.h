/* SPDX-License-Identifier: GPL-2.0-only */
/* Where packets come back to their line that a crypto driver or another CPU had. */
#ifndef _ESPAH_RESUME_H
#define _ESPAH_RESUME_H

#include "compat/crypto.h"

struct napi_struct;

/* what a driver calls that answers later; for espah_order_setup() */
void espah_resume_answered(ESPAH_CRYPTO_DONE_ARGS);

/* what a worker does; for espah_worker_setup() */
int espah_resume_poll(struct napi_struct *napi, int budget);

#endif /* _ESPAH_RESUME_H */
