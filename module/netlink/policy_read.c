// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include "attr.h"
#include "db/account.h"
#include "netlink.h"
#include "policy_read.h"

static const struct nla_policy template_policy[ESPAH_TMPL_MAX + 1];

static const struct nla_policy template_policy[ESPAH_TMPL_MAX + 1] = {
	[ESPAH_TMPL_PROTO] = { .type = NLA_U8 },
	[ESPAH_TMPL_MODE] = { .type = NLA_U8 },
	[ESPAH_TMPL_SRC] = { .type = NLA_BINARY },
	[ESPAH_TMPL_DST] = { .type = NLA_BINARY },
	[ESPAH_TMPL_REQID] = { .type = NLA_U32 },
	[ESPAH_TMPL_VRF] = { .type = NLA_U32 },
	[ESPAH_TMPL_OUTER] = NLA_POLICY_NESTED(template_policy),
};

const struct nla_policy espah_policy_new_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_DIR] = { .type = NLA_U8 },
	[ESPAH_POLICY_ACTION] = { .type = NLA_U8 },
	[ESPAH_POLICY_PRIORITY] = { .type = NLA_U32 },
	[ESPAH_POLICY_SELECTOR] = NLA_POLICY_NESTED(espah_selector_policy),
	[ESPAH_POLICY_TEMPLATE] = NLA_POLICY_NESTED(template_policy),
	[ESPAH_POLICY_MSS] = { .type = NLA_U16 },
	[ESPAH_POLICY_REPLACE] = { .type = NLA_FLAG },
	[ESPAH_POLICY_LABEL] = { .type = NLA_NUL_STRING },
	[ESPAH_POLICY_PFP] = { .type = NLA_U32 },
	[ESPAH_POLICY_QUEUE] = { .type = NLA_U32 },
	[ESPAH_POLICY_UNREACH] = { .type = NLA_FLAG },
	[ESPAH_POLICY_IF_ID] = { .type = NLA_U32 },
	[ESPAH_POLICY_OWNER] = { .type = NLA_U8 },
	/* ignored; POLICY_NEW accepts an answer of POLICY_GET */
	[ESPAH_POLICY_ID] = { .type = NLA_U32 },
	[ESPAH_POLICY_PACKETS] = { .type = NLA_U64 },
	[ESPAH_POLICY_BYTES] = { .type = NLA_U64 },
	[ESPAH_POLICY_ADDED] = { .type = NLA_U64 },
	[ESPAH_POLICY_DROPS] = { .type = NLA_NESTED },
	[ESPAH_POLICY_PAD] = { .type = NLA_FLAG },
};

/* --- templates --- */

/* Copies the addresses of the template inside a transport template. */
static int get_inside_addrs(struct espah_slot_id *tmpl, const struct nlattr *nest,
			    const struct espah_slot_id *inside, struct netlink_ext_ack *extack)
{
	if (!espah_addr_any(&tmpl->dst) &&
	    (tmpl->family != inside->family || !espah_addr_equal(&tmpl->src, &inside->src) ||
	     !espah_addr_equal(&tmpl->dst, &inside->dst))) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "transport mode keeps the addresses, so an outer transport template must have the addresses of the template inside it, or none");
		return -EINVAL;
	}
	tmpl->family = inside->family;
	tmpl->src = inside->src;
	tmpl->dst = inside->dst;
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
				  &tmpl->dst, &tmpl->family,
				  tmpl->mode == ESPAH_MODE_TRANSPORT, extack);
	if (err)
		return err;
	if (tmpl->mode == ESPAH_MODE_TRANSPORT && tmpl->family != family) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a transport template must have the family of the selector");
		return -EINVAL;
	}
	return 0;
}

/**
 * get_template - read one of several nested templates
 * @net: network namespace
 * @nest: the attribute
 * @tmpl: set to the template
 * @inside: template whose SA is applied before, and in which this one is nested; or NULL
 * @pol: the policy, with @dir and rules set
 * @outer: set to the attribute nested in this template, or NULL
 * @extack: gets a sentence on failure
 *
 * Return: 0 or -EINVAL.
 */
static int get_template(struct net *net, const struct nlattr *nest, struct espah_slot_id *tmpl,
			const struct espah_slot_id *inside, const struct espah_policy *pol,
			const struct nlattr **outer, struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[ESPAH_TMPL_MAX + 1];
	int err = espah_parse_nest(attrs, ESPAH_TMPL_MAX, nest, espah_template_checks,
				   extack);

	if (err)
		return err;
	*outer = attrs[ESPAH_TMPL_OUTER];
	if (!attrs[ESPAH_TMPL_MODE]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "ESPAH_TMPL_MODE is missing");
		NL_SET_ERR_ATTR_MISS(extack, (struct nlattr *)nest, ESPAH_TMPL_MODE);
		return -EINVAL;
	}
	tmpl->dir = pol->dir;
	tmpl->if_id = espah_policy_if_id(pol);
	tmpl->mode = nla_get_u8(attrs[ESPAH_TMPL_MODE]);
	tmpl->proto = espah_get_u8(attrs[ESPAH_TMPL_PROTO], IPPROTO_ESP);
	tmpl->reqid = espah_get_u32(attrs[ESPAH_TMPL_REQID], 0);
	tmpl->vrf = espah_get_u32(attrs[ESPAH_TMPL_VRF], 0);
	err = espah_known_vrf(net, attrs[ESPAH_TMPL_VRF], extack);
	if (err)
		return err;
	err = get_template_addrs(tmpl, nest, attrs, inside ? inside->family :
				 pol->rules->sel.family, extack);
	if (!err && inside && tmpl->mode == ESPAH_MODE_TRANSPORT)
		err = get_inside_addrs(tmpl, nest, inside, extack);
	return err;
}

static int get_templates(struct net *net, const struct nlattr *nest, struct espah_policy *pol,
			 struct netlink_ext_ack *extack)
{
	struct espah_template *outer;
	int err = get_template(net, nest, &pol->tmpl.id, NULL, pol, &nest, extack);

	while (!err && nest) {
		if (pol->nouter == ESPAH_BUNDLE_MAX - 1) {
			NL_SET_ERR_MSG_ATTR(extack, nest, "a policy can require at most "
					    __stringify(ESPAH_BUNDLE_MAX) " SAs");
			return -EINVAL;
		}
		outer = krealloc(pol->outer, (pol->nouter + 1) * sizeof(*outer),
				 GFP_KERNEL_ACCOUNT);
		if (!outer)
			return -ENOMEM;
		pol->outer = outer;
		memset(&outer[pol->nouter], 0, sizeof(*outer));
		err = get_template(net, nest, &outer[pol->nouter].id,
				   &espah_policy_tmpl(pol, pol->nouter)->id, pol, &nest, extack);
		pol->nouter++;
	}
	return err;
}

/* --- policies --- */

/* Reads the attributes that only protect policies have. */
static int get_protection(struct net *net, struct espah_policy *pol, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	int err;

	pol->mss = ESPAH_MSS_OFF;
	if (pol->action != ESPAH_ACTION_PROTECT)
		return espah_refuse(extack, attrs, ESPAH_POLICY_TEMPLATE,
				    "is for the action protect only") ?:
		       espah_refuse(extack, attrs, ESPAH_POLICY_PFP,
				    "is for the action protect only") ?:
		       espah_refuse(extack, attrs, ESPAH_POLICY_QUEUE,
				    "is for the action protect only") ?:
		       espah_refuse(extack, attrs, ESPAH_POLICY_MSS,
				    "is for the action protect only");
	err = espah_need(extack, attrs, ESPAH_POLICY_TEMPLATE) ?:
	      get_templates(net, attrs[ESPAH_POLICY_TEMPLATE], pol, extack);
	if (err)
		return err;
	if (pol->dir == ESPAH_DIR_IN)
		err = espah_refuse(extack, attrs, ESPAH_POLICY_QUEUE, "is for outbound policies");
	else if (attrs[ESPAH_POLICY_PFP])
		err = espah_refuse(extack, attrs, ESPAH_POLICY_QUEUE,
				   "cannot be combined with ESPAH_POLICY_PFP: its SAs belong to other policies");
	if (err)
		return err;
	pol->queue = espah_get_u32(attrs[ESPAH_POLICY_QUEUE], 0);
	pol->pfp = espah_get_u32(attrs[ESPAH_POLICY_PFP], 0);
	if (pol->pfp & (ESPAH_PFP_SPORT | ESPAH_PFP_DPORT) && !(pol->pfp & ESPAH_PFP_PROTO) &&
	    !pol->rules->sel.proto) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_POLICY_PFP],
				    "ports taken from the packet need a protocol, in the selector or from the packet");
		return -EINVAL;
	}
	if (pol->pfp & (ESPAH_PFP_SPORT | ESPAH_PFP_DPORT) && pol->rules->sel.opaque) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_POLICY_PFP],
				    "opaque ports are unknown, so they cannot be taken from the packet");
		return -EINVAL;
	}
	pol->mss = attrs[ESPAH_POLICY_MSS] ? nla_get_u16(attrs[ESPAH_POLICY_MSS]) : ESPAH_MSS_AUTO;
	return 0;
}

static int get_policy(struct net *net, struct espah_policy *pol, struct nlattr **attrs,
		      struct netlink_ext_ack *extack)
{
	pol->dir = nla_get_u8(attrs[ESPAH_POLICY_DIR]);
	pol->action = nla_get_u8(attrs[ESPAH_POLICY_ACTION]);
	pol->unreach = attrs[ESPAH_POLICY_UNREACH];
	pol->owner = espah_get_u8(attrs[ESPAH_POLICY_OWNER], ESPAH_OWNER_HAND);
	if (espah_policy_if_id(pol) && pol->action == ESPAH_ACTION_BYPASS) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_POLICY_ACTION],
				    "nothing leaves a device of kind espah in clear: with ESPAH_POLICY_IF_ID the action is protect or discard");
		return -EINVAL;
	}
	if (pol->unreach && (pol->dir == ESPAH_DIR_IN || pol->action == ESPAH_ACTION_BYPASS))
		return espah_refuse(extack, attrs, ESPAH_POLICY_UNREACH,
				    "is for outbound policies that discard or protect");
	if (attrs[ESPAH_POLICY_LABEL]) {
		pol->label = nla_strdup(attrs[ESPAH_POLICY_LABEL], GFP_KERNEL_ACCOUNT);
		if (!pol->label)
			return -ENOMEM;
	}
	return get_protection(net, pol, attrs, extack);
}

struct espah_policy *espah_read_policy(struct espah_net *en, struct nlattr **attrs,
				       const struct sk_buff *skb, unsigned int present,
				       struct espah_selectors *set, struct netlink_ext_ack *extack)
{
	struct nlattr *selector = attrs[ESPAH_POLICY_SELECTOR];
	struct espah_account *account;
	struct espah_policy *pol;
	int err = espah_need(extack, attrs, ESPAH_POLICY_DIR) ?:
		  espah_need(extack, attrs, ESPAH_POLICY_ACTION) ?:
		  espah_need(extack, attrs, ESPAH_POLICY_SELECTOR) ?:
		  espah_get_selectors(selector, attrs[ESPAH_POLICY_IF_ID], set, extack);

	if (err)
		return ERR_PTR(err);
	err = espah_account_charge(&account, en->net, ESPAH_ACCOUNT_POLICY, present, skb, extack);
	if (err)
		goto err_selectors;
	pol = espah_policy_alloc(set, espah_get_u32(attrs[ESPAH_POLICY_PRIORITY],
						    ESPAH_PRIORITY_DEFAULT),
				 nla_data(selector), nla_len(selector));
	if (!pol) {
		espah_account_uncharge(account, ESPAH_ACCOUNT_POLICY);
		err = -ENOMEM;
		goto err_selectors;
	}
	pol->account = account;
	err = get_policy(en->net, pol, attrs, extack);
	if (!err)
		return pol;
	espah_policy_free(pol);
err_selectors:
	espah_selectors_free(set);
	return ERR_PTR(err);
}
