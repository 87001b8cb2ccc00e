// SPDX-License-Identifier: GPL-2.0-only
/* espah show: everything on one screen, for people. */
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
	"Prints the default actions, the policies and the SAs, with their counters and what was\n"
	"dropped. 'espah sa list' and 'espah stats' say more.\n"
	"\n"
	"Example:\n"
	"  espah show\n";

struct view {
	bool json;
	struct json_list list;
	struct table table;
};

static int add_sa(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct view *view = data;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (view->json)
		json_list_add(&view->list, sa_json(tb));
	else
		sa_table_row(&view->table, tb);
	return ferror(stdout) ? STATUS_REFUSED : 0;
}

static int add_policy(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct view *view = data;

	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	if (view->json)
		json_list_add(&view->list, policy_json(tb));
	else
		policy_table_row(&view->table, tb);
	return ferror(stdout) ? STATUS_REFUSED : 0;
}

static int dump(struct cli *cli, uint8_t cmd, uint16_t id_attr, nl_cb cb, struct view *view)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, cmd, NLM_F_DUMP);

	return nl_dump(cli->nl, nlh, "show", id_attr, cb, view);
}

static int show_json(struct cli *cli, struct view *view, const uint8_t action[DEFAULT_NUM])
{
	int status;

	fputs("{\"default\": ", stdout);
	json_print_inline(default_json(action));
	fputs(",\n\"policies\": ", stdout);
	json_list_start(&view->list);
	status = dump(cli, ESPAH_CMD_POLICY_GET, ESPAH_POLICY_ID, add_policy, view);
	json_list_end(&view->list, false);
	fputs(",\n\"sas\": ", stdout);
	json_list_start(&view->list);
	if (!status)
		status = dump(cli, ESPAH_CMD_SA_GET, ESPAH_SA_ID, add_sa, view);
	json_list_end(&view->list, false);
	puts("}");
	return status;
}

static int show_text(struct cli *cli, struct view *view, const uint8_t action[DEFAULT_NUM])
{
	int status;

	policy_table_start(&view->table);
	status = dump(cli, ESPAH_CMD_POLICY_GET, ESPAH_POLICY_ID, add_policy, view);
	table_end(&view->table);
	if (status)
		return status;
	printf("%s: in %s, out %s\n\n", view->table.rows ? "what no policy matches" :
	       "no policies; the default",
	       word_of(WORD_ACTION, action[ESPAH_DIR_IN]),
	       word_of(WORD_ACTION, action[ESPAH_DIR_OUT]));
	sa_table_start(&view->table);
	status = dump(cli, ESPAH_CMD_SA_GET, ESPAH_SA_ID, add_sa, view);
	table_end(&view->table);
	if (!status && !view->table.rows)
		puts("no SAs");
	return status;
}

/** cmd_show() - espah show */
int cmd_show(struct cli *cli, struct args *args)
{
	static struct view view;
	uint8_t action[DEFAULT_NUM];
	int status = args_end(args, "show");

	if (!status)
		status = queue_barrier(cli);
	if (status)
		return status;
	if (!nl_get(cli))
		return STATUS_REFUSED;
	status = default_ask(cli, "show", action);
	if (status)
		return status;
	view.json = cli->json;
	return cli->json ? show_json(cli, &view, action) : show_text(cli, &view, action);
}
