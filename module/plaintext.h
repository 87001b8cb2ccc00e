/* SPDX-License-Identifier: GPL-2.0-only */
/* The check at PRE_ROUTING that nothing comes in clear where a policy says protect. */
#ifndef _ESPAH_PLAINTEXT_H
#define _ESPAH_PLAINTEXT_H

#include <linux/netfilter.h>
#include "net.h"

/* Return: NF_ACCEPT, or NF_STOLEN if the packet was dropped and counted (RFC 4301 5.2 step 3) */
unsigned int espah_plaintext(struct espah_net *en, struct sk_buff *skb,
			     const struct nf_hook_state *state);

#endif /* _ESPAH_PLAINTEXT_H */
