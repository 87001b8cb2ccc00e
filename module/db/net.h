/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a network namespace. */
#ifndef _ESPAH_NET_H
#define _ESPAH_NET_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/netns/generic.h>
#include "sad.h"
#include "spd.h"
#include "stats.h"
#include "udp_path.h"

/**
 * struct espah_drop_rate - rate limit for the events of one drop reason
 * @last: jiffies of the last event
 * @missed: packets dropped without an event since then
 */
struct espah_drop_rate {
	unsigned long last;
	atomic_t missed;
};

/* sends a packet that waited for its SA; see output.h */
typedef void espah_held_send_t(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
			       struct sk_buff *skb, const struct espah_flow *flow, int thoff,
			       u8 nesting);

/**
 * struct espah_waiting - the packets that wait in a network namespace
 * @lock: guards this struct, and @held, @queue and @tmpl.slot of policies
 * @packets: the packets, in the order of arrival
 * @sending: packets that no longer wait, while they are sent; changed by @work alone
 * @count: number of packets in @packets
 * @work: sends the packets, and drops those that have waited too long
 * @send: sends one packet
 */
struct espah_waiting {
	spinlock_t lock;
	struct list_head packets;
	struct list_head sending;
	unsigned int count;
	struct delayed_work work;
	espah_held_send_t *send;
};

/**
 * struct espah_flowtable - state of the conntrack walk for connections older than the policies
 * @lock: held during the walk through the conntrack entries
 * @stale: policies have changed since the last walk; set under espah_net.lock
 * @work: does the walk if the expected next request does not come
 */
struct espah_flowtable {
	struct mutex lock;
	bool stale;
	struct delayed_work work;
};

/**
 * struct espah_net - the state of a network namespace
 * @net: the namespace
 * @stats: counters
 * @tap: tap device, which shows packets in clear, or NULL; under RTNL
 * @icmp_plaintext: ESPAH_CONFIG_ICMP
 * @secpath: ESPAH_CONFIG_SECPATH
 * @direct: ESPAH_CONFIG_DIRECT
 * @by_file: ESPAH_CONFIG_FILE; under @lock
 * @lock: serialises configuration
 * @sad: its SAs
 * @spd: its policies
 * @encap_ports: users of each UDP port, see port.h; changed under @lock
 * @udp_paths: path MTUs of ESP in UDP, from ICMP errors with short quotations
 * @hooked: the netfilter hooks are registered; under @lock
 * @sparing: the hooks that save IPv6 packets the XFRM lookup are registered; under @lock
 * @pinned: policies exist, so the module must not be removed; under @lock
 * @waiting: packets that wait for an SA
 * @flowtable: for offloaded connections that are older than the policies
 * @links: struct espah_link by if_id; changed under RTNL; see link.h
 * @bind: retries to bind policies to devices by name; see bind.c
 * @follow: has MTU and carrier of links follow their SAs
 * @queued: packets were queued for helpers in user space; see confirm.c
 * @addresses: counts changes of the host's addresses and of VRF membership; see domain.h
 * @dying: the namespace is going away and accepts no additions; under @lock
 * @rates: rate limits of drop events, by enum espah_drop
 */
struct espah_net {
	struct net *net;
	struct espah_net_stats __percpu *stats;
	struct net_device __rcu *tap;
	u8 icmp_plaintext;
	bool secpath;
	bool direct;
	u32 by_file;
	struct mutex lock;
	struct espah_sad sad;
	struct espah_spd spd;
	struct xarray encap_ports;
	struct espah_udp_paths udp_paths;
	struct espah_waiting waiting;
	struct espah_flowtable flowtable;
	struct xarray links;
	struct delayed_work follow;
	struct delayed_work bind;
	atomic_t addresses;
	bool hooked;
	bool sparing;
	bool pinned;
	bool dying;
	bool queued;
	struct espah_drop_rate rates[ESPAH_DROP_NUM];
};

extern unsigned int espah_net_id;

/* for work that may sleep: frees SAs, expires SAs, sends packets that waited */
extern struct workqueue_struct *espah_workqueue;

/* once for the module; teardown waits for pending RCU callbacks and work */
int espah_workqueue_setup(void);
void espah_workqueue_teardown(void);

static inline struct espah_net *espah_pernet(const struct net *net)
{
	return net_generic(net, espah_net_id);
}

#endif /* _ESPAH_NET_H */
