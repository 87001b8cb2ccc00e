// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <net/ip.h>
#include "db/domain.h"
#include "db/link.h"
#include "db/net.h"
#include "flowtable.h"

/* jiffies: how long changes may wait for further ones */
#define SETTLE_TIME HZ

/**
 * struct condition - a selector with a mark or device, of a policy other than bypass
 * @sel: the selector
 * @rank: espah_rule_rank() of its rule
 * @dir: enum espah_dir
 */
struct condition {
	struct espah_selector sel;
	u64 rank;
	u8 dir;
};

/**
 * struct walk - a walk over conntrack's entries, which record neither mark nor device
 * @en: network namespace
 * @conditions: copies of all conditions, usable without a lock
 * @n: entries
 * @unknown: there was no memory for @conditions
 * @ended: number of connections that the walk ended
 */
struct walk {
	struct espah_net *en;
	struct condition *conditions;
	unsigned int n;
	bool unknown;
	unsigned int ended;
};

/* Whether a policy that ranks before @rank might protect or discard a flow, by mark or device. */
static bool may_be_other(const struct walk *walk, u8 dir, const struct espah_flow *flow, u64 rank)
{
	unsigned int i;

	for (i = 0; i < walk->n; i++) {
		const struct condition *condition = &walk->conditions[i];

		if (condition->dir == dir && condition->rank < rank &&
		    !(espah_selector_mismatch(&condition->sel, flow) &
		      ~(ESPAH_WHY_MARK | ESPAH_WHY_IFINDEX)))
			return true;
	}
	return false;
}

/* @walk: NULL if the flow's mark and device are known */
static bool passes(struct espah_net *en, const struct walk *walk, u8 dir, struct espah_flow *flow)
{
	u64 now = espah_spd_now(&en->spd);
	struct espah_policy *pol = espah_spd_lookup(&en->spd, now, dir, flow);
	u8 action = pol ? pol->action : espah_spd_default(now, dir);

	if (action != ESPAH_ACTION_BYPASS || flow->hidden)
		return false;
	if (!walk)
		return true;
	return !walk->unknown && !(pol && espah_selector_has_condition(&pol->rules[0].sel)) &&
	       !may_be_other(walk, dir, flow, pol ? espah_rule_rank(&pol->rules[0]) : U64_MAX);
}

static void set_side(union espah_addr *addr, u16 *port, u8 family,
		     const union nf_inet_addr *from, __be16 from_port)
{
	if (family == AF_INET)
		addr->ip4 = from->ip;
	else
		memcpy(addr, &from->in6, sizeof(*addr));
	*port = ntohs(from_port);
}

/* The VRF that a device belongs to, or 0; Context: RCU reader. */
static u32 vrf_of(struct net *net, u32 ifindex)
{
	const struct net_device *dev = ifindex ? dev_get_by_index_rcu(net, ifindex) : NULL;

	return dev && netif_is_l3_slave(dev) ? espah_domain(dev) : 0;
}

static bool is_link(struct net *net, u32 ifindex)
{
	const struct net_device *dev = dev_get_by_index_rcu(net, ifindex);

	return dev && espah_is_link(dev);
}

/*
 * For one direction. @came: its tuple as it comes; @left: the other tuple, reversed as it leaves;
 * @in_link, @out_link: whether it comes and leaves by a link: then no policy is asked
 */
static bool direction_passes(struct espah_net *en, const struct walk *walk,
			     const struct nf_conntrack_tuple *came,
			     const struct nf_conntrack_tuple *left, u32 mark, u32 iif, u32 oif,
			     bool in_link, bool out_link)
{
	u8 family = came->src.l3num;
	struct espah_flow in = {
		.family = family,
		.proto = came->dst.protonum,
		.has_ports = espah_proto_has_ports(came->dst.protonum),
		.mark = mark,
		.ifindex = iif,
		.vrf = vrf_of(en->net, iif),
	}, out = in;

	set_side(&in.src, &in.sport, family, &came->src.u3, came->src.u.all);
	set_side(&in.dst, &in.dport, family, &came->dst.u3, came->dst.u.all);
	set_side(&out.src, &out.sport, family, &left->dst.u3, left->dst.u.all);
	set_side(&out.dst, &out.dport, family, &left->src.u3, left->src.u.all);
	out.ifindex = oif;
	out.vrf = vrf_of(en->net, oif);
	return (in_link || passes(en, walk, ESPAH_DIR_IN, &in)) &&
	       (out_link || passes(en, walk, ESPAH_DIR_OUT, &out));
}

/* Whether both directions pass in clear; @iif, @oif: devices of the original direction. */
static bool is_clear(struct espah_net *en, const struct walk *walk, const struct nf_conn *ct,
		     u32 mark, u32 iif, u32 oif)
{
	const struct nf_conntrack_tuple *original = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	const struct nf_conntrack_tuple *reply = &ct->tuplehash[IP_CT_DIR_REPLY].tuple;
	bool in = test_bit(ESPAH_CT_LINK_IN, &ct->status);
	bool out = test_bit(ESPAH_CT_LINK_OUT, &ct->status);

	return direction_passes(en, walk, original, reply, mark, iif, oif, in, out) &&
	       direction_passes(en, walk, reply, original, mark, oif, iif, out, in);
}

bool espah_flowtable_judge(struct espah_net *en, struct nf_conn *ct, const struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	/* in a VRF, skb_iif is the VRF; both families keep the real device in the control block */
	u32 iif = IPCB(skb)->iif ?: skb->skb_iif, oif = state->out->ifindex;

	if (nf_ct_is_template(ct))
		return true;
	if (espah_ct_is_reply(skb))
		swap(iif, oif);
	espah_ct_set_links(ct, is_link(en->net, iif), is_link(en->net, oif));
	if (is_clear(en, NULL, ct, skb->mark, iif, oif))
		return true;
	if (!nf_ct_is_confirmed(ct))
		return espah_ct_own(ct);
	espah_ct_end(ct);
	return true;
}

/* Called for each connection of the namespace, with a conntrack lock held; true ends it. */
static int is_over(struct nf_conn *ct, void *data)
{
	struct walk *walk = data;
	bool over;

	if (likely(!espah_ct_is_offloaded(ct)))
		return false;
	rcu_read_lock();
	over = !is_clear(walk->en, walk, ct, 0, 0, 0);
	rcu_read_unlock();
	walk->ended += over;
	return over;
}

static void add_conditions(struct walk *walk, const struct espah_policy *pol)
{
	unsigned int i;

	for (i = 0; i < pol->nsel; i++) {
		if (!espah_selector_has_condition(&pol->rules[i].sel))
			continue;
		walk->conditions[walk->n].sel = pol->rules[i].sel;
		walk->conditions[walk->n].rank = espah_rule_rank(&pol->rules[i]);
		walk->conditions[walk->n++].dir = pol->dir;
	}
}

/* Copies the conditions, so that the walk, which may take long, needs no lock. */
static void find_conditions(struct walk *walk)
{
	struct espah_spd *spd = &walk->en->spd;
	struct espah_policy *pol;
	unsigned long id;

	mutex_lock(&walk->en->lock);
	if (spd->conditions)
		walk->conditions = kvmalloc_array(spd->conditions, sizeof(*walk->conditions),
						  GFP_KERNEL_ACCOUNT);
	walk->unknown = spd->conditions && !walk->conditions;
	if (walk->conditions) {
		xa_for_each(&spd->index, id, pol)
			if (pol->action != ESPAH_ACTION_BYPASS)
				add_conditions(walk, pol);
	}
	mutex_unlock(&walk->en->lock);
}

static void walk_through(struct espah_net *en)
{
	struct walk walk = { .en = en };

	find_conditions(&walk);
	/* a CPU that sets the offload bit after we have read it sees the policies */
	smp_mb();
	espah_ct_walk(en->net, is_over, &walk);
	kvfree(walk.conditions);
	/* on return, packets whose connection a flowtable found before have left */
	if (walk.ended)
		synchronize_net();
}

void espah_flowtable_settle(struct espah_net *en, bool more)
{
	struct espah_flowtable *flowtable = &en->flowtable;

	if (more) {
		if (READ_ONCE(flowtable->stale))
			queue_delayed_work(espah_workqueue, &flowtable->work, SETTLE_TIME);
		return;
	}
	/* another requester's walk, for changes of ours too, may be in progress */
	mutex_lock(&flowtable->lock);
	/* what is left of a batch would come too early for whoever makes the next change */
	cancel_delayed_work(&flowtable->work);
	if (flowtable->stale) {
		/* changes set @stale under espah_net.lock, which the walk takes after this */
		WRITE_ONCE(flowtable->stale, false);
		walk_through(en);
	}
	mutex_unlock(&flowtable->lock);
}

static void settle_late(struct work_struct *work)
{
	struct espah_flowtable *flowtable = container_of(to_delayed_work(work),
							 struct espah_flowtable, work);

	espah_flowtable_settle(container_of(flowtable, struct espah_net, flowtable), false);
}

void espah_flowtable_stale(struct espah_net *en)
{
	lockdep_assert_held(&en->lock);
	WRITE_ONCE(en->flowtable.stale, true);
}

void espah_flowtable_setup(struct espah_net *en)
{
	mutex_init(&en->flowtable.lock);
	INIT_DELAYED_WORK(&en->flowtable.work, settle_late);
}

void espah_flowtable_teardown(struct espah_net *en)
{
	cancel_delayed_work_sync(&en->flowtable.work);
}
