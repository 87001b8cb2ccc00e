// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <linux/notifier.h>
#include <net/addrconf.h>
#include "addresses.h"
#include "net.h"

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

int espah_addresses_setup(void)
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

void espah_addresses_teardown(void)
{
	unregister_inet6addr_notifier(&ip6_notifier);
	unregister_inetaddr_notifier(&ip4_notifier);
	unregister_netdevice_notifier(&device_notifier);
}
