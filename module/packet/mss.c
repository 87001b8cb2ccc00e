// SPDX-License-Identifier: GPL-2.0-only
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/tcp.h>
#include "compat/unaligned.h"
#include "mss.h"

bool espah_mss_clamp(struct sk_buff *skb, int thoff, u16 mss)
{
	struct tcphdr buf;
	const struct tcphdr *seen;
	struct tcphdr *tcp;
	unsigned int len, i;
	u8 *opt;

	seen = skb_header_pointer(skb, thoff, sizeof(buf), &buf);
	if (!seen || !seen->syn)
		return true;
	len = seen->doff * 4;
	if (len <= sizeof(*tcp) || thoff + len > skb->len)
		return true;
	if (skb_ensure_writable(skb, thoff + len))
		return false;

	tcp = (struct tcphdr *)(skb->data + thoff);
	opt = (u8 *)tcp;
	for (i = sizeof(*tcp); i + TCPOLEN_MSS <= len;) {
		if (opt[i] == TCPOPT_EOL)
			break;
		if (opt[i] == TCPOPT_NOP) {
			i++;
			continue;
		}
		if (opt[i] == TCPOPT_MSS && opt[i + 1] == TCPOLEN_MSS) {
			u16 old = get_unaligned_be16(&opt[i + 2]);

			if (old > mss) {
				put_unaligned_be16(mss, &opt[i + 2]);
				/* at an odd offset, swap bytes for the checksum (RFC 1624) */
				inet_proto_csum_replace2(&tcp->check, skb,
							 i & 1 ? htons(swab16(old)) : htons(old),
							 i & 1 ? htons(swab16(mss)) : htons(mss),
							 false);
			}
			break;
		}
		if (opt[i + 1] < 2)
			break;
		i += opt[i + 1];
	}
	return true;
}
