/* SPDX-License-Identifier: GPL-2.0-only */
/* Symbol namespaces were plain words before Linux 6.13. */
#ifndef _ESPAH_COMPAT_EXPORT_H
#define _ESPAH_COMPAT_EXPORT_H

#include <linux/module.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define ESPAH_EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, ESPAH)
#define ESPAH_IMPORT() MODULE_IMPORT_NS(ESPAH)
#else
#define ESPAH_EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, "ESPAH")
#define ESPAH_IMPORT() MODULE_IMPORT_NS("ESPAH")
#endif

#endif /* _ESPAH_COMPAT_EXPORT_H */
