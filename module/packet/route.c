// SPDX-License-Identifier: GPL-2.0-only
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/lwtunnel.h>
#include <net/route.h>
#include "db/domain.h"
#include "db/link.h"
#include "db/net.h"
#include "db/udp_path.h"
#include "route.h"

/* Index of the device by which the packets of a link's SA leave, or 0. */
static u32 lower_of(const struct espah_sa *sa)
{
	const struct espah_link *link = sa->if_id ? espah_link_find(sa->en, sa->if_id) : NULL;

	return link ? READ_ONCE(link->lower) : 0;
}

static struct dst_entry *look_up_route(const struct espah_sa *sa, struct espah_path *path)
{
	struct net *net = sa->en->net;
	u32 domain = espah_path_domain(sa, path), lower = lower_of(sa);
	struct dst_entry *dst;

	/* without this check, the packets would leave in the main domain */
	if (unlikely(sa->id.vrf && !espah_domain_exists(net, domain)))
		return NULL;
	if (path->family == AF_INET) {
		struct flowi4 fl4 = {
			.saddr = path->src.ip4,
			.daddr = path->dst.ip4,
			.flowi4_oif = lower,
			.flowi4_mark = sa->mark,
			.flowi4_l3mdev = domain,
			.flowi4_proto = path->ip_proto,
			/* forwarded packets have a source address that is not local */
			.flowi4_flags = sa->mode == ESPAH_MODE_TRANSPORT ? FLOWI_FLAG_ANYSRC : 0,
			.fl4_sport = path->sport,
			.fl4_dport = path->dport,
		};
		struct rtable *rt = ip_route_output_key(net, &fl4);

		if (IS_ERR(rt))
			return NULL;
		dst = &rt->dst;
		/*
		 * If XFRM has a policy but no SA yet, the route is a black hole for one packet. It
		 * is on the namespace's lo; a cached route would keep lo as long as the SA.
		 */
		if (likely(dst->obsolete != DST_OBSOLETE_DEAD))
			dst_cache_set_ip4(&path->dst_cache, dst, fl4.saddr);
	} else {
		struct flowi6 fl6 = {
			.flowi6_oif = lower,
			.flowi6_mark = sa->mark,
			.flowi6_l3mdev = domain,
			.flowi6_proto = path->ip_proto,
			.fl6_sport = path->sport,
			.fl6_dport = path->dport,
		};

		memcpy(&fl6.saddr, &path->src, sizeof(fl6.saddr));
		memcpy(&fl6.daddr, &path->dst, sizeof(fl6.daddr));
		/* without a device, the route lookup would take any link */
		if (!lower && unlikely(ipv6_addr_type(&fl6.daddr) & (IPV6_ADDR_LINKLOCAL |
								     IPV6_ADDR_MULTICAST)))
			fl6.flowi6_oif = espah_domain_link(net, &fl6.saddr);
		dst = ip6_route_output(net, NULL, &fl6);
		if (dst->error) {
			dst_release(dst);
			return NULL;
		}
		dst_cache_set_ip6(&path->dst_cache, dst, &fl6.saddr);
	}
	return dst;
}

struct dst_entry *espah_path_route(const struct espah_sa *sa, struct espah_path *path)
{
	struct dst_entry *dst = dst_cache_get(&path->dst_cache);
	u32 addresses = atomic_read(&sa->en->addresses);

	if (likely(dst && READ_ONCE(path->routed) == addresses))
		return dst;
	/* the local address may now be on another device, in another domain */
	dst_release(dst);
	if (READ_ONCE(path->routed) != addresses) {
		dst_cache_reset(&path->dst_cache);
		WRITE_ONCE(path->routed, addresses);
	}
	return look_up_route(sa, path);
}

unsigned int espah_dst_mtu(const struct dst_entry *dst)
{
	unsigned int mtu, link = READ_ONCE(dst->dev->mtu);

	if (dst->ops->family == AF_INET) {
		mtu = dst_metric_raw(dst, RTAX_MTU);
	} else {
		/* if ICMP changed an IPv6 route, the original FIB entry has the MTU */
		const struct rt6_info *rt = (const struct rt6_info *)dst;
		const struct fib6_info *from = rcu_dereference(rt->from);

		mtu = from ? from->fib6_pmtu : 0;
		if (rt->rt6i_idev)
			link = min_t(unsigned int, link, READ_ONCE(rt->rt6i_idev->cnf.mtu6));
	}
	return min(mtu ?: link - lwtunnel_headroom(dst->lwtstate, link), IP_MAX_MTU);
}

/*
 * The path MTU that the IP layer keeps in a route is not used: it accepts ICMP errors about
 * packets that anybody can forge (such as UDP), and in transport mode it is the value that
 * this module reported to the sender of the plaintext. The MTU is that of the link, lowered by
 * ICMP errors about packets of this SA (RFC 4301 8.2).
 */
unsigned int espah_sa_dst_mtu(const struct espah_sa *sa, const struct dst_entry *dst)
{
	unsigned int mtu = espah_dst_mtu(dst), learned = READ_ONCE(sa->pmtu);

	if (unlikely(learned) && time_before(jiffies, READ_ONCE(sa->pmtu_expires)))
		mtu = min(mtu, learned);
	if (unlikely(READ_ONCE(sa->en->udp_paths.learned)) && espah_sa_path(sa)->encap_len)
		mtu = min(mtu, espah_udp_path_mtu(&sa->en->udp_paths, espah_sa_path(sa)));
	return mtu;
}
