// SPDX-License-Identifier: GPL-2.0-only
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <net/ip_tunnels.h>
#include <net/rtnetlink.h>
#include "compat/netdev.h"
#include "db/link.h"
#include "db/privilege.h"
#include "device.h"
#include "output.h"
#include "packet/mtu.h"
#include "packet/secpath.h"

/*
 * bytes: MTU of a link before it has an SA; fits most SAs on Ethernet. Nobody sets this value by
 * hand: the kernel does not tell a device that it was set to the value that it has.
 */
#define MTU_FIRST 1406
/* jiffies: many SAs that are added together cause one change */
#define FOLLOW_TIME (HZ / 20)

#define FEATURES (NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_GSO_SOFTWARE)

/* --- packets --- */

/* Removes what a packet knows of the namespace that it leaves, except for its route. */
static void leave_net(struct sk_buff *skb)
{
	skb_orphan(skb);
	nf_reset_ct(skb);
	skb->mark = 0;
	skb_clear_tstamp(skb);
}

static netdev_tx_t link_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct espah_link *link = netdev_priv(dev);
	struct espah_net *en = link->en;
	unsigned int n = skb_is_gso(skb) ? max_t(u32, skb_shinfo(skb)->gso_segs, 1) : 1;

	dev_sw_netstats_tx_add(dev, n, skb->len);
	/* a qdisc has used the control block */
	memset(skb->cb, 0, max(sizeof(struct inet_skb_parm), sizeof(struct inet6_skb_parm)));
	if (unlikely(!net_eq(dev_net(dev), en->net)))
		leave_net(skb);
	rcu_read_lock();
	espah_output_link(en, link->if_id, skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

enum espah_drop espah_device_deliver(struct espah_sa *sa, struct sk_buff *skb)
{
	struct espah_link *link = espah_link_find(sa->en, sa->if_id);

	if (unlikely(!link))
		return ESPAH_DROP_DEVICE_MISSING;
	if (unlikely(!(link->dev->flags & IFF_UP)))
		return ESPAH_DROP_DEVICE_DOWN;
	skb->dev = link->dev;
	skb_reset_mac_header(skb);
	skb->mac_len = 0;
	if (unlikely(!net_eq(dev_net(link->dev), sa->en->net)))
		skb_scrub_packet(skb, true);
	else if (unlikely(!espah_secpath_give(sa, skb)))
		return ESPAH_DROP_NOMEM;
	dev_sw_netstats_rx_add(link->dev, skb->len);
	return ESPAH_DROP_NONE;
}

/* --- what follows the SAs --- */

/**
 * struct sas - the outbound SAs of a link
 * @n: their number
 * @mtu: bytes: largest packet that fits through each of them; 0: none has a route
 */
struct sas {
	unsigned int n;
	unsigned int mtu;
};

static struct sas outbound_sas(const struct espah_link *link)
{
	struct espah_net *en = link->en;
	struct sas sas = {};
	unsigned long index;
	struct espah_sa *sa;
	unsigned int mtu;

	mutex_lock(&en->lock);
	xa_for_each(&en->sad.index, index, sa) {
		if (sa->if_id != link->if_id || sa->id.dir != ESPAH_DIR_OUT)
			continue;
		sas.n++;
		mtu = espah_sa_mtu(sa, espah_sa_link_mtu(sa), sizeof(struct iphdr));
		if (mtu && (!sas.mtu || mtu < sas.mtu))
			sas.mtu = mtu;
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return sas;
}

static void adjust(struct espah_link *link, unsigned int mtu)
{
	link->adjusting = true;
	dev_set_mtu(link->dev, mtu);
	link->adjusting = false;
}

/* Context: RTNL */
static void follow(struct espah_link *link)
{
	struct sas sas = outbound_sas(link);
	unsigned int mtu = clamp_t(unsigned int, sas.mtu, IPV6_MIN_MTU, IP_MAX_MTU);

	if (sas.mtu && !link->mtu_given && mtu != link->dev->mtu)
		adjust(link, mtu);
	if (link->follows && !sas.n)
		netif_carrier_off(link->dev);
	else
		netif_carrier_on(link->dev);
}

static void follow_all(struct work_struct *work)
{
	struct espah_net *en = container_of(to_delayed_work(work), struct espah_net, follow);
	struct espah_link *link;
	unsigned long if_id;

	rtnl_lock();
	xa_for_each(&en->links, if_id, link)
		follow(link);
	rtnl_unlock();
}

void espah_device_follow(const struct espah_sa *sa)
{
	lockdep_assert_held(&sa->en->lock);
	if (sa->if_id && sa->id.dir == ESPAH_DIR_OUT && !sa->en->dying)
		queue_delayed_work(espah_workqueue, &sa->en->follow, FOLLOW_TIME);
}

/* The MTU of a device below may have changed. */
static int device_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(data);
	struct espah_net *en = espah_pernet(dev_net(dev));

	if (event == NETDEV_CHANGEMTU && !xa_empty(&en->links) && !espah_is_link(dev))
		queue_delayed_work(espah_workqueue, &en->follow, FOLLOW_TIME);
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

/* --- configuration --- */

/* Whether packets have to ask for an SA of this policy: by waiting, or for SAs of their own. */
static bool asks(const struct espah_policy *pol)
{
	return pol->dir == ESPAH_DIR_OUT && (pol->queue || pol->pfp);
}

int espah_device_admits(struct espah_net *en, const struct espah_policy *pol,
			struct netlink_ext_ack *extack)
{
	u32 if_id = espah_policy_if_id(pol);
	const struct espah_link *link;
	int err = 0;

	lockdep_assert_held(&en->lock);
	if (!if_id || !asks(pol))
		return 0;
	rcu_read_lock();
	link = espah_link_find(en, if_id);
	if (link && link->follows) {
		NL_SET_ERR_MSG(extack,
			       "the carrier of this if_id's device follows its SAs: without a carrier no packet would ask for the policy's SA");
		err = -EINVAL;
	}
	rcu_read_unlock();
	return err;
}

/* Sets whether the carrier follows the SAs. */
static int set_follows(struct espah_link *link, bool follows, struct netlink_ext_ack *extack)
{
	struct espah_net *en = link->en;
	const struct espah_policy *pol;
	unsigned long id;
	int err = 0;

	mutex_lock(&en->lock);
	xa_for_each(&en->spd.index, id, pol) {
		if (follows && espah_policy_if_id(pol) == link->if_id && asks(pol)) {
			NL_SET_ERR_MSG(extack,
				       "a policy of this if_id asks for SAs (queue or pfp), but without a carrier no packet would ask");
			err = -EINVAL;
			break;
		}
	}
	if (!err)
		link->follows = follows;
	mutex_unlock(&en->lock);
	return err;
}

/* Has the cached routes of SAs looked up again. */
static void forget_routes(struct espah_net *en)
{
	atomic_inc(&en->addresses);
}

static int set_lower(struct espah_link *link, const struct nlattr *attr,
		     struct netlink_ext_ack *extack)
{
	u32 lower = attr ? nla_get_u32(attr) : link->lower;
	const struct net_device *dev = lower ? __dev_get_by_index(link->en->net, lower) : NULL;

	if (lower && !dev) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "no device with this index exists in the namespace of the outer packets");
		return -ENODEV;
	}
	if (dev && dev == link->dev) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "outer packets cannot leave by the device itself");
		return -EINVAL;
	}
	if (lower == link->lower)
		return 0;
	WRITE_ONCE(link->lower, lower);
	forget_routes(link->en);
	return 0;
}

static int link_validate(struct nlattr *tb[], struct nlattr *data[],
			 struct netlink_ext_ack *extack)
{
	if (data && data[ESPAH_LINK_IF_ID] && !nla_get_u32(data[ESPAH_LINK_IF_ID])) {
		NL_SET_ERR_MSG_ATTR(extack, data[ESPAH_LINK_IF_ID], "an if_id is 1 to 4294967295");
		return -EINVAL;
	}
	return espah_device_permitted(extack);
}

static void set_owner(struct espah_link *link, struct nlattr *data[])
{
	if (data[ESPAH_LINK_OWNER])
		link->made_by = nla_get_u8(data[ESPAH_LINK_OWNER]);
}

int espah_device_make(struct net *net, struct net_device *dev, struct nlattr *tb[],
		      struct nlattr *data[], struct module *owner, struct netlink_ext_ack *extack)
{
	struct espah_link *link = netdev_priv(dev);
	struct espah_net *en = espah_pernet(net);
	int err;

	if (!data || !data[ESPAH_LINK_IF_ID]) {
		NL_SET_ERR_MSG(extack,
			       "a device of kind espah needs an if_id: 'espah link add NAME if-id N'; a device that shows packets in clear is of kind espah-tap");
		return -EINVAL;
	}
	link->dev = dev;
	link->en = en;
	link->if_id = nla_get_u32(data[ESPAH_LINK_IF_ID]);
	link->mtu_given = tb[IFLA_MTU];
	set_owner(link, data);
	if (READ_ONCE(en->dying))
		return -ENODEV;
	err = set_lower(link, data[ESPAH_LINK_DEV], extack) ?:
	      set_follows(link, data[ESPAH_LINK_CARRIER] && nla_get_u8(data[ESPAH_LINK_CARRIER]),
			  extack);
	if (err)
		return err;
	err = xa_insert(&en->links, link->if_id, link, GFP_KERNEL_ACCOUNT);
	if (err == -EBUSY) {
		NL_SET_ERR_MSG_ATTR(extack, data[ESPAH_LINK_IF_ID],
				    "another device of this namespace has this if_id");
		return -EEXIST;
	}
	if (err)
		return err;
	forget_routes(en); /* they may have led by the link of a device that is gone */
	err = register_netdevice(dev);
	if (err) {
		xa_erase(&en->links, link->if_id);
		return err;
	}
	if (owner)
		__module_get(owner);
	link->owner = owner;
	follow(link);
	return 0;
}

static int make(struct net *net, struct net_device *dev, struct nlattr *tb[],
		struct nlattr *data[], struct netlink_ext_ack *extack)
{
	return espah_device_make(net, dev, tb, data, NULL, extack);
}

static int link_new(ESPAH_NEWLINK_ARGS)
{
	return make(ESPAH_NEWLINK_PASSED);
}

int espah_device_change(struct net_device *dev, struct nlattr *tb[], struct nlattr *data[],
			struct netlink_ext_ack *extack)
{
	struct espah_link *link = netdev_priv(dev);
	int err;

	if (!data)
		return 0;
	if (!ns_capable(link->en->net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "this needs CAP_NET_ADMIN over the namespace where the device was made");
		return -EPERM;
	}
	if (data[ESPAH_LINK_IF_ID] && nla_get_u32(data[ESPAH_LINK_IF_ID]) != link->if_id) {
		NL_SET_ERR_MSG_ATTR(extack, data[ESPAH_LINK_IF_ID],
				    "the if_id of a device cannot change: make a new device");
		return -EINVAL;
	}
	err = set_lower(link, data[ESPAH_LINK_DEV], extack);
	if (!err && data[ESPAH_LINK_CARRIER])
		err = set_follows(link, nla_get_u8(data[ESPAH_LINK_CARRIER]), extack);
	if (err)
		return err;
	set_owner(link, data);
	if (data[ESPAH_LINK_MTU_SET] && link->mtu_given) {
		link->mtu_given = false;
		adjust(link, MTU_FIRST);
	}
	follow(link);
	return 0;
}

static void link_delete(struct net_device *dev, struct list_head *head)
{
	unregister_netdevice_queue(dev, head);
}

static size_t link_size(const struct net_device *dev)
{
	return 2 * nla_total_size(sizeof(u32)) + 3 * nla_total_size(sizeof(u8));
}

static int link_fill(struct sk_buff *skb, const struct net_device *dev)
{
	const struct espah_link *link = netdev_priv(dev);

	if (nla_put_u32(skb, ESPAH_LINK_IF_ID, link->if_id) ||
	    (link->lower && nla_put_u32(skb, ESPAH_LINK_DEV, link->lower)) ||
	    nla_put_u8(skb, ESPAH_LINK_CARRIER, link->follows) ||
	    nla_put_u8(skb, ESPAH_LINK_OWNER, link->made_by) ||
	    nla_put_u8(skb, ESPAH_LINK_MTU_SET, link->mtu_given))
		return -EMSGSIZE;
	return 0;
}

struct net *espah_device_net(const struct net_device *dev)
{
	const struct espah_link *link = netdev_priv(dev);

	return link->en->net;
}

static int link_iflink(const struct net_device *dev)
{
	const struct espah_link *link = netdev_priv(dev);

	return READ_ONCE(link->lower) ?: dev->ifindex;
}

static int link_init(struct net_device *dev)
{
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
}

/* The core waits for RCU readers before it frees the device. */
static void link_uninit(struct net_device *dev)
{
	const struct espah_link *link = netdev_priv(dev);

	xa_erase(&link->en->links, link->if_id);
	module_put(link->owner);
}

static void link_free(struct net_device *dev)
{
	free_percpu(dev->tstats);
}

static int link_change_mtu(struct net_device *dev, int mtu)
{
	struct espah_link *link = netdev_priv(dev);

	link->mtu_given |= !link->adjusting;
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static const struct net_device_ops link_ops = {
	.ndo_init = link_init,
	.ndo_uninit = link_uninit,
	.ndo_start_xmit = link_xmit,
	.ndo_change_mtu = link_change_mtu,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_get_iflink = link_iflink,
};

void espah_device_prepare(struct net_device *dev)
{
	dev->netdev_ops = espah_link_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP | IFF_POINTOPOINT | IFF_MULTICAST;
	dev->priv_flags |= IFF_NO_QUEUE;
	espah_lltx(dev);
	dev->features |= FEATURES;
	dev->hw_features |= FEATURES;
	dev->mtu = MTU_FIRST;
	dev->min_mtu = IPV4_MIN_MTU;
	dev->max_mtu = IP_MAX_MTU;
	dev->needed_headroom = 48; /* what IPv4 tunnels need; more would cost forwarded packets */
	dev->needs_free_netdev = true;
	dev->priv_destructor = link_free;
	eth_broadcast_addr(dev->broadcast);
	netif_keep_dst(dev);
}

static const struct nla_policy link_policy[ESPAH_LINK_MAX + 1] = {
	[ESPAH_LINK_IF_ID] = { .type = NLA_U32 },
	[ESPAH_LINK_DEV] = { .type = NLA_U32 },
	[ESPAH_LINK_CARRIER] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPAH_LINK_OWNER] = NLA_POLICY_MAX(NLA_U8, ESPAH_OWNER_DAEMON),
	[ESPAH_LINK_MTU_SET] = NLA_POLICY_MAX(NLA_U8, 0),
};

static struct rtnl_link_ops link_rtnl_ops __read_mostly = {
	.kind = ESPAH_LINK_KIND,
	.maxtype = ESPAH_LINK_MAX,
	.policy = link_policy,
	.priv_size = sizeof(struct espah_link),
	.setup = espah_device_prepare,
	.validate = link_validate,
	.newlink = link_new,
	.changelink = espah_device_change,
	.dellink = link_delete,
	.get_size = link_size,
	.fill_info = link_fill,
	.get_link_net = espah_device_net,
};

/* --- load and unload --- */

void espah_device_net_setup(struct espah_net *en)
{
	xa_init_flags(&en->links, XA_FLAGS_ACCOUNT);
	INIT_DELAYED_WORK(&en->follow, follow_all);
}

void espah_device_net_stop(struct espah_net *en)
{
	struct espah_link *link;
	unsigned long if_id;
	LIST_HEAD(list);

	if (!xa_empty(&en->links)) {
		rtnl_lock();
		xa_for_each(&en->links, if_id, link)
			unregister_netdevice_queue(link->dev, &list);
		unregister_netdevice_many(&list);
		rtnl_unlock();
	}
	cancel_delayed_work_sync(&en->follow);
}

int __init espah_device_setup(void)
{
	int err = register_netdevice_notifier(&device_notifier);

	if (err)
		return err;
	espah_link_ops = &link_ops;
	err = rtnl_link_register(&link_rtnl_ops);
	if (err)
		unregister_netdevice_notifier(&device_notifier);
	return err;
}

void espah_device_teardown(void)
{
	rtnl_link_unregister(&link_rtnl_ops);
	unregister_netdevice_notifier(&device_notifier);
}
