// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define REMOVE "add table inet espah_guard\ndelete table inet espah_guard\n"
#define DROPS "counter drop\n"

/* what is the same for all files: exempt packets, and how a packet gets to one of two chains */
#define WAY(dir) \
	"\t\tip frag-off & 0x1fff != 0 goto " dir "_opaque\n" \
	"\t\tfrag frag-off != 0 meta l4proto >= 0 goto " dir "_opaque\n" \
	"\t\tmeta l4proto { 6, 17, 33, 132, 136 } @th,0,32 >= 0 goto " dir "_whole\n" \
	"\t\tmeta l4proto { 1, 58 } @th,0,16 >= 0 goto " dir "_whole\n" \
	"\t\tmh type >= 0 goto " dir "_whole\n" \
	"\t\tmeta l4proto != { 1, 6, 17, 33, 58, 132, 135, 136 } goto " dir "_whole\n" \
	"\t\tmeta l4proto >= 0 goto " dir "_opaque\n" \
	"\t\tcounter drop\n" \
	"\t}\n"

static const char enter_in[] =
	"\tchain in {\n"
	"\t\ttype filter hook prerouting priority -310; policy accept;\n"
	"\t\tiifname \"lo\" accept\n"
	"\t\ticmpv6 type 133-137 ip6 hoplimit 255 accept\n"
	"\t\tmeta l4proto { 50, 51 } fib daddr type local accept\n"
	"\t\tudp dport { 500, 4500 } fib daddr type local accept\n" WAY("in");

static const char enter_out[] =
	"\tchain out {\n"
	"\t\ttype filter hook postrouting priority 310; policy accept;\n"
	"\t\toifname \"lo\" accept\n"
	"\t\ticmpv6 type 133-137 ip6 hoplimit 255 accept\n"
	"\t\tmeta l4proto { 50, 51 } fib saddr type local accept\n"
	"\t\tudp sport { 500, 4500 } meta skuid >= 0 fib saddr type local accept\n" WAY("out");

static char folder[] = "/tmp/espah-guard.XXXXXX";
static int status;

/* Runs "espah guard" with a file of @lines. Return: what it prints. */
static const char *guard_of(const char *lines)
{
	char name[sizeof(folder) + 8];
	struct cli cli = { 0 };
	FILE *file;

	snprintf(name, sizeof(name), "%s/file", folder);
	file = fopen(name, "w");
	if (!file || fputs(lines, file) < 0 || fclose(file))
		abort();
	capture_start();
	status = cmd_guard(&cli, words(name));
	unlink(name);
	return capture_end();
}

/* Whether a file of policies of one direction makes these two chains. */
static bool makes(const char *lines, const char *whole, const char *opaque)
{
	bool out = strstr(lines, "add out") || strstr(lines, "default out");
	const char *dir = out ? "out" : "in", *got = guard_of(lines);
	static char want[8192];

	snprintf(want, sizeof(want),
		 REMOVE "table inet espah_guard {\n"
		 "\tchain %s_whole {\n%s\t}\n\tchain %s_opaque {\n%s\t}\n"
		 "%s}\n", dir, whole, dir, opaque, out ? enter_out : enter_in);
	if (!status && !strcmp(got, want))
		return true;
	printf("# %s# gave\n%s# expected\n%s", lines, got, want);
	return false;
}

/* The same, where ports make no difference. */
static bool makes_one(const char *lines, const char *rule)
{
	return makes(lines, rule, rule);
}

static void addresses(void)
{
	static const char four[] = "\t\tip saddr 10.1.0.0/16 ip daddr 10.2.0.0/16 " DROPS;
	static const char six[] = "\t\tip6 saddr 2001:db8::5 counter drop\n";

	test_begin("guard: actions; addresses of both families, ranges and lists");
	CHECK(makes_one("policy add out 10.1.0.0/16 10.2.0.0/16 protect tunnel 192.0.2.1 192.0.2.2\n",
			four));
	CHECK(makes_one("policy add in 10.1.0.0/16 10.2.0.0/16 discard\n", four));
	CHECK(makes_one("policy add in 10.1.0.5-10.1.0.9 any bypass\n",
			"\t\tip saddr 10.1.0.5-10.1.0.9 accept\n"));
	CHECK(makes_one("policy add in any 10.1.0.1,10.3.0.0/16,10.1.0.5-10.1.0.7 discard\n",
			"\t\tip daddr { 10.1.0.1,10.1.0.5-10.1.0.7,10.3.0.0/16 } counter drop\n"));
	CHECK(makes_one("policy add out 2001:db8::5 any protect transport\n", six));
	CHECK(makes_one("policy add out any4 any discard\n", "\t\tmeta nfproto ipv4 counter drop\n"));
	CHECK(makes_one("policy add in any6 any bypass\n", "\t\tmeta nfproto ipv6 accept\n"));
	test_end();
}

static void fields(void)
{
	test_begin("guard: ports and types; where they cannot be known, what may be meant is dropped");
	CHECK(makes("policy add out 10.1.0.1 any tcp dport 443,80-90 sport 1024-65535 bypass\n",
		    "\t\tip saddr 10.1.0.1 meta l4proto 6 th sport 1024-65535 th dport { 80-90,443 } accept\n",
		    "\t\tip saddr 10.1.0.1 meta l4proto 6 counter drop\n"));
	CHECK(makes_one("policy add out 10.1.0.1 any udp sport 0-65535 bypass\n",
			"\t\tip saddr 10.1.0.1 meta l4proto 17 accept\n"));
	CHECK(makes("policy add in any4 10.1.0.1 icmp type 3 code 0-4 discard\n",
		    "\t\tip daddr 10.1.0.1 meta l4proto 1 icmp type 3 icmp code 0-4 counter drop\n",
		    "\t\tip daddr 10.1.0.1 meta l4proto 1 counter drop\n"));
	CHECK(makes("policy add in any6 any icmpv6 type 1,128-129 code 1,3 bypass\n",
		    "\t\tmeta nfproto ipv6 meta l4proto 58 icmpv6 type { 1,128-129 } icmpv6 code { 1,3 } accept\n",
		    "\t\tmeta nfproto ipv6 meta l4proto 58 counter drop\n"));
	CHECK(makes("policy add in any6 any mh type 5 bypass\n",
		    "\t\tmeta nfproto ipv6 meta l4proto 135 mh type 5 accept\n",
		    "\t\tmeta nfproto ipv6 meta l4proto 135 counter drop\n"));
	CHECK(makes("policy add in any4 any mh type 5 bypass\n", "",
		    "\t\tmeta nfproto ipv4 meta l4proto 135 counter drop\n"));
	CHECK(makes("policy add in any6 any opaque bypass\n", "", "\t\tmeta nfproto ipv6 accept\n"));
	CHECK(makes_one("policy add in any6 any proto 51 bypass\n",
			"\t\tmeta nfproto ipv6 meta l4proto 51 accept\n"));
	test_end();
}

static void conditions(void)
{
	test_begin("guard: marks and devices, that need not be there");
	CHECK(makes_one("policy add out 10.1.0.1 any mark 7 bypass\n",
			"\t\tip saddr 10.1.0.1 meta mark 0x7 accept\n"));
	CHECK(makes_one("policy add in 10.1.0.1 any udp mark 0x20/0xf0 discard\n",
			"\t\tip saddr 10.1.0.1 meta l4proto 17 meta mark & 0xf0 == 0x20 counter drop\n"));
	CHECK(makes_one("policy add in 10.1.0.1 any dev nonsuch0 bypass\n",
			"\t\tip saddr 10.1.0.1 iifname \"nonsuch0\" accept\n"));
	CHECK(makes_one("policy add out 10.1.0.1 any dev nonsuch0 bypass\n",
			"\t\tip saddr 10.1.0.1 oifname \"nonsuch0\" accept\n"));
	CHECK(makes_one("policy add out 10.1.0.1 any dev 2147483647 bypass\n",
			"\t\tip saddr 10.1.0.1 oif 2147483647 accept\n"));
	CHECK(!*guard_of("policy add out 10.1.0.1 any dev eth* bypass\n") && status == STATUS_REFUSED);
	CHECK(told_of("nftables cannot name the device 'eth*'"));
	test_end();
}

static void whole_files(void)
{
	static const char ordered[] =
		"\t\tip saddr 10.1.0.4 counter drop\n"
		"\t\tip saddr 10.1.0.2 accept\n"
		"\t\tip saddr 10.1.0.3 counter drop\n"
		"\t\tip saddr 10.1.0.1 accept\n"
		"\t\tcounter drop\n";
	const char *got;

	test_begin("guard: order of priority, then of the file; default actions; devices of kind espah");
	CHECK(makes_one("policy add out 10.1.0.1 any priority 3000 bypass\n"
			"policy add out 10.1.0.2 any bypass\n"
			"link add ipsec0 if-id 42\n"
			"policy add out 10.1.0.9 any if-id 42 discard\n"
			"policy add out 10.1.0.3 any priority 1000 discard\n"
			"policy add out 10.1.0.4 any priority 9 discard\n"
			"default out discard\n", ordered));
	CHECK(makes_one("default in discard icmp bypass\n", "\t\tcounter drop\n"));
	CHECK(!strcmp(guard_of("default in bypass\n"), REMOVE "table inet espah_guard {\n}\n"));
	got = guard_of("policy add both 10.1.0.0/16 10.2.0.0/16 protect tunnel 192.0.2.1 192.0.2.2\n");
	CHECK(strstr(got, "chain in_whole {\n\t\tip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 " DROPS));
	CHECK(strstr(got, "chain out_whole {\n\t\tip saddr 10.1.0.0/16 ip daddr 10.2.0.0/16 " DROPS));
	test_end();
}

static void mistakes(void)
{
	struct cli cli = { 0 };

	test_begin("guard: errors of the file, and no script; the script that removes it");
	CHECK(!*guard_of("policy add out any4 any bypass\npolicy add uot any4 any bypass\n"));
	CHECK(status == STATUS_USAGE && told_of("file:2:12: "));
	CHECK(!*guard_of("include nonsuch\n") && status == STATUS_REFUSED);
	capture_start();
	CHECK(!cmd_guard(&cli, words("--remove")));
	CHECK(!strcmp(capture_end(), REMOVE));
	test_end();
}

void test_guard(void)
{
	if (!mkdtemp(folder))
		abort();
	addresses();
	fields();
	conditions();
	whole_files();
	mistakes();
	rmdir(folder);
}
