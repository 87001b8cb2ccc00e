// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netfilter_ipv4.h>
#include "compat/conntrack.h"
#include "nat.h"

/* Whether a function at a hook is of a kind. */
static bool hooked(const struct net *net, u8 family, unsigned int hook,
		   bool (*is)(const struct nf_hook_ops *ops, int priority), int priority)
{
	struct nf_hook_entries __rcu *const *hooks = family == AF_INET ? net->nf.hooks_ipv4 :
									 net->nf.hooks_ipv6;
	const struct nf_hook_entries *entries = rcu_dereference(hooks[hook]);
	struct nf_hook_ops **all;
	unsigned int i;

	if (!entries)
		return false;
	all = nf_hook_entries_get_hook_ops(entries);
	for (i = 0; i < entries->num_hook_entries; i++)
		if (is(READ_ONCE(all[i]), priority))
			return true;
	return false;
}

static bool is_nat(const struct nf_hook_ops *ops, int priority)
{
	/* filter chains may have this priority, too; NAT chains are behind one hook */
	return ops->priority == priority && ops->hook_ops_type != NF_HOOK_OP_NF_TABLES;
}

bool espah_nat_hooked(const struct net *net, u8 family, unsigned int hook)
{
	/* IPv6 has the same priorities */
	return hooked(net, family, hook, is_nat,
		      hook == NF_INET_PRE_ROUTING ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC);
}

static bool is_rules(const struct nf_hook_ops *ops, int priority)
{
	/* a chain of nftables, or the table "filter" of iptables */
	return ops->hook_ops_type == NF_HOOK_OP_NF_TABLES || ops->priority == priority;
}

bool espah_input_hooked(const struct net *net, u8 family)
{
	return hooked(net, family, NF_INET_LOCAL_IN, is_rules, NF_IP_PRI_FILTER);
}

bool espah_nat_track(struct net *net, struct espah_flow *flow)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	const struct nf_conntrack_tuple *back;
	struct nf_conntrack_tuple_hash *found;
	struct nf_conntrack_tuple tuple;
	struct nf_conn *ct;

	memset(&tuple, 0, sizeof(tuple));
	tuple.src.l3num = flow->family;
	tuple.dst.protonum = flow->proto;
	memcpy(&tuple.src.u3, &flow->src, sizeof(flow->src));
	memcpy(&tuple.dst.u3, &flow->dst, sizeof(flow->dst));
	tuple.src.u.all = htons(flow->sport);
	tuple.dst.u.all = htons(flow->dport);
	found = nf_conntrack_find_get(net, &nf_ct_zone_dflt, &tuple);
	if (!found)
		return false;
	ct = nf_ct_tuplehash_to_ctrack(found);
	/* what leaves is the reverse of what is expected back */
	back = &ct->tuplehash[!NF_CT_DIRECTION(found)].tuple;
	memcpy(&flow->src, &back->dst.u3, sizeof(flow->src));
	memcpy(&flow->dst, &back->src.u3, sizeof(flow->dst));
	flow->sport = ntohs(back->dst.u.all);
	flow->dport = ntohs(back->src.u.all);
	nf_ct_put(ct);
	return true;
#else
	return false;
#endif
}
