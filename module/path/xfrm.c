// SPDX-License-Identifier: GPL-2.0-only
#include <net/xfrm.h>
#include "xfrm.h"

bool espah_xfrm_has(struct net *net, const struct sk_buff *skb, const struct espah_sa_id *id,
		    __be16 port)
{
#if IS_ENABLED(CONFIG_XFRM)
	struct xfrm_state *x = xfrm_state_lookup(net, skb->mark, (const xfrm_address_t *)&id->dst,
						 id->spi, id->proto, id->family);
	bool found = x && (!port || (x->encap && x->encap->encap_dport == port));

	if (x)
		xfrm_state_put(x);
	return found;
#else
	return false;
#endif
}
