// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/espah.h>
#include <asm/byteorder.h>
#include "selector.h"

/* the first @len bits of a word, in network order; @len may lie outside of 0 to 32 */
static __be32 word_mask(int len)
{
	if (len <= 0)
		return 0;
	return len >= 32 ? htonl(~0U) : htonl(~0U << (32 - len));
}

void espah_addr_mask(union espah_addr *addr, u8 family, u8 len)
{
	int left = family == AF_INET ? min_t(int, len, 32) : len;
	int i;

	for (i = 0; i < 4; i++)
		addr->ip6[i] &= word_mask(left - 32 * i);
}

bool espah_range_next(union espah_addr *first, const union espah_addr *last, u8 family, u8 *len)
{
	u8 *end = (u8 *)first, bit;
	int i;

	/* shorten the prefix while it begins at @first and ends within the range */
	for (*len = family == AF_INET ? 32 : 128; *len; --*len) {
		i = (*len - 1) / 8;
		bit = 0x80 >> (*len - 1) % 8;
		if (end[i] & bit)
			break;
		end[i] |= bit;
		if (memcmp(end, last, sizeof(*last)) > 0) {
			end[i] ^= bit;
			break;
		}
	}
	if (espah_addr_equal(first, last))
		return false;
	for (i = family == AF_INET ? 3 : 15; !++end[i]; i--)
		; /* carry */
	return true;
}

static bool within(const union espah_addr *addr, const union espah_addr *prefix, u8 family, u8 len)
{
	union espah_addr masked = *addr;

	espah_addr_mask(&masked, family, len);
	return espah_addr_equal(&masked, prefix);
}

u32 espah_selector_mismatch(const struct espah_selector *sel, const struct espah_flow *flow)
{
	bool ports = flow->has_ports && !flow->opaque;
	u32 why = 0;

	if (!within(&flow->src, &sel->src, sel->family, sel->src_len))
		why |= ESPAH_PFP_SRC;
	if (!within(&flow->dst, &sel->dst, sel->family, sel->dst_len))
		why |= ESPAH_PFP_DST;
	if (sel->proto && sel->proto != flow->proto)
		why |= ESPAH_PFP_PROTO;
	if (ports ? flow->sport < sel->sport_min || flow->sport > sel->sport_max :
		    sel->sport_min != 0 || sel->sport_max != 0xffff)
		why |= ESPAH_PFP_SPORT;
	if (ports ? flow->dport < sel->dport_min || flow->dport > sel->dport_max :
		    sel->dport_min != 0 || sel->dport_max != 0xffff)
		why |= ESPAH_PFP_DPORT;
	if (sel->opaque && !flow->opaque)
		why |= ESPAH_WHY_OPAQUE;
	if ((flow->mark & sel->mark_mask) != sel->mark)
		why |= ESPAH_WHY_MARK;
	if (sel->linked != flow->linked || (sel->linked && sel->ifindex != flow->ifindex))
		why |= ESPAH_WHY_IF_ID;
	else if (sel->ifindex && sel->ifindex != flow->ifindex && sel->ifindex != flow->vrf)
		why |= ESPAH_WHY_IFINDEX;
	return why;
}

bool espah_selector_equal(const struct espah_selector *a, const struct espah_selector *b)
{
	return a->family == b->family && a->proto == b->proto &&
	       a->src_len == b->src_len && a->dst_len == b->dst_len &&
	       espah_addr_equal(&a->src, &b->src) && espah_addr_equal(&a->dst, &b->dst) &&
	       a->sport_min == b->sport_min && a->sport_max == b->sport_max &&
	       a->dport_min == b->dport_min && a->dport_max == b->dport_max &&
	       a->opaque == b->opaque && a->mark == b->mark && a->mark_mask == b->mark_mask &&
	       a->ifindex == b->ifindex && a->linked == b->linked;
}

const char *espah_selector_check(const struct espah_selector *sel)
{
	u8 bits = sel->family == AF_INET ? 32 : 128;

	if (sel->family != AF_INET && sel->family != AF_INET6)
		return "the selector's family must be IPv4 or IPv6";
	if (sel->src_len > bits)
		return bits == 32 ? "the source prefix is longer than the 32 bits of IPv4" :
				    "the source prefix is longer than the 128 bits of IPv6";
	if (sel->dst_len > bits)
		return bits == 32 ? "the destination prefix is longer than the 32 bits of IPv4" :
				    "the destination prefix is longer than the 128 bits of IPv6";
	if (!within(&sel->src, &sel->src, sel->family, sel->src_len))
		return "the source address has bits set beyond its prefix length";
	if (!within(&sel->dst, &sel->dst, sel->family, sel->dst_len))
		return "the destination address has bits set beyond its prefix length";
	if (sel->sport_min > sel->sport_max)
		return "the lowest source port is above the highest";
	if (sel->dport_min > sel->dport_max)
		return "the lowest destination port is above the highest";
	if (sel->mark & ~sel->mark_mask)
		return "the mark has bits set beyond its mask";
	if (espah_selector_has_ports(sel) && sel->opaque)
		return "opaque ports are unknown, so no ports can be given";
	if (espah_selector_has_ports(sel) && !espah_proto_has_ports(sel->proto))
		return "ports need a protocol with ports: tcp, udp, sctp, dccp or udplite";
	return NULL;
}
