// SPDX-License-Identifier: GPL-2.0-only
/* espah config: settings of the network namespace. */
#include <string.h>

#include <linux/espah.h>

#include "conf.h"
#include "print.h"
#include "queue.h"

const char config_help[] =
	"espah config [secpath on|off] [direct on|off]\n"
	"\n"
	"Changes settings of the network namespace, or prints them.\n"
	"  secpath   whether rules of the firewall see by which SA a packet came: nft\n"
	"            'meta ipsec exists' and 'ipsec in reqid N', iptables '-m policy\n"
	"            --dir in'. On at first. With off they match nothing, and a packet\n"
	"            costs a little less. rp_filter lets decrypted packets pass with\n"
	"            either\n"
	"  direct    whether ESP and AH packets of SAs skip conntrack and all further\n"
	"            rules of the firewall, in both directions, and so cost less. Off at\n"
	"            first. Rules for the packets in clear apply as always, as do tc and\n"
	"            netdev rules for ESP and AH\n"
	"\n"
	"Example:\n"
	"  espah config secpath off\n"
	"  espah config direct on\n";

/* settings that are on or off */
static const struct {
	const char *name;
	uint16_t attr;
} keys[] = {
	{ "secpath", ESPAH_CONFIG_SECPATH },
	{ "direct", ESPAH_CONFIG_DIRECT },
};

#define KEYS ARRAY_SIZE(keys)

static const char *key_name(unsigned int i)
{
	return i < KEYS ? keys[i].name : NULL;
}

static int print(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_CONFIG_MAX + 1];
	json_t *object = json_object();
	struct cli *cli = data;
	unsigned int i;

	attr_table(nlh, tb, ESPAH_CONFIG_MAX);
	for (i = 0; i < KEYS; i++) {
		bool on = attr_u8(tb[keys[i].attr], 0);

		json_set(object, keys[i].name, json_boolean(on));
		if (!cli->json)
			printf("%s %s\n", keys[i].name, on ? "on" : "off");
	}
	if (cli->json)
		json_print(object);
	else
		json_decref(object);
	return 0;
}

static int find_key(const char *word)
{
	const char *near;
	unsigned int i;

	for (i = 0; i < KEYS; i++)
		if (!strcmp(keys[i].name, word))
			return i;
	near = suggest(word, key_name);
	error("'%s' is not a setting of config; %s%s%sthe settings are secpath and direct", word,
	      near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
	return -1;
}

static int read_settings(struct args *args, int value[KEYS])
{
	const char *word;
	int key;

	while ((word = args_next(args))) {
		key = find_key(word);
		if (key < 0)
			return -1;
		word = args_value(args, word);
		if (!word)
			return -1;
		if (strcmp(word, "on") && strcmp(word, "off")) {
			error("'%s' cannot be '%s'; it is on or off", keys[key].name, word);
			return -1;
		}
		if (value[key] >= 0) {
			error("'%s' is given twice", keys[key].name);
			return -1;
		}
		value[key] = !strcmp(word, "on");
	}
	return 0;
}

/** cmd_config() - espah config */
int cmd_config(struct cli *cli, struct args *args)
{
	char buf[NL_REQUEST_MAX];
	bool any = args_peek(args);
	int value[KEYS], status;
	struct nlmsghdr *nlh;
	struct job *job;
	unsigned int i;

	memset(value, -1, sizeof(value));
	if (read_settings(args, value))
		return STATUS_USAGE;
	for (i = 0; cli->conf && i < KEYS; i++) {
		status = value[i] < 0 ? STATUS_OK : conf_set(cli->conf, keys[i].attr, value[i]);
		if (status)
			return status;
	}
	if (cli->conf)
		return STATUS_OK;
	status = queue_ready(cli);
	if (status)
		return status;
	if (!any) {
		nlh = nl_start(cli->nl, buf, ESPAH_CMD_CONFIG_GET, NLM_F_ACK);
		return nl_do(cli->nl, nlh, "config", print, cli);
	}
	job = queue_add(cli, ESPAH_CMD_CONFIG_SET, "config", 0);
	if (!job)
		return STATUS_REFUSED;
	for (i = 0; i < KEYS; i++)
		if (value[i] >= 0)
			mnl_attr_put_u8(job->nlh, keys[i].attr, value[i]);
	return queue_commit(cli);
}
