/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux 6.3 gave completion functions the caller's pointer instead of the request. */
#ifndef _ESPAH_COMPAT_CRYPTO_H
#define _ESPAH_COMPAT_CRYPTO_H

#include <linux/crypto.h>

#ifdef ESPAH_HAS_CRYPTO_DONE_DATA
#define ESPAH_CRYPTO_DONE_ARGS void *data, int err
#define espah_crypto_done_data() (data)
#else
#define ESPAH_CRYPTO_DONE_ARGS struct crypto_async_request *base, int err
#define espah_crypto_done_data() (base->data)
#endif

#endif /* _ESPAH_COMPAT_CRYPTO_H */
