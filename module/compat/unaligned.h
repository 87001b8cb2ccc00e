/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux 6.12 moved <asm/unaligned.h>. */
#ifndef _ESPAH_COMPAT_UNALIGNED_H
#define _ESPAH_COMPAT_UNALIGNED_H

#if __has_include(<linux/unaligned.h>)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif /* _ESPAH_COMPAT_UNALIGNED_H */
