// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netfilter_ipv4.h>
#include "compat/conntrack.h"
#include "nat.h"

/* Whether a hook of the firewall is one that is asked about. */
typedef bool match_fn(const struct nf_hook_ops *ops, unsigned int hook);

static bool any_hook(const struct net *net, u8 family, unsigned int hook, match_fn *match)
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
		if (match(READ_ONCE(all[i]), hook))
			return true;
	return false;
}

/* Filter chains may have this priority, too; NAT chains are behind one hook. */
static bool is_nat(const struct nf_hook_ops *ops, unsigned int hook)
{
	/* IPv6 has the same priorities */
	int priority = hook == NF_INET_PRE_ROUTING ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC;

	return ops->priority == priority && ops->hook_ops_type != NF_HOOK_OP_NF_TABLES;
}

/* A chain of nftables, or a table of iptables, which only its priority tells. */
static bool has_rules(const struct nf_hook_ops *ops, unsigned int hook)
{
	switch (ops->hook_ops_type) {
	case NF_HOOK_OP_UNDEFINED:
		return ops->priority == NF_IP_PRI_RAW_BEFORE_DEFRAG ||
		       ops->priority == NF_IP_PRI_RAW || ops->priority == NF_IP_PRI_MANGLE ||
		       ops->priority == NF_IP_PRI_FILTER || ops->priority == NF_IP_PRI_SECURITY;
	default:
		return true;
	}
}

bool espah_nat_hooked(const struct net *net, u8 family, unsigned int hook)
{
	return any_hook(net, family, hook, is_nat);
}

bool espah_rules_hooked(const struct net *net, u8 family, unsigned int hooks)
{
	unsigned int hook;

	for (hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (hooks & BIT(hook) && any_hook(net, family, hook, has_rules))
			return true;
	return false;
}

bool espah_nat_track(struct net *net, struct espah_flow *flow)
{
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
}
