// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <linux/notifier.h>
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

/* --- events that change domains --- */

static void changed(const struct net *net)
{
	atomic_inc(&espah_pernet(net)->addresses);
}

static int ip4_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct in_ifaddr *ifa = data;

	changed(dev_net(ifa->ifa_dev->dev));
	return NOTIFY_DONE;
}

static int ip6_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct inet6_ifaddr *ifa = data;

	changed(dev_net(ifa->idev->dev));
	return NOTIFY_DONE;
}

static int device_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(data);

	/* a device that enters a VRF goes down and up, which moves its addresses */
	if (event == NETDEV_CHANGEUPPER || event == NETDEV_UNREGISTER || event == NETDEV_UP ||
	    event == NETDEV_DOWN)
		changed(dev_net(dev));
	/* cached lookups do not include the VRF */
	if (event == NETDEV_CHANGEUPPER)
		espah_spd_changed(&espah_pernet(dev_net(dev))->spd);
	return NOTIFY_DONE;
}

static struct notifier_block ip4_notifier = { .notifier_call = ip4_event };
static struct notifier_block ip6_notifier = { .notifier_call = ip6_event };
static struct notifier_block device_notifier = { .notifier_call = device_event };

int espah_domain_setup(void)
{
	int err = register_netdevice_notifier(&device_notifier);

	if (err)
		return err;
	err = register_inetaddr_notifier(&ip4_notifier);
	if (err)
		goto device;
	err = register_inet6addr_notifier(&ip6_notifier);
	if (err)
		goto ip4;
	return 0;
ip4:
	unregister_inetaddr_notifier(&ip4_notifier);
device:
	unregister_netdevice_notifier(&device_notifier);
	return err;
}

void espah_domain_teardown(void)
{
	unregister_inet6addr_notifier(&ip6_notifier);
	unregister_inetaddr_notifier(&ip4_notifier);
	unregister_netdevice_notifier(&device_notifier);
}
