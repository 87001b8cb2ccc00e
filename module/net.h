/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a network namespace. */
#ifndef _ESPAH_NET_H
#define _ESPAH_NET_H

#include <linux/mutex.h>
#include <linux/xarray.h>
#include <net/netns/generic.h>
#include "flowtable.h"
#include "held.h"
#include "sad.h"
#include "spd.h"
#include "stats.h"

#define ESPAH_VERSION "0.1.0"

/**
 * struct espah_told - how often drops were told of late
 * @last: jiffies of the last time
 * @missed: packets that were not told of since
 */
struct espah_told {
	unsigned long last;
	atomic_t missed;
};

/* of so many paths of ESP in UDP, the path MTU is kept that short quotations told */
#define ESPAH_UDP_PATHS 8

/**
 * struct espah_udp_path - what an ICMP error said that quotes no more than the UDP header
 * @src: address of ours
 * @dst: the peer's
 * @sport: our UDP port
 * @dport: the peer's
 * @family: AF_INET or AF_INET6; 0: nothing is kept here
 * @mtu: path MTU, bytes
 * @expires: jiffies
 */
struct espah_udp_path {
	union espah_addr src;
	union espah_addr dst;
	__be16 sport;
	__be16 dport;
	u8 family;
	u32 mtu;
	unsigned long expires;
};

/**
 * struct espah_net - what espah keeps for a network namespace
 * @net: the namespace
 * @stats: counters
 * @tap: device that shows packets in clear, or NULL; under RTNL
 * @default_action: enum espah_action for what no policy matches, by enum espah_dir
 * @icmp_plaintext: ESPAH_CONFIG_ICMP
 * @secpath: ESPAH_CONFIG_SECPATH
 * @udp_learned: something was kept in @udp_paths once
 * @lock: serialises configuration
 * @sad: its SAs
 * @spd: its policies
 * @encap_ports: users of each UDP port, see udp_encap.h; changed under @lock
 * @udp_paths: by a hash of what is in them; under @udp_lock
 * @udp_lock: readers see whole entries
 * @hooked: the netfilter hooks are registered; under @lock
 * @sparing: so are those that spare IPv6 packets XFRM's search; under @lock
 * @pinned: policies exist, which keep the module from being removed; under @lock
 * @waiting: packets that wait for an SA
 * @flowtable: offloaded connections that are older than the policies
 * @queued: packets were queued for helpers in user space; see confirm.c
 * @addresses: counts changes of the host's addresses and of the devices in VRFs; see domain.h
 * @dying: the namespace is going away: nothing is added any more; under @lock
 * @told: by enum espah_drop
 */
struct espah_net {
	struct net *net;
	struct espah_net_stats __percpu *stats;
	struct net_device __rcu *tap;
	u8 default_action[2];
	u8 icmp_plaintext;
	bool secpath;
	bool udp_learned;
	struct mutex lock;
	struct espah_sad sad;
	struct espah_spd spd;
	struct xarray encap_ports;
	struct espah_udp_path udp_paths[ESPAH_UDP_PATHS];
	seqlock_t udp_lock;
	struct espah_waiting waiting;
	struct espah_flowtable flowtable;
	atomic_t addresses;
	bool hooked;
	bool sparing;
	bool pinned;
	bool dying;
	bool queued;
	struct espah_told told[ESPAH_DROP_NUM];
};

extern unsigned int espah_net_id;

static inline struct espah_net *espah_pernet(const struct net *net)
{
	return net_generic(net, espah_net_id);
}

/**
 * espah_hooks_prepare - register the hooks that an addition needs, before packets can meet it
 * @en: network namespace
 * @policies: what is to be added is a policy, or a default action other than bypass
 * @extack: gets a sentence on failure
 *
 * If the addition is then refused for another reason, espah_hooks_update() takes them away.
 *
 * Context: @en->lock.
 * Return: 0, or -errno if hooks could not be registered or the module is being removed.
 */
int espah_hooks_prepare(struct espah_net *en, bool policies, struct netlink_ext_ack *extack);

/**
 * espah_hooks_update - unregister the hooks if the configuration needs none any more
 * @en: network namespace
 *
 * There are hooks exactly while there is an SA, a policy or a default action
 * other than bypass: a namespace without any pays nothing for the module.
 *
 * Context: @en->lock; called after each removal from SAD or SPD, and change of default action.
 */
void espah_hooks_update(struct espah_net *en);

#endif /* _ESPAH_NET_H */
