// SPDX-License-Identifier: GPL-2.0-only
/* Devices of kind `xfrm' are devices of kind `espah' by another name. */
#include <net/rtnetlink.h>
#include "compat/netdev.h"
#include "db/link.h"
#include "db/privilege.h"
#include "nlx.h"
#include "path/device.h"

/* attribute that newer kernels know: one device for all if_ids, which eBPF chooses */
#define NLX_LINK_COLLECT_METADATA 3

static const struct nla_policy kind_policy[NLX_LINK_COLLECT_METADATA + 1] = {
	[IFLA_XFRM_LINK] = { .type = NLA_U32 },
	[IFLA_XFRM_IF_ID] = { .type = NLA_U32 },
	[NLX_LINK_COLLECT_METADATA] = { .type = NLA_FLAG },
};

static int check(struct nlattr *tb[], struct nlattr *data[], struct netlink_ext_ack *extack)
{
	return espah_device_permitted(extack);
}

/* Sets @own to the attributes as the kind `espah' has them. */
static int translate(struct nlattr *data[], struct nlattr *own[], struct netlink_ext_ack *extack)
{
	memset(own, 0, (ESPAH_LINK_MAX + 1) * sizeof(*own));
	if (!data)
		return 0;
	if (data[NLX_LINK_COLLECT_METADATA]) {
		NL_SET_ERR_MSG(extack,
			       "espah's devices have one if_id each: external is not supported");
		return -EOPNOTSUPP;
	}
	own[ESPAH_LINK_IF_ID] = data[IFLA_XFRM_IF_ID];
	own[ESPAH_LINK_DEV] = data[IFLA_XFRM_LINK];
	if (own[ESPAH_LINK_IF_ID] && nla_get_u32(own[ESPAH_LINK_IF_ID]))
		return 0;
	NL_SET_ERR_MSG(extack, "if_id must be non zero");
	return -EINVAL;
}

static int make(struct net *net, struct net_device *dev, struct nlattr *tb[],
		struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct nlattr *own[ESPAH_LINK_MAX + 1];

	return translate(data, own, extack) ?:
	       espah_device_make(net, dev, tb, data ? own : NULL, THIS_MODULE, extack);
}

static int kind_new(ESPAH_NEWLINK_ARGS)
{
	return make(ESPAH_NEWLINK_PASSED);
}

static int kind_change(struct net_device *dev, struct nlattr *tb[], struct nlattr *data[],
		       struct netlink_ext_ack *extack)
{
	struct nlattr *own[ESPAH_LINK_MAX + 1];

	return translate(data, own, extack) ?:
	       espah_device_change(dev, tb, data ? own : NULL, extack);
}

static void kind_delete(struct net_device *dev, struct list_head *head)
{
	unregister_netdevice_queue(dev, head);
}

static size_t kind_size(const struct net_device *dev)
{
	return 2 * nla_total_size(sizeof(u32));
}

static int kind_fill(struct sk_buff *skb, const struct net_device *dev)
{
	const struct espah_link *link = netdev_priv(dev);

	return nla_put_u32(skb, IFLA_XFRM_LINK, link->lower) ?:
	       nla_put_u32(skb, IFLA_XFRM_IF_ID, link->if_id);
}

static struct rtnl_link_ops kind __read_mostly = {
	.kind = "xfrm",
	.maxtype = NLX_LINK_COLLECT_METADATA,
	.policy = kind_policy,
	.priv_size = sizeof(struct espah_link),
	.setup = espah_device_prepare,
	.validate = check,
	.newlink = kind_new,
	.changelink = kind_change,
	.dellink = kind_delete,
	.get_size = kind_size,
	.fill_info = kind_fill,
	.get_link_net = espah_device_net,
};

int nlx_device_setup(void)
{
	int err = rtnl_link_register(&kind);

	if (err == -EEXIST)
		pr_err("espah_xfrm: xfrm_interface is loaded: remove it first (rmmod xfrm_interface)\n");
	return err;
}

void nlx_device_teardown(void)
{
	rtnl_link_unregister(&kind);
}
