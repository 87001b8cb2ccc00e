/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux 6.12 moved <asm/unaligned.h>. */
#ifndef _ESPAH_COMPAT_UNALIGNED_H
#define _ESPAH_COMPAT_UNALIGNED_H

#ifdef ESPAH_HAS_LINUX_UNALIGNED
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif /* _ESPAH_COMPAT_UNALIGNED_H */
