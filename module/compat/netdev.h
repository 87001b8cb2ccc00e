/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that only holds NAPI contexts: Linux 6.10 has a function that allocates one. The same
 * version turned the flags of a tunnel key into a bitmap; 6.9 moved net.core.netdev_max_backlog.
 * header_ops.parse got the device as a parameter within 6.12. LLTX is no feature but a bit of the
 * device since 6.12; rtnl_link_ops.newlink gets its parameters in a struct since 6.15.
 */
#ifndef _ESPAH_COMPAT_NETDEV_H
#define _ESPAH_COMPAT_NETDEV_H

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/busy_poll.h>
#include <net/ip_tunnels.h>
#ifdef ESPAH_HAS_NET_HOTDATA
#include <net/hotdata.h>
#define espah_max_backlog() READ_ONCE(net_hotdata.max_backlog)
#else
#define espah_max_backlog() READ_ONCE(netdev_max_backlog)
#endif

#ifdef ESPAH_HAS_DUMMY_ALLOC

static inline struct net_device *espah_dummy_dev_alloc(void)
{
	return alloc_netdev_dummy(0);
}

static inline void espah_dummy_dev_free(struct net_device *dev)
{
	free_netdev(dev);
}

#else

static inline struct net_device *espah_dummy_dev_alloc(void)
{
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
}

static inline void espah_dummy_dev_free(struct net_device *dev)
{
	kfree(dev);
}

#endif

static inline void espah_tunnel_key_flag(struct ip_tunnel_key *key)
{
#ifdef IP_TUNNEL_DECLARE_FLAGS
	__set_bit(IP_TUNNEL_KEY_BIT, key->tun_flags);
#else
	key->tun_flags |= TUNNEL_KEY;
#endif
}

/* whether a NAPI context brought the packet, as of a card's driver; any CPU may poll that next */
static inline bool espah_skb_of_napi(const struct sk_buff *skb)
{
#ifdef CONFIG_NET_RX_BUSY_POLL
	return skb->napi_id >= MIN_NAPI_ID;
#else
	return false;
#endif
}

/* number of packets that wait for a CPU to receive them */
static inline unsigned int espah_backlog_len(int cpu)
{
	const struct softnet_data *sd = &per_cpu(softnet_data, cpu);

	return skb_queue_len_lockless(&sd->input_pkt_queue) +
	       skb_queue_len_lockless(&sd->process_queue);
}

/* number of packets that have been queued for a CPU to receive */
static inline u32 espah_backlog_tail(int cpu)
{
#ifdef CONFIG_RPS
	return READ_ONCE(per_cpu(softnet_data, cpu).input_queue_tail);
#else
	return 0;
#endif
}

/* whether these were received, by that CPU or by the one that took over when it went offline */
static inline bool espah_backlog_passed(int cpu, u32 tail)
{
#ifdef CONFIG_RPS
	return (s32)(READ_ONCE(per_cpu(softnet_data, cpu).input_queue_head) - tail) >= 0;
#else
	return skb_queue_empty_lockless(&per_cpu(softnet_data, cpu).input_pkt_queue) &&
	       skb_queue_empty_lockless(&per_cpu(softnet_data, cpu).process_queue);
#endif
}

/*
 * Linux limits how deep devices may send through each other: nine levels, of which a tunnel takes
 * up to 1.6 KB of stack each. Kernels that also limit tunnels, to three, leave room for SAs. On
 * other kernels an SA within others counts like a device, so that devices and SAs together take no
 * more stack than devices alone.
 */
#ifdef IP_TUNNEL_RECURSION_LIMIT
static inline bool espah_recursion_enter(unsigned int levels)
{
	return true;
}

static inline void espah_recursion_leave(unsigned int levels)
{
}
#else
static inline bool espah_recursion_enter(unsigned int levels)
{
	if (levels && dev_recursion_level() + levels > XMIT_RECURSION_LIMIT)
		return false;
	while (levels--)
		dev_xmit_recursion_inc();
	return true;
}

static inline void espah_recursion_leave(unsigned int levels)
{
	while (levels--)
		dev_xmit_recursion_dec();
}
#endif

/* parameters of rtnl_link_ops.newlink; and from them: namespace, device, tb, data, extack */
#ifdef ESPAH_HAS_NEWLINK_PARAMS
#define ESPAH_NEWLINK_ARGS								\
	struct net_device *dev, struct rtnl_newlink_params *params, struct netlink_ext_ack *extack
#define ESPAH_NEWLINK_PASSED								\
	rtnl_newlink_link_net(params), dev, params->tb, params->data, extack
#else
#define ESPAH_NEWLINK_ARGS								\
	struct net *net, struct net_device *dev, struct nlattr *tb[], struct nlattr *data[],	\
	struct netlink_ext_ack *extack
#define ESPAH_NEWLINK_PASSED net, dev, tb, data, extack
#endif

/* a device that needs no lock around its transmit function */
static inline void espah_lltx(struct net_device *dev)
{
#ifdef NETIF_F_LLTX
	dev->features |= NETIF_F_LLTX;
#else
	dev->lltx = true;
#endif
}

#define espah_header_parse(without_dev, with_dev)					\
	__builtin_choose_expr(								\
		__builtin_types_compatible_p(typeof(((struct header_ops *)0)->parse),	\
					     typeof(without_dev) *), without_dev, with_dev)

#endif /* _ESPAH_COMPAT_NETDEV_H */
