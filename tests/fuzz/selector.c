// SPDX-License-Identifier: GPL-2.0-only
/* Selectors and address ranges, against a bit-by-bit reference. */
#include "selector.h"
#include "shim.h"
#include "fuzz.h"

static bool match(const struct espah_selector *sel, const struct espah_flow *flow)
{
	return !espah_selector_mismatch(sel, flow);
}

typedef unsigned __int128 number;

static number value(const union espah_addr *addr, u8 family)
{
	const u8 *byte = (const u8 *)addr;
	number n = 0;
	int i;

	for (i = 0; i < (family == AF_INET ? 4 : 16); i++)
		n = n << 8 | byte[i];
	return n;
}

static number below(int bits)
{
	return bits >= 128 ? ~(number)0 : ((number)1 << bits) - 1;
}

static void prefixes(struct input *input)
{
	u8 family = take_number(input, 1) & 1 ? AF_INET : AF_INET6, len;
	int bits = family == AF_INET ? 32 : 128, size = bits / 8, steps = 0;
	union espah_addr first = { .ip6 = { 0 } }, last = { .ip6 = { 0 } }, at;
	number next, end;
	bool more;

	take(input, &first, size);
	take(input, &last, size);
	if (value(&first, family) > value(&last, family))
		return;
	next = value(&first, family);
	do {
		at = first;
		more = espah_range_next(&first, &last, family, &len);
		EXPECT(len <= bits && value(&at, family) == next);
		EXPECT(!(next & below(bits - len)));
		end = next + below(bits - len);
		EXPECT(end <= value(&last, family));
		EXPECT(more == (end != value(&last, family)));
		EXPECT(++steps <= 2 * bits); /* the maximum for any range */
		/* no shorter prefix begins here and ends within the range */
		EXPECT(!len || next & below(bits - len + 1) ||
		       next + below(bits - len + 1) > value(&last, family));
		next = end + 1;
	} while (more);
}

static bool prefix_match(const union espah_addr *addr, const union espah_addr *prefix, u8 family,
			 u8 len)
{
	int i;

	for (i = 0; i < len; i++)
		if ((((const u8 *)addr)[i / 8] ^ ((const u8 *)prefix)[i / 8]) << i % 8 & 0x80)
			return false;
	return true;
}

static void matching(struct input *input)
{
	struct espah_selector sel = { .family = 0 };
	struct espah_flow flow = { .family = 0 };
	bool ports, want;
	u8 flags = take_number(input, 1), len;
	u8 size;

	sel.family = flags & 1 ? AF_INET : AF_INET6;
	size = sel.family == AF_INET ? 4 : 16;
	take(input, &sel.src, size);
	take(input, &sel.dst, size);
	sel.src_len = take_number(input, 1) % (size * 8 + 2);
	sel.dst_len = take_number(input, 1) % (size * 8 + 2);
	sel.proto = take_number(input, 1);
	sel.sport_max = sel.dport_max = 0xffff;
	if (flags & 2) {
		sel.sport_min = take_number(input, 2);
		sel.sport_max = take_number(input, 2);
	}
	if (flags & 4)
		sel.dport_max = take_number(input, 2);
	sel.opaque = flags & 8;
	len = sel.src_len > size * 8 || sel.dst_len > size * 8;
	if (!len && flags & 16) {
		espah_addr_mask(&sel.src, sel.family, sel.src_len);
		espah_addr_mask(&sel.dst, sel.family, sel.dst_len);
	}
	ports = sel.sport_min || sel.sport_max != 0xffff || sel.dport_max != 0xffff;
	want = !len && !(value(&sel.src, sel.family) & below(size * 8 - sel.src_len)) &&
	       !(value(&sel.dst, sel.family) & below(size * 8 - sel.dst_len)) &&
	       sel.sport_min <= sel.sport_max && !(ports && sel.opaque) &&
	       (!ports || sel.proto == 6 || sel.proto == 17 || sel.proto == 132 ||
		sel.proto == 33 || sel.proto == 136);
	EXPECT(!espah_selector_check(&sel) == want);
	if (!want || sel.opaque)
		return;
	flow.family = sel.family;
	flow.src = sel.src;
	flow.dst = sel.dst;
	((u8 *)&flow.src)[take_number(input, 1) % size] ^= take_number(input, 1);
	((u8 *)&flow.dst)[take_number(input, 1) % size] ^= take_number(input, 1);
	flow.proto = flags & 32 ? take_number(input, 1) : sel.proto;
	flow.has_ports = flags & 64;
	flow.opaque = flags & 128;
	/* at the limits and next to them */
	flow.sport = (flags & 32 ? sel.sport_min : sel.sport_max) + take_number(input, 1) % 3 - 1;
	flow.dport = sel.dport_max + take_number(input, 1) % 3 - 1;
	want = (!sel.proto || sel.proto == flow.proto) &&
	       prefix_match(&flow.src, &sel.src, sel.family, sel.src_len) &&
	       prefix_match(&flow.dst, &sel.dst, sel.family, sel.dst_len) &&
	       (!ports || (flow.has_ports && !flow.opaque && flow.sport >= sel.sport_min &&
			   flow.sport <= sel.sport_max && flow.dport <= sel.dport_max));
	EXPECT(match(&sel, &flow) == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	while (input.size)
		if (take_number(&input, 1) & 1)
			prefixes(&input);
		else
			matching(&input);
	return 0;
}
