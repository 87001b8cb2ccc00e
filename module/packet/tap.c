// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/rtnetlink.h>
#include "compat/netdev.h"
#include "db/net.h"
#include "db/privilege.h"
#include "tap.h"

/* Never called: its address tells copies of this module from packets that others send here. */
static int tap_output(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

/* Copies a packet; a metadata dst, which nothing on the path changes, holds its address. */
static struct sk_buff *copy(const struct espah_sa *sa, const struct sk_buff *skb, u64 seq,
			    struct net_device *dev)
{
	struct metadata_dst *md = metadata_dst_alloc(0, METADATA_IP_TUNNEL, GFP_ATOMIC);
	struct sk_buff *twin;

	if (unlikely(!md))
		return NULL;
	md->dst.output = tap_output;
	md->u.tun_info.key.tun_id =
		cpu_to_be64((u64)be32_to_cpu(sa->id.spi) << 32 | (u64)(u16)seq << 16);
	twin = skb_copy(skb, GFP_ATOMIC);
	if (unlikely(!twin)) {
		dst_release(&md->dst);
		return NULL;
	}
	skb_dst_drop(twin);
	skb_dst_set(twin, &md->dst);
	skb_reset_mac_header(twin);
	twin->dev = dev;
	return twin;
}

void espah_tap_show(const struct espah_sa *sa, const struct sk_buff *skb, u64 seq)
{
	struct net_device *dev = rcu_dereference(sa->en->tap);
	struct sk_buff *twin;

	if (!dev || !dev_nit_active(dev))
		return;
	twin = copy(sa, skb, seq, dev);
	if (unlikely(!twin)) {
		dev_core_stats_rx_dropped_inc(dev);
	} else if (sa->id.dir == ESPAH_DIR_OUT) {
		dev_queue_xmit_nit(twin, dev);
		consume_skb(twin);
	} else {
		twin->pkt_type = PACKET_HOST;
		netif_receive_skb(twin);
	}
}

/* Packet sockets have seen the packet by now; the rest of the stack must not. */
static rx_handler_result_t swallow(struct sk_buff **skb)
{
	consume_skb(*skb);
	return RX_HANDLER_CONSUMED;
}

static int tap_init(struct net_device *dev)
{
	return netdev_rx_handler_register(dev, swallow, NULL);
}

static void tap_uninit(struct net_device *dev)
{
	netdev_rx_handler_unregister(dev);
}

static int tap_open(struct net_device *dev)
{
	struct espah_net *en = espah_pernet(dev_net(dev));

	if (rtnl_dereference(en->tap))
		return -EBUSY; /* one tap serves all packet sockets */
	rcu_assign_pointer(en->tap, dev);
	return 0;
}

/* Readers may still use the device; it is freed only after a grace period. */
static int tap_stop(struct net_device *dev)
{
	RCU_INIT_POINTER(espah_pernet(dev_net(dev))->tap, NULL);
	return 0;
}

static netdev_tx_t tap_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_core_stats_tx_dropped_inc(dev);
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops tap_ops = {
	.ndo_init = tap_init,
	.ndo_uninit = tap_uninit,
	.ndo_open = tap_open,
	.ndo_stop = tap_stop,
	.ndo_start_xmit = tap_xmit,
};

/* The address has six bytes, because tcpdump prints no other length. */
static int parse(const struct sk_buff *skb, unsigned char *haddr)
{
	const struct metadata_dst *md = skb_metadata_dst(skb);

	if (!md || md->dst.output != tap_output)
		return 0;
	memcpy(haddr, &md->u.tun_info.key.tun_id, ETH_ALEN);
	return ETH_ALEN;
}

static int __maybe_unused parse_dev(const struct sk_buff *skb, const struct net_device *dev,
				    unsigned char *haddr)
{
	return parse(skb, haddr);
}

static const struct header_ops tap_header_ops = {
	.parse = espah_header_parse(parse, parse_dev),
};

static void tap_setup(struct net_device *dev)
{
	dev->netdev_ops = &tap_ops;
	dev->header_ops = &tap_header_ops;
	/* no link-layer header; libpcap uses "cooked" capture, with direction and address */
	dev->type = ARPHRD_PPP;
	dev->flags = IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->mtu = ETH_MAX_MTU;
	dev->needs_free_netdev = true;
}

static int tap_validate(struct nlattr *tb[], struct nlattr *data[], struct netlink_ext_ack *extack)
{
	return espah_device_permitted(extack);
}

static struct rtnl_link_ops tap_link_ops __read_mostly = {
	.kind = ESPAH_TAP_KIND,
	.setup = tap_setup,
	.validate = tap_validate,
};

int __init espah_tap_setup(void)
{
	return rtnl_link_register(&tap_link_ops);
}

void espah_tap_teardown(void)
{
	rtnl_link_unregister(&tap_link_ops);
}
