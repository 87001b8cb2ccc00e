// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <string.h>

#include <linux/espah.h>

#include "harness.h"
#include "policy.h"
#include "sa.h"

static char buf[4096] __attribute__((aligned(8)));

static void put_limits(struct nlmsghdr *nlh, uint16_t type, uint64_t time, uint64_t bytes)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_u64(nlh, ESPAH_LIMIT_BYTES, bytes);
	mnl_attr_put_u64(nlh, ESPAH_LIMIT_TIME, time);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *an_sa(const struct nlattr **tb)
{
	struct nlmsghdr *nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);
	struct nlattr *drops, *entry;

	mnl_attr_put_u8(nlh, ESPAH_SA_DIR, ESPAH_DIR_IN);
	mnl_attr_put_u8(nlh, ESPAH_SA_MODE, ESPAH_MODE_TUNNEL);
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI, htonl(0x1001));
	mnl_attr_put(nlh, ESPAH_SA_SRC, 4, "\xc6\x33\x64\7");
	mnl_attr_put(nlh, ESPAH_SA_DST, 4, "\xc0\0\2\1");
	mnl_attr_put_u32(nlh, ESPAH_SA_REQID, 7);
	mnl_attr_put_strz(nlh, ESPAH_SA_ALG, "aes256gcm16");
	mnl_attr_put_u64(nlh, ESPAH_SA_SEQ, UINT64_MAX);
	mnl_attr_put_u64(nlh, ESPAH_SA_PACKETS, 1ULL << 63);
	mnl_attr_put_u64(nlh, ESPAH_SA_BYTES, INT64_MAX);
	drops = mnl_attr_nest_start(nlh, ESPAH_SA_DROPS);
	entry = mnl_attr_nest_start(nlh, ESPAH_DROP_ENTRY);
	mnl_attr_put_strz(nlh, ESPAH_DROP_NAME, "replay");
	mnl_attr_put_u64(nlh, ESPAH_DROP_COUNT, 3);
	mnl_attr_nest_end(nlh, entry);
	mnl_attr_nest_end(nlh, drops);
	mnl_attr_put_u16(nlh, ESPAH_SA_TFC, ESPAH_TFC_MTU);
	mnl_attr_put_u32(nlh, ESPAH_SA_DUMMY_RANDOM, 333333);
	mnl_attr_put_u64(nlh, ESPAH_SA_DUMMIES, 12);
	mnl_attr_put_strz(nlh, ESPAH_SA_LABEL, "charon b.example.org");
	put_limits(nlh, ESPAH_SA_SOFT, 3600, 20000);
	put_limits(nlh, ESPAH_SA_HARD, 7200, 5000000);
	put_limits(nlh, ESPAH_SA_USED, 3660, 18000);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	return nlh;
}

static void sa(void)
{
	static const char long_text[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	char line[SA_LINE_MAX];
	const char *text;
	struct nlmsghdr *nlh;

	test_begin("an SA as JSON: 64-bit numbers whole, SPI as hexadecimal text");
	nlh = an_sa(tb);
	capture_start();
	json_print(sa_json(tb));
	text = capture_end();
	CHECK(strstr(text, "\"spi\": \"0x00001001\""));
	CHECK(strstr(text, "\"seq\": 18446744073709551615,"));
	CHECK(strstr(text, "\"packets\": 9223372036854775808,"));
	CHECK(strstr(text, "\"bytes\": 9223372036854775807,"));
	CHECK(strstr(text, "\"drops\": [{\"name\": \"replay\", \"count\": 3}]"));
	CHECK(strstr(text, "\"src\": \"198.51.100.7\""));
	CHECK(!strstr(text, "key"));
	CHECK(strstr(text, "\"tfc\": \"mtu\", \"dummy\": \"random 3/s\""));
	CHECK(strstr(text, "\"dummies\": 12,"));
	CHECK(strstr(text, "\"label\": \"charon b.example.org\""));
	CHECK(strstr(text, "\"soft\": {\"bytes\": {\"limit\": 20000, \"left\": 2000}, "
		     "\"time\": {\"limit\": 3600, \"left\": 0}}"));
	CHECK(strstr(text, "\"time\": {\"limit\": 7200, \"left\": 3540}"));
	CHECK(!strstr(text, "dscp\""));
	mnl_attr_put_u8(nlh, ESPAH_SA_DSCP, 46);
	mnl_attr_put_u8(nlh, ESPAH_SA_TTL, 9);
	mnl_attr_put_u64(nlh, ESPAH_SA_FOR_DSCP, 0xff00);
	mnl_attr_put_u64(nlh, ESPAH_SA_ECN_ODD, 3);
	mnl_attr_put(nlh, ESPAH_SA_KEY, 2, "\0\xff");
	mnl_attr_put(nlh, ESPAH_SA_IV_MASK, 8, "\1\2\3\4\5\6\7\x80");
	mnl_attr_put_u32(nlh, ESPAH_SA_IF_ID, 42);
	mnl_attr_put_u32(nlh, ESPAH_SA_MARK, 0x20);
	mnl_attr_put_u32(nlh, ESPAH_SA_MARK_MASK, 0xf0);
	mnl_attr_put_u32(nlh, ESPAH_SA_SEL_MARK, 3);
	mnl_attr_put_u32(nlh, ESPAH_SA_SEL_MARK_MASK, 0xf);
	put_port(nlh, ESPAH_SA_ENCAP_SPORT, 4500);
	put_port(nlh, ESPAH_SA_ENCAP_DPORT, 65535);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	capture_start();
	json_print(sa_json(tb));
	text = capture_end();
	CHECK(strstr(text, "\"key\": \"0x00ff\""));
	CHECK(strstr(text, "\"iv_mask\": \"0x0102030405060780\""));
	CHECK(strstr(text, "\"dscp\": \"ef\", \"for_dscp\": \"8-15\", \"ttl\": 9"));
	CHECK(strstr(text, "\"ecn_odd\": 3"));
	CHECK(strstr(text, "\"reqid\": 7, \"if_id\": 42, \"set_mark\": \"0x20/0xf0\", "
		     "\"mark\": \"0x3/0xf\", \"label\""));
	CHECK(strstr(text, "\"encap\": {\"type\": \"udp\", \"sport\": 4500, \"dport\": 65535}"));
	capture_start();
	sa_print(tb);
	text = capture_end();
	CHECK(strstr(text, " dscp ef  ttl 9  set-mark 0x20/0xf0  mark 0x3/0xf  ecn-odd 3 "));
	CHECK(strstr(text, "    key 0x00ff\n    iv-mask 0x0102030405060780\n"));
	CHECK(strstr(text, "tunnel  aes256gcm16  encap udp 4500 65535  reqid 7  "
		     "if-id 42  for-dscp 8-15  label 'charon b.example.org'\n"));
	test_end();

	test_begin("an SA as text");
	an_sa(tb);
	capture_start();
	sa_print(tb);
	text = capture_end();
	CHECK(strstr(text, "in esp 0x00001001  198.51.100.7 -> 192.0.2.1  tunnel  aes256gcm16  "
		     "reqid 7  label 'charon b.example.org'\n"));
	CHECK(strstr(text, "packets 9223372036854775808 "));
	CHECK(strstr(text, " tfc mtu  dummy random 3/s  dummies sent 12\n"));
	CHECK(strstr(text, "soft: bytes 20.0 kB (2000 B left), time 1h00m (0s left)\n"));
	CHECK(strstr(text, "hard: bytes 5.0 MB (5.0 MB left), time 2h00m (59m00s left)\n"));
	CHECK(strstr(text, "dropped: replay 3\n"));
	test_end();

	test_begin("the longest line of an SA fits its buffer");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);
	mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, 255);
	mnl_attr_put_u8(nlh, ESPAH_SA_MODE, ESPAH_MODE_TRANSPORT);
	mnl_attr_put(nlh, ESPAH_SA_SRC, 16, "0123456789abcdef");
	mnl_attr_put(nlh, ESPAH_SA_DST, 16, "0123456789abcdef");
	mnl_attr_put_u32(nlh, ESPAH_SA_VRF, UINT32_MAX);
	mnl_attr_put_strz(nlh, ESPAH_SA_ALG, long_text);
	put_port(nlh, ESPAH_SA_ENCAP_SPORT, 65535);
	put_port(nlh, ESPAH_SA_ENCAP_DPORT, 65535);
	mnl_attr_put_u32(nlh, ESPAH_SA_REQID, UINT32_MAX);
	mnl_attr_put_u32(nlh, ESPAH_SA_IF_ID, UINT32_MAX);
	mnl_attr_put_strz(nlh, ESPAH_SA_LABEL, long_text);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	sa_line(tb, line, sizeof(line));
	/* a device name may be 5 characters longer than the index here */
	CHECK(strlen(line) + 5 < sizeof(line) && line[strlen(line) - 1] == '\'');
	test_end();

	test_begin("an AH SA as text and JSON");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);
	mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, 51);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	capture_start();
	sa_print(tb);
	json_print(sa_json(tb));
	text = capture_end();
	CHECK(strstr(text, " ah 0x00000000") && strstr(text, "\"proto\": \"ah\""));
	test_end();

	test_begin("an SA from a broken message: no crash");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);
	mnl_attr_put(nlh, ESPAH_SA_DIR, 0, NULL);
	mnl_attr_put(nlh, ESPAH_SA_SPI, 3, "abc");
	mnl_attr_put(nlh, ESPAH_SA_SRC, 5, "abcde");
	mnl_attr_put(nlh, ESPAH_SA_ALG, 3, "abc");
	mnl_attr_put(nlh, ESPAH_SA_DROPS, 4, "\xff\xff\xff\xff");
	mnl_attr_put(nlh, 999, 4, "abcd");
	mnl_attr_put(nlh, ESPAH_SA_SOFT, 4, "\xff\xff\xff\xff");
	mnl_attr_put(nlh, ESPAH_SA_HARD, 6, "\6\0\2\0ab");
	attr_table(nlh, tb, ESPAH_SA_MAX);
	capture_start();
	sa_print(tb);
	json_print(sa_json(tb));
	CHECK(strstr(capture_end(), "? esp 0x00000000"));
	test_end();
}

static void texts(void)
{
	char text[64];

	test_begin("byte counts and ages");
	CHECK(!strcmp(bytes_text(0, text), "0 B"));
	CHECK(!strcmp(bytes_text(9999, text), "9999 B"));
	CHECK(!strcmp(bytes_text(10000, text), "10.0 kB"));
	CHECK(!strcmp(bytes_text(999949, text), "999.9 kB"));
	CHECK(!strcmp(bytes_text(999960, text), "1.0 MB"));
	CHECK(!strcmp(bytes_text(UINT64_MAX, text), "18.4 EB"));
	CHECK(!strcmp(age_text(0, text), "-"));
	CHECK(!strcmp(age_text(time(NULL) + 100, text), "0s"));
	CHECK(!strcmp(age_text(time(NULL) - 3600 * 25, text), "1d01h"));
	test_end();
}

static void table(void)
{
	static const char *const headings[] = { "NAME", ">N", "LAST", NULL };
	static struct table t;
	const char *text;
	int i;

	test_begin("a table aligns, streams after its first rows, frees all");
	capture_start();
	table_start(&t, headings);
	table_cell(&t, "long name");
	table_cell(&t, "%d", 5);
	table_cell(&t, "x");
	table_end(&t);
	text = capture_end();
	CHECK(!strcmp(text, "NAME       N  LAST\nlong name  5  x\n"));
	capture_start();
	table_start(&t, headings);
	for (i = 0; i < 1000; i++) {
		table_cell(&t, "a");
		table_cell(&t, "%d", i);
		table_cell(&t, "b");
		if (i == 300)
			CHECK(t.count == 0);
	}
	table_end(&t);
	text = capture_end();
	CHECK(strstr(text, "\na     999  b\n"));
	capture_start();
	table_start(&t, headings);
	table_end(&t);
	CHECK(!*capture_end());
	test_end();
}

/* Prints a table of two rows within some columns. */
static const char *narrow(const char *columns)
{
	static const char *const headings[] = { ">ID", "FLOW", "DROPPED", "ACTION", "LABEL", NULL };
	static struct table t;

	setenv("COLUMNS", columns, 1);
	capture_start();
	table_start(&t, headings);
	table_text(&t, "7");
	table_text(&t, "10.1.0.0/16 -> 10.2.0.0/16");
	table_text(&t, "-");
	table_text(&t, "protect esp");
	table_text(&t, "-");
	table_text(&t, "12");
	table_text(&t, "any -> any");
	table_text(&t, "-");
	table_text(&t, "bypass");
	table_text(&t, "a label of many words");
	table_end(&t);
	unsetenv("COLUMNS");
	return capture_end();
}

static void fitted(void)
{
	test_begin("a table fits the terminal: empty columns go first, then the last ones, under their rows");
	CHECK(!strcmp(narrow("200"),
		      "ID  FLOW                        DROPPED  ACTION       LABEL\n"
		      " 7  10.1.0.0/16 -> 10.2.0.0/16  -        protect esp  -\n"
		      "12  any -> any                  -        bypass       a label of many words\n"));
	CHECK(!strcmp(narrow("68"),
		      "ID  FLOW                        ACTION       LABEL\n"
		      " 7  10.1.0.0/16 -> 10.2.0.0/16  protect esp  -\n"
		      "12  any -> any                  bypass       a label of many words\n"));
	CHECK(!strcmp(narrow("60"),
		      "ID  FLOW                        ACTION\n"
		      " 7  10.1.0.0/16 -> 10.2.0.0/16  protect esp\n"
		      "12  any -> any                  bypass\n"
		      "    label a label of many words\n"));
	CHECK(!strcmp(narrow("40"),
		      "ID  FLOW\n"
		      " 7  10.1.0.0/16 -> 10.2.0.0/16\n"
		      "    action protect esp\n"
		      "12  any -> any\n"
		      "    action bypass\n"
		      "    label a label of many words\n"));
	CHECK(!strcmp(narrow("1"),
		      "ID\n"
		      " 7\n"
		      "    flow 10.1.0.0/16 -> 10.2.0.0/16\n"
		      "    action protect esp\n"
		      "12\n"
		      "    flow any -> any\n"
		      "    action bypass\n"
		      "    label a label of many words\n"));
	test_end();
}

static void policy(void)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	static struct listing listing;
	struct policy p;
	struct nlmsghdr *nlh;
	char line[1024];
	const char *text;

	test_begin("a policy: what was typed comes back");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	CHECK(!policy_read(words("out 10.1.0.0/16 any proto tcp sport 1-2 dport 443 priority 5 "
				 "protect tunnel 192.0.2.1 198.51.100.7 reqid 7 mss off"),
			   "policy add", true, &p));
	policy_put(nlh, &p);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, 3);
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	policy_line(tb, line, sizeof(line));
	CHECK(!strcmp(line, "policy 3  out  10.1.0.0/16 -> any tcp sport 1-2 dport 443  priority 5  "
		      "protect esp tunnel 192.0.2.1 -> 198.51.100.7 reqid 7 mss off"));
	capture_start();
	json_print(policy_json(tb));
	text = capture_end();
	CHECK(strstr(text, "\"sport\": \"1-2\", \"dport\": 443"));
	CHECK(strstr(text, "\"template\": {\"proto\": \"esp\", \"mode\": \"tunnel\", "
		     "\"src\": \"192.0.2.1\", \"dst\": \"198.51.100.7\", \"reqid\": 7}"));
	CHECK(strstr(text, "\"mss\": \"off\""));
	test_end();

	test_begin("a policy of a device");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	CHECK(!policy_read(words("in any4 any if-id 42 priority 5 discard"), "policy add", true,
			   &p));
	policy_put(nlh, &p);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, 3);
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	policy_line(tb, line, sizeof(line));
	CHECK(strstr(line, "  priority 5  if-id 42  discard"));
	capture_start();
	json_print(policy_json(tb));
	CHECK(strstr(capture_end(), "\"priority\": 5, \"if_id\": 42, \"family\": \"inet\""));
	listing_start(&listing, &policy_listing, false);
	listing_add(nlh, &listing);
	capture_start();
	listing_end(&listing, true);
	CHECK(strstr(capture_end(), "  any if-id 42  "));
	test_end();

	test_begin("a policy of AH");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	CHECK(!policy_read(words("in 192.0.2.1 192.0.2.2 protect ah transport"), "policy add",
			   true, &p));
	policy_put(nlh, &p);
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	policy_line(tb, line, sizeof(line));
	CHECK(strstr(line, "protect ah transport"));
	capture_start();
	json_print(policy_json(tb));
	CHECK(strstr(capture_end(), "\"template\": {\"proto\": \"ah\", \"mode\": \"transport\""));
	test_end();

	test_begin("a policy of two SAs");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	CHECK(!policy_read(words("in 192.0.2.1 192.0.2.2 protect transport reqid 1 ah transport"),
			   "policy add", true, &p));
	policy_put(nlh, &p);
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	policy_line(tb, line, sizeof(line));
	CHECK(strstr(line, "protect esp transport reqid 1, ah transport"));
	capture_start();
	json_print(policy_json(tb));
	CHECK(strstr(capture_end(), "\"reqid\": 1, \"outer\": {\"proto\": \"ah\", "
		     "\"mode\": \"transport\", \"reqid\": 0}}"));
	test_end();
}

void test_print(void)
{
	sa();
	texts();
	table();
	fitted();
	policy();
}
