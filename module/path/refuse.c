// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include "packet/flow.h"
#include "refuse.h"

void espah_refuse_size(struct sk_buff *skb, unsigned int mtu)
{
	if (skb->protocol == htons(ETH_P_IP)) {
		if (espah_is_local(skb))
			skb_dst_update_pmtu(skb, mtu);
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	} else {
		mtu = max_t(unsigned int, mtu, IPV6_MIN_MTU);
		if (espah_is_local(skb))
			skb_dst_update_pmtu(skb, mtu);
		icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
	}
}

void espah_refuse(struct sk_buff *skb, bool prohibited)
{
	if (skb->protocol == htons(ETH_P_IP))
		icmp_ndo_send(skb, ICMP_DEST_UNREACH,
			      prohibited ? ICMP_PKT_FILTERED : ICMP_HOST_UNREACH, 0);
	else
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH,
				prohibited ? ICMPV6_ADM_PROHIBITED : ICMPV6_ADDR_UNREACH, 0);
}
