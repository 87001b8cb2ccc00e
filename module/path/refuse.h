/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors to the senders of packets that cannot be sent. */
#ifndef _ESPAH_REFUSE_H
#define _ESPAH_REFUSE_H

#include <linux/skbuff.h>

/* tells the sender of a too big packet which size would fit (RFC 4301 8.2.1) */
void espah_refuse_size(struct sk_buff *skb, unsigned int mtu);

/* tells the sender of a packet that it is prohibited, or that the host is unreachable */
void espah_refuse(struct sk_buff *skb, bool prohibited);

#endif /* _ESPAH_REFUSE_H */
