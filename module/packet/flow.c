// SPDX-License-Identifier: GPL-2.0-only
#include <linux/espah.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include "compat/compiler.h"
#include "db/domain.h"
#include "flow.h"

/* reads ICMP type and code, or the type of a mobility header (RFC 6275 6.1.1) */
static void read_type(const struct sk_buff *skb, int thoff, struct espah_flow *flow)
{
	enum espah_fields fields = espah_proto_fields(flow->proto);
	const u8 *type = NULL;
	u8 buf[2];

	if (fields == ESPAH_FIELDS_NONE)
		return;
	if (!flow->opaque)
		type = skb_header_pointer(skb, fields == ESPAH_FIELDS_MH ? thoff + 2 : thoff,
					  sizeof(buf), buf);
	flow->opaque = !type;
	if (!type)
		return;
	flow->has_ports = true;
	flow->sport = type[0];
	flow->dport = fields == ESPAH_FIELDS_MH ? 0 : type[1];
}

static __always_inline void read_ports(const struct sk_buff *skb, int thoff,
				       struct espah_flow *flow)
{
	__be16 buf[2] espah_uninit;
	const __be16 *ports;

	if (!espah_proto_has_ports(flow->proto)) {
		read_type(skb, thoff, flow);
		return;
	}
	ports = flow->opaque ? NULL : skb_header_pointer(skb, thoff, sizeof(buf), buf);
	if (!ports) {
		flow->opaque = true;
		return;
	}
	flow->has_ports = true;
	flow->sport = ntohs(ports[0]);
	flow->dport = ntohs(ports[1]);
}

static __always_inline int dissect_ip4(const struct sk_buff *skb, int nhoff,
				       struct espah_flow *flow)
{
	struct iphdr buf espah_uninit;
	const struct iphdr *iph = skb_header_pointer(skb, nhoff, sizeof(buf), &buf);
	int thoff;

	if (!iph || iph->version != 4 || iph->ihl < 5)
		return -1;
	thoff = nhoff + iph->ihl * 4;
	if (thoff > skb->len)
		return -1;
	flow->src.ip4 = iph->saddr;
	flow->dst.ip4 = iph->daddr;
	flow->proto = iph->protocol;
	flow->opaque = iph->frag_off & htons(IP_OFFSET);
	return thoff;
}

int espah_skip_exthdr(const struct sk_buff *skb, int off, u8 *nexthdr, __be16 *frag_off)
{
	*frag_off = 0;
	while (*nexthdr == NEXTHDR_HOP || *nexthdr == NEXTHDR_ROUTING ||
	       *nexthdr == NEXTHDR_FRAGMENT || *nexthdr == NEXTHDR_DEST) {
		struct frag_hdr buf;
		const struct frag_hdr *hdr = skb_header_pointer(skb, off, sizeof(buf), &buf);

		if (!hdr)
			return -1;
		if (*nexthdr == NEXTHDR_FRAGMENT) {
			*frag_off = hdr->frag_off;
			if (hdr->frag_off & htons(IP6_OFFSET))
				break;
			off += sizeof(*hdr);
		} else {
			off += ipv6_optlen((const struct ipv6_opt_hdr *)hdr);
		}
		*nexthdr = hdr->nexthdr;
	}
	return off;
}

static int dissect_ip6(const struct sk_buff *skb, int nhoff, struct espah_flow *flow)
{
	struct ipv6hdr buf;
	const struct ipv6hdr *ip6h = skb_header_pointer(skb, nhoff, sizeof(buf), &buf);
	__be16 frag_off;
	int thoff;

	if (!ip6h || ip6h->version != 6)
		return -1;
	memcpy(&flow->src, &ip6h->saddr, sizeof(flow->src));
	memcpy(&flow->dst, &ip6h->daddr, sizeof(flow->dst));
	flow->proto = ip6h->nexthdr;
	thoff = nhoff + sizeof(*ip6h);
	if (!ipv6_ext_hdr(flow->proto))
		return thoff;

	thoff = espah_skip_exthdr(skb, thoff, &flow->proto, &frag_off);
	if (thoff < 0)
		return -1;
	if (frag_off & htons(IP6_OFFSET)) {
		const struct frag_hdr *fh;
		struct frag_hdr fbuf;

		flow->opaque = true;
		fh = skb_header_pointer(skb, thoff, sizeof(fbuf), &fbuf);
		if (!fh)
			return -1;
		flow->proto = fh->nexthdr;
	}
	return thoff;
}

/* clears single fields: for the whole struct, the compiler emits a slow string instruction */
static __always_inline void clear(struct espah_flow *flow, u8 family, u32 mark, u32 ifindex,
				  u32 vrf)
{
	flow->src = (union espah_addr){};
	flow->dst = (union espah_addr){};
	flow->family = family;
	flow->proto = 0;
	flow->opaque = false;
	flow->has_ports = false;
	flow->sport = 0;
	flow->dport = 0;
	flow->hidden = false;
	flow->linked = false;
	flow->mark = mark;
	flow->ifindex = ifindex;
	flow->vrf = vrf;
}

/*
 * After PRE_ROUTING, the device of a packet that arrived in a VRF is the VRF. The index of the
 * arrival device is in the control block, at the same offset for both families.
 */
static noinline void set_vrf(struct espah_flow *flow, const struct sk_buff *skb)
{
	BUILD_BUG_ON(offsetof(struct inet_skb_parm, iif) != offsetof(struct inet6_skb_parm, iif));
	flow->vrf = espah_domain(skb->dev);
	if (netif_is_l3_master(skb->dev) && IPCB(skb)->iif)
		flow->ifindex = IPCB(skb)->iif;
}

static __always_inline int dissect(const struct sk_buff *skb, int nhoff, u8 family,
				   struct espah_flow *flow)
{
	int thoff;

	clear(flow, family, skb->mark, skb->dev ? skb->dev->ifindex : 0, 0);
	if (unlikely(skb->dev && (netif_is_l3_slave(skb->dev) || netif_is_l3_master(skb->dev))))
		set_vrf(flow, skb);
	thoff = family == AF_INET ? dissect_ip4(skb, nhoff, flow) : dissect_ip6(skb, nhoff, flow);
	if (thoff >= 0)
		read_ports(skb, thoff, flow);
	return thoff;
}

int espah_flow_dissect(const struct sk_buff *skb, u8 family, struct espah_flow *flow)
{
	return dissect(skb, skb_network_offset(skb), family, flow);
}

int espah_flow_dissect_at(const struct sk_buff *skb, int nhoff, u8 family, struct espah_flow *flow)
{
	return dissect(skb, nhoff, family, flow);
}

static bool is_error(u8 family, u8 type)
{
	if (family == AF_INET6)
		return icmpv6_is_err(type);
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

int espah_flow_quoted(const struct sk_buff *skb, const struct espah_flow *flow, int thoff,
		      struct espah_flow *quoted)
{
	const u8 *type;
	u8 buf;
	int off;

	if (!espah_flow_is_icmp(flow) || flow->opaque)
		return -1;
	type = skb_header_pointer(skb, thoff, sizeof(buf), &buf);
	if (!type || !is_error(flow->family, *type))
		return -1;
	clear(quoted, flow->family, flow->mark, flow->ifindex, flow->vrf);
	quoted->linked = flow->linked;
	off = thoff + sizeof(struct icmphdr); /* the ICMPv6 header has the same length */
	if (flow->family == AF_INET) {
		off = dissect_ip4(skb, off, quoted);
		quoted->opaque = false; /* the stack ignores, too, whether it was a fragment */
	} else {
		off = dissect_ip6(skb, off, quoted);
	}
	if (off < 0)
		return -1;
	read_ports(skb, off, quoted);
	espah_flow_reverse(quoted);
	return off;
}

/* Offset of the packet quoted in a neighbour discovery redirect (RFC 4861 4.5, 4.6.3), or -1. */
static int redirected_off(const struct sk_buff *skb, int thoff)
{
	unsigned int off = thoff + sizeof(struct rd_msg);
	const u8 *opt;
	u8 buf[2];

	while ((opt = skb_header_pointer(skb, off, sizeof(buf), buf)) && opt[1]) {
		if (opt[0] == ND_OPT_REDIRECT_HDR)
			return off + 8; /* type, length and reserved bytes */
		off += opt[1] * 8;
	}
	return -1;
}

bool espah_flow_redirected(const struct sk_buff *skb, const struct espah_flow *flow, int thoff,
			   struct espah_flow *quoted)
{
	bool ip4 = flow->family == AF_INET;
	const u8 *type;
	int off;
	u8 buf;

	if (!espah_flow_is_icmp(flow) || flow->opaque)
		return false;
	type = skb_header_pointer(skb, thoff, sizeof(buf), &buf);
	if (!type || *type != (ip4 ? ICMP_REDIRECT : NDISC_REDIRECT))
		return false;
	off = ip4 ? thoff + (int)sizeof(struct icmphdr) : redirected_off(skb, thoff);
	if (off < 0)
		return false;
	clear(quoted, flow->family, flow->mark, flow->ifindex, flow->vrf);
	quoted->linked = flow->linked;
	off = ip4 ? dissect_ip4(skb, off, quoted) : dissect_ip6(skb, off, quoted);
	if (off < 0)
		return false;
	read_ports(skb, off, quoted);
	return true;
}

void espah_flow_reverse(struct espah_flow *flow)
{
	swap(flow->src, flow->dst);
	if (espah_proto_has_ports(flow->proto))
		swap(flow->sport, flow->dport);
}

bool espah_flow_is_nd(const struct sk_buff *skb, const struct espah_flow *flow, int thoff)
{
	const u8 *type;
	u8 buf;

	if (flow->family != AF_INET6 || flow->proto != IPPROTO_ICMPV6 || flow->opaque ||
	    ipv6_hdr(skb)->hop_limit != 255)
		return false;
	type = skb_header_pointer(skb, thoff, sizeof(buf), &buf);
	return type && *type >= NDISC_ROUTER_SOLICITATION && *type <= NDISC_REDIRECT;
}
