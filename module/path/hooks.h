/* SPDX-License-Identifier: GPL-2.0-only */
/* The netfilter hooks of a network namespace; Context: espah_net.lock. */
#ifndef _ESPAH_HOOKS_H
#define _ESPAH_HOOKS_H

#include "db/net.h"

/* Return: 0 or -errno */
int espah_hooks_register(struct espah_net *en);
/* takes them away, if they are there */
void espah_hooks_remove(struct espah_net *en);
/* registers or takes away what spares IPv6 packets XFRM's search, as espah_net.secpath says */
void espah_hooks_spare(struct espah_net *en);

#endif /* _ESPAH_HOOKS_H */
