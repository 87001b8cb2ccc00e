// SPDX-License-Identifier: GPL-2.0-only
/* Reading of selectors from the attributes of a request. */
#include <linux/slab.h>
#include "attr.h"
#include "compat/unaligned.h"
#include "netlink.h"

const struct nla_policy espah_selector_policy[ESPAH_SEL_MAX + 1] = {
	[ESPAH_SEL_FAMILY] = { .type = NLA_U8 },
	[ESPAH_SEL_SRC] = { .type = NLA_BINARY },
	[ESPAH_SEL_SRC_LEN] = { .type = NLA_U8 },
	[ESPAH_SEL_DST] = { .type = NLA_BINARY },
	[ESPAH_SEL_DST_LEN] = { .type = NLA_U8 },
	[ESPAH_SEL_PROTO] = { .type = NLA_U8 },
	[ESPAH_SEL_SPORT_MIN] = { .type = NLA_U16 },
	[ESPAH_SEL_SPORT_MAX] = { .type = NLA_U16 },
	[ESPAH_SEL_DPORT_MIN] = { .type = NLA_U16 },
	[ESPAH_SEL_DPORT_MAX] = { .type = NLA_U16 },
	[ESPAH_SEL_SRC_RANGES] = { .type = NLA_BINARY },
	[ESPAH_SEL_DST_RANGES] = { .type = NLA_BINARY },
	[ESPAH_SEL_SPORT_RANGES] = { .type = NLA_BINARY },
	[ESPAH_SEL_DPORT_RANGES] = { .type = NLA_BINARY },
	[ESPAH_SEL_ICMP_TYPES] = { .type = NLA_BINARY },
	[ESPAH_SEL_ICMP_CODES] = { .type = NLA_BINARY },
	[ESPAH_SEL_MH_TYPES] = { .type = NLA_BINARY },
	[ESPAH_SEL_OPAQUE] = { .type = NLA_FLAG },
	[ESPAH_SEL_MARK] = { .type = NLA_U32 },
	[ESPAH_SEL_MARK_MASK] = { .type = NLA_U32 },
	[ESPAH_SEL_IFINDEX] = { .type = NLA_U32 },
	[ESPAH_SEL_IFNAME] = { .type = NLA_NUL_STRING },
};

/* Reads a prefix; its family must be *@family, if that is known. */
static int get_prefix(const struct nlattr *attr, const struct nlattr *len_attr,
		      union espah_addr *addr, u8 *len, u8 *family, struct netlink_ext_ack *extack)
{
	u8 own, bits;

	if (!attr) {
		if (!len_attr)
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, len_attr, "a prefix length needs an address");
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
		NL_SET_ERR_MSG_ATTR(extack, max_attr, "a highest port needs a lowest port");
		return -EINVAL;
	}
	*min = ntohs(nla_get_be16(min_attr));
	*max = max_attr ? ntohs(nla_get_be16(max_attr)) : *min;
	return 0;
}

/**
 * struct list - an attribute that lists ranges
 * @type: the attribute
 * @single: the attribute for a single value or range, or 0
 * @fields: fields that the protocol must have
 * @dst: the list is for the destination, or for an ICMP code
 * @size: bytes of a value; 0: those of an address
 */
struct list {
	u8 type;
	u8 single;
	u8 fields;
	bool dst;
	u8 size;
};

static const struct list lists[] = {
	{ ESPAH_SEL_SRC_RANGES, ESPAH_SEL_SRC, ESPAH_FIELDS_NONE, false, 0 },
	{ ESPAH_SEL_DST_RANGES, ESPAH_SEL_DST, ESPAH_FIELDS_NONE, true, 0 },
	{ ESPAH_SEL_SPORT_RANGES, ESPAH_SEL_SPORT_MIN, ESPAH_FIELDS_PORTS, false, 2 },
	{ ESPAH_SEL_DPORT_RANGES, ESPAH_SEL_DPORT_MIN, ESPAH_FIELDS_PORTS, true, 2 },
	{ ESPAH_SEL_ICMP_TYPES, 0, ESPAH_FIELDS_ICMP, false, 1 },
	{ ESPAH_SEL_ICMP_CODES, 0, ESPAH_FIELDS_ICMP, true, 1 },
	{ ESPAH_SEL_MH_TYPES, 0, ESPAH_FIELDS_MH, false, 1 },
};

static u16 number(const void *value, unsigned int size)
{
	return size == 1 ? *(const u8 *)value : get_unaligned_be16(value);
}

/* Combines the first @base rules with a range; a range of addresses becomes prefixes. */
static bool add_values(struct espah_selectors *set, unsigned int base, const struct list *list,
		       const void *low, const void *high, unsigned int size)
{
	u16 min = number(low, size), max = number(high, size);
	union espah_addr addr, first = {}, last = {};
	struct espah_selector *sel;
	bool more = false;
	u8 len;

	memcpy(&first, low, size);
	memcpy(&last, high, size);
	do {
		addr = first;
		if (!list->size)
			more = espah_range_next(&first, &last, set->sel->family, &len);
		if (set->n + base > ESPAH_RULES_MAX)
			return false;
		sel = set->sel + set->n;
		if (set->n)
			memcpy(sel, set->sel, base * sizeof(*sel));
		for (set->n += base; sel < set->sel + set->n; sel++) {
			if (list->size) {
				*(list->dst ? &sel->dport_min : &sel->sport_min) = min;
				*(list->dst ? &sel->dport_max : &sel->sport_max) = max;
			} else {
				*(list->dst ? &sel->dst : &sel->src) = addr;
				*(list->dst ? &sel->dst_len : &sel->src_len) = len;
			}
		}
	} while (more);
	return true;
}

/* Combines the rules with each range of a list. Return: NULL, or an error text. */
static const char *multiply(struct espah_selectors *set, const struct nlattr *attr,
			    const struct list *list, const struct nlattr *single)
{
	unsigned int addr_size = set->sel->family == AF_INET ? 4 : 16;
	unsigned int size = list->size ?: addr_size, base = set->n, left = nla_len(attr);
	const u8 *low = nla_data(attr);

	if (single)
		return "a selector field takes one range or a list, not both";
	if (list->fields && set->sel->opaque)
		return "opaque ports are unknown, so no ports or types can be given";
	if (list->fields && list->fields != espah_proto_fields(set->sel->proto))
		return "the protocol has no such field (tcp, udp: ports; icmp, mobility: types)";
	if (!left || left % (2 * size) || left / (2 * size) > ESPAH_LIST_MAX)
		return "a list is 1 to 64 pairs: lowest and highest value";
	for (set->n = 0; left; left -= 2 * size, low += 2 * size) {
		if (memcmp(low, low + size, size) > 0 ||
		    (set->n && memcmp(low - size, low, size) >= 0))
			return "the ranges of a list must ascend and must not overlap";
		if (!add_values(set, base, list, low, low + size, size))
			return "the lists make more than 1024 combinations; split the policy";
	}
	return NULL;
}

static int get_selector(struct espah_selector *sel, struct nlattr **attrs,
			const struct nlattr *nest, struct netlink_ext_ack *extack)
{
	const char *wrong;
	int err;

	memset(sel, 0, sizeof(*sel));
	sel->family = espah_get_u8(attrs[ESPAH_SEL_FAMILY], 0);
	sel->proto = espah_get_u8(attrs[ESPAH_SEL_PROTO], 0);
	sel->opaque = attrs[ESPAH_SEL_OPAQUE];
	sel->mark = espah_get_u32(attrs[ESPAH_SEL_MARK], 0);
	sel->mark_mask = espah_get_u32(attrs[ESPAH_SEL_MARK_MASK],
				       attrs[ESPAH_SEL_MARK] ? ~0U : 0);
	sel->ifindex = espah_get_u32(attrs[ESPAH_SEL_IFINDEX], 0);
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
	if (attrs[ESPAH_SEL_MARK_MASK] && !attrs[ESPAH_SEL_MARK]) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SEL_MARK_MASK],
				    "ESPAH_SEL_MARK_MASK needs ESPAH_SEL_MARK");
		return -EINVAL;
	}
	wrong = espah_selector_check(sel);
	if (wrong) {
		espah_err_text(extack, nest, wrong);
		return -EINVAL;
	}
	return 0;
}

/* Reads the name of a device: until it is bound, the selector is for none. */
static int set_name(struct espah_selectors *set, const struct nlattr *name,
		    const struct nlattr *ifindex, struct netlink_ext_ack *extack)
{
	set->ifname = name ? nla_data(name) : NULL;
	if (!name)
		return 0;
	if (ifindex) {
		NL_SET_ERR_MSG_ATTR(extack, ifindex,
				    "ESPAH_SEL_IFINDEX cannot be combined with ESPAH_SEL_IFNAME");
		return -EINVAL;
	}
	set->one.ifindex = ESPAH_IFINDEX_NONE;
	return 0;
}

/* Makes a selector one of a link's. @dev: the attribute that names a device, or NULL */
static int set_link(struct espah_selector *sel, const struct nlattr *dev,
		    const struct nlattr *if_id, struct netlink_ext_ack *extack)
{
	if (!if_id)
		return 0;
	if (dev) {
		NL_SET_ERR_MSG_ATTR(extack, dev,
				    "ESPAH_SEL_IFINDEX and ESPAH_SEL_IFNAME cannot be combined with ESPAH_POLICY_IF_ID, which names the device");
		return -EINVAL;
	}
	sel->linked = true;
	sel->ifindex = nla_get_u32(if_id);
	return 0;
}

int espah_get_selectors(const struct nlattr *nest, const struct nlattr *if_id,
			struct espah_selectors *set, struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[ESPAH_SEL_MAX + 1];
	unsigned int i = 0;
	int err;

	set->sel = &set->one;
	set->n = 1;
	err = espah_parse_nest(attrs, ESPAH_SEL_MAX, nest, espah_selector_checks, extack) ?:
	      get_selector(&set->one, attrs, nest, extack) ?:
	      set_name(set, attrs[ESPAH_SEL_IFNAME], attrs[ESPAH_SEL_IFINDEX], extack) ?:
	      set_link(&set->one, attrs[ESPAH_SEL_IFINDEX] ?: attrs[ESPAH_SEL_IFNAME], if_id,
		       extack);
	if (err)
		return err;
	while (i < ARRAY_SIZE(lists) && !attrs[lists[i].type])
		i++;
	if (i == ARRAY_SIZE(lists))
		return 0;
	set->sel = kvmalloc_array(ESPAH_RULES_MAX, sizeof(*set->sel), GFP_KERNEL_ACCOUNT);
	if (!set->sel)
		return -ENOMEM;
	*set->sel = set->one;
	for (; i < ARRAY_SIZE(lists); i++) {
		const struct nlattr *attr = attrs[lists[i].type];
		const char *wrong = attr ? multiply(set, attr, &lists[i], attrs[lists[i].single]) :
					   NULL;

		if (wrong) {
			espah_err_text(extack, attr, wrong);
			espah_selectors_free(set);
			return -EINVAL;
		}
	}
	return 0;
}
