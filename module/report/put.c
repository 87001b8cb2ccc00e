// SPDX-License-Identifier: GPL-2.0-only
/* The attributes of SAs, policies, flows and drops, for answers and events. */
#include <crypto/aead.h>
#include <linux/math64.h>
#include <net/inet_ecn.h>
#include "db/net.h"
#include "db/reasons.h"
#include "db/replay.h"
#include "packet/algo.h"
#include "packet/mtu.h"
#include "put.h"

const struct genl_family *espah_family __ro_after_init;

void __init espah_put_setup(const struct genl_family *family)
{
	espah_family = family;
}

void *espah_put_message(struct sk_buff *skb, u32 portid, u32 seq, int flags, u8 cmd)
{
	return genlmsg_put(skb, portid, seq, espah_family, flags, cmd);
}

int espah_put_attrs(struct sk_buff *skb, struct nlattr **attrs, int max)
{
	int type, err = 0;

	for (type = 1; type <= max && !err; type++)
		if (attrs[type])
			err = nla_put(skb, type, nla_len(attrs[type]), nla_data(attrs[type]));
	return err;
}

int espah_put_addr(struct sk_buff *skb, int type, const union espah_addr *addr, u8 family)
{
	return nla_put(skb, type, family == AF_INET ? sizeof(addr->ip4) : sizeof(*addr), addr);
}

/* --- drops --- */

int espah_put_drop(struct sk_buff *skb, enum espah_drop reason, u64 count, bool text)
{
	struct nlattr *nest = nla_nest_start(skb, ESPAH_DROP_ENTRY);

	if (!nest ||
	    nla_put_string(skb, ESPAH_DROP_NAME, espah_drop_names[reason]) ||
	    nla_put_u64_64bit(skb, ESPAH_DROP_COUNT, count, ESPAH_DROP_PAD) ||
	    (text && nla_put_string(skb, ESPAH_DROP_TEXT, espah_drop_texts[reason])))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int espah_put_drops(struct sk_buff *skb, int type, const struct espah_drops *drops)
{
	struct nlattr *nest;
	int i;

	if (!drops)
		return 0;
	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;
	for (i = ESPAH_DROP_NONE + 1; i < ESPAH_DROP_NUM; i++) {
		u64 count = atomic64_read(&drops->count[i]);

		if (count && espah_put_drop(skb, i, count, false))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/* --- flows --- */

static int put_host(struct sk_buff *skb, int addr_type, int len_type, const union espah_addr *addr,
		    u8 family)
{
	return espah_put_addr(skb, addr_type, addr, family) ?:
	       nla_put_u8(skb, len_type, family == AF_INET ? 32 : 128);
}

static int put_type(struct sk_buff *skb, int type, u8 value)
{
	const u8 pair[2] = { value, value };

	return nla_put(skb, type, sizeof(pair), pair);
}

static int put_port(struct sk_buff *skb, int min_type, int max_type, u16 port)
{
	return nla_put_be16(skb, min_type, htons(port)) ?:
	       nla_put_be16(skb, max_type, htons(port));
}

static int put_fields(struct sk_buff *skb, const struct espah_flow *flow, bool src, bool dst)
{
	switch (espah_proto_fields(flow->proto)) {
	case ESPAH_FIELDS_MH:
		return src ? put_type(skb, ESPAH_SEL_MH_TYPES, flow->sport) : 0;
	case ESPAH_FIELDS_ICMP:
		return (src ? put_type(skb, ESPAH_SEL_ICMP_TYPES, flow->sport) : 0) ?:
		       (dst ? put_type(skb, ESPAH_SEL_ICMP_CODES, flow->dport) : 0);
	case ESPAH_FIELDS_PORTS:
		return (src ? put_port(skb, ESPAH_SEL_SPORT_MIN, ESPAH_SEL_SPORT_MAX,
				       flow->sport) : 0) ?:
		       (dst ? put_port(skb, ESPAH_SEL_DPORT_MIN, ESPAH_SEL_DPORT_MAX,
				       flow->dport) : 0);
	case ESPAH_FIELDS_NONE:
		break;
	}
	return 0;
}

int espah_put_flow(struct sk_buff *skb, const struct espah_flow *flow, u8 which)
{
	if ((which & ESPAH_PFP_SRC &&
	     put_host(skb, ESPAH_SEL_SRC, ESPAH_SEL_SRC_LEN, &flow->src, flow->family)) ||
	    (which & ESPAH_PFP_DST &&
	     put_host(skb, ESPAH_SEL_DST, ESPAH_SEL_DST_LEN, &flow->dst, flow->family)) ||
	    (which & ESPAH_PFP_PROTO && flow->proto &&
	     nla_put_u8(skb, ESPAH_SEL_PROTO, flow->proto)))
		return -EMSGSIZE;
	if (!flow->has_ports || flow->opaque)
		return 0;
	return put_fields(skb, flow, which & ESPAH_PFP_SPORT, which & ESPAH_PFP_DPORT);
}

/* --- SAs --- */

/* Puts the values in @at whose entry in @counts is not 0, as a nest; none: no nest. */
static int put_limits(struct sk_buff *skb, int type, const u64 *at, const u64 *counts)
{
	struct nlattr *nest = NULL;
	int i;

	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!counts[i])
			continue;
		if (!nest)
			nest = nla_nest_start(skb, type);
		if (!nest || nla_put_u64_64bit(skb, i, at[i], ESPAH_LIMIT_PAD))
			return -EMSGSIZE;
	}
	if (nest)
		nla_nest_end(skb, nest);
	return 0;
}

static int put_life(struct sk_buff *skb, const struct espah_sa *sa)
{
	u64 used[ESPAH_LIMIT_IDLE + 1], any[ESPAH_LIMIT_IDLE + 1];
	const struct espah_life *life = sa->life;
	const u64 *soft, *hard;
	int i;

	if (!(READ_ONCE(sa->watch) & ESPAH_WATCH_UNUSED) &&
	    (nla_put_u64_64bit(skb, ESPAH_SA_FIRST_USED, sa->added +
			       div_u64(sa->first_used - sa->born, NSEC_PER_SEC), ESPAH_SA_PAD) ||
	     nla_put_u64_64bit(skb, ESPAH_SA_LAST_USED, sa->added + espah_life_last(sa),
			       ESPAH_SA_PAD)))
		return -EMSGSIZE;
	if (!life)
		return 0;
	soft = life->limits.at[0];
	hard = life->limits.at[1];
	for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
		any[i] = soft[i] | hard[i];
		used[i] = espah_life_used(sa, i);
	}
	return put_limits(skb, ESPAH_SA_SOFT, soft, soft) ?:
	       put_limits(skb, ESPAH_SA_HARD, hard, hard) ?:
	       put_limits(skb, ESPAH_SA_USED, used, any);
}

/* The sequence number and, if @state, the window that belongs to it. */
static int put_numbers(struct sk_buff *skb, struct espah_sa *sa, bool state)
{
	struct nlattr *seen = NULL;
	size_t size = 0;
	u64 seq;

	if (!sa->replay)
		return nla_put_u64_64bit(skb, ESPAH_SA_SEQ, atomic64_read(&sa->seq), ESPAH_SA_PAD);
	if (state)
		size = espah_replay_seen_size(sa->replay->window);
	if (size) {
		seen = nla_reserve(skb, ESPAH_SA_SEEN, size);
		if (!seen)
			return -EMSGSIZE;
	}
	spin_lock_bh(&sa->lock);
	seq = sa->replay->top;
	if (seen)
		espah_replay_seen(sa->replay, nla_data(seen));
	spin_unlock_bh(&sa->lock);
	return nla_put_u64_64bit(skb, ESPAH_SA_SEQ, seq, ESPAH_SA_PAD);
}

/* How a tunnel sets the header fields that routers read. */
static int put_tunnel(struct sk_buff *skb, struct espah_sa *sa)
{
	u8 dscp = sa->tos_set >> 2;
	int err = 0;

	if (sa->id.dir == ESPAH_DIR_IN)
		return nla_put_u64_64bit(skb, ESPAH_SA_ECN_ODD, atomic64_read(&sa->ecn_odd),
					 ESPAH_SA_PAD);
	if (sa->dscp_map)
		err = nla_put(skb, ESPAH_SA_DSCP, ESPAH_DSCP_NUM, sa->dscp_map);
	else if (!(sa->tos_keep & ~INET_ECN_MASK))
		err = nla_put_u8(skb, ESPAH_SA_DSCP, dscp);
	if (!err && sa->ttl)
		err = nla_put_u8(skb, ESPAH_SA_TTL, sa->ttl);
	return err ?: nla_put_u8(skb, ESPAH_SA_DF, sa->df);
}

/* The attributes that an SA has only with keys. */
static int put_keyed(struct sk_buff *skb, struct espah_sa *sa, u8 with)
{
	const char *driver = crypto_tfm_alg_driver_name(crypto_aead_tfm(sa->aead));
	bool out = sa->id.dir == ESPAH_DIR_OUT;

	if (nla_put_string(skb, ESPAH_SA_ALG, sa->algo->name) ||
	    nla_put_string(skb, ESPAH_SA_DRIVER, driver) ||
	    nla_put_u32(skb, ESPAH_SA_FLAGS, sa->flags) ||
	    put_numbers(skb, sa, with & ESPAH_PUT_STATE))
		return -EMSGSIZE;
	if (with & ESPAH_PUT_KEYS &&
	    nla_put(skb, ESPAH_SA_KEY, espah_algo_key_len(sa->algo), sa->key))
		return -EMSGSIZE;
	if (with && out && sa->iv == ESPAH_IV_SEQ &&
	    nla_put(skb, ESPAH_SA_IV_MASK, sizeof(sa->iv_mask), &sa->iv_mask))
		return -EMSGSIZE;
	if (!out && nla_put_u32(skb, ESPAH_SA_WINDOW, sa->replay->window))
		return -EMSGSIZE;
	if (out && nla_put_u32(skb, ESPAH_SA_PMTU, espah_sa_pmtu(sa)))
		return -EMSGSIZE;
	if (sa->tfc && nla_put_u16(skb, ESPAH_SA_TFC, sa->tfc))
		return -EMSGSIZE;
	if (sa->cpus && nla_put_u16(skb, ESPAH_SA_CPUS, sa->cpus))
		return -EMSGSIZE;
	if (sa->dummy &&
	    (nla_put_u32(skb, sa->dummy->random ? ESPAH_SA_DUMMY_RANDOM : ESPAH_SA_DUMMY,
			 sa->dummy->interval) ||
	     nla_put_u64_64bit(skb, ESPAH_SA_DUMMIES, atomic64_read(&sa->dummy->sent),
			       ESPAH_SA_PAD)))
		return -EMSGSIZE;
	return sa->mode == ESPAH_MODE_TUNNEL ? put_tunnel(skb, sa) : 0;
}

int espah_put_sa(struct sk_buff *skb, struct espah_sa *sa, u8 with)
{
	struct espah_counters sum = espah_counters_sum(sa->counters);
	const struct espah_path *path = espah_sa_path(sa);

	lockdep_assert_held(&sa->en->lock);
	if (nla_put_u8(skb, ESPAH_SA_DIR, sa->id.dir) ||
	    nla_put_u8(skb, ESPAH_SA_PROTO, sa->id.proto) ||
	    nla_put_u8(skb, ESPAH_SA_MODE, sa->mode) ||
	    nla_put_be32(skb, ESPAH_SA_SPI, sa->id.spi) ||
	    espah_put_addr(skb, ESPAH_SA_SRC, &path->src, path->family) ||
	    espah_put_addr(skb, ESPAH_SA_DST, &path->dst, path->family) ||
	    (sa->id.vrf && nla_put_u32(skb, ESPAH_SA_VRF, sa->id.vrf)) ||
	    (sa->if_id && nla_put_u32(skb, ESPAH_SA_IF_ID, sa->if_id)) ||
	    nla_put_u32(skb, ESPAH_SA_REQID, sa->slot->id.reqid) ||
	    nla_put_u32(skb, ESPAH_SA_ID, sa->index) ||
	    nla_put_u8(skb, ESPAH_SA_STATE, sa->state) ||
	    nla_put_u64_64bit(skb, ESPAH_SA_PACKETS, sum.packets, ESPAH_SA_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_SA_BYTES, sum.bytes, ESPAH_SA_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_SA_ADDED, sa->added, ESPAH_SA_PAD) ||
	    put_life(skb, sa))
		return -EMSGSIZE;
	if (path->encap_len &&
	    (nla_put_be16(skb, ESPAH_SA_ENCAP_SPORT, path->sport) ||
	     nla_put_be16(skb, ESPAH_SA_ENCAP_DPORT, path->dport)))
		return -EMSGSIZE;
	if (sa->mark_mask && (nla_put_u32(skb, ESPAH_SA_MARK, sa->mark) ||
			      nla_put_u32(skb, ESPAH_SA_MARK_MASK, sa->mark_mask)))
		return -EMSGSIZE;
	if ((sa->watch & ESPAH_WATCH_MARK) &&
	    (nla_put_u32(skb, ESPAH_SA_SEL_MARK, sa->sel_mark) ||
	     nla_put_u32(skb, ESPAH_SA_SEL_MARK_MASK, sa->sel_mark_mask)))
		return -EMSGSIZE;
	if (sa->dscps && nla_put_u64_64bit(skb, ESPAH_SA_FOR_DSCP, sa->dscps, ESPAH_SA_PAD))
		return -EMSGSIZE;
	if ((sa->label && nla_put_string(skb, ESPAH_SA_LABEL, sa->label)) ||
	    nla_put_u8(skb, ESPAH_SA_OWNER, sa->foreign ? ESPAH_OWNER_XFRM : sa->owner))
		return -EMSGSIZE;
	if (sa->state == ESPAH_SA_STATE_VALID && put_keyed(skb, sa, with))
		return -EMSGSIZE;
	return espah_put_drops(skb, ESPAH_SA_DROPS, espah_drops_get(&sa->drops));
}

/* --- policies --- */

int espah_put_template(struct sk_buff *skb, int type, struct espah_policy *pol,
		       const struct espah_flow *flow)
{
	struct nlattr *nests[ESPAH_BUNDLE_MAX];
	const union espah_addr *src, *dst;
	unsigned int i;

	for (i = 0; i <= pol->nouter; i++) {
		const struct espah_slot_id *tmpl = &espah_policy_tmpl(pol, i)->id;

		nests[i] = nla_nest_start(skb, i ? ESPAH_TMPL_OUTER : type);
		if (!nests[i] ||
		    nla_put_u8(skb, ESPAH_TMPL_PROTO, tmpl->proto) ||
		    nla_put_u8(skb, ESPAH_TMPL_MODE, tmpl->mode) ||
		    nla_put_u32(skb, ESPAH_TMPL_REQID, tmpl->reqid) ||
		    (tmpl->vrf && nla_put_u32(skb, ESPAH_TMPL_VRF, tmpl->vrf)))
			return -EMSGSIZE;
		src = &tmpl->src;
		dst = &tmpl->dst;
		if (espah_addr_any(dst)) {
			if (!flow)
				continue;
			src = &flow->src;
			dst = &flow->dst;
		}
		if (espah_put_addr(skb, ESPAH_TMPL_SRC, src, tmpl->family) ||
		    espah_put_addr(skb, ESPAH_TMPL_DST, dst, tmpl->family))
			return -EMSGSIZE;
	}
	while (i--)
		nla_nest_end(skb, nests[i]);
	return 0;
}

int espah_put_policy(struct sk_buff *skb, struct espah_policy *pol)
{
	struct espah_counters sum = espah_counters_sum(pol->counters);
	u32 if_id = espah_policy_if_id(pol);

	if (nla_put_u32(skb, ESPAH_POLICY_ID, pol->id) ||
	    nla_put_u8(skb, ESPAH_POLICY_DIR, pol->dir) ||
	    nla_put_u8(skb, ESPAH_POLICY_ACTION, pol->action) ||
	    nla_put_u32(skb, ESPAH_POLICY_PRIORITY, pol->priority) ||
	    nla_put(skb, ESPAH_POLICY_SELECTOR | NLA_F_NESTED, pol->given_len, pol->given) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_PACKETS, sum.packets, ESPAH_POLICY_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_BYTES, sum.bytes, ESPAH_POLICY_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_ADDED, pol->added, ESPAH_POLICY_PAD))
		return -EMSGSIZE;
	if (pol->action == ESPAH_ACTION_PROTECT &&
	    (espah_put_template(skb, ESPAH_POLICY_TEMPLATE, pol, NULL) ||
	     nla_put_u16(skb, ESPAH_POLICY_MSS, pol->mss)))
		return -EMSGSIZE;
	if (if_id && nla_put_u32(skb, ESPAH_POLICY_IF_ID, if_id))
		return -EMSGSIZE;
	if (pol->unreach && nla_put_flag(skb, ESPAH_POLICY_UNREACH))
		return -EMSGSIZE;
	if ((pol->pfp && nla_put_u32(skb, ESPAH_POLICY_PFP, pol->pfp)) ||
	    (pol->queue && nla_put_u32(skb, ESPAH_POLICY_QUEUE, pol->queue)))
		return -EMSGSIZE;
	if ((pol->label && nla_put_string(skb, ESPAH_POLICY_LABEL, pol->label)) ||
	    nla_put_u8(skb, ESPAH_POLICY_OWNER, pol->foreign ? ESPAH_OWNER_XFRM : pol->owner))
		return -EMSGSIZE;
	return espah_put_drops(skb, ESPAH_POLICY_DROPS, espah_drops_get(&pol->drops));
}
