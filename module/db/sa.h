/* SPDX-License-Identifier: GPL-2.0-only */
/* A security association (RFC 4301 4.1, 4.4.2), and what it shares with others. */
#ifndef _ESPAH_SA_H
#define _ESPAH_SA_H

#include <linux/atomic.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/dst_cache.h>
#include <linux/espah.h>
#include "key_use.h"
#include "lifetime.h"
#include "selector.h"
#include "stats.h"

struct crypto_aead;
struct espah_account;
struct espah_algo;
struct espah_arrival;
struct espah_net;
struct espah_replay;
struct metadata_dst;
struct skb_ext;

/**
 * struct espah_sa_id - what a packet's SA is found by (RFC 4301 4.1)
 * @dst: destination address of the outer header
 * @spi: security parameter index
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @family: family of @dst
 * @dir: enum espah_dir
 * @zero: 0, so that the struct can be hashed as it lies in memory
 * @vrf: index of the VRF that the SA was said to be in, or 0: that of its local address. Of a
 *	packet: the domain in which it came
 */
struct espah_sa_id {
	union espah_addr dst;
	__be32 spi;
	u8 proto;
	u8 family;
	u8 dir;
	u8 zero;
	u32 vrf;
};

static inline bool espah_addr_is_group(const union espah_addr *addr, u8 family)
{
	if (family == AF_INET)
		return ipv4_is_multicast(addr->ip4);
	return (addr->ip6[0] & htonl(0xff000000)) == htonl(0xff000000);
}

static inline bool espah_proto_is_ipsec(u8 proto)
{
	return proto == IPPROTO_ESP || proto == IPPROTO_AH;
}

/**
 * struct espah_slot_id - what ties SAs to the policies that ask for them
 * @src: source address of the SAs
 * @dst: their destination address
 * @reqid: request id
 * @family: family of the addresses
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @mode: enum espah_mode
 * @dir: enum espah_dir
 * @vrf: as in struct espah_sa_id
 */
struct espah_slot_id {
	union espah_addr src;
	union espah_addr dst;
	u32 reqid;
	u8 family;
	u8 proto;
	u8 mode;
	u8 dir;
	u32 vrf;
};

/* the CPU of an SA whose packets stay where they come */
#define ESPAH_CPU_NONE -1

enum espah_fence { ESPAH_FENCE_NONE, ESPAH_FENCE_ASKED, ESPAH_FENCE_SET };

/**
 * struct espah_queue - packets that a driver or another CPU works on, in order; see order.h
 * @lock: guards the rest
 * @ops: struct espah_op, in the order in which packets came
 * @len: how many; 0 lets packets pass without queueing; READ_ONCE without @lock
 * @serial_cpu: the CPU that releases while others help, or ESPAH_CPU_NONE; READ_ONCE
 *	without @lock
 * @releasing: somebody is passing on packets from @ops
 * @resuming: @serial_cpu was asked to, or the one before it because of @fence
 * @fence: none is released until the CPU that did has received its backlog
 * @fence_cpu: that CPU, once ESPAH_FENCE_SET
 * @backlog: how much of it: up to this packet
 * @from: the CPU that packets came to when others began to help
 * @brought: jiffies when it brought one last
 * @released: counts those that have left
 * @turn: counts packets that others may help with
 * @worker: the CPU that runs the crypto during this turn of some packets
 * @resume: in what @serial_cpu has to do
 */
struct espah_queue {
	spinlock_t lock; /* see above */
	unsigned int len;
	struct list_head ops;
	int serial_cpu;
	bool releasing;
	bool resuming;
	u8 fence;
	unsigned int released;
	unsigned int turn;
	int worker;
	int fence_cpu;
	u32 backlog;
	int from;
	unsigned long brought;
	struct llist_node resume;
};

/**
 * struct espah_slot - the meeting point of policies and SAs
 * @node: in the SAD's table of slots
 * @id: its key
 * @users: SAs in the SAD and policies that refer to it; changed under espah_net.lock;
 *	at 0 it leaves the table of slots
 * @refs: what keeps its memory: 1 for the table, 2 for each SA until it is freed, which
 *	may be long after it left the SAD (for the slot that it has, and for @queue)
 * @sas: its SAs, newest first; under espah_net.lock
 * @sa: the newest SA with keys, which output uses (RFC 4301 4.4.2.1 leaves the
 *	choice open; the newest makes a rekey switch once); NULL: none
 * @rcu: defers the freeing
 * @queue: one for all its SAs, so that packets of an SA do not overtake those of the one
 *	that it replaces
 *
 * A policy keeps a pointer to its slot, so that output finds its SA by two
 * loads and input compares pointers; neither looks anything up.
 */
struct espah_slot {
	struct rhash_head node;
	struct espah_slot_id id;
	unsigned int users;
	refcount_t refs;
	struct list_head sas;
	struct espah_sa __rcu *sa;
	struct rcu_head rcu;
	struct espah_queue queue ____cacheline_aligned_in_smp;
};

/**
 * struct espah_path - where an SA's packets come from and go to
 * @src: source address of the outer header; 0 in transport mode: any (RFC 4552)
 * @dst: its destination address
 * @family: family of both
 * @sport: source port of UDP; 0 without
 * @dport: its destination port
 * @ip_proto: what the IP header names: the SA's own protocol, or IPPROTO_UDP
 * @encap_len: bytes between the IP header and the IPsec header: UDP's (RFC 3948), or 0
 * @dst_cache: outbound: route to @dst
 * @routed: outbound: espah_net.addresses when @dst_cache was begun
 * @domain: the VRF of the local address, once it was looked up; see domain.h
 * @arrival: inbound: route by which packets reach us; see arrival.h
 * @mark: inbound: the metadata dst that marks what was decapsulated; allocated by
 *	the first packet
 * @secpath: inbound: what makes it look like IPsec; made for the first packet, see secpath.h
 * @rcu: defers the freeing
 *
 * What has to be of one piece while a packet is wrapped; replaced as a whole.
 */
struct espah_path {
	union espah_addr src;
	union espah_addr dst;
	__be16 sport;
	__be16 dport;
	u8 family;
	u8 ip_proto;
	u8 encap_len;
	struct dst_cache dst_cache;
	u32 routed;
	atomic64_t domain;
	struct espah_arrival __rcu *arrival;
	struct metadata_dst *mark;
	struct skb_ext *secpath;
	struct rcu_head rcu;
};

/**
 * struct espah_dummy - the dummies of an outbound SA; others have none
 * @work: sends those that are due; holds a reference to @sa while it is queued or runs
 * @sa: the SA
 * @interval: mean time between two, microseconds; 0: none are sent
 * @random: at random intervals
 * @due: when the next one is to be sent
 * @sent: how many were
 */
struct espah_dummy {
	struct delayed_work work;
	struct espah_sa *sa;
	u32 interval;
	bool random;
	ktime_t due;
	atomic64_t sent;
};

/**
 * struct espah_sa - a security association
 * @node: in the SAD, by @id
 * @id: what packets find it by
 * @state: enum espah_sa_state; READ_ONCE by the packet path
 * @mode: enum espah_mode
 * @df: enum espah_df
 * @hdr_len: bytes of ESP header and IV, or of AH with all in it
 * @iv_len: bytes, copied from @algo so that the packet path touches one cache line
 * @icv_len: bytes
 * @block_len: bytes
 * @iv: enum espah_iv
 * @tfc: outbound tunnels: length up to which packets are padded; 0: not
 * @salt: implicit IV: what stands before the sequence number in a nonce
 * @watch: ESPAH_WATCH_*: what packets are counted for; mostly 0
 * @flags: ESPAH_SA_F_*
 * @ttl: outbound tunnels: of the outer header; 0: the route's
 * @tos_keep: outbound tunnels: what of the inner traffic class the outer one has, behind
 *	@dscp_map
 * @tos_set: bits that the outer one has besides
 * @tos_take: inbound tunnels: in which bits the inner traffic class heeds the outer one
 * @aead: the keyed transform; NULL while larval
 * @en: the namespace that it belongs to
 * @slot: ties it to policies; never NULL
 * @queue: of the slot that it was added to, which it keeps when it moves to another
 * @path: never NULL; see espah_sa_path()
 * @op_size: bytes of a struct espah_op with the driver's part, and a copy of headers for AH
 * @iv_mask: outbound, ESPAH_IV_SEQ: random; XOR the sequence number it is the IV, so that an
 *	SA with a key that was used before does not use the same IVs again
 * @seq: outbound: last sequence number used
 * @lock: inbound: guards @replay
 * @replay: inbound: the receive window
 * @cpus: how many CPUs may share the work: 0: as many as have time when the one that has
 *	it is busy; see load.h
 * @pmtu: outbound: path MTU that ICMP reported for our packets, bytes; 0: none
 * @pmtu_expires: jiffies until which it is believed
 * @dscp_map: outbound tunnels: ESPAH_DSCP_NUM outer DSCPs, by the inner one; or NULL
 * @ecn_odd: inbound tunnels: for ESPAH_SA_ECN_ODD
 * @mapped: jiffies of the last mapping event
 * @counters: authenticated traffic
 * @drops: allocated by the first drop
 * @counters_block: where @counters lie
 * @algo: the suite; NULL while larval
 * @key: for those who ask with ESPAH_SA_SHOW_KEYS; kfree_sensitive()
 * @key_use: tells which others have the same key
 * @label: ESPAH_SA_LABEL, or NULL
 * @account: where it counts, or NULL
 * @link: in @slot; empty while not in the SAD
 * @index: number in the SAD, in the order of addition
 * @added: ktime_get_real_seconds()
 * @born: the same moment in boot time, which nobody sets
 * @first_used: boot time, once @watch has no ESPAH_WATCH_UNUSED
 * @life: its limits, NULL without any; once there, it stays
 * @dummy: the dummies that it sends, NULL if it never did
 * @refs: 1 for the SAD, until a grace period after the SA left it, so that who finds
 *	it can take another; 1 for each packet behind the crypto driver, and for @dummy
 * @retire: ends the SAD's reference after a grace period
 * @free_work: frees it in process context, once nobody touches @lock any more
 */
struct espah_sa {
	struct rhash_head node;
	struct espah_sa_id id;
	u8 state;
	u8 mode;
	u8 df;
	u8 hdr_len;
	u8 iv_len;
	u8 icv_len;
	u8 block_len;
	u8 iv;
	u8 watch;
	u8 salt[4];
	u16 tfc;
	u32 flags;
	u8 ttl;
	u8 tos_keep;
	u8 tos_set;
	u8 tos_take;
	struct crypto_aead *aead;
	struct espah_net *en;
	struct espah_slot *slot;
	struct espah_queue *queue;
	struct espah_path __rcu *path;
	u32 op_size;
	__be64 iv_mask;

	atomic64_t seq ____cacheline_aligned_in_smp;
	spinlock_t lock; /* see above */
	struct espah_replay *replay;
	u16 cpus;

	u32 pmtu;
	unsigned long pmtu_expires;
	u8 *dscp_map;
	atomic64_t ecn_odd;
	unsigned long mapped;
	struct espah_counters __percpu *counters;
	struct espah_drops *drops;

	struct espah_counters_block *counters_block;
	const struct espah_algo *algo;
	u8 *key;
	struct espah_key_use key_use;
	char *label;
	struct espah_account *account;
	struct list_head link;
	u32 index;
	time64_t added;
	ktime_t born;
	ktime_t first_used;
	struct espah_life *life;
	struct espah_dummy *dummy;
	refcount_t refs;
	struct rcu_work retire;
	struct rcu_work free_work;
};

/* keeps a queue; Context: of an SA, which is referred to */
static inline void espah_queue_get(struct espah_queue *queue)
{
	refcount_inc(&container_of(queue, struct espah_slot, queue)->refs);
}

#ifdef CONFIG_LOCKDEP
/* whether nobody changes or frees its path: espah_net.lock is held, or it is not in the SAD */
bool espah_sa_stands(const struct espah_sa *sa);
#else
#define espah_sa_stands(sa) true
#endif

/* Context: RCU reader, espah_net.lock, or while the SA is not in the SAD */
static inline struct espah_path *espah_sa_path(const struct espah_sa *sa)
{
	return rcu_dereference_check(sa->path, espah_sa_stands(sa));
}

/* bytes of the IP header in front of tunnelled packets */
static inline unsigned int espah_path_ip_len(const struct espah_path *path)
{
	return path->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* keyed by hand for whoever sends (RFC 4552) */
static inline bool espah_sa_any(const struct espah_sa *sa)
{
	return espah_addr_any(&espah_sa_path(sa)->src);
}

static inline bool espah_sa_is_ah(const struct espah_sa *sa)
{
	return sa->id.proto == IPPROTO_AH;
}

static inline bool espah_sa_esn(const struct espah_sa *sa)
{
	return sa->flags & ESPAH_SA_F_ESN;
}

/*
 * Transport mode keeps the addresses, so they have to be those of the SA. Of an SA that is keyed by
 * hand for a group the source may be any (RFC 4552 section 7).
 */
static inline bool espah_path_carries(const struct espah_sa *sa, const struct espah_path *path,
				      const struct espah_flow *flow)
{
	return sa->mode == ESPAH_MODE_TUNNEL ||
	       (flow->family == path->family && espah_addr_equal(&flow->dst, &path->dst) &&
		(espah_addr_equal(&flow->src, &path->src) || espah_addr_any(&path->src)));
}

#endif /* _ESPAH_SA_H */
