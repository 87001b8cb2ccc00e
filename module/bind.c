// SPDX-License-Identifier: GPL-2.0-only
/* Policies that name a device follow the name: it may be made, renamed, moved, or deleted. */
#include <linux/netdevice.h>
#include "bind.h"
#include "change.h"
#include "db/privilege.h"
#include "db/net.h"
#include "path/flowtable.h"

/* Context: process. Return: 0 or -ENOMEM: then it is tried again. */
static int rebind(struct espah_net *en)
{
	int err;

	mutex_lock(&en->lock);
	err = espah_policy_rebind(en);
	if (err && !en->dying)
		queue_delayed_work(espah_workqueue, &en->bind, HZ);
	mutex_unlock(&en->lock);
	espah_flowtable_settle(en, true);
	return err;
}

static void rebind_late(struct work_struct *work)
{
	rebind(container_of(to_delayed_work(work), struct espah_net, bind));
}

static int device_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(data);
	struct espah_net *en = espah_pernet(dev_net(dev));
	int err;

	switch (event) {
	case NETDEV_REGISTER:
	case NETDEV_UNREGISTER:
	case NETDEV_CHANGENAME:
	case NETDEV_PRE_UP: /* alternative names that came and went while it was down */
	case NETDEV_CHANGE: /* an alternative name comes or goes, or something else changes */
		break;
	default:
		return NOTIFY_DONE;
	}
	/* see espah_spd_bind() */
	smp_mb();
	if (!READ_ONCE(en->spd.uses_names))
		return NOTIFY_DONE;
	/*
	 * User namespaces must not hold up RTNL: their policies follow a moment later. So do all
	 * policies if a device that carries packets gets another name besides its own.
	 */
	if (espah_net_foreign(en->net) || event == NETDEV_CHANGE) {
		mod_delayed_work(espah_workqueue, &en->bind, 0);
		return NOTIFY_DONE;
	}
	/* packets of a new device come only after this; without memory, there is no new device */
	err = rebind(en);
	return event == NETDEV_UNREGISTER ? NOTIFY_DONE : notifier_from_errno(err);
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

void espah_bind_net_setup(struct espah_net *en)
{
	INIT_DELAYED_WORK(&en->bind, rebind_late);
}

void espah_bind_net_stop(struct espah_net *en)
{
	cancel_delayed_work_sync(&en->bind);
}

int __init espah_bind_setup(void)
{
	return register_netdevice_notifier(&device_notifier);
}

void espah_bind_teardown(void)
{
	unregister_netdevice_notifier(&device_notifier);
}
