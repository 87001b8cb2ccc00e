/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own IPsec, XFRM: its SAs and ours live side by side. */
#ifndef _ESPAH_XFRM_H
#define _ESPAH_XFRM_H

#include <linux/skbuff.h>
#include "db/sa.h"

/**
 * espah_xfrm_has - whether an SA is one of XFRM's
 * @net: network namespace
 * @skb: a packet of it
 * @id: what it would be found by
 * @port: UDP destination port of the packet, or 0 for any way that it came
 */
bool espah_xfrm_has(struct net *net, const struct sk_buff *skb, const struct espah_sa_id *id,
		    __be16 port);

#endif /* _ESPAH_XFRM_H */
