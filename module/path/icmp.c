// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "compat/unaligned.h"
#include "db/domain.h"
#include "db/port.h"
#include "db/udp_path.h"
#include "icmp.h"
#include "packet/flow.h"
#include "packet/mtu.h"

/* sequence numbers: how far a quoted packet may be behind the last one sent */
#define RECENT BIT(20)

/* The outbound SA that sent a quoted packet. Its recent number proves that it was seen. */
static struct espah_sa *quoted_sa(struct espah_net *en, const struct sk_buff *skb,
				  const struct espah_flow *quoted, int off)
{
	struct espah_sa_id id = { .dst = quoted->src, .family = quoted->family,
				  .proto = quoted->proto, .dir = ESPAH_DIR_OUT,
				  .vrf = espah_domain(skb->dev) };
	const struct espah_path *path;
	__be32 spi_seq[2];
	struct espah_sa *sa;
	u64 last;
	u32 age;

	if (quoted->proto == IPPROTO_UDP) {
		id.proto = IPPROTO_ESP;
		off += sizeof(struct udphdr);
	}
	if (!espah_spi_read(skb, id.proto, off, spi_seq, 2))
		return NULL;
	id.spi = spi_seq[0];
	sa = espah_sad_find_in(&en->sad, &id);
	if (!sa)
		return NULL;
	path = espah_sa_path(sa);
	if (path->ip_proto != quoted->proto || !espah_addr_equal(&path->src, &quoted->dst) ||
	    path->sport != htons(quoted->dport) || path->dport != htons(quoted->sport))
		return NULL;
	last = atomic64_read(&sa->seq);
	age = (u32)last - ntohl(spi_seq[1]);
	return age < RECENT && age < last ? sa : NULL;
}

/* whether a quotation of UDP at @off ends before the SPI and number of ESP in UDP */
static bool is_short(const struct sk_buff *skb, const struct espah_flow *quoted, int off)
{
	return quoted->proto == IPPROTO_UDP && quoted->has_ports &&
	       skb->len < off + sizeof(struct udphdr) + 2 * sizeof(__be32);
}

bool espah_icmp_about_sa(struct espah_net *en, const struct sk_buff *skb,
			 const struct espah_flow *flow, int thoff)
{
	struct espah_flow quoted;
	int off = espah_flow_quoted(skb, flow, thoff, &quoted);

	if (off < 0)
		return false;
	/* no SA is named: it is about the port of ours that carries all ESP in UDP with the peer */
	if (is_short(skb, &quoted, off))
		return espah_port_used(en, quoted.dport);
	return quoted_sa(en, skb, &quoted, off);
}

struct espah_policy *espah_icmp_policy(struct espah_net *en, u64 now, u8 dir,
				       const struct sk_buff *skb, const struct espah_flow *flow,
				       int thoff, const struct espah_policy *pol,
				       struct espah_flow *quoted)
{
	struct espah_policy *of;

	if (pol && (pol->action == ESPAH_ACTION_DISCARD || espah_policy_names(pol, flow->proto)))
		return NULL;
	if (espah_flow_quoted(skb, flow, thoff, quoted) < 0)
		return NULL;
	of = espah_spd_lookup(&en->spd, now, dir, quoted);
	return of && of->action == ESPAH_ACTION_PROTECT ? of : NULL;
}

static bool protects(struct espah_net *en, u64 now, u8 dir, struct espah_flow *flow)
{
	const struct espah_policy *pol = espah_spd_lookup(&en->spd, now, dir, flow);

	return flow->hidden || (pol && pol->action == ESPAH_ACTION_PROTECT);
}

bool espah_icmp_redirects(struct espah_net *en, u64 now, const struct sk_buff *skb,
			  const struct espah_flow *flow, int thoff)
{
	struct espah_flow quoted;

	if (!espah_flow_redirected(skb, flow, thoff, &quoted))
		return false;
	if (protects(en, now, ESPAH_DIR_IN, &quoted) || protects(en, now, ESPAH_DIR_OUT, &quoted))
		return true;
	espah_flow_reverse(&quoted);
	return protects(en, now, ESPAH_DIR_OUT, &quoted);
}

/* The MTU that a packet-too-big message reports; 0: it is another message. */
static u32 told_mtu(const struct sk_buff *skb, u8 family, int icmp_off)
{
	u8 buf[8], *icmp = skb_header_pointer(skb, icmp_off, sizeof(buf), buf);

	if (!icmp)
		return 0;
	if (family == AF_INET)
		return icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED ?
		       get_unaligned_be16(icmp + 6) : 0;
	return icmp[0] == ICMPV6_PKT_TOOBIG ? get_unaligned_be32(icmp + 4) : 0;
}

void espah_icmp_input(struct espah_net *en, struct sk_buff *skb, u8 family, int icmp_off)
{
	bool ip4 = family == AF_INET;
	struct espah_flow quoted, flow = { .family = family,
					   .proto = ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6 };
	int quote = icmp_off + sizeof(struct icmphdr);
	u32 mtu = told_mtu(skb, family, icmp_off), least = IPV6_MIN_MTU;
	u32 domain = espah_domain(skb->dev);
	struct net *net = en->net;
	struct espah_sa *sa;
	int off, expires;

	if (!mtu)
		return;
	off = espah_flow_quoted(skb, &flow, icmp_off, &quoted);
	if (off < 0)
		return;
	/* RFC 4301 6.1.1: not below the minimum, and not above the current value */
	if (ip4)
		least = READ_ONCE(net->ipv4.ip_rt_min_pmtu);
	else if (mtu < least)
		return;
	/* RFC 4301 8.2.2: a learned path MTU expires */
	expires = ip4 ? READ_ONCE(net->ipv4.ip_rt_mtu_expires) :
			READ_ONCE(net->ipv6.sysctl.ip6_rt_mtu_expires);
	if (is_short(skb, &quoted, off)) {
		espah_udp_path_learn(&en->udp_paths, &quoted, max(mtu, least), jiffies + expires);
		return;
	}
	sa = quoted_sa(en, skb, &quoted, off);
	if (!sa || max(mtu, least) >= espah_sa_pmtu(sa))
		return;
	WRITE_ONCE(sa->pmtu_expires, jiffies + expires);
	WRITE_ONCE(sa->pmtu, max(mtu, least));

	/* the route is looked up by the header at skb->data, which has to be the quoted one */
	if (!pskb_may_pull(skb, quote + (ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr))))
		return;
	__skb_pull(skb, quote);
	if (ip4)
		ipv4_update_pmtu(skb, net, mtu, domain, quoted.proto);
	else
		ip6_update_pmtu(skb, net, htonl(mtu), domain, 0, INVALID_UID);
	__skb_push(skb, quote);
}
