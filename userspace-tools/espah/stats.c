// SPDX-License-Identifier: GPL-2.0-only
/* espah stats: counters of the network namespace, drop reasons with explanations. */
#include <inttypes.h>

#include <linux/espah.h>

#include "print.h"
#include "queue.h"
#include "stats.h"

const char stats_help[] =
	"espah stats [--all | --watch [SECONDS]]\n"
	"\n"
	"Prints what went through, and why packets were dropped: each reason that was\n"
	"counted, with --all also those that never were. Counters belong to the network\n"
	"namespace. With --watch, prints every 2 seconds, or SECONDS, what was counted a\n"
	"second, and since the command began.\n"
	"\n"
	"Example:\n"
	"  espah stats\n";

/**
 * stats_ask() - ask for the statistics
 * @cli: state, connected
 * @what: the command, for errors
 * @cb: handles the answer
 * @data: for @cb
 *
 * Return: a STATUS_*.
 */
int stats_ask(struct cli *cli, const char *what, nl_cb cb, void *data)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, ESPAH_CMD_STATS_GET, NLM_F_ACK);

	return nl_do(cli->nl, nlh, what, cb, data);
}

struct options {
	bool json;
	bool all;
	bool any;
	struct table table;
};

static void print_drop(const char *name, uint64_t count, const char *text, void *data)
{
	struct options *options = data;

	if (!count && !options->all)
		return;
	table_text(&options->table, name);
	table_cell(&options->table, "%" PRIu64, count);
	table_text(&options->table, text ? text : "");
	options->any = true;
}

/* A large number of bytes in a readable form, in brackets; "" for a small one. */
static const char *brief(uint64_t bytes, char buf[32])
{
	char text[24];

	*buf = '\0';
	if (bytes >= 10000)
		snprintf(buf, 32, "(%s)", bytes_text(bytes, text));
	return buf;
}

static void print_text(const struct nlattr **tb, struct options *options)
{
	static const char *const headings[] = { "DROPPED BECAUSE", ">!PACKETS", "~MEANING", NULL };
	static const char *const traffic[] = { "TRAFFIC", ">PACKETS", ">BYTES", "", NULL };
	uint32_t sas = attr_u32(tb[ESPAH_STATS_SAS], 0);
	uint32_t policies = attr_u32(tb[ESPAH_STATS_POLICIES], 0);
	char bytes[32];

	printf("espah %s: %u SA%s, %u polic%s\n\n", attr_string(tb[ESPAH_STATS_VERSION], "?"),
	       sas, sas == 1 ? "" : "s", policies, policies == 1 ? "y" : "ies");
	table_start(&options->table, traffic);
	table_cell(&options->table, "out, protected and sent");
	table_cell(&options->table, "%" PRIu64, attr_u64(tb[ESPAH_STATS_OUT_PACKETS], 0));
	table_cell(&options->table, "%" PRIu64, attr_u64(tb[ESPAH_STATS_OUT_BYTES], 0));
	table_text(&options->table, brief(attr_u64(tb[ESPAH_STATS_OUT_BYTES], 0), bytes));
	table_cell(&options->table, "in, unprotected and delivered");
	table_cell(&options->table, "%" PRIu64, attr_u64(tb[ESPAH_STATS_IN_PACKETS], 0));
	table_cell(&options->table, "%" PRIu64, attr_u64(tb[ESPAH_STATS_IN_BYTES], 0));
	table_text(&options->table, brief(attr_u64(tb[ESPAH_STATS_IN_BYTES], 0), bytes));
	table_end(&options->table);
	putchar('\n');
	table_start(&options->table, headings);
	drops_each(tb[ESPAH_STATS_DROPS], print_drop, options);
	table_end(&options->table);
	if (!options->any)
		puts("nothing was dropped");
}

static json_t *to_json(const struct nlattr **tb, bool all)
{
	json_t *stats = json_object();

	json_set(stats, "version", json_string(attr_string(tb[ESPAH_STATS_VERSION], "?")));
	json_set(stats, "sas", json_integer(attr_u32(tb[ESPAH_STATS_SAS], 0)));
	json_set(stats, "policies", json_integer(attr_u32(tb[ESPAH_STATS_POLICIES], 0)));
	json_set(stats, "out_packets", json_u64(attr_u64(tb[ESPAH_STATS_OUT_PACKETS], 0)));
	json_set(stats, "out_bytes", json_u64(attr_u64(tb[ESPAH_STATS_OUT_BYTES], 0)));
	json_set(stats, "in_packets", json_u64(attr_u64(tb[ESPAH_STATS_IN_PACKETS], 0)));
	json_set(stats, "in_bytes", json_u64(attr_u64(tb[ESPAH_STATS_IN_BYTES], 0)));
	json_set(stats, "drops", drops_json(tb[ESPAH_STATS_DROPS], all));
	return stats;
}

static int print(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_STATS_MAX + 1];
	struct options *options = data;

	attr_table(nlh, tb, ESPAH_STATS_MAX);
	if (options->json)
		json_print(to_json(tb, options->all));
	else
		print_text(tb, options);
	return 0;
}

/** cmd_stats() - espah stats */
int cmd_stats(struct cli *cli, struct args *args)
{
	static struct options options;
	uint64_t seconds = 2;
	const char *word;
	bool watch;
	int status;

	options.json = cli->json;
	options.any = false;
	options.all = args_take(args, "--all");
	watch = !options.all && args_take(args, "--watch");
	word = watch ? args_next(args) : NULL;
	if (word && parse_number("--watch", word, 1, 3600, &seconds))
		return STATUS_USAGE;
	status = args_end(args, "stats");
	if (!status && watch && (cli->json || cli->batch)) {
		error("--watch prints no JSON, and is not for batches");
		return STATUS_USAGE;
	}
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	return watch ? stats_watch(cli, seconds) : stats_ask(cli, "stats", print, &options);
}
