// SPDX-License-Identifier: GPL-2.0-only
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include "compat/frame.h"
#include "compat/gso.h"
#include "segment.h"

bool espah_segment_plain(struct sk_buff *skb, int *thoff)
{
	int len = espah_gso_jumbo_len(skb);
	u8 nexthdr;

	if (likely(!len))
		return true;
	if (skb_cow_head(skb, 0))
		return false;
	nexthdr = skb->data[sizeof(struct ipv6hdr)];
	memmove(skb->data + len, skb->data, sizeof(struct ipv6hdr));
	__skb_pull(skb, len);
	skb_reset_network_header(skb);
	ipv6_hdr(skb)->nexthdr = nexthdr;
	*thoff -= len;
	return true;
}

struct sk_buff *espah_segment_gso(struct sk_buff *skb)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0);

	if (IS_ERR_OR_NULL(segs))
		return NULL;
	consume_skb(skb);
	return segs;
}

/**
 * struct cut - a packet that is being cut
 * @frame: among those on this CPU
 * @pieces: its fragments
 */
struct cut {
	struct espah_frame frame;
	struct sk_buff_head pieces;
};

static ESPAH_FRAMES(cuts);

static int collect(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct espah_frame *frame = espah_frame_find(&cuts);

	__skb_queue_tail(&container_of(frame, struct cut, frame)->pieces, skb);
	return 0;
}

struct sk_buff *espah_segment_cut(struct net *net, struct sk_buff *skb, unsigned int mtu)
{
	struct sk_buff *first = NULL, **end = &first, *whole = skb;
	struct cut cut;
	u16 *most;
	int err;

	skb = skb_clone(whole, GFP_ATOMIC);
	if (!skb)
		return NULL;
	if (whole->sk && sk_fullsock(whole->sk))
		skb_set_owner_w(skb, whole->sk);
	__skb_queue_head_init(&cut.pieces);
	if (skb->protocol == htons(ETH_P_IP)) {
		most = &IPCB(skb)->frag_max_size;
	} else {
		most = &IP6CB(skb)->frag_max_size;
		mtu = min(max_t(unsigned int, mtu, IPV6_MIN_MTU), ip6_skb_dst_mtu(skb));
	}
	/* no larger than received: the size tells the destination about its path (RFC 791 3.2) */
	if (!*most || *most > mtu)
		*most = mtu;
	espah_frame_begin(&cuts, &cut.frame);
	if (skb->protocol == htons(ETH_P_IP))
		err = ip_do_fragment(net, skb->sk, skb, collect);
	else
		err = espah_ip6_fragment(net, skb->sk, skb, collect);
	espah_frame_end(&cuts, &cut.frame);
	if (err) {
		__skb_queue_purge(&cut.pieces);
		return NULL;
	}
	consume_skb(whole);
	while ((skb = __skb_dequeue(&cut.pieces))) {
		*end = skb;
		end = &skb->next;
	}
	return first;
}
