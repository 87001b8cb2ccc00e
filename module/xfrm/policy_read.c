// SPDX-License-Identifier: GPL-2.0-only
/* Reading of policies, selectors and templates. */
#include <linux/slab.h>
#include "db/account.h"
#include "nlx.h"

/* packets that wait for the first SA of a policy; XFRM's policies have such a queue, too */
#define QUEUE 16

/* --- selectors --- */

static bool leading(u16 mask)
{
	u16 rest = ~mask;

	return !(rest & (rest + 1));
}

static int read_ports(struct nlx_request *rq, __be16 port, __be16 mask, u16 *min, u16 *max)
{
	u16 bits = ntohs(mask);

	if (!leading(bits))
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"a mask of ports must be one of leading bits, so that it is a range");
	*min = ntohs(port) & bits;
	*max = *min | (u16)~bits;
	return 0;
}

int nlx_read_selector(struct nlx_request *rq, const struct xfrm_selector *from,
		      struct espah_selector *sel)
{
	const struct nlattr *mark_attr = rq->attrs[XFRMA_MARK];
	const struct nlattr *if_id = rq->attrs[XFRMA_IF_ID];
	const struct xfrm_mark *mark = mark_attr ? nla_data(mark_attr) : NULL;
	u8 bits = from->family == AF_INET ? 32 : 128;
	int err;

	memset(sel, 0, sizeof(*sel));
	if (from->family != AF_INET && from->family != AF_INET6)
		return NLX_FAIL(rq, -EINVAL, "the selector's family is neither IPv4 nor IPv6");
	if (from->prefixlen_s > bits || from->prefixlen_d > bits)
		return NLX_FAIL(rq, -EINVAL, "a prefix of the selector is longer than its address");
	if (from->user)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah's selectors have no user");
	if (from->ifindex < 0)
		return NLX_FAIL(rq, -EINVAL, "the selector's device is negative");
	sel->family = from->family;
	sel->proto = from->proto;
	nlx_addr_in(&sel->src, &from->saddr, from->family);
	nlx_addr_in(&sel->dst, &from->daddr, from->family);
	sel->src_len = from->prefixlen_s;
	sel->dst_len = from->prefixlen_d;
	espah_addr_mask(&sel->src, sel->family, sel->src_len);
	espah_addr_mask(&sel->dst, sel->family, sel->dst_len);
	if (mark) {
		sel->mark = mark->v & mark->m;
		sel->mark_mask = mark->m;
	}
	sel->ifindex = from->ifindex;
	if (if_id && nla_get_u32(if_id)) {
		if (from->ifindex)
			return NLX_FAIL(rq, -EOPNOTSUPP,
					"a policy with if_id cannot name a device as well");
		sel->linked = true;
		sel->ifindex = nla_get_u32(if_id);
	}
	err = read_ports(rq, from->sport, from->sport_mask, &sel->sport_min, &sel->sport_max) ?:
	      read_ports(rq, from->dport, from->dport_mask, &sel->dport_min, &sel->dport_max);
	/* such a policy would match no packet: what it is to protect would pass in clear */
	if (!err && sel->proto && espah_selector_has_ports(sel) &&
	    espah_proto_fields(sel->proto) == ESPAH_FIELDS_NONE)
		err = NLX_FAIL(rq, -EOPNOTSUPP,
			       "espah knows no ports of this protocol, nor keys of GRE: name the protocol alone");
	return err;
}

/* The selector as generic netlink has it; Return: its bytes in @skb, or -EMSGSIZE */
static int put_given(struct sk_buff *skb, const struct espah_selector *sel)
{
	unsigned int len = sel->family == AF_INET ? 4 : 16;

	if (nla_put_u8(skb, ESPAH_SEL_FAMILY, sel->family) ||
	    (sel->src_len && (nla_put(skb, ESPAH_SEL_SRC, len, &sel->src) ||
			      nla_put_u8(skb, ESPAH_SEL_SRC_LEN, sel->src_len))) ||
	    (sel->dst_len && (nla_put(skb, ESPAH_SEL_DST, len, &sel->dst) ||
			      nla_put_u8(skb, ESPAH_SEL_DST_LEN, sel->dst_len))) ||
	    (sel->proto && nla_put_u8(skb, ESPAH_SEL_PROTO, sel->proto)))
		return -EMSGSIZE;
	if (espah_proto_fields(sel->proto) == ESPAH_FIELDS_ICMP) {
		const u8 types[2] = { sel->sport_min, min_t(u16, sel->sport_max, U8_MAX) };
		const u8 codes[2] = { sel->dport_min, min_t(u16, sel->dport_max, U8_MAX) };

		if ((sel->sport_max != U16_MAX &&
		     nla_put(skb, ESPAH_SEL_ICMP_TYPES, sizeof(types), types)) ||
		    (sel->dport_max != U16_MAX &&
		     nla_put(skb, ESPAH_SEL_ICMP_CODES, sizeof(codes), codes)))
			return -EMSGSIZE;
	} else if (espah_selector_has_ports(sel) &&
		   (nla_put_be16(skb, ESPAH_SEL_SPORT_MIN, htons(sel->sport_min)) ||
		    nla_put_be16(skb, ESPAH_SEL_SPORT_MAX, htons(sel->sport_max)) ||
		    nla_put_be16(skb, ESPAH_SEL_DPORT_MIN, htons(sel->dport_min)) ||
		    nla_put_be16(skb, ESPAH_SEL_DPORT_MAX, htons(sel->dport_max)))) {
		return -EMSGSIZE;
	}
	if (sel->mark_mask && (nla_put_u32(skb, ESPAH_SEL_MARK, sel->mark) ||
			       nla_put_u32(skb, ESPAH_SEL_MARK_MASK, sel->mark_mask)))
		return -EMSGSIZE;
	if (sel->ifindex && !sel->linked && nla_put_u32(skb, ESPAH_SEL_IFINDEX, sel->ifindex))
		return -EMSGSIZE;
	return skb->len;
}

static struct espah_policy *alloc_policy(const struct espah_selector *sel, u32 priority)
{
	struct espah_selectors set = { .n = 1, .one = *sel };
	struct sk_buff *given = alloc_skb(256, GFP_KERNEL);
	struct espah_policy *pol = NULL;

	set.sel = &set.one;
	if (given && put_given(given, sel) > 0)
		pol = espah_policy_alloc(&set, priority, given->data, given->len);
	kfree_skb(given);
	return pol;
}

/* --- templates --- */

static int check_template(struct nlx_request *rq, const struct xfrm_user_tmpl *ut)
{
	if (ut->family != AF_INET && ut->family != AF_INET6)
		return NLX_FAIL(rq, -EINVAL, "a template's family is neither IPv4 nor IPv6");
	if (ut->mode >= XFRM_MODE_MAX)
		return NLX_FAIL(rq, -EINVAL, "unknown mode of a template");
	if (ut->mode != XFRM_MODE_TRANSPORT && ut->mode != XFRM_MODE_TUNNEL)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah's modes are transport and tunnel");
	if (ut->id.proto != IPPROTO_ESP && ut->id.proto != IPPROTO_AH)
		return NLX_FAIL(rq, ut->id.proto == IPPROTO_COMP ? -EOPNOTSUPP : -EINVAL,
				"espah's protocols are ESP and AH");
	if (ut->optional)
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah's policies require their SAs: level use would let packets pass in clear");
	return 0;
}

/*
 * Reads a template. In transport mode XFRM goes by the packet's addresses, whatever the template
 * says; around another SA they are that SA's.
 */
static int read_template(struct nlx_request *rq, const struct espah_policy *pol,
			 const struct xfrm_user_tmpl *ut, const struct espah_template *inside,
			 struct espah_template *tmpl)
{
	struct espah_slot_id *id = &tmpl->id;

	id->family = ut->family;
	id->proto = ut->id.proto;
	id->mode = ut->mode == XFRM_MODE_TUNNEL ? ESPAH_MODE_TUNNEL : ESPAH_MODE_TRANSPORT;
	id->dir = pol->dir;
	id->reqid = ut->reqid;
	id->wild = !ut->reqid;
	id->if_id = espah_policy_if_id(pol);
	tmpl->spi = ut->id.spi;
	if (id->mode == ESPAH_MODE_TUNNEL) {
		nlx_addr_in(&id->src, &ut->saddr, ut->family);
		nlx_addr_in(&id->dst, &ut->id.daddr, ut->family);
		if (pol->dir == ESPAH_DIR_OUT &&
		    espah_addr_any(&id->src) != espah_addr_any(&id->dst))
			return NLX_FAIL(rq, -EOPNOTSUPP,
					"an outbound tunnel needs both addresses of the gateways");
		return 0;
	}
	if (inside) {
		id->src = inside->id.src;
		id->dst = inside->id.dst;
		id->family = inside->id.family;
	} else if (ut->family != pol->rules[0].sel.family) {
		return NLX_FAIL(rq, -EINVAL, "transport mode cannot change the IP version");
	}
	return 0;
}

/* Whether a template can be left out: nothing is compressed for us unless we asked for it. */
static bool spare(const struct xfrm_user_tmpl *ut, u8 dir)
{
	return ut->optional && ut->id.proto == IPPROTO_COMP && dir != XFRM_POLICY_OUT;
}

static int read_templates(struct nlx_request *rq, struct espah_policy *pol, struct nlx_face *face)
{
	const struct nlattr *attr = rq->attrs[XFRMA_TMPL];
	const struct espah_template *inside = NULL;
	const struct xfrm_user_tmpl *ut;
	unsigned int i, n, used = 0;
	int err;

	if (!attr)
		return 0;
	n = nla_len(attr) / sizeof(*ut);
	if (n > XFRM_MAX_DEPTH)
		return NLX_FAIL(rq, -EINVAL, "too many templates");
	ut = nla_data(attr);
	for (i = 0; i < n; i++) {
		struct espah_template *tmpl;

		face->tmpl[i] = ut[i];
		if (!face->tmpl[i].family)
			face->tmpl[i].family = pol->rules[0].sel.family;
		if (spare(&ut[i], face->info.dir))
			continue;
		err = check_template(rq, &face->tmpl[i]);
		if (err)
			return err;
		if (used == ESPAH_BUNDLE_MAX)
			return NLX_FAIL(rq, -EOPNOTSUPP,
					"espah applies at most four SAs to a packet");
		if (used && !pol->outer) {
			pol->outer = kcalloc(ESPAH_BUNDLE_MAX - 1, sizeof(*pol->outer),
					     GFP_KERNEL_ACCOUNT);
			if (!pol->outer)
				return -ENOMEM;
		}
		tmpl = used ? &pol->outer[used - 1] : &pol->tmpl;
		err = read_template(rq, pol, &face->tmpl[i], inside, tmpl);
		if (err)
			return err;
		inside = tmpl;
		used++;
	}
	face->ntmpl = n;
	pol->nouter = used ? used - 1 : 0;
	if (used)
		pol->action = ESPAH_ACTION_PROTECT;
	return 0;
}

/* --- policies --- */

static bool limited(const struct xfrm_lifetime_cfg *lft)
{
	const u64 limits[] = {
		lft->soft_byte_limit, lft->hard_byte_limit, lft->soft_packet_limit,
		lft->hard_packet_limit,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i] && limits[i] != XFRM_INF)
			return true;
	return lft->soft_add_expires_seconds || lft->hard_add_expires_seconds ||
	       lft->soft_use_expires_seconds || lft->hard_use_expires_seconds;
}

static int check_policy(struct nlx_request *rq, const struct xfrm_userpolicy_info *info)
{
	const struct nlattr *type = rq->attrs[XFRMA_POLICY_TYPE];

	if (info->dir > XFRM_POLICY_FWD)
		return NLX_FAIL(rq, -EINVAL, "a policy's direction is in, out or fwd");
	if (info->share > XFRM_SHARE_UNIQUE)
		return NLX_FAIL(rq, -EINVAL, "unknown share");
	if (info->action != XFRM_POLICY_ALLOW && info->action != XFRM_POLICY_BLOCK)
		return NLX_FAIL(rq, -EINVAL, "a policy's action is allow or block");
	if (info->index && (info->index & XFRM_POLICY_MAX) != info->dir)
		return NLX_FAIL(rq, -EINVAL, "the policy's index is one of another direction");
	if (info->flags & NLX_POLICY_CPU_ACQUIRE)
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah's SAs are for all CPUs, so acquires are not for one CPU");
	if (type && ((struct xfrm_userpolicy_type *)nla_data(type))->type)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has no sub policies (Mobile IPv6)");
	if (rq->attrs[XFRMA_SEC_CTX])
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has no labelled IPsec");
	if (rq->attrs[XFRMA_OFFLOAD_DEV])
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah does not offload policies to devices");
	if (limited(&info->lft))
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah's policies have no lifetime: limit their SAs, or delete the policy");
	return 0;
}

struct espah_policy *nlx_read_policy(struct nlx_request *rq,
				     const struct xfrm_userpolicy_info *info,
				     const struct espah_selector *sel)
{
	struct espah_net *en = rq->en;
	struct espah_account *account;
	struct nlx_policy *given;
	struct espah_policy *pol;
	struct nlx_face *face;
	int err = check_policy(rq, info) ?:
		  espah_account_charge(&account, en->net, ESPAH_ACCOUNT_POLICY,
				       READ_ONCE(en->spd.count), rq->skb, rq->extack);

	if (err)
		return ERR_PTR(err);
	pol = alloc_policy(sel, info->priority);
	if (!pol) {
		espah_account_uncharge(account, ESPAH_ACCOUNT_POLICY);
		return ERR_PTR(-ENOMEM);
	}
	pol->account = account;
	pol->dir = nlx_espah_dir(info->dir);
	pol->label = kstrdup(NLX_LABEL, GFP_KERNEL_ACCOUNT);
	given = kzalloc(sizeof(*given), GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!pol->label || !given)
		goto err_policy;
	given->foreign.owner = THIS_MODULE;
	pol->foreign = &given->foreign;
	face = &given->face[nlx_which(info->dir)];
	face->set = true;
	face->info = *info;
	face->info.sel.family = sel->family;
	pol->action = ESPAH_ACTION_BYPASS;
	err = read_templates(rq, pol, face);
	if (err)
		goto err_policy;
	if (info->action == XFRM_POLICY_BLOCK)
		pol->action = ESPAH_ACTION_DISCARD;
	if (pol->action == ESPAH_ACTION_BYPASS && sel->linked) {
		err = NLX_FAIL(rq, -EOPNOTSUPP, "nothing leaves a device with if_id in clear");
		goto err_policy;
	}
	if (pol->action == ESPAH_ACTION_PROTECT) {
		pol->mss = ESPAH_MSS_AUTO;
		if (pol->dir == ESPAH_DIR_OUT)
			pol->queue = QUEUE;
	}
	return pol;

err_policy:
	if (!pol->foreign)
		kfree(given);
	espah_policy_free(pol);
	return ERR_PTR(err);
}

/* --- one policy of espah for two of XFRM --- */

/* How much a face protects: nothing, passes in clear, requires SAs, drops. */
static int strictness(const struct nlx_face *face)
{
	unsigned int i;

	if (!face->set)
		return 0;
	if (face->info.action == XFRM_POLICY_BLOCK)
		return 3;
	for (i = 0; i < face->ntmpl; i++)
		if (!spare(&face->tmpl[i], face->info.dir))
			return 2;
	return 1;
}

unsigned int nlx_ruling(const struct nlx_face *faces, unsigned int last)
{
	return strictness(&faces[!last]) > strictness(&faces[last]) ? !last : last;
}

struct espah_policy *nlx_policy_of(struct nlx_request *rq, const struct nlx_face *faces,
				   unsigned int last, const struct nlx_policy *given,
				   const struct espah_selector *sel)
{
	const struct nlx_face *face = &faces[nlx_ruling(faces, last)];
	struct nlattr *tmpl = kzalloc(NLA_HDRLEN + sizeof(face->tmpl), GFP_KERNEL);
	struct nlx_request changed = *rq;
	struct espah_policy *pol;

	if (!tmpl)
		return ERR_PTR(-ENOMEM);
	changed.attrs = kcalloc(NLX_ATTR_MAX + 1, sizeof(*changed.attrs), GFP_KERNEL);
	if (!changed.attrs) {
		kfree(tmpl);
		return ERR_PTR(-ENOMEM);
	}
	tmpl->nla_type = XFRMA_TMPL;
	tmpl->nla_len = nla_attr_size(face->ntmpl * sizeof(*face->tmpl));
	memcpy(nla_data(tmpl), face->tmpl, face->ntmpl * sizeof(*face->tmpl));
	if (face->ntmpl)
		changed.attrs[XFRMA_TMPL] = tmpl;
	pol = nlx_read_policy(&changed, &face->info, sel);
	kfree(changed.attrs);
	kfree(tmpl);
	if (IS_ERR(pol))
		return pol;
	nlx_policy(pol)->event = given->event;
	nlx_policy(pol)->told = given->told;
	memcpy(nlx_policy(pol)->face, faces, sizeof(nlx_policy(pol)->face));
	return pol;
}
