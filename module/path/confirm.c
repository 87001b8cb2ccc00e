// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/netfilter_ipv4.h>
#include <net/dst.h>
#include <net/netfilter/nf_queue.h>
#include "confirm.h"
#include "db/net.h"
#include "report/drop.h"

/* espah_output() */
static unsigned int (*again)(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state) __ro_after_init;

void __init espah_confirm_setup(unsigned int (*output)(struct espah_net *en, struct sk_buff *skb,
						       const struct nf_hook_state *state))
{
	again = output;
}

/*
 * okfn of a packet that we queued: ask the policies again. If they now let the packet pass, it is
 * dropped, because the hook's own okfn is not known here.
 *
 * Context: RCU reader, BH disabled.
 */
int espah_confirm_return(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct espah_net *en = espah_pernet(net);
	struct nf_hook_state state = {
		.hook = NF_INET_POST_ROUTING,
		.pf = skb->protocol == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6,
		.out = skb_dst(skb)->dev,
		.sk = sk,
		.net = net,
		.okfn = espah_confirm_return,
	};

	if (READ_ONCE(en->dying) || again(en, skb, &state) == NF_ACCEPT)
		espah_drop(en, NULL, NULL, ESPAH_DROP_CONFIRM, skb);
	return 0;
}

static unsigned int queue(struct sk_buff *skb, const struct nf_hook_state *state,
			  unsigned int verdict)
{
	struct net *net = state->net;
	struct nf_hook_entries __rcu **head = state->pf == NFPROTO_IPV4 ?
		&net->nf.hooks_ipv4[NF_INET_POST_ROUTING] :
		&net->nf.hooks_ipv6[NF_INET_POST_ROUTING];
	const struct nf_hook_entries *hooks = rcu_dereference(*head);
	struct nf_hook_state back = *state;

	if (!hooks || !hooks->num_hook_entries)
		return NF_DROP;
	/* after the last hook only the okfn is called */
	back.okfn = espah_confirm_return;
	WRITE_ONCE(espah_pernet(net)->queued, true);
	if (nf_queue(skb, &back, hooks->num_hook_entries - 1, verdict) == 1)
		return nf_conntrack_confirm(skb) == NF_ACCEPT ? NF_ACCEPT : NF_DROP;
	return NF_STOLEN;
}

unsigned int espah_confirm_late(struct sk_buff *skb, const struct nf_hook_state *state,
				unsigned int verdict)
{
	if ((verdict & NF_VERDICT_MASK) == NF_QUEUE && state->hook == NF_INET_POST_ROUTING)
		return queue(skb, state, verdict);
	return NF_DROP;
}

static unsigned int accept(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

static const struct nf_hook_ops any_hook = {
	.hook = accept,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_POST_ROUTING,
	.priority = NF_IP_PRI_LAST,
};

/*
 * Unregistering a hook drops all packets that are queued in the namespace. A packet that one of our
 * hooks was about to queue at that moment is queued later, and would return to a module that is
 * gone. So unregister another hook, which drops queued packets once more.
 */
void espah_confirm_teardown(struct espah_net *en)
{
	if (!en->queued)
		return;
	while (nf_register_net_hook(en->net, &any_hook))
		msleep(20);
	nf_unregister_net_hook(en->net, &any_hook);
	synchronize_net();
}
