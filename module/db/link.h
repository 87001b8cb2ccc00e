/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links: devices of kind espah that one can route into. SAs and policies belong to a link by its
 * if_id, whether or not the link exists. A link may move to another network namespace; its SAs and
 * policies, and the outer packets, stay where it was made.
 */
#ifndef _ESPAH_LINK_H
#define _ESPAH_LINK_H

#include <linux/netdevice.h>
#include <linux/xarray.h>
#include "net.h"

/**
 * struct espah_link - the private part of such a device
 * @dev: the device
 * @en: the namespace where it was made
 * @if_id: its number, in espah_net.links
 * @owner: a module that made it for another kind of device and stays while it exists, or NULL
 * @made_by: ESPAH_LINK_OWNER
 * @lower: index of the device by which outer packets leave, or 0: any; READ_ONCE
 * @follows: it has a carrier only while it has an outbound SA; under RTNL and espah_net.lock
 * @mtu_given: the MTU was set by hand and no longer follows the SAs; under RTNL
 * @adjusting: the module is changing the MTU; under RTNL
 */
struct espah_link {
	struct net_device *dev;
	struct espah_net *en;
	u32 if_id;
	struct module *owner;
	u8 made_by;
	u32 lower;
	bool follows;
	bool mtu_given;
	bool adjusting;
};

/* set at load; all links have it, and no other device */
extern const struct net_device_ops *espah_link_ops;

static inline bool espah_is_link(const struct net_device *dev)
{
	return dev->netdev_ops == espah_link_ops;
}

/* the link with this number, or NULL; Context: RCU reader, or RTNL */
static inline struct espah_link *espah_link_find(struct espah_net *en, u32 if_id)
{
	return xa_load(&en->links, if_id);
}

#endif /* _ESPAH_LINK_H */
