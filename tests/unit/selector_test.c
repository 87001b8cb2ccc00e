// SPDX-License-Identifier: GPL-2.0-only
/* RFC 4301 4.4.1.1, with cases written by hand */
#include <stdio.h>
#include <linux/espah.h>
#include "selector.h"
#include "shim.h"
#include "test.h"

static bool match(const struct espah_selector *sel, const struct espah_flow *flow)
{
	return !espah_selector_mismatch(sel, flow);
}

static union espah_addr addr(const char *text)
{
	union espah_addr addr = { .ip6 = { 0 } };

	if (inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &addr) != 1)
		abort();
	return addr;
}

static u8 family(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

static struct espah_selector selector(const char *src, u8 src_len, const char *dst, u8 dst_len,
				      u8 proto)
{
	return (struct espah_selector){
		.src = addr(src), .dst = addr(dst), .family = family(src), .proto = proto,
		.src_len = src_len, .dst_len = dst_len, .sport_max = 0xffff, .dport_max = 0xffff,
	};
}

static struct espah_flow flow(const char *src, const char *dst, u8 proto, u16 sport, u16 dport)
{
	return (struct espah_flow){
		.src = addr(src), .dst = addr(dst), .family = family(src), .proto = proto,
		.has_ports = espah_proto_has_ports(proto), .sport = sport, .dport = dport,
	};
}

static void prefixes(void)
{
	static const struct {
		const char *prefix;
		u8 len;
		const char *inside, *outside;
	} cases[] = {
		{ "0.0.0.0", 0, "255.255.255.255", NULL },
		{ "0.0.0.0", 1, "127.255.255.255", "128.0.0.0" },
		{ "128.0.0.0", 1, "128.0.0.0", "127.255.255.255" },
		{ "10.1.0.0", 16, "10.1.255.255", "10.2.0.0" },
		{ "10.1.2.0", 23, "10.1.3.255", "10.1.4.0" },
		{ "10.1.2.2", 31, "10.1.2.3", "10.1.2.4" },
		{ "10.1.2.2", 31, "10.1.2.2", "10.1.2.1" },
		{ "10.1.2.3", 32, "10.1.2.3", "10.1.2.2" },
		{ "::", 0, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
		{ "8000::", 1, "8000::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "2001:db8::", 31, "2001:db9::", "2001:dba::" },
		{ "2001:db8::", 32, "2001:db8:ffff::", "2001:db9::" },
		{ "2001:db8::", 33, "2001:db8:7fff::", "2001:db8:8000::" },
		{ "2001:db8::", 63, "2001:db8:0:1::", "2001:db8:0:2::" },
		{ "2001:db8::", 64, "2001:db8::ffff:ffff:0:0", "2001:db8:0:1::" },
		{ "2001:db8::", 65, "2001:db8::7fff:0:0:0", "2001:db8::8000:0:0:0" },
		{ "2001:db8::", 96, "2001:db8::ffff:ffff", "2001:db8::1:0:0" },
		{ "2001:db8::2", 127, "2001:db8::3", "2001:db8::4" },
		{ "2001:db8::2", 128, "2001:db8::2", "2001:db8::3" },
	};
	struct espah_selector sel;
	struct espah_flow f;
	const char *any;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		any = family(cases[i].prefix) == AF_INET ? "0.0.0.0" : "::";
		sel = selector(cases[i].prefix, cases[i].len, any, 0, 0);
		CHECK(!espah_selector_check(&sel), "%s/%u refused", cases[i].prefix, cases[i].len);
		f = flow(cases[i].inside, any, IPPROTO_TCP, 1, 2);
		CHECK(match(&sel, &f), "source %s is not in %s/%u",
		      cases[i].inside, cases[i].prefix, cases[i].len);
		if (cases[i].outside) {
			f = flow(cases[i].outside, any, IPPROTO_TCP, 1, 2);
			CHECK(!match(&sel, &f), "source %s is in %s/%u",
			      cases[i].outside, cases[i].prefix, cases[i].len);
		}
		sel = selector(any, 0, cases[i].prefix, cases[i].len, 0);
		f = flow(any, cases[i].inside, IPPROTO_TCP, 1, 2);
		CHECK(match(&sel, &f), "destination %s is not in %s/%u",
		      cases[i].inside, cases[i].prefix, cases[i].len);
		if (cases[i].outside) {
			f = flow(any, cases[i].outside, IPPROTO_TCP, 1, 2);
			CHECK(!match(&sel, &f), "destination %s is in %s/%u",
			      cases[i].outside, cases[i].prefix, cases[i].len);
		}
	}
}

static void marks(void)
{
	struct espah_selector sel = selector("0.0.0.0", 0, "0.0.0.0", 0, 0);
	struct espah_flow f = flow("10.0.0.1", "10.0.0.2", IPPROTO_UDP, 1, 2);

	f.mark = 0x12345678;
	f.ifindex = 3;
	CHECK(match(&sel, &f), "neither mark nor device asked for");
	sel.mark = 0x12345678;
	sel.mark_mask = 0xffffffff;
	CHECK(match(&sel, &f), "the same mark");
	f.mark ^= 0x80000000;
	CHECK(!match(&sel, &f), "the highest bit differs");
	sel.mark = 0x00345600;
	sel.mark_mask = 0x00ffff00;
	CHECK(match(&sel, &f), "the same within the mask");
	f.mark ^= 0x100;
	CHECK(!match(&sel, &f), "the lowest bit of the mask differs");
	sel.mark = 0;
	sel.mark_mask = 0x80;
	CHECK(match(&sel, &f), "a bit that has to be 0");
	f.mark |= 0x80;
	CHECK(!match(&sel, &f), "it is 1");
	sel.mark_mask = 0;
	sel.ifindex = 3;
	CHECK(match(&sel, &f), "the same device");
	f.ifindex = 4;
	CHECK(!match(&sel, &f), "another device");
	f.ifindex = 0;
	CHECK(!match(&sel, &f), "no device known");
}

static void protocols(void)
{
	struct espah_selector sel = selector("0.0.0.0", 0, "0.0.0.0", 0, IPPROTO_ICMP);
	struct espah_flow icmp = flow("10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 0, 0);
	struct espah_flow tcp = flow("10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 2);

	CHECK(match(&sel, &icmp), "ICMP is not ICMP");
	CHECK(!match(&sel, &tcp), "TCP is ICMP");
	sel.proto = 0;
	CHECK(match(&sel, &icmp) && match(&sel, &tcp), "any is not");
}

static void ports(void)
{
	struct espah_selector sel = selector("0.0.0.0", 0, "0.0.0.0", 0, IPPROTO_TCP);
	struct espah_flow f = flow("10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1000, 443);
	static const struct {
		u16 sport_min, sport_max, dport_min, dport_max;
		bool match;
	} cases[] = {
		{ 0, 0xffff, 0, 0xffff, true },	   { 1000, 1000, 443, 443, true },
		{ 0, 0xffff, 443, 0xffff, true },  { 0, 0xffff, 0, 443, true },
		{ 0, 0xffff, 444, 0xffff, false }, { 0, 0xffff, 0, 442, false },
		{ 1000, 0xffff, 0, 0xffff, true }, { 0, 1000, 0, 0xffff, true },
		{ 1001, 0xffff, 0, 0xffff, false }, { 0, 999, 0, 0xffff, false },
		{ 443, 443, 1000, 1000, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		sel.sport_min = cases[i].sport_min;
		sel.sport_max = cases[i].sport_max;
		sel.dport_min = cases[i].dport_min;
		sel.dport_max = cases[i].dport_max;
		CHECK(!espah_selector_check(&sel), "case %zu refused", i);
		CHECK(match(&sel, &f) == cases[i].match, "case %zu", i);
	}
}

static void opaque(void)
{
	struct espah_selector sel = selector("0.0.0.0", 0, "0.0.0.0", 0, IPPROTO_UDP);
	struct espah_flow f = flow("10.0.0.1", "10.0.0.2", IPPROTO_UDP, 0, 0);

	f.opaque = true;
	f.has_ports = false;
	CHECK(match(&sel, &f), "a fragment misses a selector without ports");
	sel.sport_max = 0;
	CHECK(!match(&sel, &f), "a fragment has source port 0");
	sel.sport_max = 0xfffe;
	CHECK(!match(&sel, &f), "a fragment lies in a range of source ports");
	sel.sport_max = 0xffff;
	sel.dport_max = 0xfffe;
	CHECK(!match(&sel, &f), "a fragment lies in a range of destination ports");
	f.opaque = false;
	CHECK(!match(&sel, &f), "a packet without ports lies in a range");
}

static void masks(void)
{
	union espah_addr masked, full;
	int len, bit, bits, fam;
	const u8 *byte = (const u8 *)&masked;
	bool is;

	memset(&full, 0xff, sizeof(full));
	for (fam = 0; fam < 2; fam++) {
		bits = fam ? 128 : 32;
		for (len = 0; len <= 128; len++) {
			masked = full;
			espah_addr_mask(&masked, fam ? AF_INET6 : AF_INET, len);
			for (bit = 0; bit < 128; bit++) {
				is = byte[bit / 8] >> (7 - bit % 8) & 1;
				CHECK(is == (bit < len && bit < bits), "/%d of %d: bit %d is %d",
				      len, bits, bit, is);
			}
		}
	}
}

/* the prefixes into which a range is split, as text */
static const char *cut(const char *low, const char *high)
{
	union espah_addr first = addr(low), last = addr(high), start;
	static char text[8192];
	char one[INET6_ADDRSTRLEN];
	size_t used = 0;
	bool more;
	u8 len;

	do {
		start = first;
		more = espah_range_next(&first, &last, family(low), &len);
		inet_ntop(family(low), &start, one, sizeof(one));
		used += snprintf(text + used, sizeof(text) - used, "%s%s/%u", used ? " " : "", one,
				 len);
	} while (more);
	return text;
}

static void cuts(void)
{
	static const struct {
		const char *low, *high, *prefixes;
	} cases[] = {
		{ "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
		{ "10.1.2.3", "10.1.2.3", "10.1.2.3/32" },
		{ "10.3.0.5", "10.3.0.9", "10.3.0.5/32 10.3.0.6/31 10.3.0.8/31" },
		{ "10.0.0.0", "10.255.255.255", "10.0.0.0/8" },
		{ "10.0.0.0", "11.0.0.0", "10.0.0.0/8 11.0.0.0/32" },
		{ "9.255.255.255", "10.255.255.255", "9.255.255.255/32 10.0.0.0/8" },
		{ "0.0.0.1", "0.0.0.15", "0.0.0.1/32 0.0.0.2/31 0.0.0.4/30 0.0.0.8/29" },
		{ "255.255.255.254", "255.255.255.255", "255.255.255.254/31" },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
		{ "2001:db8::5", "2001:db8::8",
		  "2001:db8::5/128 2001:db8::6/127 2001:db8::8/128" },
		{ "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:2:ffff:ffff:ffff:ffff",
		  "2001:db8::ffff:ffff:ffff:ffff/128 2001:db8:0:1::/64 2001:db8:0:2::/64" },
		{ "2001:db8:0:0:ffff::", "2001:db8:0:1::",
		  "2001:db8:0:0:ffff::/80 2001:db8:0:1::/128" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK(!strcmp(cut(cases[i].low, cases[i].high), cases[i].prefixes),
		      "%s-%s is cut into %s", cases[i].low, cases[i].high,
		      cut(cases[i].low, cases[i].high));
}

/* each prefix begins after the previous one, is aligned, and is as short as possible */
static void cut_at_random(void)
{
	int round, n;

	for (round = 0; round < 20000; round++) {
		u64 low = random64() & 0xffffffff, high = random64() & 0xffffffff, at, size;
		union espah_addr first = { .ip6 = { 0 } }, last = first;
		bool more;
		u8 len;

		if (round & 1)
			high = low + (random64() & 0xff);
		if (high > 0xffffffff)
			high = 0xffffffff;
		if (low > high)
			continue;
		first.ip4 = htonl(low);
		last.ip4 = htonl(high);
		at = low;
		for (n = 0, more = true; more; n++) {
			CHECK(ntohl(first.ip4) == at && at <= high, "the next prefix is elsewhere");
			more = espah_range_next(&first, &last, AF_INET, &len);
			CHECK(len <= 32, "a length of %u", len);
			size = 1ULL << (32 - len);
			CHECK(!(at % size), "a prefix begins off its boundary");
			CHECK(at + size - 1 <= high, "a prefix leaves the range");
			CHECK(!len || at % (2 * size) || at + 2 * size - 1 > high,
			      "a prefix is longer than it had to be");
			at += size;
		}
		CHECK(at == high + 1, "the range is not used up");
		CHECK(n <= 62, "%d prefixes", n);
	}
}

static void sentences(void)
{
	struct espah_selector tcp = selector("10.1.0.0", 16, "10.2.0.0", 16, IPPROTO_TCP);
	struct espah_selector sel;
	const char *said;

#define EXPECT(change, word)                                                              \
	do {                                                                              \
		sel = tcp;                                                                \
		change;                                                                   \
		said = espah_selector_check(&sel);                                        \
		CHECK(said && strstr(said, word), "%s: says %s", #change, said ?: "nothing"); \
	} while (0)
	CHECK(!espah_selector_check(&tcp), "a sound selector is refused");
	EXPECT(sel.family = 0, "family");
	EXPECT(sel.family = 255, "family");
	EXPECT(sel.src_len = 33, "source prefix");
	EXPECT(sel.dst_len = 33, "destination prefix");
	EXPECT((sel.family = AF_INET6, sel.src_len = 129), "128");
	EXPECT((sel.family = AF_INET6, sel.dst_len = 255), "128");
	EXPECT(sel.src_len = 15, "source address");
	EXPECT(sel.dst_len = 14, "destination address");
	EXPECT(sel.src.ip6[1] = 1, "source address");
	EXPECT(sel.dst.ip6[3] = 1, "destination address");
	EXPECT(sel = selector("::1", 127, "::", 0, 0), "source address");
	EXPECT(sel = selector("::", 0, "::1", 127, 0), "destination address");
	EXPECT((sel.sport_min = 2, sel.sport_max = 1), "lowest source port");
	EXPECT((sel.dport_min = 0xffff, sel.dport_max = 0), "lowest destination port");
	EXPECT((sel.opaque = true, sel.dport_min = 1), "opaque");
	EXPECT((sel.mark = 3, sel.mark_mask = 1), "mark has bits");
	EXPECT(sel.mark = 1, "mark has bits");
	EXPECT((sel.proto = 0, sel.dport_min = 1), "protocol");
	EXPECT((sel.proto = IPPROTO_ICMP, sel.sport_max = 7), "protocol");
	EXPECT((sel.proto = IPPROTO_ESP, sel.sport_min = 7), "protocol");
#undef EXPECT
	sel = tcp;
	sel.sport_min = 7;
	sel.proto = IPPROTO_UDPLITE;
	CHECK(!espah_selector_check(&sel), "ports of UDP-Lite are refused");
}

/* the mismatches that espah explain prints */
static void mismatches(void)
{
	struct espah_flow good = flow("10.1.0.1", "10.2.0.1", IPPROTO_TCP, 5, 443), f;
	struct espah_selector sel = selector("10.1.0.0", 16, "10.2.0.0", 16, IPPROTO_TCP);

	sel.sport_min = 1;
	sel.sport_max = 9;
	sel.dport_min = 443;
	sel.dport_max = 443;
	sel.mark_mask = 1;
	sel.ifindex = 2;
	good.ifindex = 2;
	CHECK(!espah_selector_mismatch(&sel, &good), "the flow of the selector");
#define EXPECT(change, fields)                                                             \
	do {                                                                               \
		f = good;                                                                  \
		change;                                                                    \
		CHECK(espah_selector_mismatch(&sel, &f) == (fields), "%s: %#x", #change,   \
		      espah_selector_mismatch(&sel, &f));                                  \
	} while (0)
	EXPECT(f.src = addr("10.3.0.1"), ESPAH_PFP_SRC);
	EXPECT(f.dst = addr("10.1.0.1"), ESPAH_PFP_DST);
	EXPECT(f.proto = IPPROTO_UDP, ESPAH_PFP_PROTO);
	EXPECT(f.sport = 0, ESPAH_PFP_SPORT);
	EXPECT(f.sport = 10, ESPAH_PFP_SPORT);
	EXPECT(f.dport = 442, ESPAH_PFP_DPORT);
	EXPECT(f.opaque = true, ESPAH_PFP_SPORT | ESPAH_PFP_DPORT);
	EXPECT(f.has_ports = false, ESPAH_PFP_SPORT | ESPAH_PFP_DPORT);
	EXPECT(f.mark = 1, ESPAH_WHY_MARK);
	EXPECT(f.ifindex = 3, ESPAH_WHY_IFINDEX);
	EXPECT((f.src = f.dst, f.dport = 1, f.mark = 3),
	       ESPAH_PFP_SRC | ESPAH_PFP_DPORT | ESPAH_WHY_MARK);
	sel.sport_min = 0;
	sel.sport_max = 0xffff;
	EXPECT(f.opaque = true, ESPAH_PFP_DPORT);
	sel.dport_min = 0;
	sel.dport_max = 0xffff;
	sel.opaque = true;
	EXPECT(f.opaque = true, 0);
	EXPECT(f.opaque = false, ESPAH_WHY_OPAQUE);
#undef EXPECT
}

static void equality(void)
{
	struct espah_selector tcp = selector("10.1.0.0", 16, "10.2.0.0", 16, IPPROTO_TCP);
	struct espah_selector sel = tcp;

	CHECK(espah_selector_equal(&tcp, &sel), "equal ones differ");
#define EXPECT(change)                                                          \
	do {                                                                    \
		sel = tcp;                                                      \
		change;                                                         \
		CHECK(!espah_selector_equal(&tcp, &sel), "%s: equal", #change); \
	} while (0)
	EXPECT(sel.src.ip4 ^= 1);
	EXPECT(sel.dst.ip4 ^= 1);
	EXPECT(sel.src.ip6[3] = 1);
	EXPECT(sel.dst.ip6[1] = 1);
	EXPECT(sel.family = AF_INET6);
	EXPECT(sel.proto = 0);
	EXPECT(sel.src_len = 17);
	EXPECT(sel.dst_len = 17);
	EXPECT(sel.sport_min = 1);
	EXPECT(sel.sport_max = 1);
	EXPECT(sel.dport_min = 1);
	EXPECT(sel.dport_max = 1);
	EXPECT(sel.opaque = true);
	EXPECT(sel.mark = 1);
	EXPECT(sel.mark_mask = 1);
	EXPECT(sel.ifindex = 1);
#undef EXPECT
}

static const struct test tests[] = {
	{ "selector: a mask keeps the first bits and no others, at every length", masks },
	{ "selector: prefixes match up to their edges", prefixes },
	{ "selector: a mark within its mask, and the device", marks },
	{ "selector: protocols", protocols },
	{ "selector: in what a flow does not match", mismatches },
	{ "selector: ports match from the lowest to the highest", ports },
	{ "selector: opaque ports match only where ports do not count (RFC 4301 4.4.1.1)", opaque },
	{ "selector: a range of addresses is cut into the fewest prefixes", cuts },
	{ "selector: prefixes of a random range cover it, and nothing else", cut_at_random },
	{ "selector: each mistake gets its sentence", sentences },
	{ "selector: equality looks at everything", equality },
};
TEST_MAIN(tests)
