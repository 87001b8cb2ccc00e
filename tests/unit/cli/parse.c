// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "parse.h"

static void numbers(void)
{
	uint64_t n;
	uint32_t u;

	test_begin("numbers: decimal, hexadecimal, bounds");
	CHECK(!parse_number("n", "0", 0, 9, &n) && n == 0);
	CHECK(!parse_number("n", "010", 0, 99, &n) && n == 10);
	CHECK(!parse_number("n", "0xFf", 0, 255, &n) && n == 255);
	CHECK(!parse_number("n", "18446744073709551615", 0, UINT64_MAX, &n) && n == UINT64_MAX);
	CHECK(!parse_number("n", "0xffffffffffffffff", 0, UINT64_MAX, &n) && n == UINT64_MAX);
	CHECK(parse_number("n", "18446744073709551616", 0, UINT64_MAX, &n));
	CHECK(parse_number("n", "10", 0, 9, &n));
	CHECK(!parse_u32("n", "4294967295", &u) && u == UINT32_MAX);
	CHECK(parse_u32("n", "4294967296", &u));
	test_end();

	test_begin("numbers: what is none");
	CHECK(parse_number("n", "", 0, 9, &n));
	CHECK(parse_number("n", "-1", 0, UINT64_MAX, &n));
	CHECK(parse_number("n", "+1", 0, 9, &n));
	CHECK(parse_number("n", " 1", 0, 9, &n));
	CHECK(parse_number("n", "1 ", 0, 9, &n));
	CHECK(parse_number("n", "0x", 0, 9, &n));
	CHECK(parse_number("n", "1a", 0, 999, &n));
	CHECK(parse_number("n", "0x1g", 0, 999, &n));
	CHECK(parse_number("n", "0x-1", 0, 999, &n));
	CHECK(parse_number("n", "1e3", 0, 9999, &n));
	told();
	CHECK(parse_number("reqid", "x", 0, 9, &n));
	CHECK(told_of("'reqid' cannot be 'x'; it is a number from 0 to 9"));
	test_end();

	test_begin("SPI: reserved ones (RFC 4303 2.1)");
	CHECK(!parse_spi("spi", "256", &u) && u == 256);
	CHECK(!parse_spi("spi", "0xffffffff", &u) && u == UINT32_MAX);
	CHECK(parse_spi("spi", "0", &u));
	CHECK(parse_spi("spi", "255", &u));
	CHECK(parse_spi("spi", "0x100000000", &u));
	test_end();
}

static void prefixes(void)
{
	char text[ADDR_TEXT_MAX];
	struct prefix p;
	uint8_t family;

	test_begin("prefixes: addresses, lengths, any");
	family = 0;
	CHECK(!parse_prefix("source", "10.1.0.0/16", &p, &family) && p.len == 16 &&
	      family == AF_INET && !memcmp(p.addr.byte, "\12\1\0\0", 4));
	CHECK(!parse_prefix("source", "10.1.2.3", &p, &family) && p.len == 32);
	CHECK(!parse_prefix("source", "0.0.0.0/0", &p, &family) && p.len == 0);
	CHECK(!parse_prefix("source", "2001:db8::/32", &p, &family) && p.len == 32 &&
	      family == AF_INET6);
	CHECK(!parse_prefix("source", "::1", &p, &family) && p.len == 128);
	CHECK(!strcmp(prefix_text(&p, text), "::1"));
	CHECK(!parse_prefix("source", "2001:db8::8000/113", &p, &family) && p.len == 113);
	CHECK(!strcmp(prefix_text(&p, text), "2001:db8::8000/113"));
	family = 0;
	CHECK(!parse_prefix("source", "any", &p, &family) && !p.addr.family && !family);
	CHECK(!parse_prefix("source", "any6", &p, &family) && !p.addr.family &&
	      family == AF_INET6);
	CHECK(!strcmp(prefix_text(&p, text), "any"));
	test_end();

	test_begin("prefixes: bits beyond the length, with a suggestion");
	CHECK(parse_prefix("source", "10.1.2.3/16", &p, &family));
	CHECK(told_of("probably 10.1.0.0/16 was meant"));
	CHECK(parse_prefix("source", "10.1.2.3/31", &p, &family));
	CHECK(told_of("10.1.2.2/31"));
	CHECK(parse_prefix("source", "1.2.3.4/0", &p, &family));
	CHECK(told_of("0.0.0.0/0 or any was meant"));
	CHECK(parse_prefix("destination", "2001:db8::1/64", &p, &family));
	CHECK(told_of("2001:db8::/64"));
	test_end();

	test_begin("prefixes: what is none");
	CHECK(parse_prefix("source", "10.1.0.0/33", &p, &family));
	CHECK(told_of("from 0 to 32"));
	CHECK(parse_prefix("source", "::/129", &p, &family));
	CHECK(told_of("from 0 to 128"));
	CHECK(parse_prefix("source", "10.1.0.0/", &p, &family));
	CHECK(parse_prefix("source", "10.1.0.0/255.255.0.0", &p, &family));
	CHECK(parse_prefix("source", "10.1/16", &p, &family));
	CHECK(parse_prefix("source", "10.1.0.0.0", &p, &family));
	CHECK(parse_prefix("source", "010.1.0.0", &p, &family));
	CHECK(parse_prefix("source", "", &p, &family));
	CHECK(parse_prefix("source", "/8", &p, &family));
	CHECK(parse_prefix("source", "gateway", &p, &family));
	CHECK(parse_prefix("source", "fe80::1%eth0", &p, &family));
	CHECK(parse_prefix("source", "1111111111111111111111111111111111111111111111111111111/1",
			   &p, &family));
	test_end();
}

static void addresses(void)
{
	struct addr a;

	test_begin("addresses: one sentence for each mistake");
	CHECK(!parse_addr("src", "192.0.2.1", &a) && a.family == AF_INET);
	CHECK(parse_addr("src", "::ffff:192.0.2.1", &a));
	CHECK(told_of("write the IPv4 address"));
	CHECK(parse_addr("src", "192.0.2.0/24", &a));
	CHECK(told_of("not a prefix"));
	CHECK(parse_addr("src", "fe80::1%eth0", &a));
	CHECK(told_of("no interface"));
	CHECK(parse_addr("dst", "host.example", &a));
	CHECK(told_of("'dst' cannot be 'host.example'"));
	test_end();
}

static void ports(void)
{
	struct ports p = { 0 };
	uint8_t proto;

	test_begin("ports: one, a range, and what is none");
	CHECK(!parse_ports("sport", "443", &p) && p.set && p.min == 443 && p.max == 443);
	CHECK(!parse_ports("sport", "0-65535", &p) && p.min == 0 && p.max == 65535);
	CHECK(parse_ports("sport", "2-1", &p));
	CHECK(told_of("as in 1-2"));
	CHECK(parse_ports("sport", "65536", &p));
	CHECK(parse_ports("sport", "1-65536", &p));
	CHECK(parse_ports("sport", "1-", &p));
	CHECK(parse_ports("sport", "-1", &p));
	CHECK(parse_ports("sport", "1-2-3", &p));
	CHECK(parse_ports("sport", "https", &p));
	CHECK(parse_ports("sport", "0000000000000000000000000000000001", &p));
	test_end();

	test_begin("protocols: names and numbers");
	CHECK(!parse_proto("tcp", &proto) && proto == 6);
	CHECK(!parse_proto("icmpv6", &proto) && proto == 58);
	CHECK(!parse_proto("ipv6-icmp", &proto) && proto == 58);
	CHECK(!parse_proto("sctp", &proto) && proto == 132);
	CHECK(!parse_proto("255", &proto) && proto == 255);
	CHECK(parse_proto("256", &proto));
	told();
	CHECK(parse_proto("udpp", &proto));
	CHECK(told_of("did you mean 'udp'?"));
	CHECK(parse_proto("", &proto));
	test_end();
}

void test_parse(void)
{
	numbers();
	prefixes();
	addresses();
	ports();
}
