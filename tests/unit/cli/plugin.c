// SPDX-License-Identifier: GPL-2.0-only
/* The plugin of ip: words to attributes, attributes to text and JSON. */
#include <net/if.h>
#include <string.h>

#include <linux/espah.h>

#include "attr.h"
#include "harness.h"
#include "link_util.h"

static char buf[LINK_REQUEST_MAX + 64] __attribute__((aligned(8)));
static struct nlmsghdr *nlh;
static bool json;

/* What ip would export. */
_Bool is_json_context(void)
{
	return json;
}

int print_color_uint(int output, int colour, const char *key, const char *format,
		     unsigned int value)
{
	(void)colour;
	(void)format;
	return output == LINK_OUTPUT_JSON ? printf("%s=%u\n", key, value) : 0;
}

int print_color_string(int output, int colour, const char *key, const char *format,
		       const char *value)
{
	(void)colour;
	(void)format;
	return output == LINK_OUTPUT_JSON ? printf("%s=%s\n", key, value) : 0;
}

int print_color_bool(int output, int colour, const char *key, const char *format, _Bool value)
{
	(void)colour;
	(void)format;
	return output == LINK_OUTPUT_JSON ? printf("%s=%s\n", key, value ? "true" : "false") : 0;
}

static int parse(const char *line)
{
	struct args *args = words(line);

	nlh = mnl_nlmsg_put_header(buf);
	return espah_link_util.parse_opt(&espah_link_util, args->count, args->word, nlh);
}

static bool says(const char *line, const char *text)
{
	const char *told_now;

	if (!parse(line))
		return false;
	told_now = told();
	return !strncmp(told_now, "Error: ", 7) && strstr(told_now, text);
}

static const char *print(void)
{
	struct rtattr *tb[ESPAH_LINK_MAX + 1] = { NULL };
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 0)
		tb[mnl_attr_get_type(attr)] = (void *)attr;
	capture_start();
	espah_link_util.print_opt(&espah_link_util, stdout, tb);
	return capture_end();
}

void test_plugin(void)
{
	const struct nlattr *at;

	test_begin("plugin of ip: each word's attribute");
	CHECK(!parse("if_id 0x2a carrier on dev lo"));
	at = mnl_nlmsg_get_payload(nlh);
	CHECK(has_u32(&at, ESPAH_LINK_IF_ID, 42));
	CHECK(has_u8(&at, ESPAH_LINK_CARRIER, 1));
	CHECK(has_u32(&at, ESPAH_LINK_DEV, if_nametoindex("lo")));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!parse("carrier off dev 0"));
	at = mnl_nlmsg_get_payload(nlh);
	CHECK(has_u8(&at, ESPAH_LINK_CARRIER, 0));
	CHECK(has_u32(&at, ESPAH_LINK_DEV, 0));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("plugin of ip: a sentence for each mistake");
	CHECK(says("if_id abc", "\"if_id\" cannot be \"abc\"; it is a number from 1 to 429496"));
	CHECK(says("if_id 0", "cannot be \"0\"") && says("if_id -1", "cannot be \"-1\""));
	CHECK(says("if_id 4294967297", "cannot be") && says("if_id 0x", "cannot be"));
	CHECK(says("if_id 99999999999999999999999", "cannot be") && says("if_id ''", "cannot be"));
	CHECK(says("if_id", "\"if_id\" is the last word"));
	CHECK(says("if_id 1 if_id 1", "\"if_id\" is given twice"));
	CHECK(says("dev nonsuch", "no network device \"nonsuch\""));
	CHECK(says("carrier yes", "it is on or off"));
	CHECK(says("if-id 5", "\"if-id\" is not an option"));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_len = LINK_REQUEST_MAX - 7;
	CHECK(espah_link_util.parse_opt(&espah_link_util, 2, words("if_id 5")->word, nlh));
	CHECK(strstr(told(), "too long") && nlh->nlmsg_len == LINK_REQUEST_MAX - 7);
	test_end();

	test_begin("plugin of ip: text and JSON");
	CHECK(!parse("if_id 42 dev lo carrier on"));
	CHECK(!strcmp(print(), "if_id 42 dev lo carrier on "));
	json = true;
	CHECK(!strcmp(print(), "if_id=42\ndev=lo\ncarrier=true\n"));
	CHECK(!parse("if_id 4294967295"));
	CHECK(!strcmp(print(), "if_id=4294967295\ncarrier=false\n"));
	json = false;
	nlh = mnl_nlmsg_put_header(buf);
	mnl_attr_put(nlh, ESPAH_LINK_IF_ID, 2, "ab");
	mnl_attr_put(nlh, ESPAH_LINK_CARRIER, 0, NULL);
	CHECK(!strcmp(print(), "if_id 0 carrier off "));
	capture_start();
	espah_link_util.print_opt(&espah_link_util, stdout, NULL);
	CHECK(!*capture_end());
	test_end();
}
