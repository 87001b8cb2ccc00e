// SPDX-License-Identifier: GPL-2.0-only
/*
 * Labels: "charon" and, once it is known, the peer's identity. They show the administrator who
 * created an SA or policy, and show us which ones a killed charon left behind.
 */
#include "backend.h"

#include <collections/array.h>
#include <sa/ike_sa.h>

#define OURS "charon"
#define LABEL_MAX 63

/* Identifies an SA (direction, protocol, SPI), or a policy by its ID. */
struct leftover {
	bool policy;
	uint8_t dir, proto;
	uint32_t number;
	host_t *dst;
};

void label_put(struct nlmsghdr *nlh, uint16_t type)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	char label[LABEL_MAX + 1] = OURS, *c;

	if (ike_sa)
		snprintf(label, sizeof(label), OURS " %Y", ike_sa->get_other_id(ike_sa));
	for (c = label; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	mnl_attr_put_strz(nlh, type, label);
}

static bool is_ours(const struct nlattr *label)
{
	const char *text = label ? mnl_attr_get_str(label) : "";

	return strpfx(text, OURS) && (!text[strlen(OURS)] || text[strlen(OURS)] == ' ');
}

static void find_sa(const struct nlmsghdr *nlh, void *list)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	struct leftover found = {};

	attr_table(nlh, sa, ESPAH_SA_MAX);
	found.dst = is_ours(sa[ESPAH_SA_LABEL]) ? nl_host(sa[ESPAH_SA_DST], 0) : NULL;
	if (!found.dst)
		return;
	found.dir = attr_u8(sa[ESPAH_SA_DIR], 0);
	found.proto = attr_u8(sa[ESPAH_SA_PROTO], 0);
	found.number = attr_u32(sa[ESPAH_SA_SPI], 0);
	array_insert(list, ARRAY_TAIL, &found);
}

static void find_policy(const struct nlmsghdr *nlh, void *list)
{
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1];
	struct leftover found = { .policy = TRUE };

	attr_table(nlh, policy, ESPAH_POLICY_MAX);
	found.number = attr_u32(policy[ESPAH_POLICY_ID], 0);
	if (is_ours(policy[ESPAH_POLICY_LABEL]))
		array_insert(list, ARRAY_TAIL, &found);
}

static void clear(struct nl *nl, struct leftover *what)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;

	if (what->policy) {
		nlh = nl_start(nl, buf, ESPAH_CMD_POLICY_DEL, 0);
		mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, what->number);
	} else {
		nlh = nl_start(nl, buf, ESPAH_CMD_SA_DEL, 0);
		mnl_attr_put_u8(nlh, ESPAH_SA_DIR, what->dir);
		mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, what->proto);
		mnl_attr_put_u32(nlh, ESPAH_SA_SPI, what->number);
		nl_put_host(nlh, ESPAH_SA_DST, what->dst);
	}
	nl_ask(nl, nlh, NULL, NULL, NULL);
	DESTROY_IF(what->dst);
}

void label_clear_all(struct nl *nl)
{
	array_t *list = array_create(sizeof(struct leftover), 0);
	char buf[NL_REQUEST_MAX];
	struct leftover what;

	nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP), find_sa, list, NULL);
	nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_DUMP), find_policy, list, NULL);
	if (array_count(list))
		DBG1(DBG_KNL, "kernel-espah: deleting %d SAs and policies that an earlier charon left behind",
		     array_count(list));
	while (array_remove(list, ARRAY_HEAD, &what))
		clear(nl, &what);
	array_destroy(list);
}
