/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own IPsec, XFRM. Its SAs and ours can coexist. */
#ifndef _ESPAH_XFRM_H
#define _ESPAH_XFRM_H

#include <linux/skbuff.h>
#include "db/sa.h"

/**
 * espah_xfrm_has - whether an SA is one of XFRM's
 * @net: network namespace
 * @skb: a packet of the SA
 * @id: the id to look up
 * @port: UDP destination port of the packet, or 0: any encapsulation matches
 */
bool espah_xfrm_has(struct net *net, const struct sk_buff *skb, const struct espah_sa_id *id,
		    __be16 port);

#endif /* _ESPAH_XFRM_H */
