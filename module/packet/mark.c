// SPDX-License-Identifier: GPL-2.0-only
#include <net/dst_metadata.h>
#include "compat/netdev.h"
#include "mark.h"

/* Never called: its address identifies the metadata dst of this module. */
static int mark_output(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

bool espah_marked(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	return dst && dst->flags & DST_METADATA && dst->output == mark_output;
}

bool espah_mark(struct espah_sa *sa, struct sk_buff *skb)
{
	struct espah_path *path = espah_sa_path(sa);
	struct metadata_dst *md = READ_ONCE(path->mark), *old;

	if (unlikely(!md)) {
		md = metadata_dst_alloc(0, METADATA_IP_TUNNEL, GFP_ATOMIC);
		if (!md)
			return false;
		md->dst.output = mark_output;
		md->u.tun_info.key.tun_id = cpu_to_be64(be32_to_cpu(sa->id.spi));
		if (path->family == AF_INET) {
			md->u.tun_info.key.u.ipv4.src = path->src.ip4;
			md->u.tun_info.key.u.ipv4.dst = path->dst.ip4;
		} else {
			md->u.tun_info.mode = IP_TUNNEL_INFO_IPV6;
			memcpy(&md->u.tun_info.key.u.ipv6.src, &path->src, sizeof(path->src));
			memcpy(&md->u.tun_info.key.u.ipv6.dst, &path->dst, sizeof(path->dst));
		}
		espah_tunnel_key_flag(&md->u.tun_info.key);
		old = cmpxchg(&path->mark, NULL, md);
		if (old) {
			dst_release(&md->dst);
			md = old;
		}
	}
	dst_hold(&md->dst);
	skb_dst_set(skb, &md->dst);
	return true;
}
