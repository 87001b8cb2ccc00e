/* SPDX-License-Identifier: GPL-2.0-only */
/* The version of the modules, the command and the packages; user space includes this, too. */
#ifndef _ESPAH_VERSION_H
#define _ESPAH_VERSION_H

#define ESPAH_VERSION "0.1.0"

#endif
