// SPDX-License-Identifier: GPL-2.0-only
/* Load, unload, and the life of network namespaces. */
#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>
#include "bind.h"
#include "change.h"
#include "cpu/cell.h"
#include "cpu/worker.h"
#include "db/addresses.h"
#include "db/net.h"
#include "db/recent.h"
#include "db/version.h"
#include "expire.h"
#include "netlink/netlink.h"
#include "packet/judged.h"
#include "packet/op.h"
#include "packet/tap.h"
#include "path/confirm.h"
#include "path/device.h"
#include "path/flowtable.h"
#include "path/gather.h"
#include "path/held.h"
#include "path/loopback.h"
#include "path/order.h"
#include "path/output.h"
#include "path/resume.h"

static int __net_init net_init(struct net *net)
{
	struct espah_net *en = espah_pernet(net);
	int err;

	en->net = net;
	mutex_init(&en->lock);
	en->icmp_plaintext = ESPAH_ACTION_DISCARD;
	en->secpath = true;
	en->stats = alloc_percpu_gfp(struct espah_net_stats, GFP_KERNEL_ACCOUNT);
	if (!en->stats)
		return -ENOMEM;
	err = espah_sad_setup(&en->sad, espah_expire);
	if (err) {
		free_percpu(en->stats);
		return err;
	}
	espah_spd_setup(&en->spd);
	espah_held_setup(en, espah_output_held);
	espah_device_net_setup(en);
	espah_bind_net_setup(en);
	espah_flowtable_setup(en);
	xa_init_flags(&en->encap_ports, XA_FLAGS_ACCOUNT);
	seqlock_init(&en->udp_paths.lock);
	return 0;
}

/* After this and a grace period, the hooks see no more packets. */
static void __net_exit net_pre_exit(struct net *net)
{
	struct espah_net *en = espah_pernet(net);

	espah_change_stop(en);
	espah_device_net_stop(en);
}

static void __net_exit net_exit(struct net *net)
{
	struct espah_net *en = espah_pernet(net);

	espah_bind_net_stop(en); /* the last devices are gone */
	espah_confirm_teardown(en);
	espah_flowtable_teardown(en);
	espah_change_teardown(en);
	espah_spd_teardown(&en->spd);
	espah_sad_teardown(&en->sad);
	if (en->pinned)
		module_put(THIS_MODULE);
	free_percpu(en->stats);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit = net_exit,
	.id = &espah_net_id,
	.size = sizeof(struct espah_net),
};

static int __init espah_init(void)
{
	int err;

	espah_judged_setup();
	espah_confirm_setup(espah_output);
	espah_order_setup(espah_resume_answered);
	err = espah_loopback_setup();
	if (err)
		return err;
	err = espah_cells_setup();
	if (err)
		return err;
	err = espah_gather_setup(espah_output_poll);
	if (err)
		goto cells;
	err = espah_worker_setup(espah_resume_poll);
	if (err)
		goto gather;
	err = espah_workqueue_setup();
	if (err)
		goto worker;
	err = espah_recent_setup();
	if (err)
		goto sad;
	err = register_pernet_subsys(&net_ops);
	if (err)
		goto recent;
	err = espah_addresses_setup();
	if (err)
		goto pernet;
	err = espah_tap_setup();
	if (err)
		goto addresses;
	err = espah_device_setup();
	if (err)
		goto tap;
	err = espah_bind_setup();
	if (err)
		goto device;
	err = espah_netlink_setup();
	if (err)
		goto bind;
	return 0;
bind:
	espah_bind_teardown();
device:
	espah_device_teardown();
tap:
	espah_tap_teardown();
addresses:
	espah_addresses_teardown();
pernet:
	unregister_pernet_subsys(&net_ops);
recent:
	espah_recent_teardown();
sad:
	espah_workqueue_teardown();
worker:
	espah_worker_teardown();
gather:
	espah_gather_teardown();
cells:
	espah_cells_teardown();
	return err;
}

static void __exit espah_exit(void)
{
	espah_netlink_teardown();
	espah_bind_teardown();
	espah_device_teardown();
	espah_tap_teardown();
	espah_addresses_teardown();
	unregister_pernet_subsys(&net_ops);
	espah_recent_teardown();
	espah_workqueue_teardown();
	espah_worker_teardown();
	espah_gather_teardown();
	espah_cells_teardown();
	espah_op_cleanup();
	rcu_barrier();
}

module_init(espah_init);
module_exit(espah_exit);

MODULE_DESCRIPTION("IPsec ESP and AH in tunnel and transport mode, through netfilter hooks");
MODULE_AUTHOR("the espah authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(ESPAH_VERSION);
/* "espah reload" asks the file for it, before it loads the module */
MODULE_INFO(family, __stringify(ESPAH_GENL_VERSION));
MODULE_ALIAS_GENL_FAMILY(ESPAH_GENL_NAME);
MODULE_ALIAS_RTNL_LINK(ESPAH_LINK_KIND);
MODULE_ALIAS_RTNL_LINK(ESPAH_TAP_KIND);
