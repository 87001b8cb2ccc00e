/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conntrack's work for packets that our hooks take away before its own hook: its helpers see the
 * packet, then the connection is confirmed. A helper may live in user space (nfnetlink_cthelper);
 * its verdict is then to queue the packet. A queued packet continues behind the hook that queued
 * it, which would be in clear. So packets that we queue return to us: see espah_confirm_return().
 */
#ifndef _ESPAH_CONFIRM_H
#define _ESPAH_CONFIRM_H

#include "compat/conntrack.h"

struct espah_net;

/* @output: espah_output(), which gets packets that return from a queue in user space */
void espah_confirm_setup(unsigned int (*output)(struct espah_net *en, struct sk_buff *skb,
						const struct nf_hook_state *state));

/* the rest of espah_confirm(), for helper verdicts other than NF_ACCEPT */
unsigned int espah_confirm_late(struct sk_buff *skb, const struct nf_hook_state *state,
				unsigned int verdict);

/* the okfn of packets that we queued for a helper */
int espah_confirm_return(struct net *net, struct sock *sk, struct sk_buff *skb);

/* after the last hook has run: drops packets that are still queued; Context: process */
void espah_confirm_teardown(struct espah_net *en);

/**
 * espah_confirm - do conntrack's work for a packet that a hook takes away
 * @skb: the packet, as the hook got it
 * @state: the hook's; NULL for a packet that has passed the last hook, or was held
 *
 * Context: RCU reader, BH disabled.
 * Return: NF_ACCEPT; NF_DROP: the caller drops the packet; NF_STOLEN: the packet was queued to
 * user space, and returns to espah_output().
 */
static inline unsigned int espah_confirm(struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict;

	if (!skb_nfct(skb) || unlikely(!state))
		return NF_ACCEPT;
	verdict = espah_ct_confirm(skb, state, state->okfn == espah_confirm_return);
	return likely(verdict == NF_ACCEPT) ? NF_ACCEPT : espah_confirm_late(skb, state, verdict);
}

#endif /* _ESPAH_CONFIRM_H */
