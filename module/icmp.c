// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "flow.h"
#include "icmp.h"

/* below this the kernel does not believe a path MTU either (sysctl min_pmtu) */
#define PMTU_MIN4 552
/* how long it is believed, as sysctl mtu_expires has it */
#define PMTU_EXPIRES (10 * 60 * HZ)

/* the outbound SA that quoted headers name; the quoted source must be its own */
static struct espah_sa *quoted_sa(struct espah_net *en, const struct sk_buff *skb, int off,
				  u8 proto, struct espah_sa_id *id, const union espah_addr *src)
{
	const struct espah_path *path;
	struct udphdr uh = {};
	struct espah_sa *sa;
	__be32 buf, *spi;

	id->proto = proto;
	if (proto == IPPROTO_UDP) {
		if (skb_copy_bits(skb, off, &uh, sizeof(uh)))
			return NULL;
		off += sizeof(uh);
		id->proto = IPPROTO_ESP;
	}
	if (!espah_proto_is_ipsec(id->proto))
		return NULL;
	spi = skb_header_pointer(skb, off + espah_spi_offset(id->proto), sizeof(buf), &buf);
	if (!spi)
		return NULL;
	id->spi = *spi;
	id->dir = ESPAH_DIR_OUT;
	sa = espah_sad_find(&en->sad, id);
	if (!sa)
		return NULL;
	path = espah_sa_path(sa);
	return path->ip_proto == proto && path->sport == uh.source && path->dport == uh.dest &&
	       espah_addr_equal(&path->src, src) ? sa : NULL;
}

static void learn(struct espah_sa *sa, u32 mtu)
{
	WRITE_ONCE(sa->pmtu_expires, jiffies + PMTU_EXPIRES);
	WRITE_ONCE(sa->pmtu, mtu);
}

static void input4(struct espah_net *en, struct sk_buff *skb, int icmp_off)
{
	struct espah_sa_id id = { .family = AF_INET };
	union espah_addr src = {};
	const struct icmphdr *icmp;
	const struct iphdr *quoted;
	struct icmphdr icmp_buf;
	struct iphdr ip_buf;
	int off = icmp_off + sizeof(*icmp);
	struct espah_sa *sa;
	u32 mtu;

	icmp = skb_header_pointer(skb, icmp_off, sizeof(icmp_buf), &icmp_buf);
	if (!icmp || icmp->type != ICMP_DEST_UNREACH || icmp->code != ICMP_FRAG_NEEDED)
		return;
	mtu = ntohs(icmp->un.frag.mtu);
	quoted = skb_header_pointer(skb, off, sizeof(ip_buf), &ip_buf);
	if (!quoted || quoted->version != 4 || quoted->ihl < 5)
		return;
	id.dst.ip4 = quoted->daddr;
	src.ip4 = quoted->saddr;
	sa = quoted_sa(en, skb, off + quoted->ihl * 4, quoted->protocol, &id, &src);
	if (!sa || !mtu)
		return;
	learn(sa, max_t(u32, mtu, PMTU_MIN4));

	/* the route is looked up by the header in front, which has to be the quoted one */
	if (!pskb_may_pull(skb, off + sizeof(struct iphdr)))
		return;
	__skb_pull(skb, off);
	ipv4_update_pmtu(skb, en->net, mtu, 0, ((struct iphdr *)skb->data)->protocol);
	__skb_push(skb, off);
}

static void input6(struct espah_net *en, struct sk_buff *skb, int icmp_off)
{
	struct espah_sa_id id = { .family = AF_INET6 };
	const struct ipv6hdr *quoted;
	const struct icmp6hdr *icmp;
	struct icmp6hdr icmp_buf;
	struct ipv6hdr ip_buf;
	union espah_addr src;
	int off = icmp_off + sizeof(*icmp);
	int hdr_off = off + sizeof(*quoted);
	struct espah_sa *sa;
	__be16 frag_off;
	__be32 mtu;
	u8 nexthdr;

	icmp = skb_header_pointer(skb, icmp_off, sizeof(icmp_buf), &icmp_buf);
	if (!icmp || icmp->icmp6_type != ICMPV6_PKT_TOOBIG)
		return;
	mtu = icmp->icmp6_mtu;
	quoted = skb_header_pointer(skb, off, sizeof(ip_buf), &ip_buf);
	if (!quoted || quoted->version != 6)
		return;
	nexthdr = quoted->nexthdr;
	memcpy(&id.dst, &quoted->daddr, sizeof(id.dst));
	memcpy(&src, &quoted->saddr, sizeof(src));
	hdr_off = espah_skip_exthdr(skb, hdr_off, &nexthdr, &frag_off);
	if (hdr_off < 0)
		return;
	sa = quoted_sa(en, skb, hdr_off, nexthdr, &id, &src);
	if (!sa || ntohl(mtu) < IPV6_MIN_MTU)
		return;
	learn(sa, ntohl(mtu));

	if (!pskb_may_pull(skb, off + sizeof(struct ipv6hdr)))
		return;
	__skb_pull(skb, off);
	ip6_update_pmtu(skb, en->net, mtu, 0, 0, INVALID_UID);
	__skb_push(skb, off);
}

void espah_icmp_input(struct espah_net *en, struct sk_buff *skb, u8 family, int icmp_off)
{
	if (family == AF_INET)
		input4(en, skb, icmp_off);
	else
		input6(en, skb, icmp_off);
}
