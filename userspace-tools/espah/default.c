// SPDX-License-Identifier: GPL-2.0-only
/* espah default: what happens to packets that no policy matches. */
#include <string.h>

#include <linux/espah.h>

#include "print.h"
#include "queue.h"
#include "stats.h"
#include "words.h"

const char default_help[] =
	"espah default [in bypass|discard] [out bypass|discard]\n"
	"\n"
	"Says what happens to packets that no policy matches, or prints it. Both are bypass at\n"
	"first. Before 'discard', add bypass policies for what the machine itself needs.\n"
	"\n"
	"Example:\n"
	"  espah default in discard out discard\n";

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_CONFIG_MAX + 1];
	uint8_t *action = data;

	attr_table(nlh, tb, ESPAH_CONFIG_MAX);
	action[ESPAH_DIR_IN] = attr_u8(tb[ESPAH_CONFIG_DEFAULT_IN], 0xff);
	action[ESPAH_DIR_OUT] = attr_u8(tb[ESPAH_CONFIG_DEFAULT_OUT], 0xff);
	return 0;
}

/** default_ask() - ask for the default actions, by direction, for @what. Return: a STATUS_* */
int default_ask(struct cli *cli, const char *what, uint8_t action[2])
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, ESPAH_CMD_CONFIG_GET, NLM_F_ACK);

	return nl_do(cli->nl, nlh, what, take, action);
}

static int print(struct cli *cli)
{
	const char *in, *out;
	uint8_t action[2] = { 0xff, 0xff };
	int status = default_ask(cli, "default", action);

	if (status)
		return status;
	in = word_of(WORD_ACTION, action[ESPAH_DIR_IN]);
	out = word_of(WORD_ACTION, action[ESPAH_DIR_OUT]);
	if (cli->json)
		json_print(json_pack("{s:s,s:s}", "in", in, "out", out));
	else
		printf("in %s\nout %s\n", in, out);
	return STATUS_OK;
}

static int read_actions(struct args *args, int action[2])
{
	const char *word;
	uint8_t dir, value;

	while ((word = args_next(args))) {
		if (word_parse(WORD_DIR, "default", word, &dir))
			return -1;
		word = args_value(args, word);
		if (!word)
			return -1;
		if (!word_value(WORD_ACTION, word, &value) || value == ESPAH_ACTION_PROTECT) {
			error("'%s' cannot be '%s'; a default action is bypass or discard",
			      word_of(WORD_DIR, dir), word);
			return -1;
		}
		if (action[dir] >= 0) {
			error("'%s' comes a second time", word_of(WORD_DIR, dir));
			return -1;
		}
		action[dir] = value;
	}
	return 0;
}

/** cmd_default() - espah default */
int cmd_default(struct cli *cli, struct args *args)
{
	int action[2] = { -1, -1 };
	struct job *job;
	int status;

	if (read_actions(args, action))
		return STATUS_USAGE;
	status = queue_barrier(cli);
	if (status)
		return status;
	if (!nl_get(cli))
		return STATUS_REFUSED;
	if (action[ESPAH_DIR_IN] < 0 && action[ESPAH_DIR_OUT] < 0)
		return print(cli);
	job = queue_add(cli, ESPAH_CMD_CONFIG_SET, "default", 0);
	if (!job)
		return STATUS_REFUSED;
	if (action[ESPAH_DIR_IN] >= 0)
		mnl_attr_put_u8(job->nlh, ESPAH_CONFIG_DEFAULT_IN, action[ESPAH_DIR_IN]);
	if (action[ESPAH_DIR_OUT] >= 0)
		mnl_attr_put_u8(job->nlh, ESPAH_CONFIG_DEFAULT_OUT, action[ESPAH_DIR_OUT]);
	return queue_commit(cli);
}
