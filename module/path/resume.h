/* SPDX-License-Identifier: GPL-2.0-only */
/* Where packets return to the packet path from a crypto driver or another CPU. */
#ifndef _ESPAH_RESUME_H
#define _ESPAH_RESUME_H

#include "compat/crypto.h"

struct napi_struct;

/* completion function for drivers that complete later; for espah_order_setup() */
void espah_resume_answered(ESPAH_CRYPTO_DONE_ARGS);

/* a worker's poll function; for espah_worker_setup() */
int espah_resume_poll(struct napi_struct *napi, int budget);

#endif /* _ESPAH_RESUME_H */
