// SPDX-License-Identifier: GPL-2.0-only
/* What there is in the kernel. */
#include <errno.h>

#include "link.h"
#include "queue.h"
#include "settings.h"
#include "spell.h"
#include "state.h"

static int see_sa(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct state *state = data;
	struct thing *thing;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (attr_u8(tb[ESPAH_SA_STATE], ESPAH_SA_STATE_VALID) != ESPAH_SA_STATE_VALID)
		return 0;
	thing = thing_add(&state->things[THING_SA], nlh);
	if (!thing)
		return STATUS_REFUSED;
	thing->id = attr_u32(tb[ESPAH_SA_ID], 0);
	thing->owner = attr_u8(tb[ESPAH_SA_OWNER], ESPAH_OWNER_HAND);
	return 0;
}

static int see_policy(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct state *state = data;
	struct thing *thing = thing_add(&state->things[THING_POLICY], nlh);

	if (!thing)
		return STATUS_REFUSED;
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	thing->id = attr_u32(tb[ESPAH_POLICY_ID], 0);
	thing->owner = attr_u8(tb[ESPAH_POLICY_OWNER], ESPAH_OWNER_HAND);
	return 0;
}

static int see_link(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	struct state *state = data;
	struct device device;
	struct thing *thing;

	if (!device_read(nlh, &device) || strcmp(device_kind(&device), ESPAH_LINK_KIND))
		return 0;
	/* a device that was made in another namespace is that one's */
	if (device.attr[IFLA_LINK_NETNSID]) {
		state->guests++;
		return 0;
	}
	thing = thing_add(&state->things[THING_LINK], nlh);
	if (!thing)
		return STATUS_REFUSED;
	attr_nest(device.linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	thing->id = device.info->ifi_index;
	thing->owner = attr_u8(tb[ESPAH_LINK_OWNER], ESPAH_OWNER_HAND);
	return 0;
}

static int see_config(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_CONFIG_MAX + 1];
	struct state *state = data;
	unsigned int i;

	attr_table(nlh, tb, ESPAH_CONFIG_MAX);
	for (i = 0; i <= ESPAH_CONFIG_MAX; i++)
		state->value[i] = attr_u8(tb[i], 0);
	state->by_file = attr_u32(tb[ESPAH_CONFIG_FILE], 0);
	return 0;
}

static struct nlmsghdr *sa_request(struct nl *nl, char *buf, bool keys)
{
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP);

	if (keys)
		mnl_attr_put(nlh, ESPAH_SA_SHOW_KEYS, 0, NULL);
	return nlh;
}

/* Whether a kernel that is locked down refuses to show keys. */
static bool keys_locked(struct nl *nl)
{
	char buf[NL_REQUEST_MAX];
	struct nl_result result;

	return !nl_ask(nl, sa_request(nl, buf, true), NULL, NULL, &result) &&
	       result.error == EPERM &&
	       (nl_ask(nl, sa_request(nl, buf, false), NULL, NULL, &result) || !result.error);
}

static int read_links(struct cli *cli, const char *what, struct state *state)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl *route = nl_route(cli);
	char buf[NL_REQUEST_MAX];
	struct nlattr *linkinfo;
	struct nlmsghdr *nlh;

	if (!route)
		return STATUS_REFUSED;
	nlh = device_start(route, buf, RTM_GETLINK, NLM_F_DUMP, &info);
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ESPAH_LINK_KIND);
	mnl_attr_nest_end(nlh, linkinfo);
	return nl_dump(route, nlh, what, NL_BY_IFINDEX, see_link, state);
}

/**
 * state_read() - read what there is
 * @cli: state of the command
 * @what: the command, for errors
 * @keys: with keys, if the kernel shows them
 * @state: result; freed with state_free() in any case
 *
 * Return: a STATUS_*.
 */
int state_read(struct cli *cli, const char *what, bool keys, struct state *state)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	unsigned int i;
	int status;

	memset(state, 0, sizeof(*state));
	for (i = 0; i < THING_KINDS; i++)
		state->things[i].kind = i;
	status = queue_ready(cli);
	if (status)
		return status;
	state->no_keys = keys && keys_locked(cli->nl);
	status = nl_dump(cli->nl, sa_request(cli->nl, buf, keys && !state->no_keys), what,
			 ESPAH_SA_ID, see_sa, state);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_DUMP);
	status = nl_dump(cli->nl, nlh, what, ESPAH_POLICY_ID, see_policy, state);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_CONFIG_GET, NLM_F_ACK);
	status = nl_do(cli->nl, nlh, what, see_config, state);
	return status ? status : read_links(cli, what, state);
}

static bool saved(const struct thing *thing, bool hand)
{
	return thing->owner == ESPAH_OWNER_HAND || (!hand && thing->owner == ESPAH_OWNER_FILE);
}

/**
 * state_save() - write what there is as a configuration file, but for what daemons made
 * @out: where
 * @state: from state_read()
 * @hand: only what was made by hand, and without SAs: this is a batch, too
 */
void state_save(FILE *out, const struct state *state, bool hand)
{
	static const enum thing_kind order[] = { THING_LINK, THING_SA, THING_POLICY };
	const struct setting *setting;
	const struct things *things;
	uint32_t which = 0;
	unsigned int k;
	size_t i;

	for (setting = settings; setting->command; setting++)
		if (state->value[setting->attr] != setting->initial)
			which |= 1U << setting->attr;
	if (hand)
		which &= ~state->by_file;
	spell_config(out, state->value, which);
	for (k = 0; k < THING_KINDS; k++) {
		things = &state->things[order[k]];
		for (i = 0; i < things->count; i++) {
			if (!saved(&things->at[i], hand) || (hand && order[k] == THING_SA))
				continue;
			fprintf(out, "%s%s\n", things->at[i].text,
				order[k] == THING_SA ? " key-present" : "");
		}
	}
}

/** state_free() - free what state_read() has read */
void state_free(struct state *state)
{
	unsigned int i;

	for (i = 0; i < THING_KINDS; i++)
		things_free(&state->things[i]);
}
