// SPDX-License-Identifier: GPL-2.0-only
/* espah explain: the policies that are asked before the one that matches. */
#include <linux/genetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "attr.h"
#include "explain.h"
#include "nl.h"
#include "print.h"
#include "selector.h"
#include "words.h"

/* Fields in which a policy and a packet may differ, their names in JSON and in sentences. */
static const struct {
	uint32_t bit;
	const char *name;
	const char *text;
} whys[] = {
	{ ESPAH_PFP_SRC, "src", "source" }, { ESPAH_PFP_DST, "dst", "destination" },
	{ ESPAH_PFP_PROTO, "proto", "protocol" },
	{ ESPAH_PFP_SPORT, "sport", "source port or type" },
	{ ESPAH_PFP_DPORT, "dport", "destination port or code" },
	{ ESPAH_WHY_OPAQUE, "opaque", "fragment" }, { ESPAH_WHY_MARK, "mark", "mark" },
	{ ESPAH_WHY_IFINDEX, "dev", "device" }, { ESPAH_WHY_IF_ID, "if_id", "if-id" },
};

/** struct earlier - a policy that is asked earlier */
struct earlier {
	bool found;
	struct selector sel;
	uint32_t if_id;
};

static int keep(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct earlier *policy = data;

	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	selector_get(tb[ESPAH_POLICY_SELECTOR], &policy->sel);
	policy->if_id = attr_u32(tb[ESPAH_POLICY_IF_ID], 0);
	policy->found = true;
	return 0;
}

/* Asks for a policy. It may have been deleted meanwhile, which is no error. */
static int ask(struct cli *cli, uint32_t id, struct earlier *policy)
{
	struct nlmsghdr *nlh;
	struct nl_result result;
	char buf[NL_REQUEST_MAX];

	policy->found = false;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_ACK);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, id);
	return nl_ask(cli->nl, nlh, keep, policy, &result);
}

static const char *number(const struct flow *flow, enum flow_field field, char buf[16])
{
	if (!flow->field[field].set)
		return "any";
	snprintf(buf, 16, "%u", flow->field[field].value);
	return buf;
}

/* Prints ports, or the type and code of ICMP: the protocol of the policy tells which. */
static void print_numbers(const struct selector *sel, const struct flow *flow, bool src)
{
	bool typed = sel->type.size || sel->code.size;
	const struct list *list = typed ? src ? &sel->type : &sel->code :
					  src ? &sel->sport : &sel->dport;
	char wants[LIST_TEXT_MAX], has[16];

	printf("%s %s, the packet has %s",
	       typed ? src ? "type" : "code" : src ? "source port" : "destination port",
	       list_text(list, wants), number(flow, typed ? src ? FLOW_TYPE : FLOW_CODE :
							      src ? FLOW_SPORT : FLOW_DPORT, has));
}

/* Prints what a policy wants, and what the packet has instead. */
static void print_difference(const struct earlier *policy, uint32_t bit, const struct flow *flow)
{
	char wants[LIST_TEXT_MAX], has[ADDR_TEXT_MAX];
	const struct selector *sel = &policy->sel;

	switch (bit) {
	case ESPAH_PFP_SRC:
		printf("source %s, the packet has %s", list_text(&sel->src, wants),
		       addr_text(&flow->src, has));
		break;
	case ESPAH_PFP_DST:
		printf("destination %s, the packet has %s", list_text(&sel->dst, wants),
		       addr_text(&flow->dst, has));
		break;
	case ESPAH_PFP_PROTO:
		printf("protocol %s, ", word_proto(sel->proto, wants));
		printf("the packet has %s", word_proto(flow->proto, has));
		break;
	case ESPAH_PFP_SPORT:
	case ESPAH_PFP_DPORT:
		print_numbers(sel, flow, bit == ESPAH_PFP_SPORT);
		break;
	case ESPAH_WHY_OPAQUE:
		printf("a fragment without ports, the packet is none");
		break;
	case ESPAH_WHY_MARK:
		printf("mark %s, the packet has 0x%x", mark_text(&sel->mark, wants),
		       flow->field[FLOW_MARK].value);
		break;
	case ESPAH_WHY_IFINDEX:
		printf("device %s, ", selector_dev(sel, wants) ? wants : "any");
		printf("the packet has %s", flow->field[FLOW_DEV].set ?
		       dev_text(flow->field[FLOW_DEV].value, has) : "none");
		break;
	case ESPAH_WHY_IF_ID:
		if (policy->if_id)
			printf("the device of kind espah with if-id %u, the packet has another or none",
			       policy->if_id);
		else
			printf("no device of kind espah, the packet has one");
		break;
	}
}

static int print_one(struct cli *cli, const struct nlattr **tb, const struct flow *flow)
{
	uint32_t id = attr_u32(tb[ESPAH_PASSED_POLICY_ID], 0);
	uint32_t why = attr_u32(tb[ESPAH_PASSED_WHY], 0);
	static struct earlier policy;
	const char *before = ", but it wants ";
	unsigned int i;
	int status = ask(cli, id, &policy);

	printf("Policy %u (priority %u) is asked earlier", id,
	       attr_u32(tb[ESPAH_PASSED_PRIORITY], 0));
	if (!policy.found) {
		fputs(", but was deleted meanwhile.", stdout);
		return status;
	}
	/* ports say nothing if the protocol differs */
	if (why & ESPAH_PFP_PROTO)
		why &= ~(ESPAH_PFP_SPORT | ESPAH_PFP_DPORT);
	for (i = 0; i < ARRAY_SIZE(whys); i++) {
		if (!(why & whys[i].bit))
			continue;
		fputs(before, stdout);
		print_difference(&policy, whys[i].bit, flow);
		before = "; it wants ";
	}
	putchar('.');
	return status;
}

int passed_print(struct cli *cli, const struct nlmsghdr *nlh, const struct flow *flow, bool clear)
{
	const struct nlattr *attr, *tb[ESPAH_PASSED_ATTR_MAX + 1];
	unsigned int told = 0, count = 0;
	int status = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == ESPAH_EXPLAIN_PASSED_COUNT)
			count = attr_u32(attr, 0);
		if (mnl_attr_get_type(attr) != ESPAH_EXPLAIN_PASSED)
			continue;
		attr_nest(attr, tb, ESPAH_PASSED_ATTR_MAX);
		status |= print_one(cli, tb, flow);
		puts(clear && attr_u32(tb[ESPAH_PASSED_WHY], 0) == ESPAH_PFP_SRC ?
		     " If source NAT changed the source to this address, exempt the policy's traffic by address ('man espah', Masquerading)." :
		     "");
		told++;
	}
	if (told < count)
		printf("Further such policies, not listed: %u.\n", count - told);
	return status;
}

void assumed_print(const struct nlattr *attr)
{
	uint32_t fields = attr_u32(attr, 0);
	const char *before = "The policy selects by ";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whys); i++) {
		if (!(fields & whys[i].bit))
			continue;
		printf("%s%s", before, whys[i].text);
		before = ", ";
	}
	if (fields)
		puts(", which the question does not give: 0 is assumed, and other packets may meet another policy.");
}

json_t *assumed_json(const struct nlattr *attr)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whys); i++)
		if (attr_u32(attr, 0) & whys[i].bit)
			json_array_append_new(list, json_string(whys[i].name));
	return list;
}

json_t *passed_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *tb[ESPAH_PASSED_ATTR_MAX + 1];
	json_t *list = json_array(), *object, *why;
	unsigned int i;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != ESPAH_EXPLAIN_PASSED)
			continue;
		attr_nest(attr, tb, ESPAH_PASSED_ATTR_MAX);
		object = json_object();
		json_set(object, "id", json_integer(attr_u32(tb[ESPAH_PASSED_POLICY_ID], 0)));
		json_set(object, "priority", json_integer(attr_u32(tb[ESPAH_PASSED_PRIORITY], 0)));
		json_set(object, "why", why = json_array());
		for (i = 0; i < ARRAY_SIZE(whys); i++)
			if (attr_u32(tb[ESPAH_PASSED_WHY], 0) & whys[i].bit)
				json_array_append_new(why, json_string(whys[i].name));
		json_array_append_new(list, object);
	}
	return list;
}
