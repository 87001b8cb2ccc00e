// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>

#include <linux/espah.h>

#include "harness.h"
#include "list.h"

static struct list list;
static char buf[8192] __attribute__((aligned(8)));

/* The printed form of a list of addresses, "?" if the list is refused. */
static const char *addrs(const char *word)
{
	static char text[LIST_TEXT_MAX];
	uint8_t family = 0;

	return list_parse_addrs("source", word, &list, &family) ? "?" : list_text(&list, text);
}

static const char *numbers(const char *word, uint8_t size)
{
	static char text[LIST_TEXT_MAX];

	return list_parse_numbers("dport", word, size, &list) ? "?" : list_text(&list, text);
}

static void parsing(void)
{
	char word[64 * 12], *to = word;
	int i;

	test_begin("lists: of addresses, sorted and united");
	CHECK(!strcmp(addrs("10.3.0.5-10.3.0.9,10.1.0.0/16"), "10.1.0.0/16,10.3.0.5-10.3.0.9"));
	CHECK(!strcmp(addrs("10.0.0.2,10.0.0.1"), "10.0.0.1-10.0.0.2"));
	CHECK(!strcmp(addrs("10.0.0.0/25,10.0.0.128/25"), "10.0.0.0/24"));
	CHECK(!strcmp(addrs("10.0.0.0/8,10.1.0.0/16,10.2.0.1"), "10.0.0.0/8"));
	CHECK(!strcmp(addrs("10.0.0.1,10.0.0.3"), "10.0.0.1,10.0.0.3"));
	CHECK(!strcmp(addrs("2001:db8::ffff,2001:db8::1:0"), "2001:db8::ffff-2001:db8::1:0"));
	CHECK(!strcmp(addrs("fd00::/8,2001:db8::5-2001:db8::6"), "2001:db8::5-2001:db8::6,fd00::/8"));
	CHECK(!strcmp(addrs("10.0.0.4-10.0.0.7"), "10.0.0.4/30") && list.count == 1);
	CHECK(!strcmp(addrs("255.255.255.255,0.0.0.0"), "0.0.0.0,255.255.255.255"));
	test_end();

	test_begin("lists: of addresses, a sentence for each mistake");
	CHECK(!strcmp(addrs("10.0.0.9-10.0.0.5"), "?") && told_of("lower address comes first"));
	CHECK(!strcmp(addrs("10.0.0.1-2001:db8::1"), "?") && told_of("of one family"));
	CHECK(!strcmp(addrs("10.0.0.1-10.0.0"), "?") && told_of("a range is two addresses"));
	CHECK(!strcmp(addrs("10.0.0.1-10.0.0.2-10.0.0.3"), "?") && told_of("a range is two"));
	CHECK(!strcmp(addrs("10.0.0.1,2001:db8::1"), "?") && told_of("mixes IPv4 and IPv6"));
	CHECK(!strcmp(addrs("10.0.0.1,any"), "?") && told_of("must stand alone"));
	CHECK(!strcmp(addrs("10.0.0.1,"), "?") && told_of("it is an address"));
	CHECK(!strcmp(addrs(","), "?") && told_of("it is an address"));
	CHECK(!strcmp(addrs("10.0.0.1/16,10.0.0.2"), "?") && told_of("probably 10.0.0.0/16"));
	test_end();

	test_begin("lists: of ports and types");
	CHECK(!strcmp(numbers("443,80", 2), "80,443"));
	CHECK(!strcmp(numbers("80-90,91,85-100,22", 2), "22,80-100"));
	CHECK(!strcmp(numbers("65535,0", 2), "0,65535"));
	CHECK(!strcmp(numbers("8,0", 1), "0,8"));
	CHECK(!strcmp(numbers("256", 1), "?") && told_of("from 0 to 255"));
	CHECK(!strcmp(numbers("echo", 1), "?") && told_of("from 0 to 255"));
	CHECK(!strcmp(numbers("80,,90", 2), "?") && told_of("it is a port"));
	CHECK(!strcmp(numbers("90-80", 2), "?") && told_of("lower number comes first"));
	for (i = 0; i < 64; i++)
		to += sprintf(to, "%s%d", i ? "," : "", i * 3);
	CHECK(strcmp(numbers(word, 2), "?") && list.count == 64);
	strcpy(to, ",999");
	CHECK(!strcmp(numbers(word, 2), "?") && told_of("at most 64 ranges"));
	test_end();
}

static void coding(void)
{
	static const uint8_t pairs[] = { 10, 0, 0, 1, 10, 0, 0, 5, 10, 9, 0, 0, 10, 9, 255, 255 };
	char text[LIST_TEXT_MAX];
	const struct nlattr *at;
	struct nlmsghdr *nlh;

	test_begin("lists: as an attribute, in network order");
	CHECK(strcmp(addrs("10.9.0.0/16,10.0.0.1-10.0.0.5"), "?"));
	nlh = mnl_nlmsg_put_header(buf);
	list_put(nlh, ESPAH_SEL_SRC_RANGES, &list);
	at = mnl_nlmsg_get_payload(nlh);
	CHECK(has_attr(&at, ESPAH_SEL_SRC_RANGES, pairs, sizeof(pairs)));
	at = mnl_nlmsg_get_payload(nlh);
	memset(&list, 0xff, sizeof(list));
	list_get(at, 4, &list);
	CHECK(!strcmp(list_text(&list, text), "10.0.0.1-10.0.0.5,10.9.0.0/16"));
	CHECK(strcmp(numbers("80,1024-65535", 2), "?"));
	nlh = mnl_nlmsg_put_header(buf);
	list_put(nlh, ESPAH_SEL_DPORT_RANGES, &list);
	at = mnl_nlmsg_get_payload(nlh);
	CHECK(has_attr(&at, ESPAH_SEL_DPORT_RANGES, "\0\120\0\120\4\0\377\377", 8));
	test_end();

	test_begin("lists: long ones are cut short for people, not in JSON");
	CHECK(strcmp(addrs("2001:db8:1111:2222:3333:4444:5555:6661,"
			   "2001:db8:1111:2222:3333:4444:5555:7771,"
			   "2001:db8:1111:2222:3333:4444:5555:8881"), "?"));
	CHECK(!strcmp(list_text(&list, text), "2001:db8:1111:2222:3333:4444:5555:6661,"
		      "2001:db8:1111:2222:3333:4444:5555:7771,..."));
	{
		json_t *json = list_json(&list);

		CHECK(json_is_array(json) && json_array_size(json) == 3);
		json_decref(json);
	}
	test_end();
}

void test_list(void)
{
	parsing();
	coding();
}
