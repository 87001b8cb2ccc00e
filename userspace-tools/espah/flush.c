// SPDX-License-Identifier: GPL-2.0-only
/* espah flush: delete all SAs and policies. */
#include <linux/espah.h>

#include "queue.h"

const char flush_help[] =
	"espah flush\n"
	"\n"
	"Deletes all SAs, then all policies of this network namespace. In between, what\n"
	"policies protect is dropped. AFTERWARDS IT GOES IN THE CLEAR, unless the default\n"
	"action is discard ('espah default'). 'espah sa flush' keeps the policies, and so\n"
	"keeps traffic from leaking.\n"
	"\n"
	"Example:\n"
	"  espah flush\n";

static int flush(struct cli *cli, uint8_t cmd, const char *what)
{
	int status = STATUS_REFUSED;

	if (queue_add(cli, cmd, what, 0))
		status = queue_commit(cli);
	/* in a batch too, delete the policies only after the SAs were deleted */
	return status ? status : queue_flush(cli);
}

/** cmd_flush() - espah flush */
int cmd_flush(struct cli *cli, struct args *args)
{
	int status = args_end(args, "flush");

	if (!status)
		status = queue_barrier(cli);
	if (!status)
		status = flush(cli, ESPAH_CMD_SA_FLUSH, "flush (SAs)");
	if (!status)
		status = flush(cli, ESPAH_CMD_POLICY_FLUSH, "flush (policies)");
	return status;
}
