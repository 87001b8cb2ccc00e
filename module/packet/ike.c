// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/espah.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/udp.h>
#include <linux/user_namespace.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/sock_reuseport.h>
#include <net/xfrm.h>
#include "compat/udp.h"
#include "ike.h"

/* sockets: a larger SO_REUSEPORT group is not searched, and not exempt */
#define GROUP_MAX 16

/* Whether a packet looks like IKE by the local port and the bytes after the UDP header. */
static bool is_ike(const struct sk_buff *skb, u16 own, int thoff)
{
	const __be32 *marker;
	u8 keepalive;
	__be32 buf;

	if (own == ESPAH_IKE_PORT)
		return true;
	if (own != ESPAH_IKE_NATT_PORT)
		return false;
	/* a keepalive (RFC 3948 2.3), or the non-ESP marker */
	if (skb->len == thoff + sizeof(struct udphdr) + 1)
		return !skb_copy_bits(skb, skb->len - 1, &keepalive, 1) && keepalive == 0xff;
	marker = skb_header_pointer(skb, thoff + sizeof(struct udphdr), sizeof(buf), &buf);
	return marker && !*marker;
}

/*
 * Whether credentials have CAP_NET_ADMIN over a user namespace, by the rules of cap_capable(). The
 * kernel's own functions would also ask other security modules, which may sleep or log.
 */
static bool administers(const struct cred *cred, const struct user_namespace *ns)
{
	for (; ns != cred->user_ns; ns = ns->parent) {
		if (ns->level <= cred->user_ns->level)
			return false;
		/* the creator of a namespace has all capabilities in it */
		if (ns->parent == cred->user_ns && uid_eq(ns->owner, cred->euid))
			return true;
	}
	return cap_raised(cred->cap_effective, CAP_NET_ADMIN);
}

/* Kernel sockets, and sockets that their process has closed, have no file. */
static bool has_privilege(struct sock *sk)
{
	bool privileged;

	read_lock_bh(&sk->sk_callback_lock);
	privileged = sk->sk_socket && sk->sk_socket->file &&
		     administers(sk->sk_socket->file->f_cred, sock_net(sk)->user_ns);
	read_unlock_bh(&sk->sk_callback_lock);
	return privileged;
}

#if IS_ENABLED(CONFIG_XFRM)
static bool selects(const struct xfrm_selector *sel, const struct espah_flow *flow)
{
	return addr_match(&flow->src, &sel->saddr, sel->prefixlen_s) &&
	       addr_match(&flow->dst, &sel->daddr, sel->prefixlen_d) &&
	       !((htons(flow->sport) ^ sel->sport) & sel->sport_mask) &&
	       !((htons(flow->dport) ^ sel->dport) & sel->dport_mask) &&
	       (!sel->proto || sel->proto == flow->proto) &&
	       (!sel->ifindex || sel->ifindex == flow->ifindex);
}

/* Whether a socket has its own XFRM policy that lets the packet pass in clear. */
static bool has_bypass(const struct sock *sk, const struct espah_flow *flow, u8 dir)
{
	const struct xfrm_policy *pol;

	pol = rcu_dereference(sk->sk_policy[dir == ESPAH_DIR_OUT ? XFRM_POLICY_OUT :
								   XFRM_POLICY_IN]);
	return pol && pol->action == XFRM_POLICY_ALLOW && !pol->xfrm_nr &&
	       pol->family == flow->family && !pol->if_id &&
	       (READ_ONCE(sk->sk_mark) & pol->mark.m) == pol->mark.v &&
	       selects(&pol->selector, flow);
}
#else
static bool has_bypass(const struct sock *sk, const struct espah_flow *flow, u8 dir)
{
	return false;
}
#endif

static bool is_exempt(struct sock *sk, const struct sk_buff *skb, const struct espah_flow *flow,
		      int thoff, u8 dir)
{
	u16 own = dir == ESPAH_DIR_OUT ? flow->sport : flow->dport;

	if (sk->sk_protocol != IPPROTO_UDP)
		return false;
	/* source NAT may have mapped a socket on another port to this port */
	return (inet_sk(sk)->inet_num == own && is_ike(skb, own, thoff) && has_privilege(sk)) ||
	       has_bypass(sk, flow, dir);
}

bool espah_ike_sends(struct sock *sk, const struct sk_buff *skb, const struct espah_flow *flow,
		     int thoff)
{
	return flow->proto == IPPROTO_UDP && flow->has_ports && sk && sk_fullsock(sk) &&
	       is_exempt(sk, skb, flow, thoff, ESPAH_DIR_OUT);
}

/* The socket that receives a packet, which may have arrived by a VRF or by a device of a VRF. */
static struct sock *find_socket(struct net *net, const struct sk_buff *skb,
				const struct espah_flow *flow)
{
	const struct net_device *in = skb->dev;
	__be16 sport = htons(flow->sport), dport = htons(flow->dport);
	bool ip4 = flow->family == AF_INET;
	int dif = in->ifindex, sdif = 0;

	if (netif_is_l3_slave(in)) {
		dif = l3mdev_master_ifindex_rcu(in);
		sdif = in->ifindex;
	} else if (netif_is_l3_master(in)) {
		sdif = ip4 ? IPCB(skb)->iif : IP6CB(skb)->iif;
	}
	if (ip4)
		return espah_udp4_lookup(net, flow->src.ip4, sport, flow->dst.ip4, dport, dif,
					 sdif);
	return espah_udp6_lookup(net, (const struct in6_addr *)&flow->src, sport,
				 (const struct in6_addr *)&flow->dst, dport, dif, sdif);
}

bool espah_ike_receives(struct net *net, const struct sk_buff *skb,
			const struct espah_flow *flow, int thoff)
{
	const struct sock_reuseport *group;
	struct sock *sk = skb->sk;
	unsigned int i, n;

	if (flow->proto != IPPROTO_UDP || !flow->has_ports)
		return false;
	/* a BPF program at tc ingress, or the stack before LOCAL_IN, may have set the socket */
	if (likely(!sk))
		sk = find_socket(net, skb, flow);
	if (!sk || !sk_fullsock(sk) || !is_exempt(sk, skb, flow, thoff, ESPAH_DIR_IN))
		return false;
	/* any socket of the same user may join the group and receive the packet */
	group = rcu_dereference(sk->sk_reuseport_cb);
	if (likely(!group))
		return true;
	n = READ_ONCE(group->num_socks);
	for (i = 0; i < n && n <= GROUP_MAX; i++)
		if (!is_exempt(READ_ONCE(group->socks[i]), skb, flow, thoff, ESPAH_DIR_IN))
			return false;
	return n <= GROUP_MAX;
}
