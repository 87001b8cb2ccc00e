// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "attr.h"
#include "dscp.h"
#include "harness.h"

static struct dscp dscp;

/* Parses a word, puts it into an attribute, and returns the text of the attribute. */
static const char *through(const char *word)
{
	static char message[256] __attribute__((aligned(8))), text[DSCP_TEXT_MAX];
	struct nlmsghdr *nlh = msg_start(message, 77, 0, 1, ESPAH_CMD_SA_NEW);
	const struct nlattr *tb[ESPAH_SA_MAX + 1];

	if (dscp_parse(word, &dscp))
		return "refused";
	if (dscp.len)
		mnl_attr_put(nlh, ESPAH_SA_DSCP, dscp.len, dscp.byte);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	return dscp_text(tb[ESPAH_SA_DSCP], text);
}

void test_dscp(void)
{
	static const char *const wrong[] = {
		"", "64", "-1", "+5", "0x2e", "046", "ef,af41", "ef=", "=ef", "ef=64", "cs8=0",
		"ef=1,", ",ef=1", "ef=1,,af41=2", "else=1,else=2", "1=2=3", "expedited-forwarding",
		"ef=expedited-forwarding", " 5", "5 ", "4a",
	};
	static const char *const wrong_set[] = {
		"", ",", "ef,", ",ef", "64", "5-", "-5", "9-8", "ef-cs1", "1-2-3", "ef=1", "any,ef", "off", "1 2",
	};
	char text[DSCP_SET_MAX];
	uint64_t set, some;
	unsigned int i, n;
	uint8_t value;

	test_begin("dscp: copy, numbers and names (RFC 2474, 2597, 3246, 5865, 8622)");
	CHECK(!dscp_parse("copy", &dscp) && dscp.len == 0);
	CHECK(!dscp_parse("63", &dscp) && dscp.len == 1 && dscp.byte[0] == 63);
	CHECK(!dscp_parse("ef", &dscp) && dscp.len == 1 && dscp.byte[0] == 0x2e);
	CHECK(!dscp_parse("af11", &dscp) && dscp.byte[0] == 0x0a);
	CHECK(!dscp_parse("af43", &dscp) && dscp.byte[0] == 0x26);
	CHECK(!dscp_parse("cs6", &dscp) && dscp.byte[0] == 0x30);
	CHECK(!dscp_parse("le", &dscp) && dscp.byte[0] == 1);
	CHECK(!dscp_parse("va", &dscp) && dscp.byte[0] == 0x2c);
	CHECK(!dscp_parse("be", &dscp) && dscp.len == 1 && dscp.byte[0] == 0);
	test_end();

	test_begin("dscp: a map copies what it does not name, unless it has an else");
	CHECK(!dscp_parse("ef=cs5,af41=0,7=63", &dscp) && dscp.len == ESPAH_DSCP_NUM);
	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		CHECK(dscp.byte[i] == (i == 46 ? 40 : i == 34 ? 0 : i == 7 ? 63 : i));
	CHECK(!dscp_parse("ef=cs5,else=2,0=0", &dscp) && dscp.len == ESPAH_DSCP_NUM);
	for (i = 0; i < ESPAH_DSCP_NUM; i++)
		CHECK(dscp.byte[i] == (i == 46 ? 40 : i == 0 ? 0 : 2));
	test_end();

	test_begin("dscp: what was typed comes back");
	CHECK(!strcmp(through("copy"), "copy"));
	CHECK(!strcmp(through("46"), "ef"));
	CHECK(!strcmp(through("0"), "cs0"));
	CHECK(!strcmp(through("5"), "5"));
	CHECK(!strcmp(through("46=40,af41=cs4"), "af41=cs4,ef=cs5"));
	CHECK(!strcmp(through("else=cs1,ef=ef"), "ef=ef,else=cs1"));
	CHECK(!strcmp(through("ef=ef"), "copy"));
	CHECK(strlen(through("0=1,1=2,2=3,3=4,4=5,5=6,6=7,7=8,8=9,9=10,10=11,11=12,12=13,13=14,"
			     "14=15,15=16,16=17,17=18,18=19,19=20,20=21,21=22,22=23,23=24,24=25,"
			     "25=26,26=27,27=28,28=29,29=30,30=31,31=32,32=33,33=34,34=35,35=36,"
			     "36=37,37=38,38=39,39=40,40=41,41=42,42=43,43=44,44=45,45=46,46=47,"
			     "47=48,48=49,49=50,50=51,51=52,52=53,53=54,54=55,55=56,56=57,57=58,"
			     "58=59,59=60,60=61,61=62,62=63,63=0")) > 300);
	test_end();

	test_begin("for-dscp: lists, ranges and names, and back");
	CHECK(!dscp_set_parse("any", &set) && !set);
	CHECK(!dscp_set_parse("ef", &set) && set == 1ull << 46);
	CHECK(!dscp_set_parse("63,0", &set) && set == (1ull << 63 | 1));
	CHECK(!dscp_set_parse("8-15,af11,le", &set) && set == 0xff02);
	CHECK(!strcmp(dscp_set_text(set, text), "le,8-15"));
	CHECK(!dscp_set_parse("cs1-10,ef-47,5-5", &set) && set == (0x720ull | 3ull << 46));
	CHECK(!strcmp(dscp_set_text(set, text), "5,8-10,ef,47"));
	CHECK(!dscp_set_parse("0-63", &set) && set == UINT64_MAX);
	CHECK(!strcmp(dscp_set_text(set, text), "0-63"));
	CHECK(!strcmp(dscp_set_text(0, text), "any"));
	/* the longest texts fit their buffer */
	for (i = 1; i < 8; i++) {
		for (n = 0, some = 0; n < ESPAH_DSCP_NUM; n++)
			some |= (uint64_t)(i >> n % 3 & 1) << n;
		CHECK(strlen(dscp_set_text(some, text)) < DSCP_SET_MAX - 8);
		CHECK(!dscp_set_parse(text, &set) && set == some);
	}
	test_end();

	test_begin("for-dscp: a sentence for each mistake");
	for (i = 0; i < ARRAY_SIZE(wrong_set); i++) {
		CHECK(dscp_set_parse(wrong_set[i], &set));
		CHECK(told_of("'for-dscp' cannot be "));
	}
	test_end();

	test_begin("explain: a DSCP");
	CHECK(!dscp_value_parse("va", &value) && value == 44);
	CHECK(!strcmp(dscp_value_text(value, text), "va"));
	CHECK(!strcmp(dscp_value_text(63, text), "63"));
	CHECK(dscp_value_parse("64", &value));
	CHECK(told_of("'dscp' cannot be '64'; it is a DSCP (0 to 63, or a name"));
	test_end();

	test_begin("dscp: a sentence for each mistake");
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK(dscp_parse(wrong[i], &dscp));
		CHECK(told_of("'dscp' "));
	}
	CHECK(dscp_parse("ef=1,46=2", &dscp));
	CHECK(told_of("two values for 46"));
	test_end();
}
