// SPDX-License-Identifier: GPL-2.0-only
/* Conversion between traffic selectors of IKE (RFC 7296 3.13.1) and selectors of the module. */
#include "backend.h"

#include <netinet/icmp6.h>

#define IPPROTO_MOBILITY 135

static uint8_t protocol(traffic_selector_t *src, traffic_selector_t *dst)
{
	return max(src->get_protocol(src), dst->get_protocol(dst));
}

static bool any_port(traffic_selector_t *ts)
{
	return ts->get_from_port(ts) == 0 && ts->get_to_port(ts) == 0xffff;
}

static bool opaque(traffic_selector_t *ts)
{
	return ts->get_from_port(ts) == 0xffff && ts->get_to_port(ts) == 0;
}

/* Adds addresses as a prefix if possible, otherwise as a list of one range. */
static void put_addresses(struct nlmsghdr *nlh, traffic_selector_t *ts, uint16_t addr,
			  uint16_t len, uint16_t ranges)
{
	chunk_t from = ts->get_from_address(ts), to = ts->get_to_address(ts);
	uint8_t mask, range[32];
	host_t *net = NULL;

	if (ts->to_subnet(ts, &net, &mask)) {
		if (mask) {
			nl_put_host(nlh, addr, net);
			mnl_attr_put_u8(nlh, len, mask);
		}
	} else {
		memcpy(range, from.ptr, from.len);
		memcpy(range + from.len, to.ptr, to.len);
		mnl_attr_put(nlh, ranges, from.len + to.len, range);
	}
	DESTROY_IF(net);
}

static void put_ports(struct nlmsghdr *nlh, traffic_selector_t *ts, uint16_t min, uint16_t max_)
{
	if (any_port(ts) || opaque(ts))
		return;
	put_port(nlh, min, ts->get_from_port(ts));
	put_port(nlh, max_, ts->get_to_port(ts));
}

static void put_bytes(struct nlmsghdr *nlh, uint16_t type, uint8_t min, uint8_t max_)
{
	uint8_t range[] = { min, max_ };

	if (min != 0 || max_ != 0xff)
		mnl_attr_put(nlh, type, sizeof(range), range);
}

/* Traffic selectors have the ICMP type in the high byte of the port, the code in the low byte. */
static void put_types(struct nlmsghdr *nlh, uint8_t proto, traffic_selector_t *ts)
{
	uint16_t from = ts->get_from_port(ts), to = ts->get_to_port(ts);

	if (any_port(ts) || opaque(ts))
		return;
	if (proto == IPPROTO_MOBILITY) {
		put_bytes(nlh, ESPAH_SEL_MH_TYPES, from >> 8, to >> 8);
		return;
	}
	put_bytes(nlh, ESPAH_SEL_ICMP_TYPES, from >> 8, to >> 8);
	if (from >> 8 == to >> 8)
		put_bytes(nlh, ESPAH_SEL_ICMP_CODES, from & 0xff, to & 0xff);
}

void selector_put(struct nlmsghdr *nlh, uint16_t type, kernel_ipsec_policy_id_t *id,
		  uint32_t ifindex)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);
	traffic_selector_t *src = id->src_ts, *dst = id->dst_ts;
	uint8_t proto = protocol(src, dst);

	mnl_attr_put_u8(nlh, ESPAH_SEL_FAMILY,
			src->get_type(src) == TS_IPV4_ADDR_RANGE ? AF_INET : AF_INET6);
	put_addresses(nlh, src, ESPAH_SEL_SRC, ESPAH_SEL_SRC_LEN, ESPAH_SEL_SRC_RANGES);
	put_addresses(nlh, dst, ESPAH_SEL_DST, ESPAH_SEL_DST_LEN, ESPAH_SEL_DST_RANGES);
	if (proto)
		mnl_attr_put_u8(nlh, ESPAH_SEL_PROTO, proto);
	if (opaque(src) || opaque(dst))
		mnl_attr_put(nlh, ESPAH_SEL_OPAQUE, 0, NULL);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 || proto == IPPROTO_MOBILITY) {
		put_types(nlh, proto, any_port(src) ? dst : src);
	} else {
		put_ports(nlh, src, ESPAH_SEL_SPORT_MIN, ESPAH_SEL_SPORT_MAX);
		put_ports(nlh, dst, ESPAH_SEL_DPORT_MIN, ESPAH_SEL_DPORT_MAX);
	}
	nl_put_mark(nlh, ESPAH_SEL_MARK, ESPAH_SEL_MARK_MASK, id->mark);
	if (ifindex)
		mnl_attr_put_u32(nlh, ESPAH_SEL_IFINDEX, ifindex);
	mnl_attr_nest_end(nlh, nest);
}

traffic_selector_t *selector_side(const struct nlattr *nest, bool src)
{
	const struct nlattr *sel[ESPAH_SEL_MAX + 1], *port;
	uint16_t from = 0, to = 0xffff;
	host_t *host;

	attr_nest(nest, sel, ESPAH_SEL_MAX);
	host = nl_host(sel[src ? ESPAH_SEL_SRC : ESPAH_SEL_DST], 0);
	if (!host)
		return NULL;
	port = sel[src ? ESPAH_SEL_SPORT_MIN : ESPAH_SEL_DPORT_MIN];
	if (port)
		from = to = attr_port(port, 0);
	return traffic_selector_create_from_subnet(host, attr_u8(sel[src ? ESPAH_SEL_SRC_LEN :
								    ESPAH_SEL_DST_LEN], 0),
						   attr_u8(sel[ESPAH_SEL_PROTO], 0), from, to);
}

/* Number of leading port bits that all ports of the range share. */
static unsigned int port_bits(traffic_selector_t *ts)
{
	unsigned int differ = ts->get_from_port(ts) ^ ts->get_to_port(ts), bits = 16;

	if (opaque(ts))
		return 16;
	for (; differ; differ >>= 1)
		bits--;
	return bits;
}

static unsigned int address_bits(traffic_selector_t *ts)
{
	uint8_t mask = 0;
	host_t *net = NULL;

	ts->to_subnet(ts, &net, &mask);
	DESTROY_IF(net);
	return mask;
}

unsigned int selector_weight(kernel_ipsec_policy_id_t *id)
{
	traffic_selector_t *src = id->src_ts, *dst = id->dst_ts;

	return (address_bits(src) + address_bits(dst)) * 256 + (protocol(src, dst) ? 128 : 0) +
	       (port_bits(src) + port_bits(dst)) * 2 + (id->mark.mask || id->interface);
}
