/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels built with CONFIG_INIT_STACK_ALL_ZERO zero each variable on the stack. espah_uninit
 * exempts a variable for which this would cost every packet time, and which is completely written
 * before it is read.
 */
#ifndef _ESPAH_COMPAT_COMPILER_H
#define _ESPAH_COMPAT_COMPILER_H

#include <linux/compiler.h>

#if __has_attribute(__uninitialized__)
#define espah_uninit __attribute__((__uninitialized__))
#else
#define espah_uninit
#endif

#endif /* _ESPAH_COMPAT_COMPILER_H */
