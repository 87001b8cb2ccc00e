/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of espah explain. */
#ifndef ESPAH_EXPLAIN_H
#define ESPAH_EXPLAIN_H

#include <jansson.h>
#include <libmnl/libmnl.h>

#include "cli.h"
#include "parse.h"

/** enum flow_field - optional fields of a flow */
enum flow_field {
	FLOW_SPORT,
	FLOW_DPORT,
	FLOW_TYPE,
	FLOW_CODE,
	FLOW_FRAGMENT,
	FLOW_MARK,
	FLOW_DEV,
	FLOW_DSCP,
	FLOW_FIELDS
};

/** struct flow_value - a field of a flow; @value is unused for fields without a number */
struct flow_value {
	bool set;
	uint32_t value;
};

/** struct flow - a packet that explain is asked about */
struct flow {
	uint8_t dir;
	struct addr src;
	struct addr dst;
	bool has_proto;
	uint8_t proto;
	struct flow_value field[FLOW_FIELDS];
};

/**
 * explain_ask() - ask what would happen to a packet
 * @cli: state, connected
 * @flow: the packet
 * @nlh: result: a copy of the answer, which the caller frees
 *
 * Return: a STATUS_*
 */
int explain_ask(struct cli *cli, const struct flow *flow, struct nlmsghdr **nlh);

/**
 * passed_print() - print the policies that are asked earlier, and in what they differ from a packet
 * @cli: to ask for their selectors
 * @nlh: answer to explain
 * @flow: the packet as the policies see it
 * @clear: no policy matches, and packets leave in the clear
 *
 * Return: a STATUS_*
 */
int passed_print(struct cli *cli, const struct nlmsghdr *nlh, const struct flow *flow, bool clear);
/** passed_json() - Return: these policies as an array */
json_t *passed_json(const struct nlmsghdr *nlh);

/** assumed_print() - print what a policy selects by and the question lacks; @attr: or NULL */
void assumed_print(const struct nlattr *attr);
/** assumed_json() - Return: these fields as an array */
json_t *assumed_json(const struct nlattr *attr);

/** near_print() - print the SA that nearly fits; @nest: ESPAH_EXPLAIN_NEAR; @if_id: of the policy */
void near_print(const struct nlattr *nest, const struct nlattr *if_id);
/** near_json() - Return: this SA, what differs, and the SA that the policy wants */
json_t *near_json(const struct nlattr *nest);

#endif /* ESPAH_EXPLAIN_H */
