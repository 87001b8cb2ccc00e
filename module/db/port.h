/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The UDP ports on which inbound SAs expect ESP. Their users are counted in
 * espah_net.encap_ports, under espah_net.lock. UDP packets to other ports are ignored.
 */
#ifndef _ESPAH_PORT_H
#define _ESPAH_PORT_H

#include "net.h"

/* Return: 0 or -ENOMEM */
int espah_port_get(struct espah_net *en, __be16 port);
void espah_port_put(struct espah_net *en, __be16 port);

/* whether an SA expects ESP on a port; Context: any */
static inline bool espah_port_used(struct espah_net *en, u16 port)
{
	return xa_load(&en->encap_ports, port);
}

#endif /* _ESPAH_PORT_H */
