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
#include "term.h"

#define REASONS_MAX 128

/* the samples that are compared */
enum { NOW, LAST, FIRST };

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

/* A row of the table: a rate, what was counted since the start, and in all. */
static void put_row(struct table *table, const char *what, bool bytes, const uint64_t count[3],
		    double seconds)
{
	/* as an integer, which the text of bytes needs */
	uint64_t cell[3] = { more(count[NOW], count[LAST]) / seconds + 0.5,
			     more(count[NOW], count[FIRST]), count[NOW] };
	char text[24];
	unsigned int i;

	table_text(table, what);
	for (i = 0; i < ARRAY_SIZE(cell); i++)
		if (bytes)
			table_text(table, bytes_text(cell[i], text));
		else
			table_cell(table, "%" PRIu64, cell[i]);
}

static void put_traffic(struct table *table, const struct sample *sample[3], uint8_t dir,
			double seconds)
{
	const char *name = dir == ESPAH_DIR_OUT ? "out" : "in";
	uint64_t count[3];
	char what[16];
	unsigned int i;

	for (i = 0; i < 3; i++)
		count[i] = sample[i]->packets[dir];
	snprintf(what, sizeof(what), "packets %s", name);
	put_row(table, what, false, count, seconds);
	for (i = 0; i < 3; i++)
		count[i] = sample[i]->bytes[dir];
	snprintf(what, sizeof(what), "bytes %s", name);
	put_row(table, what, true, count, seconds);
}

/*
 * Prints the drop reasons that were counted, as far as there is room: first those that count now,
 * then those that counted since the start, then the others.
 */
static void put_drops(struct table *table, const struct sample *sample[3], double seconds,
		      unsigned int room)
{
	const struct sample *now = sample[NOW];
	unsigned int round, i, left = 0;

	for (i = 0; i < now->reasons; i++)
		left += now->drops[i] != 0;
	if (room && left > room)
		room--; /* for the line with the number of the others */
	else
		room = left;
	for (round = NOW; round < 3; round++) {
		for (i = 0; i < now->reasons && room; i++) {
			uint64_t count[3] = { now->drops[i], sample[LAST]->drops[i],
					      sample[FIRST]->drops[i] };
			unsigned int changed = count[NOW] > count[LAST] ? NOW :
					       count[NOW] > count[FIRST] ? LAST : FIRST;

			if (!now->drops[i] || changed != round)
				continue;
			put_row(table, now->name[i], false, count, seconds);
			room--;
			left--;
		}
	}
	table_end(table);
	if (left)
		printf("(reasons for which no line is left: %u)\n", left);
}

/* lines of the screen for something else: title, headings, blanks, traffic, the cursor */
#define OTHER_LINES 12

static void print(const struct sample *sample[3], unsigned int every)
{
	static const char *const traffic[] = { "TRAFFIC", ">+A SECOND", ">SINCE THE START", ">IN ALL", NULL };
	static const char *const drops[] = { "DROPPED", ">!A SECOND", ">!SINCE THE START", ">IN ALL", NULL };
	double seconds = sample[NOW]->when - sample[LAST]->when;
	int rows = term_here() ? term_rows() : 0;
	static struct table table;
	char age[24];

	if (term_here()) {
		fputs("\033[H\033[2J", stdout);
		printf("espah stats, every %u s, for %s; Ctrl-C ends\n\n", every,
		       seconds_text(sample[NOW]->when - sample[FIRST]->when, age));
	}
	table_start(&table, traffic);
	put_traffic(&table, sample, ESPAH_DIR_OUT, seconds);
	put_traffic(&table, sample, ESPAH_DIR_IN, seconds);
	table_end(&table);
	putchar('\n');
	table_start(&table, drops);
	put_drops(&table, sample, seconds, rows ? rows > OTHER_LINES ? rows - OTHER_LINES : 1 : 0);
	if (!term_here())
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
	const struct sample *sample[3] = { [NOW] = &now, [LAST] = &last, [FIRST] = &first };
	int status = stats_ask(cli, "stats", take, &first);

	last = first;
	while (!status && !ferror(stdout)) {
		sleep(seconds);
		status = stats_ask(cli, "stats", take, &now);
		if (status)
			break;
		print(sample, seconds);
		last = now;
	}
	return status ? status : STATUS_REFUSED;
}
