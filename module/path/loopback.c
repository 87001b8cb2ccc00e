// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/netfilter_ipv4.h>
#include <net/ip.h>
#include "loopback.h"

/*
 * okfn of POST_ROUTING for packets that leave; copies have another one. The function is not
 * exported, so a test packet finds it once, at load.
 */
static int (*finish)(struct net *net, struct sock *sk, struct sk_buff *skb);
static ESPAH_FRAMES(emitting);

unsigned int espah_loopback_copy(struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct dst_entry *dst = skb_dst(skb);

	/* in doubt, the packet is one that leaves */
	if (!finish || state->okfn == finish || dst->output == ip_output || state->out != dst->dev)
		return NF_REPEAT;
	if (!espah_frame_find(&emitting) || !(IPCB(skb)->flags & IPSKB_XFRM_TRANSFORMED))
		return NF_ACCEPT;
	consume_skb(skb);
	return NF_STOLEN;
}

void espah_loopback_begin(struct espah_frame *frame)
{
	espah_frame_begin(&emitting, frame);
}

void espah_loopback_end(struct espah_frame *frame)
{
	espah_frame_end(&emitting, frame);
}

static unsigned int learn(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (skb->dev != dev_net(skb->dev)->loopback_dev || skb->len)
		return NF_ACCEPT;
	finish = state->okfn;
	consume_skb(skb);
	return NF_STOLEN;
}

static const struct nf_hook_ops learning = {
	.hook = learn,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_POST_ROUTING,
	.priority = INT_MIN,
};

int espah_loopback_setup(void)
{
	struct rtable *rt = rt_dst_alloc(init_net.loopback_dev, 0, RTN_UNICAST, true);
	struct sk_buff *skb = alloc_skb(MAX_HEADER, GFP_KERNEL);
	int err = -ENOMEM;

	if (!rt || !skb)
		goto out;
	err = nf_register_net_hook(&init_net, &learning);
	if (err)
		goto out;
	/* set an IP header, which no hook behind ours will read */
	skb_reset_network_header(skb);
	skb_dst_set(skb, &rt->dst);
	local_bh_disable();
	ip_output(&init_net, NULL, skb);
	local_bh_enable();
	nf_unregister_net_hook(&init_net, &learning);
	return 0;
out:
	if (rt)
		dst_release(&rt->dst);
	kfree_skb(skb);
	return err;
}
