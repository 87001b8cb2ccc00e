/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ESPAH_BIND_H
#define _ESPAH_BIND_H

struct espah_net;

/* for each network namespace; stop after its devices are gone, and before its policies end */
void espah_bind_net_setup(struct espah_net *en);
void espah_bind_net_stop(struct espah_net *en);

int espah_bind_setup(void);
void espah_bind_teardown(void);

#endif /* _ESPAH_BIND_H */
