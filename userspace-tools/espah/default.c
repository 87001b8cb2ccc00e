// SPDX-License-Identifier: GPL-2.0-only
/* espah default: the action for packets that match no policy. */
#include <string.h>

#include <linux/espah.h>

#include "conf.h"
#include "print.h"
#include "queue.h"
#include "stats.h"
#include "words.h"

const char default_help[] =
	"espah default [in bypass|discard] [out bypass|discard] [icmp bypass|discard]\n"
	"\n"
	"Says what happens to packets that no policy matches, or prints it. 'in' and\n"
	"'out' are bypass at first. Before 'discard', add bypass policies for what the\n"
	"machine itself needs. 'icmp' is about ICMP errors that come in the clear and\n"
	"quote a packet of a protected flow, which anybody could have made up: discard at\n"
	"first. Those about ESP packets of this host are not meant.\n"
	"\n"
	"Example:\n"
	"  espah default in discard out discard\n";

static const struct {
	const char *name;
	uint8_t attr;
} keys[DEFAULT_NUM] = {
	[ESPAH_DIR_IN] = { "in", ESPAH_CONFIG_DEFAULT_IN },
	[ESPAH_DIR_OUT] = { "out", ESPAH_CONFIG_DEFAULT_OUT },
	[DEFAULT_ICMP] = { "icmp", ESPAH_CONFIG_ICMP },
};

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_CONFIG_MAX + 1];
	uint8_t *action = data;
	unsigned int i;

	attr_table(nlh, tb, ESPAH_CONFIG_MAX);
	for (i = 0; i < DEFAULT_NUM; i++)
		action[i] = attr_u8(tb[keys[i].attr], 0xff);
	return 0;
}

/** default_ask() - query the default actions in the order of 'keys'. Return: a STATUS_* */
int default_ask(struct cli *cli, const char *what, uint8_t action[DEFAULT_NUM])
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, ESPAH_CMD_CONFIG_GET, NLM_F_ACK);

	memset(action, 0xff, DEFAULT_NUM);
	return nl_do(cli->nl, nlh, what, take, action);
}

/** default_json() - Return: the default actions as an object */
json_t *default_json(const uint8_t action[DEFAULT_NUM])
{
	json_t *object = json_object();
	unsigned int i;

	for (i = 0; i < DEFAULT_NUM; i++)
		json_set(object, keys[i].name, json_string(word_of(WORD_ACTION, action[i])));
	return object;
}

static int print(struct cli *cli)
{
	uint8_t action[DEFAULT_NUM];
	int status = default_ask(cli, "default", action);
	unsigned int i;

	if (status)
		return status;
	if (cli->json)
		json_print(default_json(action));
	else
		for (i = 0; i < DEFAULT_NUM; i++)
			printf("%s %s\n", keys[i].name, word_of(WORD_ACTION, action[i]));
	return STATUS_OK;
}

static const char *key_name(unsigned int i)
{
	return i < DEFAULT_NUM ? keys[i].name : NULL;
}

static int find_key(const char *word)
{
	const char *near;
	int i;

	for (i = 0; i < DEFAULT_NUM; i++)
		if (!strcmp(keys[i].name, word))
			return i;
	near = suggest(word, key_name);
	error("'%s' is not a word of default; %s%s%suse one of: in, out, icmp", word,
	      near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
	return -1;
}

static int read_actions(struct args *args, int action[DEFAULT_NUM])
{
	const char *word;
	uint8_t value;
	int key;

	while ((word = args_next(args))) {
		key = find_key(word);
		if (key < 0)
			return -1;
		word = args_value(args, word);
		if (!word)
			return -1;
		if (!word_value(WORD_ACTION, word, &value) || value == ESPAH_ACTION_PROTECT) {
			error("'%s' cannot be '%s'; a default action is bypass or discard",
			      keys[key].name, word);
			return -1;
		}
		if (action[key] >= 0) {
			error("'%s' is given twice", keys[key].name);
			return -1;
		}
		action[key] = value;
	}
	return 0;
}

/** cmd_default() - espah default */
int cmd_default(struct cli *cli, struct args *args)
{
	int action[DEFAULT_NUM] = { -1, -1, -1 };
	bool any = args_peek(args);
	struct job *job;
	unsigned int i;
	int status;

	if (read_actions(args, action))
		return STATUS_USAGE;
	for (i = 0; cli->conf && i < DEFAULT_NUM; i++) {
		status = action[i] < 0 ? STATUS_OK : conf_set(cli->conf, keys[i].attr, action[i]);
		if (status)
			return status;
	}
	if (cli->conf)
		return STATUS_OK;
	status = queue_ready(cli);
	if (status)
		return status;
	if (!any)
		return print(cli);
	job = queue_add(cli, ESPAH_CMD_CONFIG_SET, "default", 0);
	if (!job)
		return STATUS_REFUSED;
	for (i = 0; i < DEFAULT_NUM; i++)
		if (action[i] >= 0)
			mnl_attr_put_u8(job->nlh, keys[i].attr, action[i]);
	return queue_commit(cli);
}
