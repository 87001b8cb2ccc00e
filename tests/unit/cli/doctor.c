// SPDX-License-Identifier: GPL-2.0-only
/* What espah doctor makes of rules of nftables and of selectors. The JSON is that of nft 1.0.6. */
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "harness.h"
#include "policy.h"
#include "reach.h"
#include "ruleset.h"

#define TABLE "\"family\": \"inet\", \"table\": \"f\""
#define MATCH(left, right) "{\"match\": {\"op\": \"==\", \"left\": " left ", \"right\": " right "}}"
#define UNLIKE(left, right) "{\"match\": {\"op\": \"!=\", \"left\": " left ", \"right\": " right "}}"
#define META(key) "{\"meta\": {\"key\": \"" key "\"}}"
#define FIELD(proto, field) "{\"payload\": {\"protocol\": \"" proto "\", \"field\": \"" field "\"}}"
#define STATE "{\"ct\": {\"key\": \"state\"}}"
#define ACCEPT "{\"accept\": null}"
#define DROP "{\"drop\": null}"
#define LIMIT "{\"limit\": {\"rate\": 10, \"burst\": 5, \"per\": \"second\", \"inv\": true}}"

static struct probe probe;
static struct judgement judgement;
static json_t *ruleset;

/* Rules of the chain input, one after the other, as expressions; and more objects. */
static void load(const char *policy, const char *const *rules, const char *more)
{
	json_t *nft = json_array(), *rule, *expr;
	unsigned int i;
	char text[1024];

	json_array_append_new(nft, json_pack("{s:{s:s,s:s,s:s,s:s,s:s,s:i,s:s}}", "chain", "family", "inet",
			      "table", "f", "name", "input", "type", "filter", "hook", "input", "prio", 0,
			      "policy", policy));
	for (i = 0; rules[i]; i++) {
		snprintf(text, sizeof(text), "[%s]", rules[i]);
		expr = json_loads(text, 0, NULL);
		rule = json_pack("{s:{s:s,s:s,s:s,s:i,s:o}}", "rule", "family", "inet", "table", "f",
				 "chain", "input", "handle", i + 1, "expr", expr);
		CHECK(expr && rule);
		json_array_append_new(nft, rule);
	}
	if (more) {
		json_t *array = json_loads(more, 0, NULL);

		CHECK(array);
		json_array_extend(nft, array);
		json_decref(array);
	}
	json_decref(ruleset);
	nft = json_pack("{s:o}", "nftables", nft);
	ruleset = ruleset_index(nft);
	json_decref(nft);
}

static void set_probe(uint8_t proto, const char *src, const char *dst)
{
	uint8_t family = 0;

	memset(&probe, 0, sizeof(probe));
	list_parse_addrs("source", src, &probe.src, &family);
	list_parse_addrs("destination", dst, &probe.dst, &family);
	probe.family = family;
	probe.proto = proto;
	probe.sport = probe.dport = -1;
	probe.iif = "wan";
	probe.oif = "";
	probe.to_host = true;
}

/* Whether ESP from 192.0.2.2 to 192.0.2.1 is dropped in a chain with these rules. */
static enum certainty drops(const char *policy, const char *const *rules, const char *more)
{
	static const struct hooks hooks = { "input", "filter", INT_MAX };

	load(policy, rules, more);
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	return judgement.drop;
}

#define RULES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void plain(void)
{
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	test_begin("doctor: a chain drops what no rule accepts; the rule or the policy is named");
	CHECK(drops("drop", RULES(MATCH(META("iifname"), "\"lo\"") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(!judgement.rule && !strcmp(ruleset_word(judgement.chain, "name"), "input"));
	CHECK(drops("accept", RULES(MATCH(META("iifname"), "\"lo\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("l4proto"), "\"esp\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("l4proto"), "50") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("l4proto"), "\"ah\"") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(MATCH(META("l4proto"), "{\"set\": [\"icmp\", \"esp\"]}") "," ACCEPT),
		    NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(FIELD("ip", "protocol"), "\"esp\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(FIELD("ip6", "nexthdr"), "\"esp\"") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(MATCH(FIELD("ip", "saddr"), "\"192.0.2.2\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(FIELD("ip", "saddr"), "\"192.0.2.3\"") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("accept", RULES(MATCH(META("l4proto"), "\"esp\"") "," DROP), NULL) == FOR_ALL);
	CHECK(json_integer_value(json_object_get(judgement.rule, "handle")) == 1);
	CHECK(drops("accept", RULES(MATCH(META("l4proto"), "\"esp\"") ",{\"counter\": {\"packets\": 0}},"
				    "{\"reject\": {\"type\": \"icmp\"}}"), NULL) == FOR_ALL);
	CHECK(drops("accept", RULES(ACCEPT, DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(DROP, ACCEPT), NULL) == FOR_ALL);
	test_end();
}

static void addresses(void)
{
	static const char set[] =
		"[{\"set\": {" TABLE ", \"name\": \"peers\", \"elem\": [\"192.0.2.9\","
		"{\"prefix\": {\"addr\": \"192.0.2.0\", \"len\": 30}}]}},"
		"{\"set\": {" TABLE ", \"name\": \"none\"}},"
		"{\"set\": {\"family\": \"ip\", \"table\": \"f\", \"name\": \"other\", \"elem\": [\"192.0.2.2\"]}}]";

	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	test_begin("doctor: prefixes, ranges, sets by name, and what differs");
#define FROM(right) MATCH(FIELD("ip", "saddr"), right) "," ACCEPT
	CHECK(drops("drop", RULES(FROM("{\"prefix\": {\"addr\": \"192.0.0.0\", \"len\": 16}}")), NULL) ==
	      CERTAINLY_NOT);
	CHECK(drops("drop", RULES(FROM("{\"prefix\": {\"addr\": \"10.0.0.0\", \"len\": 8}}")), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(FROM("{\"range\": [\"192.0.2.2\", \"192.0.2.5\"]}")), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(FROM("{\"range\": [\"192.0.2.3\", \"192.0.2.5\"]}")), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(FROM("\"@peers\"")), set) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(FROM("\"@none\"")), set) == FOR_ALL);
	CHECK(drops("drop", RULES(FROM("\"@other\"")), set) == FOR_ALL);
	CHECK(drops("accept", RULES(UNLIKE(FIELD("ip", "saddr"), "\"@peers\"") "," DROP), set) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(UNLIKE(FIELD("ip", "saddr"), "\"@none\"") "," DROP), set) == FOR_ALL);
	CHECK(drops("accept", RULES(UNLIKE(FIELD("ip6", "saddr"), "\"fd00::1\"") "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(FROM("{\"set\": [{\"elem\": {\"val\": \"192.0.2.2\", \"timeout\": 60}}]}")), NULL) ==
	      CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("iifname"), "\"wan\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("iifname"), "\"wa*\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("iifname"), "\"lan*\"") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(MATCH(META("nfproto"), "\"ipv6\"") "," ACCEPT), NULL) == FOR_ALL);
	set_probe(IPPROTO_ESP, "2001:db8::2", "2001:db8::1");
	CHECK(drops("drop", RULES(MATCH(META("nfproto"), "\"ipv6\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(FROM("\"192.0.2.2\"")), NULL) == FOR_ALL);
	test_end();
}

static void ports(void)
{
	test_begin("doctor: ports belong to their protocols; maps of verdicts; concatenations");
#define TO(right) MATCH(FIELD("udp", "dport"), right) "," ACCEPT
	set_probe(IPPROTO_UDP, "192.0.2.2", "192.0.2.1");
	probe.sport = probe.dport = 4500;
	CHECK(drops("drop", RULES(TO("{\"set\": [500, 4500]}")), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(TO("{\"range\": [4000, 5000]}")), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(TO("500")), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(MATCH(FIELD("tcp", "dport"), "4500") "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(MATCH(FIELD("th", "dport"), "4500") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES("{\"vmap\": {\"key\": " FIELD("udp", "dport") ", \"data\": {\"set\": "
				  "[[22, {\"drop\": null}], [4500, {\"accept\": null}]]}}}"), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH("{\"concat\": [" FIELD("ip", "saddr") "," FIELD("udp", "dport") "]}",
					"{\"set\": [{\"concat\": [\"192.0.2.2\", 4500]}]}") "," ACCEPT), NULL) ==
	      CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH("{\"concat\": [" FIELD("ip", "saddr") "," FIELD("udp", "dport") "]}",
					"{\"set\": [{\"concat\": [\"192.0.2.2\", 500]}]}") "," ACCEPT), NULL) == FOR_ALL);
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	CHECK(drops("accept", RULES(MATCH(FIELD("udp", "dport"), "4500") "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(MATCH(FIELD("th", "dport"), "4500") "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(MATCH("{\"&\": [" FIELD("tcp", "flags") ", [\"fin\", \"syn\"]]}", "[\"fin\", \"syn\"]")
				    "," DROP), NULL) == CERTAINLY_NOT);
	test_end();
}

static void states(void)
{
	static const char map[] = "{\"vmap\": {\"key\": " STATE ", \"data\": {\"set\": [[\"invalid\", {\"drop\": null}],"
				  "[\"established\", {\"accept\": null}], [\"related\", {\"accept\": null}]]}}}";

	test_begin("doctor: what connection tracking knows passes, and the first packet does not");
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	CHECK(drops("drop", RULES("{\"match\": {\"op\": \"in\", \"left\": " STATE ", \"right\": "
				  "[\"established\", \"related\"]}}," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("drop", RULES(map), NULL) == FOR_ALL);
	probe.known = true;
	CHECK(drops("drop", RULES("{\"match\": {\"op\": \"in\", \"left\": " STATE ", \"right\": "
				  "[\"established\", \"related\"]}}," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(map), NULL) == CERTAINLY_NOT);
	test_end();
}

static void calls(void)
{
#define RULE(chain, expr) "{\"rule\": {" TABLE ", \"chain\": \"" chain "\", \"handle\": 90, \"expr\": [" expr "]}}"
	static const char sub[] =
		"[" RULE("esp", MATCH(META("l4proto"), "\"esp\"") "," ACCEPT) ","
		RULE("back", MATCH(META("l4proto"), "\"esp\"") ",{\"return\": null}") "," RULE("back", DROP) ","
		RULE("loop", "{\"jump\": {\"target\": \"loop\"}}") "," RULE("all", DROP) "]";

	test_begin("doctor: chains that are called, and return; chains in a circle end");
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	CHECK(drops("drop", RULES("{\"jump\": {\"target\": \"esp\"}}"), sub) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES("{\"goto\": {\"target\": \"esp\"}}"), sub) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES("{\"jump\": {\"target\": \"back\"}}"), sub) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES("{\"jump\": {\"target\": \"back\"}}", DROP), sub) == FOR_ALL);
	CHECK(drops("accept", RULES("{\"goto\": {\"target\": \"back\"}}", DROP), sub) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES("{\"jump\": {\"target\": \"all\"}}", ACCEPT), sub) == FOR_ALL);
	CHECK(json_integer_value(json_object_get(judgement.rule, "handle")) == 90);
	CHECK(drops("accept", RULES("{\"jump\": {\"target\": \"loop\"}}"), sub) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(META("l4proto"), "\"udp\"") ",{\"jump\": {\"target\": \"esp\"}}"), sub) == FOR_ALL);
	test_end();
}

static void doubts(void)
{
	static const char fib[] = "{\"match\": {\"op\": \"==\", \"left\": {\"fib\": {\"result\": \"oif\", \"flags\": "
				  "[\"saddr\", \"iif\"]}}, \"right\": false}}," DROP;

	test_begin("doctor: rules that cannot be judged: doubt where they accept, or are about ESP; else none");
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	CHECK(drops("accept", RULES(LIMIT "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(fib), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(MATCH(META("l4proto"), "\"esp\"") "," LIMIT "," DROP), NULL) == PERHAPS);
	CHECK(drops("drop", RULES(LIMIT "," ACCEPT), NULL) == PERHAPS);
	CHECK(drops("drop", RULES("{\"xt\": null}," ACCEPT), NULL) == PERHAPS);
	CHECK(drops("drop", RULES(MATCH("{\"&\": [" FIELD("ip", "saddr") ", \"0.0.0.255\"]}", "\"0.0.0.2\"") "," ACCEPT),
		    NULL) == PERHAPS);
	CHECK(drops("accept", RULES("{\"xt\": null}," ACCEPT, "{\"counter\": null}," DROP), NULL) == PERHAPS);
	CHECK(drops("drop", RULES(LIMIT "," ACCEPT, MATCH(META("l4proto"), "\"esp\"") "," ACCEPT), NULL) == CERTAINLY_NOT);
	CHECK(drops("drop", RULES(MATCH(FIELD("udp", "dport"), "500") "," LIMIT "," ACCEPT), NULL) == FOR_ALL);
	CHECK(drops("accept", RULES(MATCH(META("ipsec"), "true") "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(drops("accept", RULES(MATCH(META("ipsec"), "false") "," DROP), NULL) == FOR_ALL);
	probe.ipsec = true;
	CHECK(drops("accept", RULES(MATCH(META("ipsec"), "true") "," DROP), NULL) == FOR_ALL);
	CHECK(drops("accept", RULES(MATCH(META("ipsec"), "false") "," DROP), NULL) == CERTAINLY_NOT);
	CHECK(!ruleset_index(NULL));
	test_end();
}

/* Whether sources of packets are translated by rules of a postrouting chain. */
static enum certainty translates(const char *const *rules)
{
	static const struct hooks hooks = { "postrouting", "nat", INT_MAX };
	json_t *chain;

	load("accept", rules, NULL);
	chain = json_array_get(json_object_get(ruleset, "chains"), 0);
	json_object_set_new(chain, "hook", json_string("postrouting"));
	json_object_set_new(chain, "type", json_string("nat"));
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	return judgement.nat;
}

static void nat(void)
{
#define MASQ "{\"masquerade\": null}"
#define DADDR(net, len) MATCH(FIELD("ip", "daddr"), "{\"prefix\": {\"addr\": \"" net "\", \"len\": " len "}}")
	test_begin("doctor: masquerading of all packets of a policy, of some, or of none");
	set_probe(0, "10.1.0.0/16", "10.2.0.0/16");
	probe.iif = NULL;
	probe.oif = "wan";
	CHECK(translates(RULES(MATCH(META("oifname"), "\"wan\"") "," MASQ)) == FOR_ALL && !judgement.to);
	CHECK(translates(RULES(MATCH(META("oifname"), "\"lan\"") "," MASQ)) == CERTAINLY_NOT);
	CHECK(translates(RULES(DADDR("10.2.0.0", "16") "," ACCEPT, MASQ)) == CERTAINLY_NOT);
	CHECK(translates(RULES(DADDR("10.2.0.0", "16") ",{\"return\": null}", MASQ)) == CERTAINLY_NOT);
	CHECK(translates(RULES(DADDR("10.2.0.0", "17") "," ACCEPT, MASQ)) == FOR_SOME);
	CHECK(translates(RULES(DADDR("10.3.0.0", "16") "," ACCEPT, MASQ)) == FOR_ALL);
	CHECK(translates(RULES(MATCH(FIELD("ip", "saddr"), "{\"prefix\": {\"addr\": \"10.1.5.0\", \"len\": 24}}") "," MASQ)) ==
	      FOR_SOME);
	CHECK(translates(RULES(MATCH(META("l4proto"), "\"tcp\"") "," MASQ)) == FOR_SOME);
	CHECK(translates(RULES(MATCH(META("l4proto"), "\"esp\"") "," MASQ)) == CERTAINLY_NOT);
	CHECK(translates(RULES(MATCH("{\"rt\": {\"key\": \"ipsec\"}}", "true") "," ACCEPT, MASQ)) == FOR_ALL);
	CHECK(translates(RULES(MATCH(META("mark"), "7") "," MASQ)) == PERHAPS);
	CHECK(translates(RULES(MATCH(META("oifname"), "\"wan\"") ",{\"xt\": null}")) == PERHAPS);
	CHECK(translates(RULES("{\"snat\": {\"family\": \"ip\", \"addr\": \"10.1.0.77\"}}")) == FOR_ALL);
	CHECK(judgement.to && !strcmp(json_string_value(judgement.to), "10.1.0.77"));
	test_end();
}

static void priorities(void)
{
	static const char more[] =
		"[{\"chain\": {\"family\": \"ip\", \"table\": \"raw\", \"name\": \"early\", \"type\": \"filter\","
		" \"hook\": \"input\", \"prio\": -300, \"policy\": \"drop\"}},"
		"{\"chain\": {\"family\": \"ip6\", \"table\": \"raw\", \"name\": \"six\", \"type\": \"filter\","
		" \"hook\": \"input\", \"prio\": -400, \"policy\": \"drop\"}},"
		"{\"chain\": {\"family\": \"netdev\", \"table\": \"n\", \"name\": \"i\", \"dev\": \"wan\", \"type\": \"filter\","
		" \"hook\": \"ingress\", \"prio\": 0, \"policy\": \"drop\"}}]";
	static const char no_dev[] =
		"[{\"chain\": {\"family\": \"netdev\", \"table\": \"n\", \"name\": \"i\", \"type\": \"filter\","
		" \"hook\": \"ingress\", \"prio\": 0, \"policy\": \"drop\"}}]";
	struct hooks hooks = { "input", "filter", INT_MAX };

	test_begin("doctor: all chains of a hook are asked, in order of priority; a netdev chain for its devices");
	set_probe(IPPROTO_ESP, "192.0.2.2", "192.0.2.1");
	CHECK(drops("drop", RULES(ACCEPT), more) == FOR_ALL);
	CHECK(drops("drop", RULES(LIMIT), more) == FOR_ALL);
	CHECK(!strcmp(ruleset_word(judgement.chain, "name"), "early"));
	load("accept", RULES(LIMIT), more);
	hooks.before = -300;
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	CHECK(judgement.drop == CERTAINLY_NOT);
	hooks = (struct hooks){ "ingress", "filter", INT_MAX };
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	CHECK(judgement.drop == FOR_ALL);
	probe.iif = "lan";
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	CHECK(judgement.drop == CERTAINLY_NOT);
	load("accept", RULES(ACCEPT), no_dev);
	ruleset_judge(ruleset, &hooks, &probe, &judgement);
	CHECK(judgement.drop == PERHAPS);
	test_end();
}

/* The policy "policy add out LINE". */
static void policy_of(const char *line, struct policy *policy)
{
	char all[256];

	snprintf(all, sizeof(all), "out %s bypass", line);
	CHECK(!policy_read(words(all), "policy add", true, policy));
}

static bool covers(const char *a, const char *b)
{
	static struct policy first, second;
	static char buf[8192] __attribute__((aligned(8)));
	struct reach reach[2];
	unsigned int i;
	bool yes;

	policy_of(a, &first);
	policy_of(b, &second);
	for (i = 0; i < 2; i++) {
		struct nlmsghdr *nlh = msg_start(buf, 0, 0, 0, ESPAH_CMD_POLICY_NEW);

		policy_put(nlh, i ? &second : &first);
		reach_of(nlh, &reach[i]);
	}
	yes = selector_covers(&first.sel, &second.sel);
	/* the cheap comparison finds all that the exact one finds */
	CHECK(!yes || (reach_covers(&reach[0], &reach[1]) && reach_meets(&reach[0], &reach[1])));
	CHECK(!yes || selector_meets(&first.sel, &second.sel));
	CHECK(!selector_meets(&first.sel, &second.sel) || reach_meets(&reach[0], &reach[1]));
	return yes;
}

static bool meets(const char *a, const char *b)
{
	static struct policy first, second;

	policy_of(a, &first);
	policy_of(b, &second);
	CHECK(selector_meets(&first.sel, &second.sel) == selector_meets(&second.sel, &first.sel));
	return selector_meets(&first.sel, &second.sel);
}

static void selectors(void)
{
	test_begin("doctor: whether a selector matches all packets of another");
	CHECK(covers("10.1.0.0/16 10.2.0.0/16", "10.1.0.0/16 10.2.0.0/16"));
	CHECK(covers("10.1.0.0/16 10.2.0.0/16", "10.1.5.0/24 10.2.0.9"));
	CHECK(!covers("10.1.5.0/24 10.2.0.0/16", "10.1.0.0/16 10.2.0.0/16"));
	CHECK(covers("any4 any4", "10.1.0.0/16 any") && !covers("10.1.0.0/16 any", "any4 any4"));
	CHECK(!covers("any6 any6", "10.1.0.0/16 any"));
	CHECK(covers("10.1.0.0-10.1.0.9 any", "10.1.0.2,10.1.0.7-10.1.0.9 any"));
	CHECK(!covers("10.1.0.2,10.1.0.7-10.1.0.9 any", "10.1.0.2-10.1.0.8 any"));
	CHECK(covers("any4 any4", "any4 any4 tcp") && !covers("any4 any4 tcp", "any4 any4"));
	CHECK(!covers("any4 any4 tcp", "any4 any4 udp"));
	CHECK(covers("any4 any4 tcp dport 80-90", "any4 any4 tcp dport 80,85-90"));
	CHECK(!covers("any4 any4 tcp dport 80-90", "any4 any4 tcp"));
	CHECK(!covers("any4 any4 tcp dport 80-90", "any4 any4 tcp sport 80"));
	CHECK(covers("any4 any4 icmp", "any4 any4 icmp type 8 code 0"));
	CHECK(!covers("any4 any4 icmp type 8", "any4 any4 icmp type 0"));
	CHECK(covers("any4 any4", "any4 any4 opaque") && !covers("any4 any4 opaque", "any4 any4"));
	CHECK(covers("any4 any4", "any4 any4 mark 7") && !covers("any4 any4 mark 7", "any4 any4"));
	CHECK(covers("any4 any4 mark 0x10/0xf0", "any4 any4 mark 0x1f"));
	CHECK(!covers("any4 any4 mark 0x10/0xf0", "any4 any4 mark 0x2f"));
	CHECK(!covers("any4 any4 mark 0/0xf0", "any4 any4"));
	CHECK(covers("any4 any4", "any4 any4 dev lo") && !covers("any4 any4 dev lo", "any4 any4"));
	CHECK(covers("any4 any4 dev lo", "any4 any4 dev lo tcp"));
	test_end();

	test_begin("doctor: whether two selectors have packets in common");
	CHECK(meets("10.1.0.0/16 any", "any4 10.2.0.0/16") && !meets("10.1.0.0/16 any", "10.2.0.0/16 any"));
	CHECK(meets("any4 any4 tcp", "any4 any4") && !meets("any4 any4 tcp", "any4 any4 udp"));
	CHECK(meets("any4 any4 tcp dport 80-90", "any4 any4 tcp dport 90-99"));
	CHECK(!meets("any4 any4 tcp dport 80-90", "any4 any4 tcp dport 91-99"));
	CHECK(!meets("any4 any4 opaque", "any4 any4 tcp dport 80") && meets("any4 any4 opaque", "any4 any4 tcp"));
	CHECK(!meets("any4 any4 mark 0x10/0xf0", "any4 any4 mark 0x21"));
	CHECK(meets("any4 any4 mark 0x10/0xf0", "any4 any4 mark 1/0xf"));
	test_end();
}

void test_doctor(void)
{
	plain();
	addresses();
	ports();
	states();
	calls();
	doubts();
	nat();
	priorities();
	selectors();
	json_decref(ruleset);
}
