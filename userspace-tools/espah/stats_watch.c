// SPDX-License-Identifier: GPL-2.0-only
/* espah stats --watch: what goes through and what is dropped, again and again, with rates. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/espah.h>

#include "print.h"
#include "queue.h"
#include "stats.h"

#define REASONS_MAX 128

/**
 * struct sample - the counters at a moment
 * @when: seconds of the monotonic clock
 * @packets: that went through, by enum espah_dir
 * @bytes: the same
 * @reasons: number of drop reasons
 * @name: their names
 * @drops: their counters
 */
struct sample {
	double when;
	uint64_t packets[2];
	uint64_t bytes[2];
	unsigned int reasons;
	char name[REASONS_MAX][32];
	uint64_t drops[REASONS_MAX];
};

static void add_reason(const char *name, uint64_t count, const char *text, void *data)
{
	struct sample *sample = data;

	(void)text;
	if (sample->reasons == REASONS_MAX)
		return;
	snprintf(sample->name[sample->reasons], sizeof(sample->name[0]), "%s", name);
	sample->drops[sample->reasons++] = count;
}

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_STATS_MAX + 1];
	struct sample *sample = data;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	memset(sample, 0, sizeof(*sample));
	sample->when = now.tv_sec + now.tv_nsec / 1e9;
	attr_table(nlh, tb, ESPAH_STATS_MAX);
	sample->packets[ESPAH_DIR_OUT] = attr_u64(tb[ESPAH_STATS_OUT_PACKETS], 0);
	sample->packets[ESPAH_DIR_IN] = attr_u64(tb[ESPAH_STATS_IN_PACKETS], 0);
	sample->bytes[ESPAH_DIR_OUT] = attr_u64(tb[ESPAH_STATS_OUT_BYTES], 0);
	sample->bytes[ESPAH_DIR_IN] = attr_u64(tb[ESPAH_STATS_IN_BYTES], 0);
	drops_each(tb[ESPAH_STATS_DROPS], add_reason, sample);
	return 0;
}

/* The module always sends its reasons in one order; a module that was loaded anew starts at 0. */
static uint64_t more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void put_row(struct table *table, const char *what, uint64_t now, uint64_t last,
		    uint64_t first, double seconds)
{
	table_text(table, what);
	table_cell(table, "%.0f", more(now, last) / seconds);
	table_cell(table, "%" PRIu64, more(now, first));
	table_cell(table, "%" PRIu64, now);
}

static void print(const struct sample *now, const struct sample *last, const struct sample *first)
{
	static const char *const headings[] = { "", ">A SECOND", ">SINCE THE START", ">IN ALL", NULL };
	double seconds = now->when - last->when;
	static struct table table;
	unsigned int i;

	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	table_start(&table, headings);
	put_row(&table, "packets out", now->packets[ESPAH_DIR_OUT], last->packets[ESPAH_DIR_OUT],
		first->packets[ESPAH_DIR_OUT], seconds);
	put_row(&table, "bytes out", now->bytes[ESPAH_DIR_OUT], last->bytes[ESPAH_DIR_OUT],
		first->bytes[ESPAH_DIR_OUT], seconds);
	put_row(&table, "packets in", now->packets[ESPAH_DIR_IN], last->packets[ESPAH_DIR_IN],
		first->packets[ESPAH_DIR_IN], seconds);
	put_row(&table, "bytes in", now->bytes[ESPAH_DIR_IN], last->bytes[ESPAH_DIR_IN],
		first->bytes[ESPAH_DIR_IN], seconds);
	for (i = 0; i < now->reasons; i++)
		if (now->drops[i])
			put_row(&table, now->name[i], now->drops[i], last->drops[i],
				first->drops[i], seconds);
	table_end(&table);
	putchar('\n');
	fflush(stdout);
}

/**
 * stats_watch() - print the counters with their rates, again and again
 * @cli: state, connected
 * @seconds: between two prints
 *
 * Return: only after an error: a STATUS_*.
 */
int stats_watch(struct cli *cli, unsigned int seconds)
{
	static struct sample first, last, now;
	int status = stats_ask(cli, take, &first);

	last = first;
	while (!status && !ferror(stdout)) {
		sleep(seconds);
		status = stats_ask(cli, take, &now);
		if (status)
			break;
		print(&now, &last, &first);
		last = now;
	}
	return status ? status : STATUS_REFUSED;
}
