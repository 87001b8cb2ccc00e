/* SPDX-License-Identifier: GPL-2.0-only */
/* A security association (RFC 4301 4.1, 4.4.2), and the state that it shares with others. */
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
#include "foreign.h"
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
 * struct espah_sa_id - the lookup key of an SA (RFC 4301 4.1)
 * @dst: destination address of the outer header
 * @spi: security parameter index
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @family: family of @dst
 * @dir: enum espah_dir
 * @zero: 0, padding, so that the whole struct can be hashed
 * @vrf: index of the VRF that the SA names; 0: the SA is in the domain of its local address. In the
 *	id of a packet: the domain in which the packet arrived
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
 * struct espah_slot_id - links SAs to the policies that require them
 * @src: source address of the SAs
 * @dst: destination address of the SAs
 * @reqid: request id
 * @family: family of the addresses
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @mode: enum espah_mode
 * @dir: enum espah_dir
 * @vrf: as in struct espah_sa_id
 * @if_id: the link of the SAs and policies, or 0
 * @wild: a second slot of the SAs that have a struct espah_foreign, whatever their request id:
 *	@reqid is 0
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
	u32 if_id;
	u32 wild;
};

/* no CPU: packets stay on the CPU where they arrive */
#define ESPAH_CPU_NONE -1

enum espah_fence { ESPAH_FENCE_NONE, ESPAH_FENCE_ASKED, ESPAH_FENCE_SET };

/**
 * struct espah_queue - packets that a driver or another CPU works on, in order; see order.h
 * @lock: guards the members below, up to @resume
 * @ops: struct espah_op, in the order in which the packets arrived
 * @len: packets queued or being released; 0 lets packets pass without queueing; READ_ONCE without
 *	@lock
 * @serial_cpu: the CPU that releases packets while others help, or ESPAH_CPU_NONE; READ_ONCE
 *	without @lock. With PREEMPT_RT, outbound: the CPU that releases
 * @releasing: a CPU is releasing packets from @ops
 * @resuming: @serial_cpu, or with @fence its predecessor, was asked to release packets
 * @fence: no packet is released until the previous releasing CPU has received its backlog
 * @fence_cpu: that CPU, once ESPAH_FENCE_SET
 * @backlog: position in the backlog of @fence_cpu up to which it must have received
 * @from: the CPU where packets arrived when @serial_cpu was chosen
 * @brought: jiffies when @from last queued a packet
 * @released: counts released packets
 * @turn: counts packets that others may help with
 * @worker: the CPU that runs the crypto for the packets of the current turn
 * @resume: in the work list of the CPU that is to resume the queue
 * @refs: 1 for the slot whose queue it is, if any; 1 for each SA until the SA is freed; 1 while
 *	in @resume
 * @rcu: defers the freeing
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
	refcount_t refs;
	struct rcu_head rcu;
};

/**
 * struct espah_classes - the SAs that output uses, by the DSCP of the packet
 * @sa: indexed by the DSCP; NULL: none
 * @newest: the newest SA of the slot with keys, for whatever DSCPs
 *
 * RFC 4301 4.1 asks for several SAs with the same selectors, one for each class of traffic: a
 * network that delays one class sends it out of the replay window of an SA that both share.
 */
struct espah_classes {
	struct espah_sa __rcu *sa[ESPAH_DSCP_NUM];
	struct espah_sa __rcu *newest;
};

/**
 * struct espah_slot - the meeting point of policies and SAs
 * @node: in the SAD's table of slots
 * @id: its key
 * @users: SAs in the SAD and policies that refer to the slot; changed under espah_net.lock;
 *	at 0 the slot leaves the table of slots
 * @refs: references to the memory: 1 for the table; 1 for each SA until the SA is freed, which may
 *	be long after it left the SAD
 * @sas: SAs of the slot, newest first; under espah_net.lock
 * @sa: the newest SA with keys, which output uses (RFC 4301 4.4.2.1 leaves the choice
 *	open; with the newest, a rekey switches only once); NULL: none, or @classes has the SAs
 * @classes: NULL until an SA of the slot is for certain DSCPs; then kept as long as the slot
 * @spi: SPI of the SA that output uses instead while it is there; 0: none; under espah_net.lock
 * @pinned_by: the policy that asked for @spi, only to compare; under espah_net.lock
 * @rcu: defers the freeing
 * @queue: for the SAs that are not for certain DSCPs, so that packets of an SA do not overtake
 *	packets of the SA that it replaces
 *
 * A policy keeps a pointer to its slot, so that output finds its SA with two loads and input
 * compares pointers, without a lookup.
 */
struct espah_slot {
	struct rhash_head node;
	struct espah_slot_id id;
	unsigned int users;
	refcount_t refs;
	struct list_head sas;
	struct espah_sa __rcu *sa;
	struct espah_classes __rcu *classes;
	__be32 spi;
	const struct espah_policy *pinned_by;
	struct rcu_head rcu;
	struct espah_queue *queue;
};

/**
 * struct espah_path - where an SA's packets come from and go to
 * @src: source address of the outer header; 0 in transport mode: any (RFC 4552)
 * @dst: destination address of the outer header
 * @family: family of both
 * @sport: UDP source port; 0 without UDP
 * @dport: UDP destination port; 0 without UDP
 * @ip_proto: protocol in the IP header: that of the SA, or IPPROTO_UDP
 * @encap_len: bytes between the IP header and the IPsec header: UDP header (RFC 3948), or 0
 * @dst_cache: outbound: route to @dst
 * @routed: outbound: the value of espah_net.addresses for which @dst_cache is valid
 * @domain: cached VRF of the local address; see domain.h
 * @arrival: inbound: route by which packets reach this host; see arrival.h
 * @mark: inbound: the metadata dst that marks decapsulated packets; allocated for the first
 *	packet
 * @secpath: inbound: secpath extension, allocated for the first packet; see secpath.h
 * @rcu: defers the freeing
 *
 * These members must be consistent while a packet is wrapped, so the struct is replaced as a whole.
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
 * struct espah_dummy - the dummy packets of an outbound SA
 * @work: sends packets that are due; holds a reference to @sa while it is queued or runs
 * @sa: the SA
 * @interval: microseconds: mean time between two packets; 0: none are sent
 * @random: send at random intervals
 * @due: time of the next packet
 * @sent: number of packets sent
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
 * @id: lookup key
 * @state: enum espah_sa_state; READ_ONCE by the packet path
 * @mode: enum espah_mode
 * @df: enum espah_df
 * @hdr_len: bytes of ESP header and IV, or of the whole AH header
 * @iv_len: bytes of IV; copied from @algo so that the packet path touches one cache line
 * @icv_len: bytes of ICV
 * @block_len: bytes of padding granularity
 * @iv: enum espah_iv
 * @tfc: outbound tunnels: length up to which packets are padded; 0: no padding
 * @salt: implicit IV, or AH with GMAC: the start of the nonce, before the sequence number or IV
 * @watch: ESPAH_WATCH_*: why packets are counted; mostly 0
 * @flags: ESPAH_SA_F_*
 * @ttl: outbound tunnels: TTL of the outer header; 0: the route's
 * @tos_keep: outbound tunnels: bits of the inner traffic class, after @dscp_map, that the outer
 *	header keeps
 * @tos_set: outbound tunnels: further bits set in the outer traffic class
 * @tos_take: inbound tunnels: bits of the outer traffic class that affect the inner one
 * @if_id: the link that the SA belongs to, or 0; see link.h
 * @mark: in the bits of @mark_mask, the mark of outbound ESP and AH packets, or of decrypted
 *	packets
 * @mark_mask: 0: the mark stays as it is
 * @aead: the keyed transform; NULL while larval
 * @en: network namespace of the SA
 * @slot: links the SA to policies; never NULL in the SAD
 * @queue: shared with the SAs of the slot for the same DSCPs that were there when it was added;
 *	kept when the SA moves to another slot, or gets other DSCPs
 * @path: never NULL; see espah_sa_path()
 * @op_size: bytes of a struct espah_op with the driver's part, and for AH a copy of headers
 * @iv_mask: outbound, ESPAH_IV_SEQ: random; the IV is the sequence number XOR @iv_mask, so that an
 *	SA with a reused key does not start with the same IVs again. Changes with a higher @seq only
 * @seq: outbound: last sequence number used
 * @lock: inbound: guards @replay
 * @replay: inbound: the receive window
 * @cpus: number of CPUs that may share the work; 0: all CPUs that have time, while the CPU where
 *	packets arrive is busy; see load.h
 * @pmtu: outbound: bytes: path MTU that ICMP reported for the SA's packets; 0: none
 * @pmtu_expires: jiffies until which @pmtu is valid
 * @dscp_map: outbound tunnels: ESPAH_DSCP_NUM outer DSCPs, indexed by the inner DSCP; or NULL
 * @ecn_odd: inbound tunnels: for ESPAH_SA_ECN_ODD
 * @mapped: jiffies of the last mapping event
 * @counters: authenticated traffic
 * @drops: allocated by the first drop
 * @counters_block: memory block of @counters
 * @algo: the suite; NULL while larval
 * @key: the key, for ESPAH_SA_SHOW_KEYS; freed with kfree_sensitive()
 * @key_use: links SAs with the same key
 * @label: ESPAH_SA_LABEL, or NULL
 * @owner: enum espah_owner of an SA without @foreign
 * @account: account charged for the SA, or NULL
 * @foreign: what another interface keeps with the SA; NULL: the SA came by generic netlink
 * @wild: with @foreign: the slot of the SAs with any request id
 * @wild_link: in @wild
 * @link: in @slot; empty while not in the SAD
 * @index: number in the SAD, in the order of addition
 * @added: ktime_get_real_seconds() at allocation
 * @born: the same moment in boot time, which clock changes do not affect
 * @first_used: boot time of the first packet; valid once @watch has no ESPAH_WATCH_UNUSED
 * @life: limits; NULL if the SA never had any; never removed
 * @sel_mark: with ESPAH_WATCH_MARK: the mark that packets must have in the bits of @sel_mark_mask
 * @sel_mark_mask: see @sel_mark
 * @dscps: outbound: bit N: the SA is for packets with the DSCP N; 0: for those with DSCPs that no
 *	other SA of the slot is for
 * @dummy: dummy packets; NULL if the SA never sent any
 * @refs: 1 for the SAD, until a grace period after the SA left it, so that a reader that finds the
 *	SA can take a reference; 1 for each packet in the queue or the crypto driver, and for @dummy
 * @retire: drops the SAD's reference after a grace period
 * @free_work: frees the SA in process context, once no CPU uses @lock any more
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
	u32 if_id;
	u32 mark;
	u32 mark_mask;
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
	u8 owner;
	struct espah_account *account;
	struct espah_foreign *foreign;
	struct espah_slot *wild;
	struct list_head wild_link;
	struct list_head link;
	u32 index;
	time64_t added;
	ktime_t born;
	ktime_t first_used;
	struct espah_life *life;
	u32 sel_mark;
	u32 sel_mark_mask;
	u64 dscps;
	struct espah_dummy *dummy;
	refcount_t refs;
	struct rcu_work retire;
	struct rcu_work free_work;
};

/* takes a reference to a queue; Context: the caller has a reference to an SA of the queue */
static inline void espah_queue_get(struct espah_queue *queue)
{
	refcount_inc(&queue->refs);
}

#ifdef CONFIG_LOCKDEP
/* whether @sa->path is stable: espah_net.lock is held, or the SA is not in the SAD */
bool espah_sa_stands(const struct espah_sa *sa);
#else
#define espah_sa_stands(sa) true
#endif

/* Context: RCU reader, espah_net.lock, or while the SA is not in the SAD */
static inline struct espah_path *espah_sa_path(const struct espah_sa *sa)
{
	return rcu_dereference_check(sa->path, espah_sa_stands(sa));
}

/* bytes of the outer IP header of tunnelled packets */
static inline unsigned int espah_path_ip_len(const struct espah_path *path)
{
	return path->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* whether the SA is manually keyed for any source (RFC 4552) */
static inline bool espah_sa_any(const struct espah_sa *sa)
{
	return espah_addr_any(&espah_sa_path(sa)->src);
}

static inline bool espah_sa_is_ah(const struct espah_sa *sa)
{
	return sa->id.proto == IPPROTO_AH;
}

/* whether the SA is for packets with that mark */
static inline bool espah_sa_for_mark(const struct espah_sa *sa, u32 mark)
{
	return (mark & sa->sel_mark_mask) == sa->sel_mark;
}

static inline bool espah_sa_esn(const struct espah_sa *sa)
{
	return sa->flags & ESPAH_SA_F_ESN;
}

/*
 * Transport mode keeps the packet's addresses, so they must be those of the SA. A manually keyed SA
 * for a group may have any source (RFC 4552 section 7).
 */
static inline bool espah_path_carries(const struct espah_sa *sa, const struct espah_path *path,
				      const struct espah_flow *flow)
{
	return sa->mode == ESPAH_MODE_TUNNEL ||
	       (flow->family == path->family && espah_addr_equal(&flow->dst, &path->dst) &&
		(espah_addr_equal(&flow->src, &path->src) || espah_addr_any(&path->src)));
}

#endif /* _ESPAH_SA_H */
