// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <string.h>

#include <linux/espah.h>

#include "conf.h"
#include "harness.h"
#include "nl.h"
#include "sa.h"

#define ADD_NEEDS (SA_DIR | SA_SPI | SA_SRC | SA_DST | SA_MODE | SA_ALG | SA_KEY)
#define ADD_TAKES (ADD_NEEDS | SA_REQID | SA_ESN | SA_WINDOW | SA_DF | SA_SEQ | SA_NOECN | \
		   SA_FOR_DSCP | SA_DSCP | SA_DSCP_IN | SA_TTL | SA_SOFT | SA_HARD | SA_ENCAP | \
		   SA_TFC | SA_DUMMY | SA_LABEL | SA_REUSE_KEY | SA_IF_ID | SA_MARK | \
		   SA_SEEN | SA_IV_MASK | SA_USED)
#define SET_TAKES (SA_DIR | SA_SPI | SA_DST | SA_DF | SA_ENCAP | SA_NEW_SRC | SA_NEW_DST)

static struct cli cli;
static struct sa sa;
static char buf[NL_REQUEST_MAX] __attribute__((aligned(8)));

static int add(const char *line)
{
	return sa_read(&cli, words(line), "sa add", ADD_TAKES, ADD_NEEDS, &sa);
}

static const struct nlattr *encode(struct nlmsghdr **nlh)
{
	*nlh = msg_start(buf, 77, NLM_F_ACK, 5, ESPAH_CMD_SA_NEW);
	sa_put(*nlh, &sa);
	return mnl_nlmsg_get_payload_offset(*nlh, sizeof(struct genlmsghdr));
}

static void encoding(void)
{
	const uint64_t seq = 0xffffffff00000001, dscps = 1ull << 46 | 1;
	const struct genlmsghdr *genl;
	const struct nlattr *at;
	struct nlmsghdr *nlh;

	test_begin("sa add: each word's attribute");
	CHECK(!add("in esp spi 0x1001 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key 00ff "
		   "reqid 7 esn window 64 df clear seq 0xffffffff00000001 noecn "
		   "dscp ef dscp-in reuse-key ttl 9 label b.example.org"));
	at = encode(&nlh);
	genl = mnl_nlmsg_get_payload(nlh);
	CHECK(nlh->nlmsg_type == 77 && nlh->nlmsg_seq == 5);
	CHECK(nlh->nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
	CHECK(genl->cmd == ESPAH_CMD_SA_NEW && genl->version == 1);
	CHECK(has_u8(&at, ESPAH_SA_DIR, ESPAH_DIR_IN));
	CHECK(has_u8(&at, ESPAH_SA_PROTO, 50));
	CHECK(has_attr(&at, ESPAH_SA_SPI, "\0\0\x10\1", 4));
	CHECK(has_attr(&at, ESPAH_SA_SRC, "\xc6\x33\x64\7", 4));
	CHECK(has_attr(&at, ESPAH_SA_DST, "\xc0\0\2\1", 4));
	CHECK(has_u8(&at, ESPAH_SA_MODE, ESPAH_MODE_TUNNEL));
	CHECK(has_attr(&at, ESPAH_SA_ALG, "aes256gcm16", 12));
	CHECK(has_attr(&at, ESPAH_SA_KEY, "\0\xff", 2));
	CHECK(has_u32(&at, ESPAH_SA_REQID, 7));
	CHECK(has_u32(&at, ESPAH_SA_FLAGS, ESPAH_SA_F_ESN | ESPAH_SA_F_NOECN |
		      ESPAH_SA_F_DSCP_IN | ESPAH_SA_F_REUSE_KEY));
	CHECK(has_u32(&at, ESPAH_SA_WINDOW, 64));
	CHECK(has_u8(&at, ESPAH_SA_DF, ESPAH_DF_CLEAR));
	CHECK(has_attr(&at, ESPAH_SA_SEQ, &seq, 8));
	CHECK(has_u8(&at, ESPAH_SA_DSCP, 46));
	CHECK(has_u8(&at, ESPAH_SA_TTL, 9));
	CHECK(has_attr(&at, ESPAH_SA_LABEL, "b.example.org", 14));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("sa add: what is not typed is not sent; words in another order; IPv6");
	CHECK(!add("transport null-sha256 dst 2001:db8::2 key-file /dev/null src 2001:db8::1 "
		   "spi 4096 out") == 0);
	CHECK(told_of("is empty"));
	CHECK(!add("transport null-sha256 dst 2001:db8::2 key 0102 src 2001:db8::1 spi 4096 out"));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_SA_DIR, ESPAH_DIR_OUT));
	CHECK(has_attr(&at, ESPAH_SA_SPI, "\0\0\x10\0", 4));
	CHECK(has_attr(&at, ESPAH_SA_SRC, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16));
	CHECK(has_attr(&at, ESPAH_SA_DST, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16));
	CHECK(has_u8(&at, ESPAH_SA_MODE, ESPAH_MODE_TRANSPORT));
	CHECK(has_attr(&at, ESPAH_SA_ALG, "null-sha256", 12));
	CHECK(has_attr(&at, ESPAH_SA_KEY, "\1\2", 2));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("sa add: AH");
	CHECK(!add("ah in transport sha256 key 0102 dst 192.0.2.1 src 192.0.2.2 spi 256"));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_SA_DIR, ESPAH_DIR_IN));
	CHECK(has_u8(&at, ESPAH_SA_PROTO, 51));
	CHECK(has_attr(&at, ESPAH_SA_SPI, "\0\0\1\0", 4));
	CHECK(!sa_read(&cli, words("ah"), "sa list", 0, 0, &sa));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_SA_PROTO, 51));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(add("ah esp") == STATUS_USAGE);
	CHECK(told_of("'esp' is given twice (or contradicts"));
	test_end();

	test_begin("sa: the number of a device, the mark that packets get, and the one that they must have");
	CHECK(!sa_read(&cli, words("if-id 0xffffffff"), "sa list", SA_IF_ID, 0, &sa));
	at = encode(&nlh);
	CHECK(has_u32(&at, ESPAH_SA_IF_ID, UINT32_MAX));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!sa_read(&cli, words("set-mark 0x20/0xf0 if-id 42"), "t", SA_MARK | SA_IF_ID, 0,
		       &sa));
	at = encode(&nlh);
	CHECK(has_u32(&at, ESPAH_SA_IF_ID, 42));
	CHECK(has_u32(&at, ESPAH_SA_MARK, 0x20));
	CHECK(has_u32(&at, ESPAH_SA_MARK_MASK, 0xf0));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!sa_read(&cli, words("set-mark 0 mark 3/0xf"), "t", SA_MARK | SA_SEL_MARK, 0, &sa));
	at = encode(&nlh);
	CHECK(has_u32(&at, ESPAH_SA_MARK, 0));
	CHECK(has_u32(&at, ESPAH_SA_SEL_MARK, 3));
	CHECK(has_u32(&at, ESPAH_SA_SEL_MARK_MASK, 0xf));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("sa: the DSCPs that it is for, or any");
	CHECK(!sa_read(&cli, words("for-dscp 0,ef"), "t", SA_FOR_DSCP, 0, &sa));
	at = encode(&nlh);
	CHECK(has_attr(&at, ESPAH_SA_FOR_DSCP, &dscps, sizeof(dscps)));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!sa_read(&cli, words("for-dscp any"), "t", SA_FOR_DSCP, 0, &sa));
	at = encode(&nlh);
	CHECK(has_attr(&at, ESPAH_SA_FOR_DSCP, "\0\0\0\0\0\0\0", 8));
	test_end();

	test_begin("sa list: show-keys is a flag, window 0 is sent");
	CHECK(!sa_read(&cli, words("--show-keys"), "sa list", SA_SHOW_KEYS, 0, &sa));
	at = encode(&nlh);
	CHECK(has_attr(&at, ESPAH_SA_SHOW_KEYS, "", 0));
	CHECK(!sa_read(&cli, words("window 0"), "t", SA_WINDOW, 0, &sa));
	at = encode(&nlh);
	CHECK(has_u32(&at, ESPAH_SA_WINDOW, 0));
	test_end();

	test_begin("encap: ports; sa set: new addresses, other ports, none");
	CHECK(!sa_read(&cli, words("encap udp 4500 65535"), "sa add", SA_ENCAP, 0, &sa));
	at = encode(&nlh);
	CHECK(has_port(&at, ESPAH_SA_ENCAP_SPORT, 4500));
	CHECK(has_port(&at, ESPAH_SA_ENCAP_DPORT, 65535));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!sa_read(&cli, words("new-dst 192.0.2.2 encap off new-src 192.0.2.1"), "sa set",
		       SET_TAKES, 0, &sa));
	at = encode(&nlh);
	CHECK(has_attr(&at, ESPAH_SA_NEW_SRC, "\xc0\0\2\1", 4));
	CHECK(has_attr(&at, ESPAH_SA_NEW_DST, "\xc0\0\2\2", 4));
	CHECK(has_port(&at, ESPAH_SA_ENCAP_SPORT, 0));
	CHECK(has_port(&at, ESPAH_SA_ENCAP_DPORT, 0));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("the largest request fits its buffer");
	CHECK(!add("in spi 0xffffffff src 2001:db8::1 dst 2001:db8::2 tunnel "
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa key 00 reqid 7 "
		   "esn window 64 df clear seq 1 noecn dscp else=1 dscp-in ttl 255 "
		   "soft packets 1 bytes 1 time 1 use 1 idle 1 "
		   "hard packets 1 bytes 1 time 1 use 1 idle 1 "
		   "encap udp 65535 65535 tfc mtu dummy steady 1/s"));
	sa.key.len = ESPAH_KEY_MAX;
	encode(&nlh);
	CHECK(nlh->nlmsg_len < NL_REQUEST_MAX);
	test_end();
}

/* Parses one limit. Return: the payload of its nest, which must be the whole request. */
static const struct nlattr *limit(const char *line, uint16_t type)
{
	struct nlmsghdr *nlh;
	const struct nlattr *at;

	if (sa_read(&cli, words(line), "sa set", SA_SOFT | SA_HARD, 0, &sa))
		return NULL;
	at = encode(&nlh);
	CHECK(at->nla_type == (type | NLA_F_NESTED));
	CHECK((const char *)at + at->nla_len == (const char *)nlh + nlh->nlmsg_len);
	return mnl_attr_get_payload(at);
}

static bool amount(const char *line, uint16_t kind, uint64_t want)
{
	const struct nlattr *at = limit(line, *line == 's' ? ESPAH_SA_SOFT : ESPAH_SA_HARD);

	return at && has_attr(&at, kind, &want, 8);
}

static void lifetimes(void)
{
	const uint64_t values[] = { 5000000, 1000000000, 3000, 300 };
	const struct nlattr *at;
	struct nlmsghdr *nlh;

	test_begin("limits: units, several behind one word, a word twice");
	CHECK(amount("soft packets 5000", ESPAH_LIMIT_PACKETS, 5000));
	CHECK(amount("hard packets 10k", ESPAH_LIMIT_PACKETS, 10000));
	CHECK(amount("hard bytes 2G", ESPAH_LIMIT_BYTES, 2000000000));
	CHECK(amount("hard bytes 3T", ESPAH_LIMIT_BYTES, 3000000000000));
	CHECK(amount("hard bytes 18446744073709551615", ESPAH_LIMIT_BYTES, UINT64_MAX));
	CHECK(amount("hard time 90", ESPAH_LIMIT_TIME, 90));
	CHECK(amount("soft time 90s", ESPAH_LIMIT_TIME, 90));
	CHECK(amount("soft use 1h30m", ESPAH_LIMIT_USE, 5400));
	CHECK(amount("soft idle 2d", ESPAH_LIMIT_IDLE, 172800));
	CHECK(amount("hard time 4294967295", ESPAH_LIMIT_TIME, UINT32_MAX));
	CHECK(amount("hard time off", ESPAH_LIMIT_TIME, 0));
	CHECK(!sa_read(&cli, words("soft packets 5M hard bytes 1G soft use 50m idle 5m"), "t",
		       SA_SOFT | SA_HARD, 0, &sa));
	at = encode(&nlh);
	CHECK(mnl_attr_get_payload_len(at) == 36);
	at = mnl_attr_get_payload(at);
	CHECK(has_attr(&at, ESPAH_LIMIT_PACKETS, &values[0], 8));
	CHECK(has_attr(&at, ESPAH_LIMIT_USE, &values[2], 8));
	CHECK(has_attr(&at, ESPAH_LIMIT_IDLE, &values[3], 8));
	CHECK(at->nla_type == (ESPAH_SA_HARD | NLA_F_NESTED));
	at = mnl_attr_get_payload(at);
	CHECK(has_attr(&at, ESPAH_LIMIT_BYTES, &values[1], 8));
	test_end();

	test_begin("limits: a sentence for each mistake");
	CHECK(!limit("soft 1h", ESPAH_SA_SOFT) && told_of("packets, bytes, time, use, idle"));
	CHECK(!limit("soft", ESPAH_SA_SOFT) && told_of("'soft' is the last word"));
	CHECK(!limit("soft bytes", ESPAH_SA_SOFT) && told_of("'bytes' is the last word"));
	CHECK(!limit("hard packets 0", ESPAH_SA_HARD) && told_of("a number above 0"));
	CHECK(!limit("hard packets 5s", ESPAH_SA_HARD) && told_of("such as 5000, 10k, 5M"));
	CHECK(!limit("hard packets 1k5", ESPAH_SA_HARD));
	CHECK(!limit("hard packets k", ESPAH_SA_HARD));
	CHECK(!limit("hard bytes 18446744073709551616", ESPAH_SA_HARD));
	CHECK(!limit("hard bytes 18446745T", ESPAH_SA_HARD));
	CHECK(!limit("hard bytes -1", ESPAH_SA_HARD));
	told();
	CHECK(amount("hard time 5M5", ESPAH_LIMIT_TIME, 305));
	CHECK(!limit("hard time 1x", ESPAH_SA_HARD) && told_of("90s, 50m, 1h30m or 2d"));
	CHECK(!limit("hard time 4294967296", ESPAH_SA_HARD));
	CHECK(!limit("hard time 49711d", ESPAH_SA_HARD));
	CHECK(!limit("soft time 1 time 2", ESPAH_SA_SOFT));
	CHECK(told_of("'soft time' is given twice"));
	CHECK(!limit("soft time 1 hard use 5 soft time 2", ESPAH_SA_SOFT));
	told();
	CHECK(!limit("soft time 2 hard time 1", ESPAH_SA_SOFT));
	CHECK(told_of("soft time is above hard time"));
	CHECK(!limit("packets 5", ESPAH_SA_SOFT) && told_of("'packets' is not a word"));
	CHECK(!limit("soft packets 5 pakets 6", ESPAH_SA_SOFT) && told_of("is not a word"));
	test_end();
}

static bool hides(const char *line, uint16_t type, const void *data, size_t size)
{
	const struct nlattr *at;
	struct nlmsghdr *nlh;

	if (sa_read(&cli, words(line), "sa set", SA_TFC | SA_DUMMY, 0, &sa))
		return false;
	at = encode(&nlh);
	return has_attr(&at, type, data, size);
}

static bool tfc(const char *line, uint16_t want)
{
	return hides(line, ESPAH_SA_TFC, &want, 2);
}

static bool dummy(const char *line, uint16_t type, uint32_t want)
{
	return hides(line, type, &want, 4);
}

static void hiding(void)
{
	test_begin("TFC padding and dummies: words and rates");
	CHECK(tfc("tfc 300", 300));
	CHECK(tfc("tfc 0x100", 256));
	CHECK(tfc("tfc mtu", ESPAH_TFC_MTU));
	CHECK(tfc("tfc off", 0));
	CHECK(dummy("dummy steady 10/s", ESPAH_SA_DUMMY, 100000));
	CHECK(dummy("dummy random 3/s", ESPAH_SA_DUMMY_RANDOM, 333333));
	CHECK(dummy("dummy steady 6/m", ESPAH_SA_DUMMY, 10000000));
	CHECK(dummy("dummy steady 1000/s", ESPAH_SA_DUMMY, 1000));
	CHECK(dummy("dummy steady 1/h", ESPAH_SA_DUMMY, 3600000000));
	CHECK(dummy("dummy steady 0.5/s", ESPAH_SA_DUMMY, 2000000));
	CHECK(dummy("dummy off", ESPAH_SA_DUMMY, 0));
	test_end();

	test_begin("TFC padding and dummies: a sentence for each mistake");
	CHECK(!tfc("tfc 0", 0) && told_of("from 1 to 65534 bytes, mtu or off"));
	CHECK(!tfc("tfc 65535", 0) && told_of("'tfc' cannot be '65535'"));
	CHECK(!tfc("tfc -1", 0) && !tfc("tfc 5x", 0) && !tfc("tfc", 0));
	told();
	CHECK(!dummy("dummy 10/s", 0, 0) && told_of("steady RATE, random RATE, off"));
	CHECK(!dummy("dummy", 0, 0) && told_of("'dummy' is the last word"));
	CHECK(!dummy("dummy steady", 0, 0) && told_of("'steady' is the last word"));
	CHECK(!dummy("dummy steady 10", 0, 0) && told_of("such as 10/s, 6/m or 1/h"));
	CHECK(!dummy("dummy steady /s", 0, 0) && !dummy("dummy steady 0/s", 0, 0));
	CHECK(!dummy("dummy steady 1001/s", 0, 0) && !dummy("dummy steady 0.9/h", 0, 0));
	CHECK(!dummy("dummy steady nan/s", 0, 0) && !dummy("dummy steady inf/s", 0, 0));
	CHECK(!dummy("dummy steady -1/s", 0, 0) && !dummy("dummy steady 1/d", 0, 0));
	told();
	test_end();
}

static void refusals(void)
{
	test_begin("sa add: a sentence for each mistake");
	CHECK(add("in spi 256 src 192.0.2.1") == STATUS_USAGE);
	CHECK(told_of("sa add also needs dst, tunnel or transport, an algorithm"));
	CHECK(add("in spi 256 src 192.0.2.1 dst 192.0.2.2 tunnel key 00") == STATUS_USAGE);
	CHECK(told_of("also needs an algorithm after the mode"));
	CHECK(add("in out") == STATUS_USAGE);
	CHECK(told_of("'out' is given twice"));
	CHECK(add("tunnel x transport y") == STATUS_USAGE);
	CHECK(add("spi") == STATUS_USAGE);
	CHECK(told_of("'spi' is the last word"));
	CHECK(add("wnidow 5") == STATUS_USAGE);
	CHECK(told_of("did you mean 'window'?"));
	CHECK(add("window 31") == STATUS_USAGE);
	CHECK(told_of("0 (no replay check) or a number from 32 to 32768"));
	CHECK(add("window 32769") == STATUS_USAGE);
	CHECK(add("df no") == STATUS_USAGE);
	CHECK(told_of("copy, set, clear"));
	CHECK(add("ttl 0") == STATUS_USAGE);
	CHECK(told_of("a number from 1 to 255"));
	CHECK(add("ttl 256") == STATUS_USAGE);
	CHECK(add("dscp 64") == STATUS_USAGE);
	CHECK(add("for-dscp 64") == STATUS_USAGE);
	CHECK(told_of("'for-dscp' cannot be '64'; it is any, or a list of DSCPs"));
	CHECK(add("in spi 256 src 192.0.2.1 dst ::1 tunnel x key 00") == STATUS_USAGE);
	CHECK(told_of("src is IPv4, but dst is IPv6"));
	CHECK(add("min 300") == STATUS_USAGE);
	CHECK(told_of("sa add does not take 'min'"));
	CHECK(add("tunnel aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") ==
	      STATUS_USAGE);
	CHECK(told_of("...' is too long"));
	CHECK(sa_read(&cli, words("min 0x500 max 0x400"), "sa alloc", SA_MIN | SA_MAX, 0, &sa) ==
	      STATUS_USAGE);
	CHECK(told_of("min 0x500 is above max 0x400"));
	CHECK(add("if-id 0") == STATUS_USAGE);
	CHECK(told_of("'if-id' cannot be '0'; it is a number from 1 to 4294967295"));
	CHECK(add("if-id 4294967296") == STATUS_USAGE);
	CHECK(add("if_id 5") == STATUS_USAGE);
	CHECK(told_of("did you mean 'if-id'?"));
	CHECK(add("set-mark x") == STATUS_USAGE);
	CHECK(told_of("'set-mark' cannot be 'x'; it is a number such as 7 or 0x20"));
	CHECK(add("set-mark 0x20/0xf") == STATUS_USAGE);
	CHECK(told_of("beyond its mask"));
	CHECK(add("set-mark 1 set-mark 2") == STATUS_USAGE);
	CHECK(told_of("'set-mark' is given twice"));
	CHECK(sa_read(&cli, words("if-id 5"), "sa del", SA_DIR | SA_SPI, 0, &sa) == STATUS_USAGE);
	CHECK(told_of("sa del does not take 'if-id'"));
	CHECK(add("encap tcp 1 2") == STATUS_USAGE);
	CHECK(told_of("'encap' cannot be 'tcp'; it is udp SPORT DPORT\n"));
	CHECK(add("encap off") == STATUS_USAGE);
	CHECK(add("encap udp 4500") == STATUS_USAGE);
	CHECK(told_of("'encap udp' is the last word"));
	CHECK(add("encap udp 0 4500") == STATUS_USAGE);
	CHECK(add("encap udp 4500 65536") == STATUS_USAGE);
	CHECK(add("new-dst 192.0.2.2") == STATUS_USAGE);
	CHECK(told_of("sa add does not take 'new-dst'"));
	CHECK(sa_read(&cli, words("encap on"), "sa set", SET_TAKES, 0, &sa) == STATUS_USAGE);
	CHECK(told_of("udp SPORT DPORT, or off"));
	CHECK(sa_read(&cli, words("new-dst 192.0.2.2 new-src ::1"), "sa set", SET_TAKES, 0, &sa) ==
	      STATUS_USAGE);
	CHECK(told_of("new-src is IPv6, but new-dst is IPv4"));
	cli.batch_stdin = true;
	CHECK(add("key-stdin") == STATUS_USAGE);
	CHECK(told_of("standard input holds the batch"));
	cli.batch_stdin = false;
	test_end();
}

static void progress(void)
{
	const struct nlattr *at, *used;
	const uint64_t packets = 9, seq = 7;
	struct nlmsghdr *nlh;
	char line[9000];
	struct conf conf;

	test_begin("sa add: how far an SA has come");
	CHECK(!sa_read(&cli, words("seq 7 seen 0x0123456789abcdefFEDCBA9876543210 iv-mask 0102030405060708 "
				   "used packets 9"), "sa set", ADD_TAKES, 0, &sa));
	at = encode(&nlh);
	CHECK(has_attr(&at, ESPAH_SA_SEQ, &seq, sizeof(seq)));
	used = at;
	CHECK(used->nla_type == (ESPAH_SA_USED | NLA_F_NESTED));
	at = mnl_attr_get_payload(used);
	CHECK(has_attr(&at, ESPAH_LIMIT_PACKETS, &packets, sizeof(packets)));
	CHECK(has_attr(&at, ESPAH_SA_SEEN, "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10", 16));
	CHECK(has_attr(&at, ESPAH_SA_IV_MASK, "\1\2\3\4\5\6\7\x8", 8));
	CHECK((const char *)at == (const char *)nlh + nlh->nlmsg_len);
	CHECK(add("iv-mask 0x01020304050607") == STATUS_USAGE);
	CHECK(told_of("it is 16 hexadecimal digits"));
	CHECK(add("iv-mask 0x010203040506070809") == STATUS_USAGE);
	CHECK(add("iv-mask 0x010203040506070x") == STATUS_USAGE);
	CHECK(add("iv-mask 01020304050607080910111213141516") == STATUS_USAGE);
	CHECK(add("seen 0x") == STATUS_USAGE);
	CHECK(told_of("16 for each 64 packets"));
	CHECK(add("seen 01020304") == STATUS_USAGE);
	CHECK(told_of("16 for each 64 packets"));
	memset(line, 0, sizeof(line));
	memcpy(line, "seen ", 5);
	memset(line + 5, 'f', 8192);
	CHECK(add(line) == STATUS_USAGE);
	CHECK(told_of("sa add also needs"));
	memset(line + 5, 'f', 8192 + 16);
	CHECK(add(line) == STATUS_USAGE);
	CHECK(told_of("'seen' cannot be"));
	CHECK(add("used packets x") == STATUS_USAGE);
	CHECK(add("key-present") == STATUS_USAGE);
	CHECK(told_of("'key-present' is for files"));
	cli.conf = &conf;
	CHECK(add("seen 0102030405060708") == STATUS_USAGE);
	CHECK(told_of("'seen' is not for configuration files"));
	CHECK(add("iv-mask 0102030405060708") == STATUS_USAGE);
	CHECK(told_of("'iv-mask' is not for configuration files"));
	CHECK(add("used packets 1") == STATUS_USAGE);
	CHECK(told_of("'used' is not for configuration files"));
	cli.conf = NULL;
	cli.import = true;
	CHECK(!add("in spi 256 src 192.0.2.1 dst 192.0.2.2 tunnel x key-present"));
	cli.import = false;
	test_end();
}

void test_sa(void)
{
	progress();
	encoding();
	lifetimes();
	hiding();
	refusals();
}
