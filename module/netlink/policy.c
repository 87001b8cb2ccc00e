// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include "attr.h"
#include "netlink.h"

static const struct nla_policy selector_policy[ESPAH_SEL_MAX + 1] = {
	[ESPAH_SEL_FAMILY] = ESPAH_NLA(family),
	[ESPAH_SEL_SRC] = ESPAH_NLA(addr),
	[ESPAH_SEL_SRC_LEN] = ESPAH_NLA(u8),
	[ESPAH_SEL_DST] = ESPAH_NLA(addr),
	[ESPAH_SEL_DST_LEN] = ESPAH_NLA(u8),
	[ESPAH_SEL_PROTO] = ESPAH_NLA(u8),
	[ESPAH_SEL_SPORT_MIN] = ESPAH_NLA(u16),
	[ESPAH_SEL_SPORT_MAX] = ESPAH_NLA(u16),
	[ESPAH_SEL_DPORT_MIN] = ESPAH_NLA(u16),
	[ESPAH_SEL_DPORT_MAX] = ESPAH_NLA(u16),
};

static const struct nla_policy template_policy[ESPAH_TMPL_MAX + 1] = {
	[ESPAH_TMPL_PROTO] = ESPAH_NLA(ipsec),
	[ESPAH_TMPL_MODE] = ESPAH_NLA(mode),
	[ESPAH_TMPL_SRC] = ESPAH_NLA(addr),
	[ESPAH_TMPL_DST] = ESPAH_NLA(addr),
	[ESPAH_TMPL_REQID] = ESPAH_NLA(u32),
};

const struct nla_policy espah_policy_new_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_DIR] = ESPAH_NLA(dir),
	[ESPAH_POLICY_ACTION] = ESPAH_NLA(action),
	[ESPAH_POLICY_PRIORITY] = ESPAH_NLA(u32),
	[ESPAH_POLICY_SELECTOR] = NLA_POLICY_NESTED(selector_policy),
	[ESPAH_POLICY_TEMPLATE] = NLA_POLICY_NESTED(template_policy),
	[ESPAH_POLICY_MSS] = ESPAH_NLA(mss),
	[ESPAH_POLICY_REPLACE] = ESPAH_NLA(flag),
};

/* for DEL and GET */
const struct nla_policy espah_policy_get_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_ID] = ESPAH_NLA(u32),
	[ESPAH_POLICY_DIR] = ESPAH_NLA(dir),
	[ESPAH_POLICY_PRIORITY] = ESPAH_NLA(u32),
	[ESPAH_POLICY_SELECTOR] = NLA_POLICY_NESTED(selector_policy),
};

const struct nla_policy espah_policy_flush_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_DIR] = ESPAH_NLA(dir),
};

/* --- answers --- */

static int put_prefix(struct sk_buff *skb, int addr_type, int len_type,
		      const union espah_addr *addr, u8 len, u8 family)
{
	if (!len)
		return 0;
	return espah_put_addr(skb, addr_type, addr, family) ?: nla_put_u8(skb, len_type, len);
}

static int put_ports(struct sk_buff *skb, int min_type, int max_type, u16 min, u16 max)
{
	if (min == 0 && max == 0xffff)
		return 0;
	return nla_put_u16(skb, min_type, min) ?: nla_put_u16(skb, max_type, max);
}

/**
 * espah_put_selector - append a selector
 * @skb: message
 * @type: attribute, a nest
 * @sel: the selector
 *
 * Return: 0 or -EMSGSIZE.
 */
int espah_put_selector(struct sk_buff *skb, int type, const struct espah_selector *sel)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest ||
	    nla_put_u8(skb, ESPAH_SEL_FAMILY, sel->family) ||
	    put_prefix(skb, ESPAH_SEL_SRC, ESPAH_SEL_SRC_LEN, &sel->src, sel->src_len,
		       sel->family) ||
	    put_prefix(skb, ESPAH_SEL_DST, ESPAH_SEL_DST_LEN, &sel->dst, sel->dst_len,
		       sel->family) ||
	    (sel->proto && nla_put_u8(skb, ESPAH_SEL_PROTO, sel->proto)) ||
	    put_ports(skb, ESPAH_SEL_SPORT_MIN, ESPAH_SEL_SPORT_MAX, sel->sport_min,
		      sel->sport_max) ||
	    put_ports(skb, ESPAH_SEL_DPORT_MIN, ESPAH_SEL_DPORT_MAX, sel->dport_min,
		      sel->dport_max))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * espah_put_template - append a template
 * @skb: message
 * @type: attribute, a nest
 * @tmpl: the template; addresses that are all zero are left out
 *
 * Return: 0 or -EMSGSIZE.
 */
int espah_put_template(struct sk_buff *skb, int type, const struct espah_slot_id *tmpl)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest ||
	    nla_put_u8(skb, ESPAH_TMPL_PROTO, tmpl->proto) ||
	    nla_put_u8(skb, ESPAH_TMPL_MODE, tmpl->mode) ||
	    nla_put_u32(skb, ESPAH_TMPL_REQID, tmpl->reqid))
		return -EMSGSIZE;
	if (!espah_addr_any(&tmpl->dst) &&
	    (espah_put_addr(skb, ESPAH_TMPL_SRC, &tmpl->src, tmpl->family) ||
	     espah_put_addr(skb, ESPAH_TMPL_DST, &tmpl->dst, tmpl->family)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * espah_put_policy - append the attributes of a policy
 * @skb: message
 * @pol: the policy
 *
 * Context: espah_net.lock or RCU reader.
 * Return: 0 or -EMSGSIZE.
 */
int espah_put_policy(struct sk_buff *skb, const struct espah_policy *pol)
{
	struct espah_counters sum = espah_counters_sum(pol->counters);

	if (nla_put_u32(skb, ESPAH_POLICY_ID, pol->id) ||
	    nla_put_u8(skb, ESPAH_POLICY_DIR, pol->dir) ||
	    nla_put_u8(skb, ESPAH_POLICY_ACTION, pol->action) ||
	    nla_put_u32(skb, ESPAH_POLICY_PRIORITY, pol->rule.priority) ||
	    espah_put_selector(skb, ESPAH_POLICY_SELECTOR, &pol->rule.sel) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_PACKETS, sum.packets, ESPAH_POLICY_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_BYTES, sum.bytes, ESPAH_POLICY_PAD) ||
	    nla_put_u64_64bit(skb, ESPAH_POLICY_ADDED, pol->added, ESPAH_POLICY_PAD))
		return -EMSGSIZE;
	if (pol->action == ESPAH_ACTION_PROTECT &&
	    (espah_put_template(skb, ESPAH_POLICY_TEMPLATE, &pol->tmpl) ||
	     nla_put_u16(skb, ESPAH_POLICY_MSS, pol->mss)))
		return -EMSGSIZE;
	return espah_put_drops(skb, ESPAH_POLICY_DROPS, espah_drops_get(&pol->drops));
}

static int put_message(struct sk_buff *skb, u32 portid, u32 seq, int flags,
		       struct netlink_callback *cb, const struct espah_policy *pol)
{
	void *hdr = genlmsg_put(skb, portid, seq, &espah_family, flags, ESPAH_CMD_POLICY_NEW);

	if (!hdr)
		return -EMSGSIZE;
	if (cb)
		genl_dump_check_consistent(cb, hdr);
	if (espah_put_policy(skb, pol)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* --- selectors and templates of requests --- */

static int parse_nest(struct nlattr **attrs, int max, const struct nlattr *nest,
		      const struct nla_policy *policy, struct netlink_ext_ack *extack)
{
	return nla_parse_nested(attrs, max, nest, policy, extack) ?:
	       espah_attrs_once(nla_data(nest), nla_len(nest), extack);
}

/* Reads one of the two prefixes; the family must be that of the other, if it is known. */
static int get_prefix(const struct nlattr *attr, const struct nlattr *len_attr,
		      union espah_addr *addr, u8 *len, u8 *family, struct netlink_ext_ack *extack)
{
	u8 own, bits;

	if (!attr) {
		if (!len_attr)
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, len_attr, "a prefix length needs its address");
		return -EINVAL;
	}
	own = espah_get_addr(attr, addr);
	bits = own == AF_INET ? 32 : 128;
	if (*family && *family != own) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "the selector mixes IPv4 and IPv6");
		return -EINVAL;
	}
	*family = own;
	*len = espah_get_u8(len_attr, bits);
	if (*len > bits) {
		espah_err_fmt(extack, len_attr, "a prefix is longer than its address",
			      "a prefix length is at most %u here, got %u", bits, *len);
		return -EINVAL;
	}
	return 0;
}

static int get_ports(const struct nlattr *min_attr, const struct nlattr *max_attr, u16 *min,
		     u16 *max, struct netlink_ext_ack *extack)
{
	*min = 0;
	*max = 0xffff;
	if (!min_attr) {
		if (!max_attr)
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, max_attr, "a highest port needs its lowest one");
		return -EINVAL;
	}
	*min = nla_get_u16(min_attr);
	*max = max_attr ? nla_get_u16(max_attr) : *min;
	return 0;
}

static int get_selector(const struct nlattr *nest, struct espah_selector *sel,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[ESPAH_SEL_MAX + 1];
	const char *wrong;
	int err = parse_nest(attrs, ESPAH_SEL_MAX, nest, selector_policy, extack);

	if (err)
		return err;
	memset(sel, 0, sizeof(*sel));
	sel->family = espah_get_u8(attrs[ESPAH_SEL_FAMILY], 0);
	sel->proto = espah_get_u8(attrs[ESPAH_SEL_PROTO], 0);
	err = get_prefix(attrs[ESPAH_SEL_SRC], attrs[ESPAH_SEL_SRC_LEN], &sel->src, &sel->src_len,
			 &sel->family, extack) ?:
	      get_prefix(attrs[ESPAH_SEL_DST], attrs[ESPAH_SEL_DST_LEN], &sel->dst, &sel->dst_len,
			 &sel->family, extack) ?:
	      get_ports(attrs[ESPAH_SEL_SPORT_MIN], attrs[ESPAH_SEL_SPORT_MAX], &sel->sport_min,
			&sel->sport_max, extack) ?:
	      get_ports(attrs[ESPAH_SEL_DPORT_MIN], attrs[ESPAH_SEL_DPORT_MAX], &sel->dport_min,
			&sel->dport_max, extack);
	if (err)
		return err;
	if (!sel->family) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a selector without addresses needs ESPAH_SEL_FAMILY");
		return -EINVAL;
	}
	wrong = espah_selector_check(sel);
	if (wrong) {
		espah_err_text(extack, nest, wrong);
		return -EINVAL;
	}
	return 0;
}

static int get_template_addrs(struct espah_slot_id *tmpl, const struct nlattr *nest,
			      struct nlattr **attrs, u8 family, struct netlink_ext_ack *extack)
{
	bool both = attrs[ESPAH_TMPL_SRC] && attrs[ESPAH_TMPL_DST];
	int err;

	tmpl->family = family;
	if (tmpl->mode == ESPAH_MODE_TUNNEL && !both) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a tunnel template needs ESPAH_TMPL_SRC and ESPAH_TMPL_DST");
		return -EINVAL;
	}
	if (!both) {
		if (!attrs[ESPAH_TMPL_SRC] && !attrs[ESPAH_TMPL_DST])
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a transport template takes both ESPAH_TMPL_SRC and ESPAH_TMPL_DST or neither");
		return -EINVAL;
	}
	err = espah_get_endpoints(attrs[ESPAH_TMPL_SRC], attrs[ESPAH_TMPL_DST], &tmpl->src,
				  &tmpl->dst, &tmpl->family, extack);
	if (err)
		return err;
	if (tmpl->mode == ESPAH_MODE_TRANSPORT && tmpl->family != family) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a transport template has the family of the selector");
		return -EINVAL;
	}
	return 0;
}

static int get_template(const struct nlattr *nest, struct espah_policy *pol,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[ESPAH_TMPL_MAX + 1];
	struct espah_slot_id *tmpl = &pol->tmpl;
	int err = parse_nest(attrs, ESPAH_TMPL_MAX, nest, template_policy, extack);

	if (err)
		return err;
	if (!attrs[ESPAH_TMPL_MODE]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "ESPAH_TMPL_MODE is missing");
		NL_SET_ERR_ATTR_MISS(extack, (struct nlattr *)nest, ESPAH_TMPL_MODE);
		return -EINVAL;
	}
	tmpl->dir = pol->dir;
	tmpl->mode = nla_get_u8(attrs[ESPAH_TMPL_MODE]);
	tmpl->proto = espah_get_u8(attrs[ESPAH_TMPL_PROTO], IPPROTO_ESP);
	tmpl->reqid = espah_get_u32(attrs[ESPAH_TMPL_REQID], 0);
	return get_template_addrs(tmpl, nest, attrs, pol->rule.sel.family, extack);
}

/* --- requests --- */

/* What only protect policies have. */
static int get_protection(struct espah_policy *pol, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	int err;

	pol->mss = ESPAH_MSS_OFF;
	if (pol->action != ESPAH_ACTION_PROTECT)
		return espah_refuse(extack, attrs, ESPAH_POLICY_TEMPLATE,
				    "goes with the action protect only") ?:
		       espah_refuse(extack, attrs, ESPAH_POLICY_MSS,
				    "goes with the action protect only");
	err = espah_need(extack, attrs, ESPAH_POLICY_TEMPLATE) ?:
	      get_template(attrs[ESPAH_POLICY_TEMPLATE], pol, extack);
	if (err)
		return err;
	pol->mss = attrs[ESPAH_POLICY_MSS] ? nla_get_u16(attrs[ESPAH_POLICY_MSS]) : ESPAH_MSS_AUTO;
	return 0;
}

static int get_policy(struct espah_policy *pol, struct nlattr **attrs,
		      struct netlink_ext_ack *extack)
{
	int err = espah_need(extack, attrs, ESPAH_POLICY_DIR) ?:
		  espah_need(extack, attrs, ESPAH_POLICY_ACTION) ?:
		  espah_need(extack, attrs, ESPAH_POLICY_SELECTOR);

	if (err)
		return err;
	pol->dir = nla_get_u8(attrs[ESPAH_POLICY_DIR]);
	pol->action = nla_get_u8(attrs[ESPAH_POLICY_ACTION]);
	pol->rule.priority = espah_get_u32(attrs[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT);
	return get_selector(attrs[ESPAH_POLICY_SELECTOR], &pol->rule.sel, extack) ?:
	       get_protection(pol, attrs, extack);
}

/* Makes a policy effective, with hooks to match, or leaves all as it was. */
static int add_policy(struct espah_net *en, struct espah_policy *pol, bool replace,
		      struct netlink_ext_ack *extack)
{
	int err;

	if (en->dying) {
		NL_SET_ERR_MSG(extack, "the network namespace is going away");
		err = -ENODEV;
	} else {
		err = espah_spd_add(en, pol, replace, extack);
	}
	if (err) {
		espah_policy_free(pol);
		return err;
	}
	/* cannot fail after a replacement: the hooks are there */
	err = espah_hooks_update(en);
	if (err) {
		NL_SET_ERR_MSG(extack, "the netfilter hooks could not be registered");
		espah_spd_del(en, pol);
	}
	return err;
}

/**
 * espah_cmd_policy_new - ESPAH_CMD_POLICY_NEW
 * @skb: request
 * @info: its attributes
 *
 * Return: 0 or -errno.
 */
int espah_cmd_policy_new(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_policy *pol = espah_policy_alloc();
	struct sk_buff *answer;
	int err;

	if (!pol)
		return -ENOMEM;
	err = get_policy(pol, info->attrs, info->extack);
	if (err)
		goto err_policy;
	answer = genlmsg_new(ESPAH_MSG_SIZE, GFP_KERNEL);
	if (!answer) {
		err = -ENOMEM;
		goto err_policy;
	}
	mutex_lock(&en->lock);
	err = add_policy(en, pol, info->attrs[ESPAH_POLICY_REPLACE], info->extack);
	if (!err) {
		espah_event_policy(en, pol, ESPAH_CMD_POLICY_NEW);
		err = put_message(answer, info->snd_portid, info->snd_seq, 0, NULL, pol);
	}
	mutex_unlock(&en->lock);
	if (err) {
		nlmsg_free(answer);
		return err;
	}
	return genlmsg_reply(answer, info);

err_policy:
	espah_policy_free(pol);
	return err;
}

static struct espah_policy *find_by_id(struct espah_net *en, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	u32 id = nla_get_u32(attrs[ESPAH_POLICY_ID]);
	struct espah_policy *pol;
	int err = espah_refuse(info->extack, attrs, ESPAH_POLICY_DIR,
			       "does not go with ESPAH_POLICY_ID") ?:
		  espah_refuse(info->extack, attrs, ESPAH_POLICY_SELECTOR,
			       "does not go with ESPAH_POLICY_ID") ?:
		  espah_refuse(info->extack, attrs, ESPAH_POLICY_PRIORITY,
			       "does not go with ESPAH_POLICY_ID");

	if (err)
		return ERR_PTR(err);
	pol = espah_spd_by_id(&en->spd, id);
	if (pol)
		return pol;
	espah_err_fmt(info->extack, attrs[ESPAH_POLICY_ID], "no policy has this id",
		      "no policy has the id %u", id);
	return ERR_PTR(-ENOENT);
}

/* The policy that a request names. Context: espah_net.lock. */
static struct espah_policy *find_policy(struct espah_net *en, struct genl_info *info)
{
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;
	struct espah_selector sel;
	struct espah_policy *pol;
	int err;

	if (attrs[ESPAH_POLICY_ID])
		return find_by_id(en, info);
	err = espah_need(extack, attrs, ESPAH_POLICY_DIR) ?:
	      espah_need(extack, attrs, ESPAH_POLICY_SELECTOR) ?:
	      get_selector(attrs[ESPAH_POLICY_SELECTOR], &sel, extack);
	if (err)
		return ERR_PTR(err);
	pol = espah_spd_find(&en->spd, nla_get_u8(attrs[ESPAH_POLICY_DIR]), &sel,
			     espah_get_u32(attrs[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT));
	if (pol)
		return pol;
	NL_SET_ERR_MSG(extack, "no policy has this direction, selector and priority");
	return ERR_PTR(-ENOENT);
}

/**
 * espah_cmd_policy_del - ESPAH_CMD_POLICY_DEL
 * @skb: request
 * @info: its attributes
 *
 * Return: 0 or -errno.
 */
int espah_cmd_policy_del(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_policy *pol;
	int err = 0;

	mutex_lock(&en->lock);
	pol = find_policy(en, info);
	if (IS_ERR(pol)) {
		err = PTR_ERR(pol);
	} else {
		espah_event_policy(en, pol, ESPAH_CMD_POLICY_DEL);
		espah_spd_del(en, pol);
		espah_hooks_update(en);
	}
	mutex_unlock(&en->lock);
	return err;
}

/**
 * espah_cmd_policy_get - ESPAH_CMD_POLICY_GET for one policy
 * @skb: request
 * @info: its attributes
 *
 * Return: 0 or -errno.
 */
int espah_cmd_policy_get(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct sk_buff *answer = genlmsg_new(ESPAH_MSG_SIZE, GFP_KERNEL);
	struct espah_policy *pol;
	int err;

	if (!answer)
		return -ENOMEM;
	mutex_lock(&en->lock);
	pol = find_policy(en, info);
	if (IS_ERR(pol))
		err = PTR_ERR(pol);
	else
		err = put_message(answer, info->snd_portid, info->snd_seq, 0, NULL, pol);
	mutex_unlock(&en->lock);
	if (err) {
		nlmsg_free(answer);
		return err;
	}
	return genlmsg_reply(answer, info);
}

/* Not genl_ops.start, whose texts 6.1 loses. */
static int check_dump(struct netlink_callback *cb, struct nlattr **attrs)
{
	return espah_message_once(cb->nlh, cb->extack) ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_ID, "is not for dumps") ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_PRIORITY, "is not for dumps") ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_SELECTOR, "is not for dumps");
}

static bool wanted(const struct espah_policy *pol, struct nlattr **attrs)
{
	return !attrs[ESPAH_POLICY_DIR] || nla_get_u8(attrs[ESPAH_POLICY_DIR]) == pol->dir;
}

/**
 * espah_dump_policy - ESPAH_CMD_POLICY_GET for many policies: one message full
 * @skb: the message
 * @cb: the dump; cb->args[0] is the id of the policy to go on with
 *
 * Return: bytes, 0 at the end, or -errno.
 */
int espah_dump_policy(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	struct nlattr **attrs = espah_dump_attrs(cb);
	unsigned long id = cb->args[0];
	int err = check_dump(cb, attrs);
	struct espah_policy *pol;

	if (err)
		return err;
	mutex_lock(&en->lock);
	cb->seq = en->spd.generation;
	xa_for_each_start(&en->spd.index, id, pol, cb->args[0]) {
		if (wanted(pol, attrs) &&
		    put_message(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, NLM_F_MULTI,
				cb, pol))
			break;
		cb->args[0] = id + 1;
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return skb->len;
}

/**
 * espah_cmd_policy_flush - ESPAH_CMD_POLICY_FLUSH
 * @skb: request
 * @info: its attributes
 *
 * Return: 0.
 */
int espah_cmd_policy_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_policy *pol;
	unsigned long id;

	mutex_lock(&en->lock);
	xa_for_each(&en->spd.index, id, pol) {
		if (wanted(pol, info->attrs))
			espah_spd_del(en, pol);
		cond_resched();
	}
	espah_event_policy_flush(en, info->attrs);
	espah_hooks_update(en);
	mutex_unlock(&en->lock);
	return 0;
}
