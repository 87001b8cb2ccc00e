// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include "ah_mutable.h"

#define IP4_LEN 20
#define IP4_DST 16
#define IP6_LEN 40
#define IP6_DST 24
#define IP6_ADDR_LEN 16

/* IPv4 options: options without a length, immutable options, and source routes */
enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_SECURITY = 130,
	OPT_LOOSE_ROUTE = 131,
	OPT_EXTENDED_SECURITY = 133,
	OPT_COMMERCIAL_SECURITY = 134,
	OPT_STRICT_ROUTE = 137,
	OPT_ROUTER_ALERT = 148,
	OPT_MULTI_DESTINATION = 149,
};

/* the IPv6 option without a length, and the bit of options with mutable data */
#define OPT6_PAD1 0
#define OPT6_MUTABLE 0x20

/* The pointer of a source route counts from 1; it exceeds the option length at the last hop. */
static int end_route4(const u8 *opt, unsigned int len, u8 *dst)
{
	if (len < 3 || len % 4 != 3 || opt[2] < 4 || opt[2] % 4)
		return -EINVAL;
	if (opt[2] < len)
		memcpy(dst, opt + len - 4, 4);
	return 0;
}

static int cover4(u8 *ip, unsigned int len, bool out)
{
	unsigned int i, opt_len;

	/* fragment offset and more-fragments bit: AH needs unfragmented packets (3.3.4, 3.4.1) */
	if (len < IP4_LEN || (ip[0] & 15) * 4 != len || ip[6] & 0x3f || ip[7])
		return -EINVAL;
	ip[1] = 0; /* DSCP and ECN */
	ip[6] = 0; /* flags */
	ip[8] = 0; /* TTL */
	memset(ip + 10, 0, 2); /* checksum */
	for (i = IP4_LEN; i < len && ip[i] != OPT_END; i += opt_len) {
		opt_len = 1;
		if (ip[i] == OPT_NOP)
			continue;
		if (len - i < 2 || ip[i + 1] < 2 || ip[i + 1] > len - i)
			return -EINVAL;
		opt_len = ip[i + 1];
		switch (ip[i]) {
		case OPT_SECURITY:
		case OPT_EXTENDED_SECURITY:
		case OPT_COMMERCIAL_SECURITY:
		case OPT_ROUTER_ALERT:
		case OPT_MULTI_DESTINATION:
			continue;
		case OPT_LOOSE_ROUTE:
		case OPT_STRICT_ROUTE:
			if (out && end_route4(ip + i, opt_len, ip + IP4_DST))
				return -EINVAL;
		}
		memset(ip + i, 0, opt_len);
	}
	return 0;
}

/* hop-by-hop and destination options: type and length are kept (3.3.3.1.2.2) */
static int zero_options6(u8 *hdr, unsigned int len)
{
	unsigned int i, opt_len;

	for (i = 2; i < len; i += opt_len) {
		opt_len = 1;
		if (hdr[i] == OPT6_PAD1)
			continue;
		if (len - i < 2 || hdr[i + 1] > len - i - 2)
			return -EINVAL;
		opt_len = hdr[i + 1] + 2;
		if (hdr[i] & OPT6_MUTABLE)
			memset(hdr + i + 2, 0, opt_len - 2);
	}
	return 0;
}

/* Each node on a route swaps the destination with the next address in the header (A2). */
static int end_route6(u8 *hdr, unsigned int len, bool out, u8 *dst)
{
	u8 type = hdr[2], left = hdr[3];
	u8 *next, *last, final[IP6_ADDR_LEN];

	if (!left)
		return 0;
	if (!out || (type != 0 && type != 2) || len % IP6_ADDR_LEN != 8 ||
	    left > len / IP6_ADDR_LEN)
		return -EINVAL;
	hdr[3] = 0;
	last = hdr + len - IP6_ADDR_LEN;
	next = last - (left - 1) * IP6_ADDR_LEN;
	memcpy(final, last, IP6_ADDR_LEN);
	memmove(next + IP6_ADDR_LEN, next, last - next);
	memcpy(next, dst, IP6_ADDR_LEN);
	memcpy(dst, final, IP6_ADDR_LEN);
	return 0;
}

static int cover6(u8 *ip, unsigned int len, bool out)
{
	unsigned int i, hdr_len;
	u8 next_header;
	int err;

	if (len < IP6_LEN)
		return -EINVAL;
	next_header = ip[6];
	ip[0] &= 0xf0; /* DSCP, ECN and flow label */
	memset(ip + 1, 0, 3);
	ip[7] = 0; /* hop limit */
	for (i = IP6_LEN; i < len; i += hdr_len) {
		if (len - i < 8)
			return -EINVAL;
		hdr_len = (ip[i + 1] + 1) * 8;
		if (hdr_len > len - i)
			return -EINVAL;
		switch (next_header) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_DSTOPTS:
			err = zero_options6(ip + i, hdr_len);
			break;
		case IPPROTO_ROUTING:
			err = end_route6(ip + i, hdr_len, out, ip + IP6_DST);
			break;
		default:
			err = -EINVAL;
		}
		if (err)
			return err;
		next_header = ip[i];
	}
	return next_header == IPPROTO_AH ? 0 : -EINVAL;
}

int espah_ah_covered(u8 *to, const u8 *from, unsigned int len, bool out)
{
	memcpy(to, from, len);
	switch (to[0] >> 4) {
	case 4:
		return cover4(to, len, out);
	case 6:
		return cover6(to, len, out);
	}
	return -EINVAL;
}
