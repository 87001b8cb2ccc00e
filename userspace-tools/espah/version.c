// SPDX-License-Identifier: GPL-2.0-only
/* espah version: versions of this command and of the module. */
#include <linux/espah.h>

#include "print.h"
#include "queue.h"
#include "stats.h"

const char version_help[] =
	"espah version (or -V, --version: without asking the module)\n"
	"\n"
	"Prints the versions of this command and of the loaded module.\n"
	"\n"
	"Example:\n"
	"  espah version\n";

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_STATS_MAX + 1];

	attr_table(nlh, tb, ESPAH_STATS_MAX);
	snprintf(data, 64, "%s", attr_string(tb[ESPAH_STATS_VERSION], "?"));
	return 0;
}

/** cmd_version() - espah version */
int cmd_version(struct cli *cli, struct args *args)
{
	char module[64] = "";
	int status = args_end(args, "version");

	if (!status)
		status = queue_barrier(cli);
	if (status)
		return status;
	if (!cli->json) {
		printf("espah %s, netlink family version %d\n", ESPAH_VERSION, ESPAH_GENL_VERSION);
		fflush(stdout);
	}
	if (nl_get(cli))
		status = stats_ask(cli, take, module);
	else
		status = STATUS_REFUSED;
	if (cli->json)
		json_print(json_pack("{s:s,s:i,s:s?}", "command", ESPAH_VERSION, "family",
				     ESPAH_GENL_VERSION, "module", *module ? module : NULL));
	else if (*module)
		printf("module %s\n", module);
	return status;
}
