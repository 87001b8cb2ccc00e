// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>
#include <linux/cpuhotplug.h>
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "cell.h"
#include "compat/call.h"
#include "compat/netdev.h"
#include "compat/rt.h"
#include "compat/unaligned.h"
#include "db/domain.h"
#include "db/net.h"
#include "napi.h"

/* The lower bits of a round are the CPU number, so that one word identifies both cell and time. */
#define ROUND_CPU_BITS 16
#define ROUND_STEP BIT_ULL(ROUND_CPU_BITS)
#define ROUNDS_BITS 11
#define ROUNDS BIT(ROUNDS_BITS)
#define OWN_BITS 6

/**
 * struct cell - packets that a CPU has decrypted
 * @here: packets that wait; accessed with BH disabled on the cell's CPU, under its @lock
 * @round: changes each time the cell has run empty; under @lock and @late.lock
 * @late: packets that other CPUs decrypted but that have to follow packets in @here
 * @napi: passes the packets to the stack
 * @direct: how often this CPU is receiving packets without GRO now; BH disabled on it
 * @away: the CPU has come back online, but another CPU may still poll @napi and own @here; set
 *	before the CPU runs, cleared on it
 * @call: schedules @napi on the CPU
 * @polls: how often @napi has begun a poll
 * @lock: for what is accessed on this CPU; taken before @late.lock
 *
 * For each flow, @rounds records the round in which its packets last used a cell. While the cell
 * is still in that round, it may hold packets of the flow: in @here, @late or GRO.
 */
struct cell {
	struct sk_buff_head here;
	u64 round;
	struct sk_buff_head late;
	struct napi_struct napi;
	int direct;
	bool away;
	struct espah_call call;
	unsigned long polls;
	local_lock_t lock;
};

static struct cell __percpu *cells;
/* rounds of flows, by flow hash; flows that share an entry only wait for each other */
static atomic64_t rounds[ROUNDS];
/* recent answers of is_own(), by hash */
static DEFINE_PER_CPU(u64 [1 << OWN_BITS], own_known);
static struct espah_napis napis;
static int hotplug_state;

static unsigned int cpu_of(s64 round)
{
	return round & (ROUND_STEP - 1);
}

/*
 * The round of a packet's flow, among the flows that come by the SAs of @queue. All fragments and
 * whole packets of a UDP flow need the same entry. As only first fragments show ports, these count
 * for TCP alone; ICMP has an entry of its own.
 */
static atomic64_t *round_of(const struct espah_queue *queue, const struct sk_buff *skb)
{
	unsigned int off = skb_network_offset(skb);
	u32 addresses, flow = 0;
	u8 proto;

	if (skb->protocol == htons(ETH_P_IP)) {
		const struct iphdr *iph = ip_hdr(skb);

		addresses = (__force u32)(iph->saddr ^ iph->daddr);
		proto = ip_is_fragment(iph) ? IPPROTO_FRAGMENT : iph->protocol;
		off += iph->ihl * 4;
	} else {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		addresses = ipv6_addr_hash(&ip6h->saddr) ^ ipv6_addr_hash(&ip6h->daddr);
		proto = ip6h->nexthdr;
		off += sizeof(*ip6h);
	}
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		flow = proto;
	else if (proto == IPPROTO_TCP && skb_headlen(skb) >= off + sizeof(u32))
		flow = get_unaligned((const u32 *)(skb->data + off));
	return &rounds[hash_64(((u64)addresses << 32 | flow) ^ (unsigned long)queue,
			       ROUNDS_BITS)];
}

static bool full(const struct sk_buff_head *queue)
{
	return unlikely(skb_queue_len(queue) > espah_max_backlog());
}

/* Moves packets from other CPUs to @here; false if there are none. Context: struct cell.lock. */
static bool take_late(struct cell *cell)
{
	if (likely(skb_queue_empty_lockless(&cell->late)))
		return false;
	spin_lock(&cell->late.lock);
	skb_queue_splice_tail_init(&cell->late, &cell->here);
	spin_unlock(&cell->late.lock);
	return true;
}

/* Context: the cell's CPU if that is online; hard interrupt, or BH disabled */
static void schedule_here(void *info)
{
	struct cell *cell = info;

	__napi_schedule(&cell->napi);
}

/*
 * A CPU that goes offline leaves its NAPI contexts to another CPU. Once it is back, it gets its
 * cell back, with the packets in it. Return: false if the cell has to be polled here.
 */
static noinline bool go_home(struct cell *cell, int cpu)
{
	return espah_call(&cell->call, cpu);
}

static struct sk_buff *take(struct cell *cell)
{
	struct sk_buff *skb;

	local_lock_nested_bh(&cells->lock);
	skb = __skb_dequeue(&cell->here);
	if (!skb && take_late(cell))
		skb = __skb_dequeue(&cell->here);
	local_unlock_nested_bh(&cells->lock);
	return skb;
}

static int poll(struct napi_struct *napi, int budget)
{
	struct cell *cell = container_of(napi, struct cell, napi);
	struct cell *own = this_cpu_ptr(cells);
	struct sk_buff *skb;
	LIST_HEAD(list);
	bool empty;
	int n = 0;

	/* pairs with polls(): the stack has received all packets of the last poll */
	smp_store_release(&cell->polls, cell->polls + 1);
	if (likely(cell == own))
		cell->away = false;
	else if (go_home(cell, cpu_of(cell->round)))
		return 0; /* not completed, so still scheduled */
	while (n < budget) {
		skb = take(cell);
		if (!skb)
			break;
		if (netif_elide_gro(skb->dev))
			list_add_tail(&skb->list, &list);
		else
			napi_gro_receive(napi, skb);
		n++;
	}
	espah_cpu_add(cells->direct, 1);
	netif_receive_skb_list(&list);
	espah_cpu_add(cells->direct, -1);
	if (n == budget || !napi_complete_done(napi, n))
		return n;

	/* GRO has passed on all packets, too */
	local_lock_nested_bh(&cells->lock);
	spin_lock(&cell->late.lock);
	empty = skb_queue_empty(&cell->late);
	/* if the CPU came back, it may have scheduled this again; that poll ends the round */
	if (empty && !test_bit(NAPI_STATE_SCHED, &napi->state))
		WRITE_ONCE(cell->round, cell->round + ROUND_STEP);
	spin_unlock(&cell->late.lock);
	local_unlock_nested_bh(&cells->lock);
	if (!empty)
		napi_schedule(napi);
	return n;
}

/*
 * Queues a packet behind packets of its flow that the cell of @round may hold.
 * Return: 1; 0 if that round is over; -ENOBUFS.
 */
static int follow(s64 round, struct sk_buff *skb)
{
	struct cell *cell = per_cpu_ptr(cells, cpu_of(round));
	int result = 0;

	if (READ_ONCE(cell->round) != round)
		return 0;
	spin_lock(&cell->late.lock);
	/* the cell looks into @late before it ends a round */
	if (cell->round == round) {
		result = full(&cell->late) ? -ENOBUFS : 1;
		if (result > 0)
			__skb_queue_tail(&cell->late, skb);
	}
	spin_unlock(&cell->late.lock);
	return result;
}

/*
 * Whether an address is one of this host's. Answers are kept, each in one word: a hash of what was
 * asked, and in its last bit the answer. A hash that two questions share, or a local route without
 * an address, can only cost time.
 */
static bool is_own(struct net *net, const union espah_addr *addr, u8 family,
		   const struct net_device *dev)
{
	u64 where = (u64)atomic_read(&espah_pernet(net)->addresses) << 32 | dev->ifindex;
	u64 asked = (__force u32)addr->ip4, *entry, known;
	bool own;

	if (family == AF_INET6)
		asked = ipv6_addr_hash((const struct in6_addr *)addr);
	asked = hash_64((asked ^ (unsigned long)net) * GOLDEN_RATIO_64 ^ where, 64);
	entry = this_cpu_ptr(own_known) + (asked >> (64 - OWN_BITS));
	known = READ_ONCE(*entry);
	if (likely(!((known ^ asked) >> 1)))
		return known & 1;
	own = espah_domain_has(net, addr, family, dev);
	WRITE_ONCE(*entry, (asked & ~1ULL) | own);
	return own;
}

/* Whether a packet goes to another host. */
static bool forwards(const struct sk_buff *skb, bool ip4)
{
	struct net *net = dev_net(skb->dev);
	union espah_addr dst = {};

	if (ip4 ? !IPV4_DEVCONF_ALL(net, FORWARDING) :
		  !READ_ONCE(net->ipv6.devconf_all->forwarding))
		return false;
	if (ip4)
		dst.ip4 = ip_hdr(skb)->daddr;
	else
		memcpy(&dst, &ipv6_hdr(skb)->daddr, sizeof(dst));
	return !is_own(net, &dst, ip4 ? AF_INET : AF_INET6, skb->dev);
}

/* Whether GRO might join a packet with others. It joins UDP for sockets of this host, mostly. */
static bool may_join(const struct sk_buff *skb)
{
	bool ip4 = skb->protocol == htons(ETH_P_IP);

	if (netif_elide_gro(skb->dev))
		return false;
	switch (ip4 ? ip_hdr(skb)->protocol : ipv6_hdr(skb)->nexthdr) {
	case IPPROTO_UDP:
		return skb->dev->features & (NETIF_F_GRO_UDP_FWD | NETIF_F_GRO_FRAGLIST) ||
		       !forwards(skb, ip4);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_ESP:
		return false;
	}
	return true;
}

/*
 * If GRO cannot join the packet and nothing waits behind it, there is nothing to gain by
 * waiting: the packet is received now. Exceptions: other packets of its flow wait; or it came out
 * of a packet that is being received directly, whose stack it would share. A packet that a crypto
 * driver has completed later has to wait: the next one may be completed on another CPU while the
 * stack still has this one in a queue of this CPU.
 */
static bool receive_directly(struct cell *cell, atomic64_t *last, s64 round, struct sk_buff *skb)
{
	if (cell->direct || espah_backlog_len(smp_processor_id()) || may_join(skb))
		return false;
	if (round) {
		if (READ_ONCE(per_cpu_ptr(cells, cpu_of(round))->round) == round)
			return false;
		if (!atomic64_try_cmpxchg(last, &round, 0))
			return false; /* another CPU has begun to use its cell */
	}
	espah_cpu_add(cells->direct, 1);
	netif_receive_skb(skb);
	espah_cpu_add(cells->direct, -1);
	return true;
}

/*
 * Queues a packet on a CPU that is back online before its cell is; takes the lock.
 * Return: as follow().
 */
static noinline int follow_home(struct cell *cell, struct sk_buff *skb)
{
	int followed = follow(READ_ONCE(cell->round), skb);

	/* if scheduled on another CPU, the cell is polled there, and then comes home */
	if (followed > 0)
		napi_schedule(&cell->napi);
	return followed;
}

bool espah_cell_receive(const struct espah_queue *queue, struct sk_buff *skb, bool at_once)
{
	struct cell *cell = this_cpu_ptr(cells);
	atomic64_t *last = round_of(queue, skb);
	s64 round = atomic64_read(last), own;
	int followed;
	bool fits;

	if (unlikely(!(skb->dev->flags & IFF_UP)))
		goto drop;
	if (at_once && receive_directly(cell, last, round, skb))
		return true;
again:
	own = READ_ONCE(cell->round);
	while (round != own) {
		followed = unlikely(cpu_of(round) != cpu_of(own)) ? follow(round, skb) : 0;
		if (unlikely(followed < 0))
			goto drop;
		if (unlikely(followed))
			return true;
		/* another CPU may have set a round of its own: then follow that */
		if (atomic64_try_cmpxchg(last, &round, own))
			break;
	}
	if (unlikely(cell->away)) {
		followed = follow_home(cell, skb);
		if (followed < 0)
			goto drop;
		if (followed)
			return true;
		goto again; /* the round has ended meanwhile */
	}
	local_lock_nested_bh(&cells->lock);
	if (espah_bh_yields && unlikely(cell->round != own)) {
		local_unlock_nested_bh(&cells->lock);
		round = atomic64_read(last);
		goto again;
	}
	if (unlikely(take_late(cell)))
		napi_schedule(&cell->napi); /* the cell may have been empty */
	fits = !full(&cell->here);
	if (likely(fits)) {
		__skb_queue_tail(&cell->here, skb);
		if (skb_queue_len(&cell->here) == 1)
			napi_schedule(&cell->napi);
	}
	local_unlock_nested_bh(&cells->lock);
	if (likely(fits))
		return true;
drop:
	kfree_skb(skb);
	return false;
}

static unsigned long polls(const struct cell *cell)
{
	/* the stack has received all packets of earlier polls */
	return smp_load_acquire(&cell->polls);
}

/* Waits for the packets now in a cell; it may never run empty while packets keep coming. */
static void wait_for(struct cell *cell)
{
	unsigned long before = polls(cell);
	unsigned int packets = skb_queue_len_lockless(&cell->here) +
			       skb_queue_len_lockless(&cell->late);
	/* a poll that may be running, the polls that take the packets, and one more that begins */
	unsigned long enough = packets / NAPI_POLL_WEIGHT + 3;

	while ((test_bit(NAPI_STATE_SCHED, &cell->napi.state) ||
		!skb_queue_empty_lockless(&cell->late)) && polls(cell) - before < enough)
		usleep_range(1000, 2000);
}

/*
 * Packets in a cell point to the device by which they came. A device that is being unregistered is
 * down, so no packets of it are added, and has to wait for its packets in cells.
 */
static int device_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	int cpu;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	for_each_possible_cpu(cpu)
		wait_for(per_cpu_ptr(cells, cpu));
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

/* A CPU is about to come online; another CPU may still poll its cell. */
static int prepare_cpu(unsigned int cpu)
{
	per_cpu_ptr(cells, cpu)->away = true;
	return 0;
}

static void free_cells(void)
{
	struct cell *cell;
	int cpu;

	espah_napis_stop(&napis);
	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(cells, cpu);
		espah_call_end(&cell->call);
		skb_queue_purge(&cell->here);
		skb_queue_purge(&cell->late);
	}
	espah_napis_free(&napis);
}

int espah_cells_setup(void)
{
	struct cell *cell;
	int cpu, err;

	BUILD_BUG_ON(CONFIG_NR_CPUS > ROUND_STEP);
	cells = espah_napis_alloc(&napis, struct cell, napi, poll, NAPI_POLL_WEIGHT);
	if (!cells)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(cells, cpu);
		skb_queue_head_init(&cell->here);
		skb_queue_head_init(&cell->late);
		local_lock_init(&cell->lock);
		/* not 0, which says that a flow has used no cell */
		cell->round = ROUND_STEP | cpu;
		espah_call_init(&cell->call, schedule_here, cell);
	}
	err = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "net/espah:cells", prepare_cpu, NULL);
	if (err < 0)
		goto err_cells;
	hotplug_state = err;
	err = register_netdevice_notifier(&device_notifier);
	if (!err)
		return 0;
	cpuhp_remove_state_nocalls(hotplug_state);
err_cells:
	free_cells();
	return err;
}

void espah_cells_teardown(void)
{
	unregister_netdevice_notifier(&device_notifier);
	cpuhp_remove_state_nocalls(hotplug_state);
	free_cells();
}
