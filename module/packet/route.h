/* SPDX-License-Identifier: GPL-2.0-only */
/* The route of an SA's packets, and the path MTU. */
#ifndef _ESPAH_ROUTE_H
#define _ESPAH_ROUTE_H

#include <net/dst.h>
#include "db/sa.h"

/**
 * espah_path_route - the route to an SA's destination
 * @sa: outbound SA
 * @path: its path
 *
 * Context: RCU reader, BH disabled. Return: a held dst, or NULL.
 */
struct dst_entry *espah_path_route(const struct espah_sa *sa, struct espah_path *path);

/* bytes: MTU of a route or of its device, without changes by ICMP; Context: RCU reader */
unsigned int espah_dst_mtu(const struct dst_entry *dst);

/* bytes: largest ESP or AH packet of @sa on @dst; Context: RCU reader */
unsigned int espah_sa_dst_mtu(const struct espah_sa *sa, const struct dst_entry *dst);

#endif /* _ESPAH_ROUTE_H */
