// SPDX-License-Identifier: GPL-2.0-only
/* espah metrics: the counters of the network namespace, for Prometheus. */
#include <string.h>
#include <time.h>

#include <linux/espah.h>

#include "file.h"
#include "metrics.h"
#include "queue.h"
#include "stats.h"

const char metrics_help[] =
	"espah metrics [FILE]\n"
	"\n"
	"Prints the counters of the network namespace, of each policy, and of the SAs\n"
	"with the same label, in the text format of Prometheus. FILE is written by a\n"
	"temporary file in the same folder and rename, for the textfile collector of\n"
	"Prometheus' node exporter; '-' is standard output. If something cannot be read,\n"
	"nothing is written.\n"
	"\n"
	"Example:\n"
	"  espah metrics /var/lib/prometheus/node-exporter/espah.prom\n";

static int dump(struct cli *cli, uint8_t cmd, uint16_t id_attr, nl_cb cb, struct metrics *metrics)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, cmd, NLM_F_DUMP);

	return nl_dump(cli->nl, nlh, "metrics", id_attr, cb, metrics);
}

static int collect(struct cli *cli, struct metrics *metrics)
{
	int status = stats_ask(cli, "metrics", metrics_add_stats, metrics);

	if (!status)
		status = dump(cli, ESPAH_CMD_POLICY_GET, ESPAH_POLICY_ID, metrics_add_policy,
			      metrics);
	if (!status)
		status = dump(cli, ESPAH_CMD_SA_GET, ESPAH_SA_ID, metrics_add_sa, metrics);
	metrics_end(metrics, time(NULL));
	return status;
}

static int write_metrics(FILE *stream, void *metrics)
{
	metrics_print(metrics, stream);
	return STATUS_OK;
}

/** cmd_metrics() - espah metrics */
int cmd_metrics(struct cli *cli, struct args *args)
{
	const char *file = args_next(args);
	struct metrics *metrics;
	int status;

	if (file && file[0] == '-' && file[1]) {
		error("'%s' is not a file; 'espah metrics FILE' writes one ('-' is standard output)",
		      file);
		return STATUS_USAGE;
	}
	status = args_end(args, "metrics");
	if (status)
		return status;
	if (cli->json) {
		error("metrics prints no JSON, but the text format of Prometheus; 'espah -j stats' prints JSON");
		return STATUS_USAGE;
	}
	status = queue_ready(cli);
	if (status)
		return status;
	metrics = metrics_start();
	status = collect(cli, metrics);
	if (!status)
		status = file && strcmp(file, "-") ?
			 file_write(file, 0644, write_metrics, metrics) :
			 write_metrics(stdout, metrics);
	metrics_free(metrics);
	return status;
}
