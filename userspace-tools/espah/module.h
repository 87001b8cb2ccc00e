/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel modules: what is loaded, and what is installed for the running kernel. */
#ifndef ESPAH_MODULE_H
#define ESPAH_MODULE_H

#include "cli.h"

/** MODULE_FACE - the module that answers NETLINK_XFRM */
#define MODULE_FACE "espah_xfrm"

bool module_loaded(const char *name);
void module_version(const char *name, char version[64]);
int module_users(const char *name);
int module_check(const char *name, int family);
int module_load(const char *name);
int module_unload(const char *name);

#endif /* ESPAH_MODULE_H */
