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

#define ESPAH_VERSION "0.1.0"

/**
 * struct espah_drop_rate - how often drops of a reason were told of late
 * @last: jiffies of the last time
 * @missed: packets that were not told of since
 */
struct espah_drop_rate {
	unsigned long last;
	atomic_t missed;
};

/* sends a packet that has waited for its SA; see output.h */
typedef void espah_held_send_t(struct espah_net *en, struct espah_policy *pol, struct espah_sa *sa,
			       struct sk_buff *skb, const struct espah_flow *flow, int thoff,
			       u8 nesting);

/**
 * struct espah_waiting - the packets that wait in a network namespace
 * @lock: guards all of it, and @held, @queue and the first @slot of policies
 * @packets: in the order in which they came
 * @count: how many
 * @work: sends them, and drops those that have waited for too long
 * @send: sends one
 */
struct espah_waiting {
	spinlock_t lock;
	struct list_head packets;
	unsigned int count;
	struct delayed_work work;
	espah_held_send_t *send;
};

/**
 * struct espah_flowtable - what is to be done about connections older than the policies
 * @lock: held while conntrack's entries are walked through
 * @stale: policies have changed since; set under espah_net.lock
 * @work: the walk if no request follows that was waited for
 */
struct espah_flowtable {
	struct mutex lock;
	bool stale;
	struct delayed_work work;
};

/**
 * struct espah_net - what espah keeps for a network namespace
 * @net: the namespace
 * @stats: counters
 * @tap: device that shows packets in clear, or NULL; under RTNL
 * @default_action: enum espah_action for what no policy matches, by enum espah_dir
 * @icmp_plaintext: ESPAH_CONFIG_ICMP
 * @secpath: ESPAH_CONFIG_SECPATH
 * @lock: serialises configuration
 * @sad: its SAs
 * @spd: its policies
 * @encap_ports: users of each UDP port, see port.h; changed under @lock
 * @udp_paths: path MTUs of ESP in UDP that short quotations told
 * @hooked: the netfilter hooks are registered; under @lock
 * @sparing: so are those that spare IPv6 packets XFRM's search; under @lock
 * @pinned: policies exist, which keep the module from being removed; under @lock
 * @waiting: packets that wait for an SA
 * @flowtable: offloaded connections that are older than the policies
 * @queued: packets were queued for helpers in user space; see confirm.c
 * @addresses: counts changes of the host's addresses and of the devices in VRFs; see domain.h
 * @dying: the namespace is going away: nothing is added any more; under @lock
 * @rates: by enum espah_drop
 */
struct espah_net {
	struct net *net;
	struct espah_net_stats __percpu *stats;
	struct net_device __rcu *tap;
	u8 default_action[2];
	u8 icmp_plaintext;
	bool secpath;
	struct mutex lock;
	struct espah_sad sad;
	struct espah_spd spd;
	struct xarray encap_ports;
	struct espah_udp_paths udp_paths;
	struct espah_waiting waiting;
	struct espah_flowtable flowtable;
	atomic_t addresses;
	bool hooked;
	bool sparing;
	bool pinned;
	bool dying;
	bool queued;
	struct espah_drop_rate rates[ESPAH_DROP_NUM];
};

extern unsigned int espah_net_id;

/* for what may sleep: frees SAs, ends those whose lifetime is over, sends what has waited */
extern struct workqueue_struct *espah_workqueue;

/* once for the module; teardown waits until what was freed is gone */
int espah_workqueue_setup(void);
void espah_workqueue_teardown(void);

static inline struct espah_net *espah_pernet(const struct net *net)
{
	return net_generic(net, espah_net_id);
}

#endif /* _ESPAH_NET_H */
