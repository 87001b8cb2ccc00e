// SPDX-License-Identifier: GPL-2.0-only
/* The bytes of preceding headers that AH's ICV covers, against vectors and models of the RFCs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ah_mutable.h"
#include "test.h"

typedef uint8_t u8;

/* headers under construction, and the bytes that the ICV must cover */
static u8 ip[600], want[600];
static unsigned int len;

static void add(const void *bytes, const void *covered, unsigned int count)
{
	memcpy(ip + len, bytes, count);
	if (covered)
		memcpy(want + len, covered, count);
	else
		memset(want + len, 0, count);
	len += count;
}

/* append bytes that the ICV covers unchanged, and bytes that it covers as zeros */
static void keep(const void *bytes, unsigned int count) { add(bytes, bytes, count); }
static void zero(const void *bytes, unsigned int count) { add(bytes, NULL, count); }

static u8 *begin4(void)
{
	len = 0;
	add("\x45\xb9\x01\x23\x45\x67\x40\x00\x3f\x33\xab\xcd\xc0\x00\x02\x01\xc6\x33\x64\x07",
	    "\x45\x00\x01\x23\x45\x67\x00\x00\x00\x33\x00\x00\xc0\x00\x02\x01\xc6\x33\x64\x07", 20);
	return ip;
}

/* pads the header to whole words with end-of-list (RFC 4302 A1), and sets its length */
static void end4(void)
{
	while (len % 4)
		keep("", 1);
	ip[0] = want[0] = 0x40 | len / 4;
}

static void begin6(u8 next_header)
{
	len = 0;
	add("\x6b\x91\x23\x45\x01\x23\x00\x40"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02",
	    "\x60\x00\x00\x00\x01\x23\x00\x00"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02",
	    40);
	ip[6] = want[6] = next_header;
}

/* Runs the code on exact-size copies of the headers, so that the sanitizer detects overruns. */
static int cover(const u8 *bytes, unsigned int count, bool out, u8 *result)
{
	u8 *from = malloc(count), *to = malloc(count);
	int err;

	memcpy(from, bytes, count);
	err = espah_ah_covered(to, from, count, out);
	if (!err && result)
		memcpy(result, to, count);
	if (memcmp(from, bytes, count))
		err = -EFAULT; /* it must not change the packet */
	free(from);
	free(to);
	return err;
}

static void covers(bool out, const char *what)
{
	u8 got[sizeof(ip)];
	unsigned int i;
	int err = cover(ip, len, out, got);

	CHECK(!err, "%s: refused (%d)", what, err);
	for (i = 0; i < len; i++)
		CHECK(got[i] == want[i], "%s: byte %u is %#x, not %#x", what, i, got[i], want[i]);
}

static void refuses(bool out, const char *what)
{
	int err = cover(ip, len, out, NULL);

	CHECK(err == -EINVAL, "%s: %d, not -EINVAL", what, err);
}

static void both(const char *what)
{
	covers(false, what);
	covers(true, what);
}

/* --- IPv4 --- */

static void base4(void)
{
	begin4();
	both("no options");
	ip[6] = 0x80;
	both("the reserved flag");
}

static void fragments4(void)
{
	begin4();
	ip[6] = 0x20;
	refuses(true, "more fragments");
	refuses(false, "more fragments");
	ip[6] = 0x1f;
	refuses(false, "a high offset");
	ip[6] = 0;
	ip[7] = 1;
	refuses(true, "a low offset");
}

static void lengths4(void)
{
	unsigned int ihl, i;

	for (ihl = 0; ihl < 16; ihl++) {
		for (i = 1; i <= 64; i++) {
			begin4();
			memset(ip + 20, 1, 44);
			memset(want + 20, 1, 44);
			len = i;
			ip[0] = want[0] = 0x40 | ihl;
			if (ihl >= 5 && i == ihl * 4)
				both("as long as it says");
			else
				refuses(false, "another length than it says");
		}
	}
	begin4();
	ip[0] = 0x55;
	refuses(false, "version 5");
}

/* RFC 4302 A1: copy flag, class and number of immutable options; all others are zeroed */
static bool immutable4(u8 type)
{
	static const struct { u8 copy, class, number; } table[] = {
		{ 1, 0, 2 }, { 1, 0, 5 }, { 1, 0, 6 }, { 1, 0, 20 }, { 1, 0, 21 },
	};
	unsigned int i;

	for (i = 0; i < 5; i++)
		if (type == (table[i].copy << 7 | table[i].class << 5 | table[i].number))
			return true;
	return false;
}

static void options4(void)
{
	unsigned int type, size;

	for (type = 2; type < 256; type++) {
		for (size = 2; size <= 38; size++) {
			u8 option[38] = { type, size, 4, 0xaa, 0xbb };
			bool route = type == 131 || type == 137;

			memset(option + 5, 0x55, sizeof(option) - 5);
			begin4();
			keep("\x01", 1);
			add(option, immutable4(type) ? option : NULL, size);
			keep("\x94\x04\x12\x34", size > 32 ? 0 : 4);
			end4();
			covers(false, "received");
			if (!route)
				covers(true, "sent");
		}
	}
}

static void end_of_list(void)
{
	begin4();
	zero("\x07\x04\x04\x00", 4); /* record route */
	keep("\x00\x07\x03\x55\x44\x02\x01\x00", 8); /* bytes after the end are not options */
	end4();
	both("what lies behind the end of the list");
}

static void overruns4(void)
{
	unsigned int at, size;

	/* an option with each length at each position in a header of 32 bytes */
	for (at = 20; at < 32; at++) {
		for (size = 0; size < 256; size++) {
			begin4();
			memset(ip + 20, 1, 12);
			len = 32;
			end4();
			ip[at] = 68;
			if (at < 31)
				ip[at + 1] = size;
			if (at == 31 || size < 2 || size > 32 - at)
				refuses(false, "an option that overruns, or is too short");
			else
				CHECK(!cover(ip, len, true, NULL), "a good option is refused");
		}
	}
}

/* RFC 791 3.1: the processing at each node on the route */
static void source_route(void)
{
	static const u8 hops[] = "\x0a\0\0\1\x0a\0\0\2\x0a\0\0\3\x0a\0\0\4";
	unsigned int count, pointer, i;

	for (i = 0; i < 2; i++) {
		for (count = 0; count <= 4; count++) {
			for (pointer = 4; pointer <= 4 * count + 8; pointer += 4) {
				u8 option[19] = { i ? 137 : 131, 3 + 4 * count, pointer };

				memcpy(option + 3, hops, 4 * count);
				begin4();
				zero(option, 3 + 4 * count);
				keep("\x01", 1);
				end4();
				covers(false, "a source route received");
				/* addresses before the pointer are visited */
				if (pointer < 3 + 4 * count)
					memcpy(want + 16, hops + 4 * (count - 1), 4);
				covers(true, "a source route to be sent");
			}
		}
	}
}

static void broken_route(void)
{
	static const struct { const char *bytes; u8 size; } routes[] = {
		{ "\x83\x02", 2 }, { "\x83\x07\x00\x0a\0\0\1", 7 }, { "\x83\x07\x05\x0a\0\0\1", 7 },
		{ "\x89\x07\x03\x0a\0\0\1", 7 }, { "\x83\x08\x04\x0a\0\0\1\0", 8 },
		{ "\x89\x06\x04\x0a\0\0", 6 }, { "\x83\x04\x04\x0a", 4 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		begin4();
		zero(routes[i].bytes, routes[i].size);
		end4();
		refuses(true, "a broken source route to be sent");
		covers(false, "zeroed all the same when received");
	}
}

/* --- IPv6 --- */

static void base6(void)
{
	begin6(51);
	both("no extension headers");
	ip[0] = 0x60;
	both("another class");
	ip[6] = 50;
	refuses(false, "another next header than AH");
	for (len = 1; len < 40; len++)
		refuses(false, "a short header");
	begin6(51);
	keep("\x33\0\1\4\0\0\0\0", 8);
	refuses(false, "bytes between the headers and AH");
}

static void options6(void)
{
	unsigned int type, kind;

	for (kind = 0; kind < 2; kind++) {
		for (type = 1; type < 256; type++) {
			u8 option[] = { type, 5, 1, 2, 3, 4, 5 };

			begin6(kind ? 60 : 0);
			keep("\x33\x01\x00\x01\x00", 5); /* Pad1, PadN without data */
			keep(option, 2);
			if (type & 0x20) /* RFC 8200 4.2: the third-highest bit */
				zero(option + 2, 5);
			else
				keep(option + 2, 5);
			keep("\x01\x02\0\0", 4);
			both(kind ? "destination options" : "hop-by-hop options");
		}
	}
}

static void overruns6(void)
{
	unsigned int at, size, words;

	for (at = 42; at < 56; at++) {
		for (size = 0; size < 256; size++) {
			begin6(60);
			memset(ip + 40, 0, 16);
			len = 56;
			ip[40] = 51;
			ip[41] = 1;
			ip[at] = 0x3e;
			if (at < 55)
				ip[at + 1] = size;
			if (at == 55 || size > 54 - at)
				refuses(false, "an option that overruns");
			else
				CHECK(!cover(ip, len, false, NULL), "a good option is refused");
		}
	}
	for (words = 0; words < 256; words++) {
		begin6(0);
		memset(ip + 40, 0, 24);
		len = 64;
		ip[40] = 51;
		ip[41] = words;
		if (words == 2)
			CHECK(!cover(ip, len, false, NULL), "the right length is refused");
		else
			refuses(false, "a header that is longer or shorter than the room for it");
	}
}

/* Final destination and routing header at the end of the route (RFC 2460 4.4). */
static void follow_route(u8 *dst, u8 *routing)
{
	unsigned int n = routing[1] / 2;

	while (routing[3]) {
		u8 *address = routing + 8 + 16 * (n - routing[3]--), old[16];

		memcpy(old, dst, 16);
		memcpy(dst, address, 16);
		memcpy(address, old, 16);
	}
}

static void routes6(void)
{
	unsigned int type, n, left, i;

	for (type = 0; type < 8; type++) {
		for (n = 0; n <= 23; n++) {
			for (left = 0; left < 26; left++) {
				u8 routing[8 + 23 * 16] = { 51, 2 * n, type, left };

				for (i = 8; i < 8 + 16 * n; i++)
					routing[i] = i * 5 + n;
				begin6(43);
				memset(ip + 24, 51, 16); /* 51 is AH, if read as a header */
				memset(want + 24, 51, 16);
				keep(routing, 8 + 16 * n);
				if (!left)
					both("a route that is used up");
				else
					refuses(false, "received before its end");
				if (!left)
					continue;
				if (left > n || (type != 0 && type != 2)) {
					refuses(true, "too many segments, or a type unforeseen");
					continue;
				}
				follow_route(want + 24, want + 40);
				covers(true, "a route to be sent");
			}
		}
	}
}

static void odd_route(void)
{
	begin6(43);
	keep("\x33\x03\x00\x01\0\0\0\0\1\2\3\4\5\6\7\10", 16);
	keep("\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 16);
	refuses(true, "one address and a half");
	ip[43] = 0;
	want[43] = 0;
	both("half an address that nobody visits");
}

static void chains6(void)
{
	u8 order[3] = { 0, 43, 60 };
	unsigned int i, j;

	/* hop-by-hop, destination, routing, destination (RFC 8200 4.1) */
	begin6(0);
	keep("\x3c\0\x3e\1", 4), zero("\xff", 1), keep("\1\1\0", 3);
	keep("\x2b\0\xc9\1\xff\1\1\0", 8);
	keep("\x3c\0\0\0\0\0\0\0", 8);
	keep("\x33\0\x20\2", 4), zero("\xff\xff", 2), keep("\0\0", 2);
	both("all of them");

	for (i = 0; i < 256; i++) {
		if (i == 0 || i == 43 || i == 60)
			continue;
		begin6(i);
		keep("\x33\0\0\0\0\0\0\0", 8);
		refuses(false, "a header that is no option header or route, as a fragment's is");
	}
	for (i = 0; i < 3; i++) { /* a chain has no length limit, but ends with the bytes */
		begin6(order[i]);
		for (j = 0; j < 20; j++)
			keep((u8[8]) { order[i] }, 8);
		refuses(false, "a chain that never comes to AH");
		ip[len - 8] = want[len - 8] = 51;
		both("a chain of twenty");
	}
}

/* --- at random --- */

static void random_bytes(void)
{
	u8 once[120], twice[120];
	unsigned int round, i, accepted = 0;

	for (round = 0; round < 300000; round++) {
		len = 1 + below(sizeof(once));
		for (i = 0; i < len; i++)
			ip[i] = one_in(3) ? random64() : below(3) * 8;
		ip[0] = one_in(2) ? 0x40 | (one_in(4) ? random64() & 15 : len / 4 & 15) : 0x60;
		if (one_in(2) && len > 8)
			ip[6] = ip[7] = 0;
		if (cover(ip, len, one_in(2), once))
			continue;
		accepted++;
		CHECK(!cover(once, len, false, twice), "what is covered is refused");
		CHECK(!memcmp(once, twice, len), "what is covered changes when covered again");
	}
	CHECK(accepted > 1000, "only %u of these were accepted", accepted);
}

/* Random IPv4 or IPv6 headers; @mutable marks bytes in which every bit is mutable */
static void build(u8 *mutable)
{
	unsigned int i, count = below(4), start, size;

	memset(mutable, 0, sizeof(ip));
	if (one_in(2)) {
		begin4();
		mutable[1] = mutable[8] = mutable[10] = mutable[11] = 1;
		for (i = 0; i < count; i++) {
			u8 option[10] = { 2 + below(254), 2 + below(9), 4 };

			for (size = 2; size < 10; size++)
				option[size] = random64();
			memset(mutable + len + 2, !immutable4(option[0]), option[1] - 2);
			keep(option, option[1]);
		}
		end4();
		return;
	}
	begin6(51);
	mutable[1] = mutable[2] = mutable[3] = mutable[7] = 1;
	for (i = 0, start = 6; i < count; i++) {
		u8 option[8] = { 51, 0, 1 + below(255), 4 };

		for (size = 4; size < 8; size++)
			option[size] = random64();
		ip[start] = one_in(2) ? 0 : 60;
		start = len;
		memset(mutable + len + 4, !!(option[2] & 0x20), 4);
		keep(option, 8);
	}
}

static void random_flips(void)
{
	u8 mutable[sizeof(ip)], before[sizeof(ip)], after[sizeof(ip)];
	unsigned int round, byte;

	for (round = 0; round < 100000; round++) {
		build(mutable);
		CHECK(!cover(ip, len, false, before), "a good header is refused");
		byte = below(len);
		ip[byte] ^= 1 << below(8);
		if (mutable[byte]) {
			CHECK(!cover(ip, len, false, after), "changed in a mutable byte: refused");
			CHECK(!memcmp(before, after, len), "the ICV covers mutable byte %u", byte);
		} else if ((ip[0] >> 4) == 4 && byte == 6) {
			continue; /* flags and half of an offset */
		} else if (!cover(ip, len, false, after)) {
			/* mutable options: type and length may not count alone */
			if (ip[0] >> 4 == 4 && byte >= 20)
				continue;
			if (ip[0] >> 4 == 6 && byte == 0)
				continue; /* half of the class */
			CHECK(memcmp(before, after, len), "the ICV does not cover byte %u", byte);
		}
	}
}

static const struct test tests[] = {
	{ "AH, IPv4: what is zeroed of the header (RFC 4302 3.3.3.1.1.1)", base4 },
	{ "AH, IPv4: fragments are refused (3.3.4, 3.4.1)", fragments4 },
	{ "AH, IPv4: header lengths", lengths4 },
	{ "AH, IPv4: each option by appendix A1", options4 },
	{ "AH, IPv4: nothing is an option behind the end of the list", end_of_list },
	{ "AH, IPv4: options that overrun or are too short", overruns4 },
	{ "AH, IPv4: source routes, with the final destination when sent", source_route },
	{ "AH, IPv4: broken source routes", broken_route },
	{ "AH, IPv6: what is zeroed of the header (3.3.3.1.2.1)", base6 },
	{ "AH, IPv6: options by their mutable bit (3.3.3.1.2.2)", options6 },
	{ "AH, IPv6: options and headers that overrun", overruns6 },
	{ "AH, IPv6: routing headers in their final form when sent (appendix A2)", routes6 },
	{ "AH, IPv6: a routing header with an address and a half", odd_route },
	{ "AH, IPv6: chains of extension headers", chains6 },
	{ "AH: random bytes", random_bytes },
	{ "AH: random changes of good headers, mutable and not", random_flips },
};

TEST_MAIN(tests)
