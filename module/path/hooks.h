/* SPDX-License-Identifier: GPL-2.0-only */
/* The netfilter hooks of a network namespace; Context: espah_net.lock. */
#ifndef _ESPAH_HOOKS_H
#define _ESPAH_HOOKS_H

#include "db/net.h"

/* Return: 0 or -errno */
int espah_hooks_register(struct espah_net *en);
/* unregisters the hooks if they are registered */
void espah_hooks_remove(struct espah_net *en);
/* registers or removes the hooks that spare IPv6 packets XFRM's search; see espah_net.secpath */
void espah_hooks_spare(struct espah_net *en);

#endif /* _ESPAH_HOOKS_H */
