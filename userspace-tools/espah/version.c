// SPDX-License-Identifier: GPL-2.0-only
/* espah version: versions of this command and of the module. */
#include <string.h>

#include <linux/espah.h>

#include "cli.h"
#include "print.h"

const char version_help[] =
	"espah version (or -V, --version: of this command only)\n"
	"\n"
	"Prints the versions of this command and of the loaded module. Needs no\n"
	"privilege.\n"
	"\n"
	"Example:\n"
	"  espah version\n";

/* The version of the loaded module; "" if none is loaded. */
static void read_module(char *text, int size)
{
	FILE *file = fopen("/sys/module/espah/version", "re");

	if (!file || !fgets(text, size, file))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

/** cmd_version() - espah version */
int cmd_version(struct cli *cli, struct args *args)
{
	int status = args_end(args, "version");
	char module[64];

	if (status)
		return status;
	read_module(module, sizeof(module));
	if (cli->json) {
		json_print(json_pack("{s:s,s:i,s:s?}", "command", ESPAH_VERSION, "family",
				     ESPAH_GENL_VERSION, "module", *module ? module : NULL));
		return STATUS_OK;
	}
	printf("espah %s, netlink family version %d\n", ESPAH_VERSION, ESPAH_GENL_VERSION);
	if (*module)
		printf("module %s\n", module);
	else
		puts("no module is loaded");
	return STATUS_OK;
}
