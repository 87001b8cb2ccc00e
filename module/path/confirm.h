/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What conntrack would have done behind our hooks: its helpers look at the packet, then the
 * connection is confirmed. A helper may live in user space (nfnetlink_cthelper): its verdict is
 * to queue the packet. From the queue a packet goes on behind the hook that queued it, in clear.
 * So what we queue comes back to us instead: see espah_confirm_return() in confirm.c.
 */
#ifndef _ESPAH_CONFIRM_H
#define _ESPAH_CONFIRM_H

#include "compat/conntrack.h"

struct espah_net;

/* @output: espah_output(), to which comes what user space has queued */
void espah_confirm_setup(unsigned int (*output)(struct espah_net *en, struct sk_buff *skb,
						const struct nf_hook_state *state));

/* goes on with espah_confirm() for what a helper did not just accept */
unsigned int espah_confirm_late(struct sk_buff *skb, const struct nf_hook_state *state,
				unsigned int verdict);

/* the end of the hooks for what we queued for a helper */
int espah_confirm_return(struct net *net, struct sock *sk, struct sk_buff *skb);

/* once no hook runs any more: drops what is queued still; Context: process */
void espah_confirm_teardown(struct espah_net *en);

/**
 * espah_confirm - do conntrack's part for a packet that is taken away
 * @skb: the packet, as the hook got it
 * @state: the hook's; NULL for a packet that waited, and has no connection any more
 *
 * Context: RCU reader, BH disabled.
 * Return: NF_ACCEPT; NF_DROP: the caller drops it; NF_STOLEN: user space has it, and it comes to
 * espah_output() once more.
 */
static inline unsigned int espah_confirm(struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict;

	if (!skb_nfct(skb))
		return NF_ACCEPT;
	verdict = espah_ct_confirm(skb, state, state->okfn == espah_confirm_return);
	return likely(verdict == NF_ACCEPT) ? NF_ACCEPT : espah_confirm_late(skb, state, verdict);
}

#endif /* _ESPAH_CONFIRM_H */
