// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/route.h>
#include "domain.h"
#include "net.h"

/* flag in espah_path.domain: valid; the upper 32 bits hold espah_net.addresses at the lookup */
#define DOMAIN_KNOWN BIT_ULL(31)

bool espah_domain_has(struct net *net, const union espah_addr *addr, u8 family,
		      const struct net_device *dev)
{
	if (family == AF_INET)
		return inet_addr_type_dev_table(net, dev, addr->ip4) == RTN_LOCAL;
	return ipv6_chk_addr(net, (const struct in6_addr *)addr, dev, 0);
}

/* The same for IPv6; accepts tentative addresses, as no event reports the end of that state. */
static bool has_ip6(struct net *net, const struct in6_addr *addr, const struct net_device *dev,
		    bool exactly)
{
	return ipv6_chk_addr_and_flags(net, addr, dev, !dev, exactly, 0);
}

static u32 domain_of_ip6(struct net *net, const struct in6_addr *addr)
{
	const struct net_device *dev;

	if (has_ip6(net, addr, NULL, false))
		return 0;
	if (ipv6_addr_type(addr) & IPV6_ADDR_LINKLOCAL) {
		dev = dev_get_by_index_rcu(net, espah_domain_link(net, addr));
		return dev ? espah_domain(dev) : 0;
	}
	for_each_netdev_rcu(net, dev)
		if (netif_is_l3_master(dev) && has_ip6(net, addr, dev, false))
			return dev->ifindex;
	return 0;
}

u32 espah_domain_of(struct net *net, const union espah_addr *addr, u8 family)
{
	const struct net_device *dev;

	if (family == AF_INET6)
		return domain_of_ip6(net, (const struct in6_addr *)addr);
	if (espah_domain_has(net, addr, family, NULL))
		return 0;
	dev = __ip_dev_find(net, addr->ip4, false);
	return dev ? espah_domain(dev) : 0;
}

u32 espah_domain_link(struct net *net, const struct in6_addr *addr)
{
	const struct net_device *dev;

	for_each_netdev_rcu(net, dev)
		if (has_ip6(net, addr, dev, true))
			return dev->ifindex;
	return 0;
}

u32 espah_path_domain(const struct espah_sa *sa, struct espah_path *path)
{
	u32 now = atomic_read(&sa->en->addresses), domain;
	u64 known = atomic64_read(&path->domain);

	if (sa->id.vrf)
		return sa->id.vrf;
	if (likely(known & DOMAIN_KNOWN && known >> 32 == now))
		return known & ~DOMAIN_KNOWN;
	domain = espah_domain_of(sa->en->net, sa->id.dir == ESPAH_DIR_OUT ? &path->src : &path->dst,
				 path->family);
	atomic64_set(&path->domain, (u64)now << 32 | DOMAIN_KNOWN | domain);
	return domain;
}

bool espah_domain_exists(struct net *net, u32 vrf)
{
	const struct net_device *dev;
	bool exists;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, vrf);
	exists = dev && netif_is_l3_master(dev);
	rcu_read_unlock();
	return exists;
}
