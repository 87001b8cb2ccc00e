// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/netdevice.h>
#include "flowtable.h"

static bool passes(struct espah_net *en, u8 dir, struct espah_flow *flow)
{
	struct espah_policy *pol = espah_spd_lookup(&en->spd, dir, flow);
	u8 action = pol ? pol->action : READ_ONCE(en->default_action[dir]);

	return action == ESPAH_ACTION_BYPASS && !flow->hidden;
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

bool espah_flowtable_clear(struct espah_net *en, const struct nf_conn *ct,
			   const struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct nf_conntrack_tuple *original = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	const struct nf_conntrack_tuple *reply = &ct->tuplehash[IP_CT_DIR_REPLY].tuple;
	struct espah_flow in = {
		.family = state->pf,
		.proto = original->dst.protonum,
		.has_ports = espah_proto_has_ports(original->dst.protonum),
		.mark = skb->mark,
		.ifindex = state->out->ifindex,
	}, out = in;

	/* answers, as they come, and as they leave once NAT has been undone */
	set_side(&in.src, &in.sport, state->pf, &reply->src.u3, reply->src.u.all);
	set_side(&in.dst, &in.dport, state->pf, &reply->dst.u3, reply->dst.u.all);
	set_side(&out.src, &out.sport, state->pf, &original->dst.u3, original->dst.u.all);
	set_side(&out.dst, &out.dport, state->pf, &original->src.u3, original->src.u.all);
	out.ifindex = skb->skb_iif;
	return passes(en, ESPAH_DIR_IN, &in) && passes(en, ESPAH_DIR_OUT, &out);
}
