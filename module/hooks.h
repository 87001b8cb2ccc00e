/* SPDX-License-Identifier: GPL-2.0-only */
/* The netfilter hooks of a network namespace; see also espah_hooks_update() in net.h. */
#ifndef _ESPAH_HOOKS_H
#define _ESPAH_HOOKS_H

#include "net.h"

/* takes the hooks away, whatever the configuration says; Context: espah_net.lock */
void espah_hooks_remove(struct espah_net *en);

#endif /* _ESPAH_HOOKS_H */
