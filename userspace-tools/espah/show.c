// SPDX-License-Identifier: GPL-2.0-only
/* espah show: everything on one screen, for users. */
#include <string.h>

#include <linux/espah.h>

#include "policy.h"
#include "queue.h"
#include "sa.h"
#include "stats.h"
#include "words.h"

const char show_help[] =
	"espah show\n"
	"\n"
	"Prints the default actions, the policies and the SAs, with their counters and\n"
	"what was dropped. 'espah sa list' and 'espah stats' say more.\n"
	"\n"
	"Example:\n"
	"  espah show\n";

static int dump(struct cli *cli, uint8_t cmd, uint16_t id_attr, const struct listing_kind *kind,
		struct listing *listing)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, cmd, NLM_F_DUMP);
	int status;

	listing_start(listing, kind, cli->json);
	status = nl_dump(cli->nl, nlh, "show", id_attr, listing_add, listing);
	listing_end(listing, false);
	return status;
}

static int dump_policies(struct cli *cli, struct listing *listing)
{
	return dump(cli, ESPAH_CMD_POLICY_GET, ESPAH_POLICY_ID, &policy_listing, listing);
}

static int dump_sas(struct cli *cli, struct listing *listing)
{
	return dump(cli, ESPAH_CMD_SA_GET, ESPAH_SA_ID, &sa_listing, listing);
}

static int show_json(struct cli *cli, struct listing *listing, const uint8_t action[DEFAULT_NUM])
{
	int status;

	fputs("{\"default\": ", stdout);
	json_print_inline(default_json(action));
	fputs(",\n\"policies\": ", stdout);
	status = dump_policies(cli, listing);
	fputs(",\n\"sas\": ", stdout);
	if (!status)
		status = dump_sas(cli, listing);
	else
		fputs("[]", stdout);
	puts("}");
	return status;
}

static int show_text(struct cli *cli, struct listing *listing, const uint8_t action[DEFAULT_NUM])
{
	int status = dump_policies(cli, listing);

	if (status)
		return status;
	printf("%s: in %s, out %s\n", listing->table.rows ? "packets that no policy matches" :
	       "no policies; the default",
	       word_of(WORD_ACTION, action[ESPAH_DIR_IN]),
	       word_of(WORD_ACTION, action[ESPAH_DIR_OUT]));
	if (action[DEFAULT_ICMP] == ESPAH_ACTION_BYPASS)
		puts("ICMP errors about protected flows are accepted in the clear");
	putchar('\n');
	status = dump_sas(cli, listing);
	if (!status && !listing->table.rows)
		puts("no SAs");
	return status;
}

/** cmd_show() - espah show */
int cmd_show(struct cli *cli, struct args *args)
{
	static struct listing listing;
	uint8_t action[DEFAULT_NUM];
	int status = args_end(args, "show");

	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	status = default_ask(cli, "show", action);
	if (status)
		return status;
	return cli->json ? show_json(cli, &listing, action) : show_text(cli, &listing, action);
}
