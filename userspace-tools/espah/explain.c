// SPDX-License-Identifier: GPL-2.0-only
/* espah explain: what the module would do with a packet, and why. */
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "explain.h"
#include "policy.h"
#include "queue.h"
#include "reason.h"
#include "sa.h"
#include "term.h"
#include "words.h"

const char explain_help[] =
	"espah explain [--check] [in|out] SRC DST [PROTO [DPORT | [sport N] [dport N] |\n"
	"    [type N] [code N]] [fragment]] [mark M] [dev NAME] [dscp D]\n"
	"espah explain reason NAME\n"
	"\n"
	"Tells which policy a packet from SRC to DST would meet, in which hook and why,\n"
	"the SAs that would carry it, the overhead, MTU and MSS, or the reason under\n"
	"which it would be dropped; if no SA fits, the one that nearly does; and of the\n"
	"policies that are asked earlier but do not match, the eight that differ least.\n"
	"SRC and DST are the addresses inside the tunnel. 'out' is meant if no direction\n"
	"is given; without 'dev' no policy with a device is met. With a device of kind\n"
	"espah, the packet is routed into it, or came by its SAs, and meets the policies\n"
	"with its if-id. The DSCP (default 0) selects among SAs with 'for-dscp'.\n"
	"Rules of the firewall may translate a packet, mark it or drop it before an\n"
	"outbound policy sees it. The answer says so; ask with the addresses and the\n"
	"mark that they make.\n"
	"  --check  exit status 0: it goes or comes through SAs; 3: it would be dropped;\n"
	"           4: it passes in the clear\n"
	"  reason   what a drop reason of 'espah stats' means, and what to check\n"
	"\n"
	"Examples:\n"
	"  espah explain 10.1.0.5 10.2.0.9 tcp 443\n"
	"  espah explain in 10.2.0.9 10.1.0.5 udp sport 53\n"
	"  espah explain 10.1.0.5 10.2.0.9 icmp type 8 code 0\n"
	"  espah explain reason no_spi\n"
	"  espah explain --check 10.1.0.5 10.2.0.9 >/dev/null || echo not protected\n"
	"  espah explain in 10.2.0.9 10.1.0.5 udp fragment\n"
	"  espah explain 10.1.0.5 10.2.0.9 dev ipsec0\n"
	"  espah explain 10.1.0.5 10.2.0.9 udp 5004 dscp ef\n";

/* Optional fields of a flow: a number of @size bytes, or a word without a value if @size is 0. */
static const struct {
	const char *word;
	uint16_t attr;
	uint8_t size;
} fields[FLOW_FIELDS] = {
	[FLOW_SPORT] = { "sport", ESPAH_EXPLAIN_SPORT, 2 },
	[FLOW_DPORT] = { "dport", ESPAH_EXPLAIN_DPORT, 2 },
	[FLOW_TYPE] = { "type", ESPAH_EXPLAIN_TYPE, 1 },
	[FLOW_CODE] = { "code", ESPAH_EXPLAIN_CODE, 1 },
	[FLOW_FRAGMENT] = { "fragment", ESPAH_EXPLAIN_FRAGMENT, 0 },
	[FLOW_MARK] = { "mark", ESPAH_EXPLAIN_MARK, 4 },
	[FLOW_DEV] = { "dev", ESPAH_EXPLAIN_IFINDEX, 4 },
	[FLOW_DSCP] = { "dscp", ESPAH_EXPLAIN_DSCP, 1 },
};

static int read_side(struct args *args, const char *what, struct addr *addr)
{
	const char *word = args_next(args);

	if (word)
		return parse_addr(what, word, addr);
	error("explain also needs %s (see 'espah explain --help')",
	      strcmp(what, "source") ? "a destination address" :
	      "a source and a destination address");
	return -1;
}

/* Whether a word that is none of explain is the destination port; if not, an error was printed. */
static bool is_port(const char *word, const struct flow *flow)
{
	const struct servent *service;
	uint8_t proto;

	if (*word >= '0' && *word <= '9') {
		if (flow->proto != IPPROTO_ICMP && flow->proto != IPPROTO_ICMPV6)
			return true;
		error("a number after icmp or icmpv6 needs the word type before it: 'type %s'", word);
		return false;
	}
	service = flow->has_proto ? getservbyname(word, NULL) : NULL;
	if (word_value(WORD_PROTO, word, &proto))
		error("'%s' is in the wrong place: the protocol comes right after the destination (see 'espah explain --help')",
		      word);
	else if (service)
		error("'%s' is the name of a port; ports are numbers: %s is %u", word, word,
		      ntohs(service->s_port));
	else
		error("'%s' is not a word of explain (see 'espah explain --help')", word);
	return false;
}

/* Return: 0, or -1 after printing an error. */
static int read_field(enum flow_field field, const char *value, uint32_t *result)
{
	uint8_t dscp = 0;
	uint64_t n;

	if (field == FLOW_DEV)
		return parse_dev(value, result);
	if (field == FLOW_DSCP && dscp_value_parse(value, &dscp))
		return -1;
	n = dscp;
	if (field != FLOW_DSCP && parse_number(fields[field].word, value, 0,
					       (1ull << 8 * fields[field].size) - 1, &n))
		return -1;
	*result = n;
	return 0;
}

/* A number alone is the destination port. */
static int read_fields(struct args *args, struct flow *flow)
{
	const char *word, *value;
	unsigned int i;
	uint32_t n;

	while ((word = args_next(args))) {
		for (i = 0; i < FLOW_FIELDS && strcmp(word, fields[i].word); i++)
			;
		if (i == FLOW_FIELDS && !is_port(word, flow))
			return -1;
		value = i == FLOW_FIELDS ? word : fields[i].size ? args_value(args, word) : "0";
		if (!value)
			return -1;
		if (i == FLOW_FIELDS)
			i = FLOW_DPORT;
		if (flow->field[i].set) {
			error("'%s' is one word too many for explain (see 'espah explain --help')",
			      word);
			return -1;
		}
		if (read_field(i, value, &n))
			return -1;
		flow->field[i] = (struct flow_value){ true, n };
	}
	return 0;
}

static int read_flow(struct args *args, struct flow *flow)
{
	const char *word = args_peek(args);

	memset(flow, 0, sizeof(*flow));
	flow->dir = ESPAH_DIR_OUT;
	if (word && word_value(WORD_DIR, word, &flow->dir))
		args_next(args);
	if (read_side(args, "source", &flow->src) || read_side(args, "destination", &flow->dst))
		return -1;
	if (flow->src.family != flow->dst.family) {
		error("the source is %s, but the destination is %s",
		      family_text(flow->src.family), family_text(flow->dst.family));
		return -1;
	}
	args_take(args, "proto");
	word = args_peek(args);
	if (!word)
		return 0;
	/* mark, dev and dscp may follow without a protocol */
	flow->has_proto = strcmp(word, fields[FLOW_MARK].word) &&
			  strcmp(word, fields[FLOW_DEV].word) &&
			  strcmp(word, fields[FLOW_DSCP].word);
	if (flow->has_proto && parse_proto(args_next(args), &flow->proto))
		return -1;
	return read_fields(args, flow);
}

static void put_flow(struct nlmsghdr *nlh, const struct flow *flow)
{
	unsigned int i;

	mnl_attr_put_u8(nlh, ESPAH_EXPLAIN_DIR, flow->dir);
	put_addr(nlh, ESPAH_EXPLAIN_SRC, &flow->src);
	put_addr(nlh, ESPAH_EXPLAIN_DST, &flow->dst);
	if (flow->has_proto)
		mnl_attr_put_u8(nlh, ESPAH_EXPLAIN_PROTO, flow->proto);
	for (i = 0; i < FLOW_FIELDS; i++) {
		if (!flow->field[i].set)
			continue;
		if (!fields[i].size)
			mnl_attr_put(nlh, fields[i].attr, 0, NULL);
		else if (fields[i].size == 1)
			mnl_attr_put_u8(nlh, fields[i].attr, flow->field[i].value);
		else if (fields[i].size == 4)
			mnl_attr_put_u32(nlh, fields[i].attr, flow->field[i].value);
		else
			put_port(nlh, fields[i].attr, flow->field[i].value);
	}
}

/* A copy of the answer. The next request (for a policy) reuses the receive buffer. */
struct answer {
	struct nlmsghdr *nlh;
};

static int keep(const struct nlmsghdr *nlh, void *data)
{
	struct answer *answer = data;

	free(answer->nlh);
	answer->nlh = malloc(nlh->nlmsg_len);
	if (!answer->nlh) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	memcpy(answer->nlh, nlh, nlh->nlmsg_len);
	return 0;
}

/* Prints "SRC -> DST" and the rest of a flow. */
static void print_flow(const struct flow *flow)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], proto[8], dev[DEV_TEXT_MAX];
	char dscp[DSCP_VALUE_MAX];
	unsigned int i;

	printf("%s -> %s", addr_text(&flow->src, src), addr_text(&flow->dst, dst));
	if (flow->proto)
		printf(" %s", word_proto(flow->proto, proto));
	for (i = 0; i < FLOW_FIELDS; i++)
		if (flow->field[i].set && i == FLOW_DEV)
			printf(" dev %s", dev_text(flow->field[i].value, dev));
		else if (flow->field[i].set && i == FLOW_DSCP)
			printf(" dscp %s", dscp_value_text(flow->field[i].value, dscp));
		else if (flow->field[i].set && fields[i].size)
			printf(" %s %u", fields[i].word, flow->field[i].value);
		else if (flow->field[i].set)
			printf(" %s", fields[i].word);
}

/* Gives a flow the values with which conntrack lets its packets leave; @nest: a selector, or NULL */
static void track(const struct nlattr *nest, struct flow *flow)
{
	const struct nlattr *tb[ESPAH_SEL_MAX + 1];

	if (!nest)
		return;
	attr_nest(nest, tb, ESPAH_SEL_MAX);
	attr_addr(tb[ESPAH_SEL_SRC], &flow->src);
	attr_addr(tb[ESPAH_SEL_DST], &flow->dst);
	if (tb[ESPAH_SEL_SPORT_MIN])
		flow->field[FLOW_SPORT].value = attr_port(tb[ESPAH_SEL_SPORT_MIN], 0);
	if (tb[ESPAH_SEL_DPORT_MIN])
		flow->field[FLOW_DPORT].value = attr_port(tb[ESPAH_SEL_DPORT_MIN], 0);
}

static void print_tracked(const struct flow *flow, const struct flow *seen)
{
	if (!memcmp(flow, seen, sizeof(*flow))) {
		puts("Connection tracking has this flow, without address translation.");
		return;
	}
	fputs("Connection tracking translates this flow: the policies see ", stdout);
	print_flow(seen);
	puts(".");
}

/* Prints the policy that matches, and the consequence. */
static void print_policy(const struct nlattr **tb, const struct flow *flow, uint8_t action)
{
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1];
	const char *dir = word_of(WORD_DIR, flow->dir);
	char sel_text[SELECTOR_TEXT_MAX], verdict[SELECTOR_TEXT_MAX + 40], if_id[IF_ID_TEXT_MAX];
	struct selector sel;

	if (!tb[ESPAH_EXPLAIN_POLICY]) {
		printf("No %s policy matches, so the default action applies: %s.\n", dir,
		       word_of(WORD_ACTION, action));
	} else {
		attr_nest(tb[ESPAH_EXPLAIN_POLICY], policy, ESPAH_POLICY_MAX);
		selector_get(policy[ESPAH_POLICY_SELECTOR], &sel);
		printf("Policy %u (priority %u, %s%s) is the first that matches: %s.\n",
		       attr_u32(policy[ESPAH_POLICY_ID], 0),
		       attr_u32(policy[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT),
		       selector_text(&sel, sel_text),
		       if_id_text(policy[ESPAH_POLICY_IF_ID], if_id),
		       policy_verdict(policy, verdict, sizeof(verdict)));
	}
	assumed_print(tb[ESPAH_EXPLAIN_ASSUMED]);
	if (tb[ESPAH_EXPLAIN_EXEMPT])
		printf("It passes regardless of the policy: %s.\n",
		       attr_string(tb[ESPAH_EXPLAIN_EXEMPT], "?"));
	else if (action == ESPAH_ACTION_BYPASS && !tb[ESPAH_EXPLAIN_DROP])
		printf("It %s %sin the clear%s.\n", flow->dir == ESPAH_DIR_OUT ? "leaves" :
		       "is accepted", tint(TINT_WARN), untint(TINT_WARN));
}

/* Prints the netfilter hook that decides, its position, and what the firewall does around it. */
static void print_hook(const struct nlattr **tb, const struct flow *flow)
{
	const char *hook = attr_string(tb[ESPAH_EXPLAIN_HOOK], NULL);
	bool nat = tb[ESPAH_EXPLAIN_NAT], out = flow->dir == ESPAH_DIR_OUT;

	if (!hook)
		puts("espah has no hooks here, because there is neither a policy nor an SA.");
	else if (out)
		printf("The hook is %s, after source NAT%s.\n", hook,
		       nat && !tb[ESPAH_EXPLAIN_TRACKED] ?
		       ": rules of the firewall may change the source and the destination before the policy sees them, so ask again with the addresses that they make" :
		       "");
	else
		printf("The hook is %s, after defragmentation%s; ESP and AH are processed %s.\n",
		       hook, nat ? " and before destination NAT" : "",
		       tb[ESPAH_EXPLAIN_DIRECT] ? "there, too ('espah config direct' is on)" :
		       "in LOCAL_IN, after INPUT rules");
	if (hook && tb[ESPAH_EXPLAIN_FIREWALL] && !out)
		puts("Rules of the firewall see the packet later, and may drop it.");
	else if (hook && tb[ESPAH_EXPLAIN_FIREWALL])
		printf("Rules of the firewall see the packet earlier: they may drop it, or change its mark, so ask with the mark that they make.%s\n",
		       tb[ESPAH_EXPLAIN_SA] && !tb[ESPAH_EXPLAIN_DIRECT] ?
		       " At OUTPUT and POSTROUTING they also see the ESP or AH packet." : "");
	if (tb[ESPAH_EXPLAIN_QUOTES])
		printf("ICMP errors and redirects are also judged by the packet that they quote: a policy that protects its flow may decide%s. Ask about that flow, with source and destination exchanged.\n",
		       out ? "" : ", and errors about ESP and AH packets of this host pass");
	if (tb[ESPAH_EXPLAIN_ENCAP])
		puts("SAs use its destination port: unless its data begin with four zero bytes, as IKE's do, it is then taken for ESP in UDP, and its SPI selects the SA.");
}

/* Prints whether packets travel in UDP; @sa: the SA that is applied last */
static void print_encap(const struct nlattr **tb, const struct nlattr **sa, bool out)
{
	bool encap = sa[ESPAH_SA_ENCAP_SPORT];

	if (encap)
		printf("It %s as UDP from port %u to port %u.\n", out ? "goes" : "comes",
		       attr_port(sa[ESPAH_SA_ENCAP_SPORT], 0),
		       attr_port(sa[ESPAH_SA_ENCAP_DPORT], 0));
	if (tb[ESPAH_EXPLAIN_OPPOSITE_ENCAP] &&
	    encap != !!attr_u8(tb[ESPAH_EXPLAIN_OPPOSITE_ENCAP], 0))
		printf("The SA of the other direction has %sUDP encapsulation%s.\n",
		       encap ? "no " : "", encap ? "" : ", but this one has none");
}

/* Prints what rules at INPUT see first; @sa: the SA whose packets come */
static void print_input(const struct nlattr **sa)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	struct addr from = { 0 }, to = { 0 };
	uint8_t proto = attr_u8(sa[ESPAH_SA_PROTO], IPPROTO_ESP);

	attr_addr(sa[ESPAH_SA_SRC], &from);
	attr_addr(sa[ESPAH_SA_DST], &to);
	printf("The firewall has rules at INPUT: before the SA, they have to accept %s from %s to %s.\n",
	       sa[ESPAH_SA_ENCAP_SPORT] ? "these UDP packets" : proto == IPPROTO_AH ? "AH" : "ESP",
	       addr_text(&from, src), addr_text(&to, dst));
}

static const char *first_sa(const struct nlattr **tb, bool out)
{
	bool exempt = tb[ESPAH_EXPLAIN_EXEMPT];

	if (out && tb[ESPAH_EXPLAIN_DROP])
		return exempt ? "Otherwise it belongs to" : "It belongs to";
	if (out)
		return exempt ? "Otherwise it leaves through" : "It leaves through";
	return exempt ? "Otherwise it is accepted only through" : "It is accepted only through";
}

static void print_sas(const struct nlattr **tb, const struct nlattr **sas, const struct flow *flow)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	bool out = flow->dir == ESPAH_DIR_OUT;
	char line[SA_LINE_MAX], drops[1024];
	unsigned int i;

	for (i = 0; i < ESPAH_BUNDLE_MAX && sas[i]; i++) {
		attr_nest(sas[i], sa, ESPAH_SA_MAX);
		sa_line(sa, line, sizeof(line));
		squeeze(line);
		if (i)
			printf("%s this one: %s.\n", out ? "The result leaves through" :
			       "It must be inside", line);
		else
			printf("%s this SA: %s.\n", first_sa(tb, out), line);
		if (*drops_text(sa[ESPAH_SA_DROPS], drops, sizeof(drops)))
			printf("So far this SA has dropped: %s%s%s.\n", tint(TINT_BAD), drops,
			       untint(TINT_BAD));
	}
	if (tb[ESPAH_EXPLAIN_OTHERS])
		printf("Further SAs through which it is accepted, such as older ones: %u.\n",
		       attr_u32(tb[ESPAH_EXPLAIN_OTHERS], 0));
	if (tb[ESPAH_EXPLAIN_CLASSES])
		printf("Packets with another DSCP may leave through another SA%s.\n",
		       flow->field[FLOW_DSCP].set ? "" : ": ask again with 'dscp'");
	if (i)
		print_encap(tb, sa, out);
	if (i && tb[ESPAH_EXPLAIN_INPUT])
		print_input(sa);
	if (tb[ESPAH_EXPLAIN_OVERHEAD])
		printf("The SA%s at most %u bytes.\n", i > 1 ? "s add" : " adds",
		       attr_u32(tb[ESPAH_EXPLAIN_OVERHEAD], 0));
	if (tb[ESPAH_EXPLAIN_MTU])
		printf("Packets of up to %u bytes need no fragmentation",
		       attr_u32(tb[ESPAH_EXPLAIN_MTU], 0));
	if (tb[ESPAH_EXPLAIN_MTU] && tb[ESPAH_EXPLAIN_MSS])
		printf("; a TCP MSS of %u fits", attr_u32(tb[ESPAH_EXPLAIN_MSS], 0));
	if (tb[ESPAH_EXPLAIN_MTU])
		puts(".");
}

static void print_text(const struct nlattr **tb, const struct nlattr **sas,
		       const struct flow *flow, const struct flow *seen, const char *reason)
{
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1];
	uint8_t action = attr_u8(tb[ESPAH_EXPLAIN_ACTION], 0xff);
	bool in = flow->dir == ESPAH_DIR_IN && action == ESPAH_ACTION_PROTECT;
	/* what comes by an SA is accepted */
	enum tint bad = in && tb[ESPAH_EXPLAIN_SA] ? TINT_NONE : TINT_BAD;
	size_t end = strlen(reason);

	printf("%s: ", word_of(WORD_DIR, flow->dir));
	print_flow(flow);
	putchar('\n');
	if (tb[ESPAH_EXPLAIN_TRACKED])
		print_tracked(flow, seen);
	print_policy(tb, flow, action);
	print_hook(tb, flow);
	print_sas(tb, sas, flow);
	if (tb[ESPAH_EXPLAIN_SECPATH])
		puts(attr_u8(tb[ESPAH_EXPLAIN_SECPATH], 0) ?
		     "Firewall rules see the packet as IPsec ('meta ipsec exists')." :
		     "Firewall rules do not see the packet as IPsec: 'meta ipsec exists' matches after 'espah config secpath on'.");
	if (tb[ESPAH_EXPLAIN_BY_SA])
		printf("Through %s SA it would be DROPPED, reason %s: %s.\n",
		       tb[ESPAH_EXPLAIN_SA] ? "any other" : "an",
		       attr_string(tb[ESPAH_EXPLAIN_BY_SA], "?"),
		       tb[ESPAH_EXPLAIN_SA] ? "the policy requires what is named above" :
		       in ? "that is not what the policy requires" :
		       "no policy requires that SA");
	if (in && !tb[ESPAH_EXPLAIN_SA] && !tb[ESPAH_EXPLAIN_EXEMPT])
		puts("No SA exists yet through which it could arrive.");
	attr_nest(tb[ESPAH_EXPLAIN_POLICY], policy, ESPAH_POLICY_MAX);
	near_print(tb[ESPAH_EXPLAIN_NEAR], policy[ESPAH_POLICY_IF_ID]);
	if (tb[ESPAH_EXPLAIN_DROP])
		printf("%s would be %sDROPPED, reason %s%s%s%s%s\n",
		       tb[ESPAH_EXPLAIN_EXEMPT] ? "Otherwise it" : in ? "In the clear it" : "It",
		       tint(bad), attr_string(tb[ESPAH_EXPLAIN_DROP], "?"), untint(bad),
		       end ? ": " : "", reason,
		       end && reason[end - 1] == '.' ? "" : ".");
}

static json_t *to_json(const struct nlattr **tb, const struct nlattr **sas,
		       const struct flow *flow, const char *reason)
{
	static const struct {
		uint8_t attr;
		const char *name;
	} numbers[] = {
		{ ESPAH_EXPLAIN_OVERHEAD, "overhead" }, { ESPAH_EXPLAIN_MTU, "mtu" },
		{ ESPAH_EXPLAIN_MSS, "mss" }, { ESPAH_EXPLAIN_OTHERS, "others" },
	}, flags[] = {
		{ ESPAH_EXPLAIN_NAT, "nat" }, { ESPAH_EXPLAIN_FIREWALL, "firewall" },
		{ ESPAH_EXPLAIN_QUOTES, "quotes" }, { ESPAH_EXPLAIN_DIRECT, "direct" },
		{ ESPAH_EXPLAIN_ENCAP, "encap" },
	};
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1], *sa[ESPAH_SA_MAX + 1];
	json_t *object = json_object(), *outer = NULL, *tracked;
	struct selector seen;
	char proto[8], dev[DEV_TEXT_MAX], dscp[DSCP_VALUE_MAX];
	unsigned int i;

	json_set(object, "dir", json_string(word_of(WORD_DIR, flow->dir)));
	json_set(object, "src", json_addr(&flow->src));
	json_set(object, "dst", json_addr(&flow->dst));
	if (flow->has_proto)
		json_set(object, "proto", json_string(word_proto(flow->proto, proto)));
	for (i = 0; i < FLOW_FIELDS; i++)
		if (flow->field[i].set)
			json_set(object, fields[i].word, i == FLOW_DEV ?
				 json_string(dev_text(flow->field[i].value, dev)) : i == FLOW_DSCP ?
				 json_string(dscp_value_text(flow->field[i].value, dscp)) :
				 fields[i].size ? json_integer(flow->field[i].value) : json_true());
	json_set(object, "action", json_string(word_of(WORD_ACTION,
		 attr_u8(tb[ESPAH_EXPLAIN_ACTION], 0xff))));
	attr_nest(tb[ESPAH_EXPLAIN_POLICY], policy, ESPAH_POLICY_MAX);
	attr_nest(sas[0], sa, ESPAH_SA_MAX);
	json_set(object, "policy", tb[ESPAH_EXPLAIN_POLICY] ? policy_json(policy) : json_null());
	json_set(object, "sa", sas[0] ? sa_json(sa) : json_null());
	if (sas[0] && sas[1])
		json_set(object, "outer_sas", outer = json_array());
	for (i = 1; i < ESPAH_BUNDLE_MAX && sas[i]; i++) {
		attr_nest(sas[i], sa, ESPAH_SA_MAX);
		json_array_append_new(outer, sa_json(sa));
	}
	if (tb[ESPAH_EXPLAIN_CLASSES])
		json_set(object, "classes", json_true());
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (tb[numbers[i].attr])
			json_set(object, numbers[i].name,
				 json_integer(attr_u32(tb[numbers[i].attr], 0)));
	if (tb[ESPAH_EXPLAIN_HOOK])
		json_set(object, "hook", json_string(attr_string(tb[ESPAH_EXPLAIN_HOOK], "?")));
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (tb[flags[i].attr])
			json_set(object, flags[i].name, json_true());
	if (tb[ESPAH_EXPLAIN_ASSUMED])
		json_set(object, "assumed", assumed_json(tb[ESPAH_EXPLAIN_ASSUMED]));
	if (tb[ESPAH_EXPLAIN_BY_SA])
		json_set(object, "by_sa", json_string(attr_string(tb[ESPAH_EXPLAIN_BY_SA], "?")));
	if (tb[ESPAH_EXPLAIN_TRACKED]) {
		selector_get(tb[ESPAH_EXPLAIN_TRACKED], &seen);
		json_set(object, "tracked", tracked = json_object());
		selector_json(&seen, tracked);
	}
	if (tb[ESPAH_EXPLAIN_NEAR])
		json_set(object, "near", near_json(tb[ESPAH_EXPLAIN_NEAR]));
	if (tb[ESPAH_EXPLAIN_OPPOSITE_ENCAP])
		json_set(object, "opposite_encap",
			 json_boolean(attr_u8(tb[ESPAH_EXPLAIN_OPPOSITE_ENCAP], 0)));
	if (tb[ESPAH_EXPLAIN_INPUT])
		json_set(object, "input_rules", json_true());
	if (tb[ESPAH_EXPLAIN_SECPATH])
		json_set(object, "secpath",
			 json_boolean(attr_u8(tb[ESPAH_EXPLAIN_SECPATH], 0)));
	if (tb[ESPAH_EXPLAIN_EXEMPT])
		json_set(object, "exempt",
			 json_string(attr_string(tb[ESPAH_EXPLAIN_EXEMPT], "?")));
	if (tb[ESPAH_EXPLAIN_DROP])
		json_set(object, "drop", json_string(attr_string(tb[ESPAH_EXPLAIN_DROP], "?")));
	if (*reason)
		json_set(object, "drop_text", json_string(reason));
	return object;
}

/* Return: what --check says about a packet, a STATUS_*. */
static int verdict(const struct nlattr **tb, const struct flow *flow)
{
	bool protect = attr_u8(tb[ESPAH_EXPLAIN_ACTION], 0xff) == ESPAH_ACTION_PROTECT;

	if (tb[ESPAH_EXPLAIN_EXEMPT])
		return STATUS_CLEAR;
	/* inbound, there is a reason to drop what comes in the clear, though an SA is there */
	if (flow->dir == ESPAH_DIR_IN && protect)
		return tb[ESPAH_EXPLAIN_SA] ? STATUS_OK : STATUS_DROPPED;
	if (tb[ESPAH_EXPLAIN_DROP])
		return STATUS_DROPPED;
	return protect ? STATUS_OK : STATUS_CLEAR;
}

int explain_ask(struct cli *cli, const struct flow *flow, struct nlmsghdr **nlh)
{
	struct answer answer = { *nlh };
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *request = nl_start(cli->nl, buf, ESPAH_CMD_EXPLAIN, NLM_F_ACK);
	int status;

	put_flow(request, flow);
	status = nl_do(cli->nl, request, "explain", keep, &answer);
	*nlh = answer.nlh;
	return status;
}

static int ask(struct cli *cli, const struct flow *flow, bool check, struct answer *answer)
{
	const struct nlattr *tb[ESPAH_EXPLAIN_MAX + 1], *sas[ESPAH_BUNDLE_MAX] = {}, *attr;
	unsigned int n = 0;
	const char *reason;
	struct flow seen = *flow;
	struct wrap wrap;
	json_t *object;
	int status;

	status = explain_ask(cli, flow, &answer->nlh);
	if (status || !answer->nlh)
		return status;
	attr_table(answer->nlh, tb, ESPAH_EXPLAIN_MAX);
	mnl_attr_for_each(attr, answer->nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == ESPAH_EXPLAIN_SA && n < ESPAH_BUNDLE_MAX)
			sas[n++] = attr;
	reason = reason_text(attr_string(tb[ESPAH_EXPLAIN_DROP], ""));
	if (cli->json) {
		object = to_json(tb, sas, flow, reason);
		json_set(object, "passed", passed_json(answer->nlh));
		json_set(object, "passed_count",
			 json_integer(attr_u32(tb[ESPAH_EXPLAIN_PASSED_COUNT], 0)));
		json_print(object);
	} else {
		track(tb[ESPAH_EXPLAIN_TRACKED], &seen);
		wrap_start(&wrap);
		print_text(tb, sas, flow, &seen, reason);
		status |= passed_print(cli, answer->nlh, &seen, flow->dir == ESPAH_DIR_OUT &&
				       !tb[ESPAH_EXPLAIN_POLICY]);
		wrap_end(&wrap, WRAP_INDENT);
	}
	return status || !check ? status : verdict(tb, flow);
}

/** cmd_explain() - espah explain */
int cmd_explain(struct cli *cli, struct args *args)
{
	struct answer answer = { NULL };
	struct flow flow;
	bool check;
	int status;

	if (args_take(args, "reason"))
		return cmd_explain_reason(cli, args);
	check = args_take(args, "--check");
	if (read_flow(args, &flow))
		return STATUS_USAGE;
	status = queue_ready(cli);
	if (status)
		return status;
	status = ask(cli, &flow, check, &answer);
	free(answer.nlh);
	return status;
}
