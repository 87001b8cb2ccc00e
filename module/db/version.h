/* SPDX-License-Identifier: GPL-2.0-only */
/* The version of the modules, of the command and of the packages; nothing else may be in this file. */
#ifndef _ESPAH_VERSION_H
#define _ESPAH_VERSION_H

#define ESPAH_VERSION "0.1.0"

#endif
