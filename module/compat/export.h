/* SPDX-License-Identifier: GPL-2.0-only */
/* Symbol namespaces were plain words before Linux 6.13. */
#ifndef _ESPAH_COMPAT_EXPORT_H
#define _ESPAH_COMPAT_EXPORT_H

#include <linux/module.h>

#ifdef ESPAH_HAS_QUOTED_NAMESPACES
#define ESPAH_EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, "ESPAH")
#define ESPAH_IMPORT() MODULE_IMPORT_NS("ESPAH")
#else
#define ESPAH_EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, ESPAH)
#define ESPAH_IMPORT() MODULE_IMPORT_NS(ESPAH)
#endif

#endif /* _ESPAH_COMPAT_EXPORT_H */
