// SPDX-License-Identifier: GPL-2.0-only
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/espah.h>

#include "harness.h"
#include "nl.h"
#include "policy.h"

static struct policy policy;
static char buf[NL_REQUEST_MAX] __attribute__((aligned(8)));

static int add(const char *line)
{
	return policy_read(words(line), "policy add", true, &policy);
}

static const struct nlattr *encode(struct nlmsghdr **nlh)
{
	*nlh = msg_start(buf, 77, 0, 5, ESPAH_CMD_POLICY_NEW);
	policy_put(*nlh, &policy);
	return mnl_nlmsg_get_payload_offset(*nlh, sizeof(struct genlmsghdr));
}

/* Whether the next attribute is a nest of this type with NLA_F_NESTED; enters the nest. */
static bool enters(const struct nlattr **at, uint16_t type, const struct nlattr **after)
{
	bool good = (*at)->nla_type == (type | NLA_F_NESTED);

	*after = mnl_attr_next(*at);
	*at = mnl_attr_get_payload(*at);
	return good;
}

static void encoding(void)
{
	const struct nlattr *at, *after;
	struct nlmsghdr *nlh;

	test_begin("policy add: each word's attribute");
	CHECK(!add("out 10.1.0.0/16 10.2.0.9 proto tcp sport 1024-65535 dport 443 priority 10 "
		   "protect esp tunnel 192.0.2.1 198.51.100.7 reqid 7 mss 1300"));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_OUT));
	CHECK(has_u8(&at, ESPAH_POLICY_ACTION, ESPAH_ACTION_PROTECT));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_attr(&at, ESPAH_SEL_SRC, "\12\1\0\0", 4));
	CHECK(has_u8(&at, ESPAH_SEL_SRC_LEN, 16));
	CHECK(has_attr(&at, ESPAH_SEL_DST, "\12\2\0\11", 4));
	CHECK(has_u8(&at, ESPAH_SEL_DST_LEN, 32));
	CHECK(has_u8(&at, ESPAH_SEL_PROTO, 6));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MIN, 1024));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MAX, 65535));
	CHECK(has_port(&at, ESPAH_SEL_DPORT_MIN, 443));
	CHECK(has_port(&at, ESPAH_SEL_DPORT_MAX, 443));
	CHECK(at == after);
	CHECK(has_u32(&at, ESPAH_POLICY_PRIORITY, 10));
	CHECK(enters(&at, ESPAH_POLICY_TEMPLATE, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TUNNEL));
	CHECK(has_attr(&at, ESPAH_TMPL_SRC, "\xc0\0\2\1", 4));
	CHECK(has_attr(&at, ESPAH_TMPL_DST, "\xc6\x33\x64\7", 4));
	CHECK(has_u32(&at, ESPAH_TMPL_REQID, 7));
	CHECK(at == after);
	CHECK(has_u16(&at, ESPAH_POLICY_MSS, 1300));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("policy add both: the mirror image");
	CHECK(!add("both 10.1.0.0/16 10.2.0.0/16 proto udp dport 53 protect tunnel 192.0.2.1 "
		   "198.51.100.7"));
	CHECK(policy.both && policy.dir == ESPAH_DIR_OUT);
	policy_mirror(&policy);
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_IN));
	CHECK(has_u8(&at, ESPAH_POLICY_ACTION, ESPAH_ACTION_PROTECT));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_attr(&at, ESPAH_SEL_SRC, "\12\2\0\0", 4));
	CHECK(has_u8(&at, ESPAH_SEL_SRC_LEN, 16));
	CHECK(has_attr(&at, ESPAH_SEL_DST, "\12\1\0\0", 4));
	CHECK(has_u8(&at, ESPAH_SEL_DST_LEN, 16));
	CHECK(has_u8(&at, ESPAH_SEL_PROTO, 17));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MIN, 53));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MAX, 53));
	CHECK(at == after);
	CHECK(enters(&at, ESPAH_POLICY_TEMPLATE, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TUNNEL));
	CHECK(has_attr(&at, ESPAH_TMPL_SRC, "\xc6\x33\x64\7", 4));
	CHECK(has_attr(&at, ESPAH_TMPL_DST, "\xc0\0\2\1", 4));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();

	test_begin("policy add: any, families, transport, mss words");
	CHECK(!add("in any6 any discard"));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_IN));
	CHECK(has_u8(&at, ESPAH_POLICY_ACTION, ESPAH_ACTION_DISCARD));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_u8(&at, ESPAH_SEL_FAMILY, AF_INET6));
	CHECK(at == after && (const char *)at == buf + nlh->nlmsg_len);
	CHECK(!add("inet bypass in any any") && policy.sel.family == AF_INET);
	CHECK(!add("in any 10.0.0.0/8 bypass") && policy.sel.family == AF_INET);
	CHECK(!add("out 0.0.0.0/0 any bypass") && policy.sel.family == AF_INET);
	CHECK(!add("out any any4 protect transport mss auto") && policy.mss == ESPAH_MSS_AUTO);
	CHECK(!policy.tmpl->src.family);
	CHECK(!add("protect transport 192.0.2.1 192.0.2.2 out any any4 mss off") &&
	      policy.mss == ESPAH_MSS_OFF && policy.tmpl->dst.byte[3] == 2);
	CHECK(!add("out any any4 protect ah transport"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(mnl_attr_next(at)));
	CHECK(enters(&at, ESPAH_POLICY_TEMPLATE, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_PROTO, 51));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TRANSPORT));
	CHECK(at == after);
	CHECK(!add("out any any4 protect transport reqid 1 ah tunnel 192.0.2.1 192.0.2.2 reqid 2 "
		   "esp transport mss off"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(mnl_attr_next(at)));
	CHECK(enters(&at, ESPAH_POLICY_TEMPLATE, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TRANSPORT));
	CHECK(has_u32(&at, ESPAH_TMPL_REQID, 1));
	CHECK(enters(&at, ESPAH_TMPL_OUTER, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_PROTO, 51));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TUNNEL));
	CHECK(has_attr(&at, ESPAH_TMPL_SRC, "\xc0\0\2\1", 4));
	CHECK(has_attr(&at, ESPAH_TMPL_DST, "\xc0\0\2\2", 4));
	CHECK(has_u32(&at, ESPAH_TMPL_REQID, 2));
	CHECK(enters(&at, ESPAH_TMPL_OUTER, &after));
	CHECK(has_u8(&at, ESPAH_TMPL_MODE, ESPAH_MODE_TRANSPORT));
	CHECK(at == after);
	CHECK(has_u16(&at, ESPAH_POLICY_MSS, ESPAH_MSS_OFF));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	policy_mirror(&policy);
	CHECK(policy.tmpl[1].src.byte[3] == 2 && policy.tmpl[1].dst.byte[3] == 1);
	CHECK(!add("in any6 any discard"));
	policy.replace = true;
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_IN));
	CHECK(has_u8(&at, ESPAH_POLICY_ACTION, ESPAH_ACTION_DISCARD));
	at = mnl_attr_next(at);
	CHECK(has_attr(&at, ESPAH_POLICY_REPLACE, "", 0));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!policy_read(words("id 7"), "policy del", false, &policy));
	at = encode(&nlh);
	CHECK(has_u32(&at, ESPAH_POLICY_ID, 7));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();
}

static void lists(void)
{
	const struct nlattr *at, *after;
	struct nlmsghdr *nlh;

	test_begin("policy add: lists, ranges, and a protocol without the word proto");
	CHECK(!add("out 10.3.0.5-10.3.0.9,10.1.0.0/16 10.2.0.0/16 tcp sport 1024-65535 "
		   "dport 80,443 bypass"));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_OUT));
	CHECK(has_u8(&at, ESPAH_POLICY_ACTION, ESPAH_ACTION_BYPASS));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_u8(&at, ESPAH_SEL_FAMILY, AF_INET));
	CHECK(has_attr(&at, ESPAH_SEL_SRC_RANGES, "\12\1\0\0\12\1\377\377\12\3\0\5\12\3\0\11", 16));
	CHECK(has_attr(&at, ESPAH_SEL_DST, "\12\2\0\0", 4));
	CHECK(has_u8(&at, ESPAH_SEL_DST_LEN, 16));
	CHECK(has_u8(&at, ESPAH_SEL_PROTO, 6));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MIN, 1024));
	CHECK(has_port(&at, ESPAH_SEL_SPORT_MAX, 65535));
	CHECK(has_attr(&at, ESPAH_SEL_DPORT_RANGES, "\0\120\0\120\1\273\1\273", 8));
	CHECK(at == after && (const char *)at == buf + nlh->nlmsg_len);
	policy_mirror(&policy);
	CHECK(policy.sel.sport.count == 2 && policy.sel.dport.count == 1);
	CHECK(policy.sel.src.count == 1 && policy.sel.dst.count == 2);
	test_end();

	test_begin("policy add: ICMP types and codes, which have no mirror image");
	CHECK(!add("both any4 any icmp type 8,0 code 0-1 discard"));
	policy_mirror(&policy);
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_u8(&at, ESPAH_SEL_FAMILY, AF_INET));
	CHECK(has_u8(&at, ESPAH_SEL_PROTO, 1));
	CHECK(has_attr(&at, ESPAH_SEL_ICMP_TYPES, "\0\0\10\10", 4));
	CHECK(has_attr(&at, ESPAH_SEL_ICMP_CODES, "\0\1", 2));
	CHECK(at == after);
	CHECK(!add("in any6 any proto mh type 5-6 bypass"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_u8(&at, ESPAH_SEL_FAMILY, AF_INET6));
	CHECK(has_u8(&at, ESPAH_SEL_PROTO, 135));
	CHECK(has_attr(&at, ESPAH_SEL_MH_TYPES, "\5\6", 2));
	CHECK(at == after);
	CHECK(!add("in any4 any udp opaque bypass"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(has_attr(&at, ESPAH_SEL_OPAQUE, "", 0));
	CHECK(at == after);
	test_end();

	test_begin("policy add: a mark, with and without a mask, and a device");
	CHECK(!add("both any4 any mark 0x20/0xf0 dev lo discard"));
	policy_mirror(&policy);
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	CHECK(has_u8(&at, ESPAH_SEL_FAMILY, AF_INET));
	CHECK(has_u32(&at, ESPAH_SEL_MARK, 0x20));
	CHECK(has_u32(&at, ESPAH_SEL_MARK_MASK, 0xf0));
	CHECK(at && mnl_attr_get_type(at) == ESPAH_SEL_IFNAME &&
	      !strcmp(attr_string(at, ""), "lo"));
	at = mnl_attr_next(at);
	CHECK(at == after);
	CHECK(!add("out any4 any mark 4294967295 dev 2147483647 discard"));
	CHECK(policy.sel.mark.value == UINT32_MAX && policy.sel.mark.mask == UINT32_MAX);
	CHECK(policy.sel.ifindex == INT32_MAX);
	test_end();
}

static void device(void)
{
	const struct nlattr *at, *after;
	struct nlmsghdr *nlh;

	test_begin("policy: if-id is part of the identity, and of the mirror image");
	CHECK(!add("both 10.1.0.0/16 any if-id 0x2a discard"));
	policy_mirror(&policy);
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	at = after;
	CHECK(has_u32(&at, ESPAH_POLICY_IF_ID, 42));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!policy_read(words("in any4 any if-id 7 priority 3"), "policy del", false, &policy));
	at = encode(&nlh);
	CHECK(has_u8(&at, ESPAH_POLICY_DIR, ESPAH_DIR_IN));
	at = mnl_attr_next(at);
	CHECK(has_u32(&at, ESPAH_POLICY_PRIORITY, 3));
	CHECK(has_u32(&at, ESPAH_POLICY_IF_ID, 7));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();
}

static void without_sa(void)
{
	const struct nlattr *at, *after;
	struct nlmsghdr *nlh;

	test_begin("policy add: pfp, queue and unreach, and their mirror image");
	CHECK(!add("both 10.1.0.0/16 any tcp protect transport pfp src,dport,proto unreach"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(at));
	CHECK(enters(&at, ESPAH_POLICY_SELECTOR, &after));
	at = mnl_attr_next(after);
	CHECK(has_attr(&at, ESPAH_POLICY_UNREACH, "", 0));
	CHECK(has_u32(&at, ESPAH_POLICY_PFP, ESPAH_PFP_SRC | ESPAH_PFP_DPORT | ESPAH_PFP_PROTO));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	policy_mirror(&policy);
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(mnl_attr_next(mnl_attr_next(at))));
	CHECK(has_u32(&at, ESPAH_POLICY_PFP, ESPAH_PFP_DST | ESPAH_PFP_SPORT | ESPAH_PFP_PROTO));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	CHECK(!add("both any4 any icmp protect transport pfp type,dst,src"));
	policy_mirror(&policy);
	CHECK(policy.pfp == (ESPAH_PFP_SRC | ESPAH_PFP_DST | ESPAH_PFP_SPORT));
	CHECK(!add("both any4 any protect transport queue 64"));
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(mnl_attr_next(mnl_attr_next(at))));
	CHECK(has_u32(&at, ESPAH_POLICY_QUEUE, 64));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	policy_mirror(&policy);
	at = encode(&nlh);
	at = mnl_attr_next(mnl_attr_next(mnl_attr_next(mnl_attr_next(at))));
	CHECK((const char *)at == buf + nlh->nlmsg_len);
	test_end();
}

static bool refuses(const char *line, const char *why)
{
	return add(line) == STATUS_USAGE && told_of(why);
}

static void refusals(void)
{
	test_begin("policy add: a sentence for each mistake");
	CHECK(refuses("out", "needs a source and a destination"));
	CHECK(refuses("out 10.0.0.0/8", "a destination after the source"));
	CHECK(refuses("out 10.0.0.0/8 any", "an action"));
	CHECK(refuses("10.0.0.0/8 any bypass", "needs in, out or both"));
	CHECK(refuses("out any any bypass", "add inet or inet6"));
	CHECK(refuses("out any4 any6 bypass", "the source is IPv4, but the destination is IPv6"));
	CHECK(refuses("out 10.0.0.0/8 ::/0 bypass", "the source is IPv4"));
	CHECK(refuses("out inet6 10.0.0.0/8 any bypass", "another word says IPv6"));
	CHECK(refuses("out 10.0.0.0/8 any bypass discard", "is given twice"));
	CHECK(refuses("out 10.0.0.0/8 any bypas", "did you mean 'bypass'?"));
	CHECK(refuses("uot 10.0.0.0/8 any bypass", "did you mean 'out'?"));
	CHECK(refuses("out 10.0.0.0/8 any 1.2.3.4 bypass", "not a word of policy add"));
	CHECK(refuses("out 10.0.0.0/8 any bypass reqid 7", "reqid' needs the action protect"));
	CHECK(refuses("out 10.0.0.0/8 any discard mss 1", "mss' needs the action protect"));
	CHECK(refuses("out 10.0.0.0/8 any protect", "not the end"));
	CHECK(refuses("out 10.0.0.0/8 any protect ah tunnel", "needs two addresses"));
	CHECK(refuses("out 10.0.0.0/8 any protect ah esp tunnel", "not 'esp'"));
	CHECK(refuses("out 10.0.0.0/8 any protect esp ah tunnel", "not 'ah'"));
	CHECK(refuses("out 10.0.0.0/8 any protect tunnel", "needs two addresses"));
	CHECK(refuses("out 10.0.0.0/8 any protect tunnel reqid 7", "needs two addresses"));
	CHECK(refuses("out 10.0.0.0/8 any protect tunnel 192.0.2.1", "after the outer source 192.0.2.1"));
	CHECK(refuses("out 10.0.0.0/8 any protect tunnel 192.0.2.1 mss off",
		      "after the outer source 192.0.2.1"));
	CHECK(refuses("out 10.0.0.0/8 any protect tunnel 192.0.2.1 ::1", "outer source is IPv4"));
	CHECK(refuses("out 10.0.0.0/8 any protect esp transport ah tunnel", "needs two addresses"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport reqid 1 ah", "'ah' needs tunnel"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport esp reqid 1", "'esp' needs tunnel"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport reqid 1 reqid 2", "is given twice"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport transport ah transport transport "
		      "transport", "at most 4 SAs"));
	CHECK(refuses("out 10.0.0.0/8 any bypass transport", "not a word of"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport mss 0", "'mss' cannot be '0'"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport mss 65535", "'mss' cannot"));
	CHECK(refuses("out 10.0.0.0/8 any protect transport mss x", "auto, off or"));
	CHECK(refuses("out 10.0.0.0/8 any tcp udp bypass", "'udp' is given twice"));
	CHECK(refuses("out 10.0.0.0/8 any tcp type 8 bypass", "'type' needs icmp"));
	CHECK(refuses("out 10.0.0.0/8 any type 8 bypass", "'type' needs icmp"));
	CHECK(refuses("out 10.0.0.0/8 any mh code 8 bypass", "'code' needs icmp"));
	CHECK(refuses("out 10.0.0.0/8 any tcp dport 1 opaque bypass", "cannot be known"));
	CHECK(refuses("out 10.0.0.0/8 any icmp type 256 bypass", "from 0 to 255"));
	CHECK(refuses("out 10.0.0.1,10.0.0.2 fd00::1,fd00::2 bypass", "the source is IPv4"));
	CHECK(refuses("out any4 any protect transport pfp x", "'pfp' cannot be 'x'"));
	CHECK(refuses("out any4 any protect transport pfp ,src", "'pfp' cannot be"));
	CHECK(refuses("out any4 any protect transport pfp srcdst", "'pfp' cannot be"));
	CHECK(refuses("out any4 any bypass pfp src", "'pfp' needs the action protect"));
	CHECK(refuses("out any4 any discard queue 3", "'queue' needs the action protect"));
	CHECK(refuses("out any4 any protect transport queue 65", "from 1 to 64"));
	CHECK(refuses("out any4 any protect transport queue 0", "from 1 to 64"));
	CHECK(refuses("in any4 any protect transport queue 9", "'queue' is only for out or both"));
	CHECK(refuses("in any4 any discard unreach", "'unreach' is only for out or both"));
	CHECK(refuses("out any4 any bypass unreach", "action discard or protect"));
	CHECK(refuses("out any4 any protect transport queue 9 pfp src", "to another policy"));
	CHECK(refuses("out any4 any mark x bypass", "'mark' cannot be 'x'"));
	CHECK(refuses("out any4 any mark 5/ bypass", "'mark' cannot be '5/'"));
	CHECK(refuses("out any4 any mark 0/0 bypass", "'mark' cannot be '0/0'"));
	CHECK(refuses("out any4 any mark 0x100000000 bypass", "'mark' cannot be"));
	CHECK(refuses("out any4 any mark 00000000000000000000000000 bypass", "'mark' cannot be"));
	CHECK(refuses("out any4 any mark 5/4 bypass", "beyond its mask"));
	CHECK(refuses("out any4 any dev nonsuch bypass", "no network device 'nonsuch'"));
	CHECK(refuses("out any4 any dev 0 bypass", "from 1 to 2147483647"));
	CHECK(refuses("out any4 any if-id 0 discard", "'if-id' cannot be '0'"));
	CHECK(refuses("out any4 any if-id 5 bypass", "protect or discard, not bypass"));
	CHECK(refuses("out any4 any if-id 5 if-id 6 discard", "'if-id' is given twice"));
	CHECK(policy_read(words("id 7 if-id 5"), "policy del", false, &policy) == STATUS_USAGE);
	CHECK(told_of("either id or"));
	CHECK(refuses("id 7", "does not take 'id'"));
	CHECK(policy_read(words("id 7 in"), "policy del", false, &policy) == STATUS_USAGE);
	CHECK(told_of("either id or"));
	CHECK(policy_read(words("in any any4 bypass"), "policy del", false, &policy) ==
	      STATUS_USAGE);
	CHECK(told_of("policy del does not take 'bypass'"));
	test_end();
}

void test_policy(void)
{
	encoding();
	lists();
	device();
	without_sa();
	refusals();
}
