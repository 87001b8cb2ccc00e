// SPDX-License-Identifier: GPL-2.0-only
/*
 * espah sa export and import: SAs with which another gateway carries on. The file has a line for
 * each SA, in the words of 'sa add', between a line with the format and one with the number of SAs.
 * These two are no commands, so that nobody makes the SAs with numbers that were used already.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/espah.h>

#include "carry.h"
#include "change.h"
#include "file.h"
#include "key.h"
#include "queue.h"
#include "sa.h"
#include "spell.h"

#define FORMAT "1"

/* bytes: a line with a key; a buffer that grows leaves a copy behind */
#define LINE_ROOM 32768

const char carry_export_help[] =
	"espah sa export FILE [in|out] [esp|ah] [spi SPI] [src ADDR] [dst ADDR]\n"
	"    [reqid N] [vrf NAME] [if-id N] [--show-keys]\n"
	"\n"
	"Writes SAs, all or those that equal each of what is given, for 'sa import' on a\n"
	"standby gateway: their sequence numbers, replay windows, IV masks and the used\n"
	"part of their limits, with --show-keys also their keys. FILE is made readable\n"
	"for its owner alone; '-' is standard output.\n"
	"\n"
	"Example, on the active gateway, every few seconds:\n"
	"  espah sa export - --show-keys | ssh standby espah sa import -\n";

const char carry_import_help[] =
	"espah sa import FILE [ahead N]\n"
	"\n"
	"Makes the SAs of FILE, which 'sa export' wrote on another gateway ('-' is\n"
	"standard input), or has those that are here go on from there. It can be done\n"
	"again and again: an SA only ever goes ahead, and one that is further than FILE\n"
	"says stays as it is.\n"
	"  ahead N           outbound SAs leave out N numbers (default 16777216): more\n"
	"                    than the other gateway sends with one SA between two\n"
	"                    exports, so that no number and no IV is used twice. 0: only\n"
	"                    if it sends nothing any more since the export\n"
	"An SA that is not here is made if FILE has its key. Dummy packets are not sent\n"
	"until 'sa set' starts them.\n"
	"\n"
	"Examples:\n"
	"  espah sa import /run/espah/active.sas\n"
	"  espah sa import - ahead 50000000 <active.sas\n";

/* --- export --- */

/* The connection, the SAs that were asked for, and how many were written. */
struct request {
	struct cli *cli;
	const struct sa *sa;
	FILE *stream;
	unsigned int count;
};

static int write_sa(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct request *request = data;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (attr_u8(tb[ESPAH_SA_STATE], ESPAH_SA_STATE_VALID) != ESPAH_SA_STATE_VALID)
		return 0;
	fputs("sa add", request->stream);
	spell_sa(request->stream, tb, SPELL_ALL);
	spell_sa_progress(request->stream, tb);
	putc('\n', request->stream);
	request->count++;
	return ferror(request->stream) ? STATUS_REFUSED : 0;
}

static int write_file(FILE *stream, void *data)
{
	struct request *request = data;
	struct nl *nl = request->cli->nl;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status;

	request->stream = stream;
	fputs("# for 'espah sa import' on another gateway\nformat " FORMAT "\n", stream);
	nlh = nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP);
	sa_put(nlh, request->sa);
	mnl_attr_put(nlh, ESPAH_SA_SHOW_STATE, 0, NULL);
	status = nl_dump(nl, nlh, "sa export", ESPAH_SA_ID, write_sa, request);
	if (!status)
		fprintf(stream, "end %u\n", request->count);
	return status;
}

static const char *file_name(struct args *args, const char *command)
{
	const char *file = args_value(args, command);

	if (!file || file[0] != '-' || !file[1])
		return file;
	error("'%s' is not a file; a file name comes right after '%s' ('-' is standard input or output)",
	      file, command);
	return NULL;
}

/** carry_export() - espah sa export */
int carry_export(struct cli *cli, struct args *args)
{
	struct request request = { .cli = cli };
	const char *file = file_name(args, "export");
	struct sa sa;
	int status;

	if (!file)
		return STATUS_USAGE;
	status = sa_read(cli, args, "sa export", SA_DIR | SA_SPI | SA_SRC | SA_DST | SA_REQID |
			 SA_VRF | SA_IF_ID | SA_SHOW_KEYS, 0, &sa);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	request.sa = &sa;
	return file_write_secret(file, write_file, &request);
}

/* --- reading --- */

/**
 * struct reader - a file of 'sa export' that is read
 * @begun: the line with the format was read
 * @ended: the line with the number of SAs was read
 * @wanted: the SAs
 */
struct reader {
	bool begun;
	bool ended;
	struct things *wanted;
};

static int read_format(struct reader *reader, struct args *args)
{
	const char *format = args_value(args, "format");

	if (!format || args_end(args, "format"))
		return STATUS_USAGE;
	if (strcmp(format, FORMAT)) {
		error("the file has format %s, but this command reads format " FORMAT, format);
		return STATUS_REFUSED;
	}
	reader->begun = true;
	return STATUS_OK;
}

static int read_end(struct reader *reader, struct args *args)
{
	const char *value = args_value(args, "end");
	uint64_t count;

	if (!value || args_end(args, "end") || parse_number("end", value, 0, UINT32_MAX, &count))
		return STATUS_USAGE;
	if (count != reader->wanted->count) {
		error("the file had %" PRIu64 " SAs, but has %zu: it is damaged", count,
		      reader->wanted->count);
		return STATUS_REFUSED;
	}
	reader->ended = true;
	return STATUS_OK;
}

static int read_sa(struct cli *cli, struct reader *reader, struct args *args)
{
	char buf[NL_REQUEST_MAX];
	struct thing *thing;
	struct nlmsghdr *nlh;
	struct sa sa;
	int status;

	if (!args_take(args, "add")) {
		error("a line begins with 'sa add'");
		return STATUS_USAGE;
	}
	status = sa_read(cli, args, "sa import", SA_ADD_TAKES, SA_ADD_NEEDS | SA_SEQ, &sa);
	if (status)
		goto out;
	/* a standby gateway that sends spoils the numbers of the active one */
	sa.given &= ~(uint64_t)SA_DUMMY;
	nlh = msg_start(buf, 0, 0, 0, ESPAH_CMD_SA_NEW);
	sa_put(nlh, &sa);
	thing = thing_add(reader->wanted, nlh);
	explicit_bzero(buf, nlh->nlmsg_len);
	status = thing ? STATUS_OK : STATUS_REFUSED;
	if (thing)
		thing->line = error_line();
out:
	sa_wipe(&sa);
	return status;
}

static int read_line(struct cli *cli, struct reader *reader, struct args *args)
{
	if (reader->ended) {
		error("the file goes on after its line 'end'");
		return STATUS_USAGE;
	}
	if (!reader->begun && args_take(args, "format"))
		return read_format(reader, args);
	if (reader->begun && args_take(args, "sa"))
		return read_sa(cli, reader, args);
	if (reader->begun && args_take(args, "end"))
		return read_end(reader, args);
	error(reader->begun ? "this line is none of 'espah sa export'" :
			      "the file is none of 'espah sa export': it does not begin with a format");
	return STATUS_USAGE;
}

static int read_lines(struct cli *cli, FILE *in, const char *name, struct things *wanted)
{
	static char buffer[8192];
	struct reader reader = { .wanted = wanted };
	size_t room = LINE_ROOM, size = 0;
	char *line = malloc(room), **words = NULL;
	unsigned int number = 0;
	int status = STATUS_OK;
	ssize_t len;

	setvbuf(in, buffer, _IOFBF, sizeof(buffer));
	while (line && !status && (len = getline(&line, &room, in)) >= 0) {
		struct args args = { 0 };

		error_place(name, ++number);
		status = batch_split(line, len, &words, &args.count, &size) ? STATUS_USAGE : STATUS_OK;
		args.word = words;
		if (!status && args.count)
			status = read_line(cli, &reader, &args);
		explicit_bzero(line, len);
	}
	error_place(NULL, 0);
	if (!status && (!line || !feof(in))) {
		error("%s cannot be read: %s", name, strerror(errno));
		status = STATUS_REFUSED;
	} else if (!status && !reader.ended) {
		error("%s ends early: it has no line 'end', so it was not written to its end", name);
		status = STATUS_REFUSED;
	}
	free(words);
	free(line);
	explicit_bzero(buffer, sizeof(buffer));
	return status;
}

/**
 * carry_read() - read a file of 'sa export'
 * @cli: state
 * @file: name; "-" is standard input
 * @wanted: result: the SAs, freed with things_free() in any case
 *
 * Return: a STATUS_*.
 */
int carry_read(struct cli *cli, const char *file, struct things *wanted)
{
	bool is_stdin = !strcmp(file, "-");
	FILE *in = is_stdin ? stdin : fopen(file, "re");
	struct stat st;
	int status;

	if (!in) {
		error("%s cannot be opened: %s", file, strerror(errno));
		return STATUS_REFUSED;
	}
	cli->import = cli->batch = true;
	cli->batch_stdin = is_stdin;
	cli->batch_readers = !fstat(fileno(in), &st) ? who_reads(&st) : NULL;
	status = read_lines(cli, in, is_stdin ? "standard input" : file, wanted);
	cli->import = cli->batch = cli->batch_stdin = false;
	if (!is_stdin)
		fclose(in);
	return status;
}

/* --- import --- */

/**
 * struct import - an import in progress
 * @wanted: SAs of the file
 * @there: SAs of the kernel
 * @ahead: numbers that outbound SAs leave out
 * @added: SAs that were made
 * @moved: SAs that went ahead
 * @same: SAs that were as the file says
 * @older: SAs that are further than the file says
 * @example: one of them
 */
struct import {
	struct things wanted;
	struct things there;
	uint64_t ahead;
	unsigned int added;
	unsigned int moved;
	unsigned int same;
	unsigned int older;
	const char *example;
};

static int see_sa(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct import *import = data;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (attr_u8(tb[ESPAH_SA_STATE], ESPAH_SA_STATE_VALID) != ESPAH_SA_STATE_VALID)
		return 0;
	return thing_add(&import->there, nlh) ? 0 : STATUS_REFUSED;
}

static bool same_attr(const struct nlattr *a, const struct nlattr *b)
{
	return a && b && mnl_attr_get_payload_len(a) == mnl_attr_get_payload_len(b) &&
	       !memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b),
		       mnl_attr_get_payload_len(a));
}

/* The number that an SA of the file gets. Return: a STATUS_* */
static int number(const struct import *import, const struct thing *want, const struct nlattr **tb,
		  uint64_t *seq)
{
	bool esn = attr_u32(tb[ESPAH_SA_FLAGS], 0) & ESPAH_SA_F_ESN;
	/* as the module counts */
	uint64_t end = esn ? UINT64_MAX - (1ull << 32) : UINT32_MAX;

	*seq = attr_u64(tb[ESPAH_SA_SEQ], 0);
	if (attr_u8(tb[ESPAH_SA_DIR], 0) != ESPAH_DIR_OUT)
		return STATUS_OK;
	if (*seq < end && import->ahead < end - *seq) {
		*seq += import->ahead;
		return STATUS_OK;
	}
	error("%s: it has sent number %" PRIu64 ", and %" PRIu64 " ahead no number is left below %" PRIu64
	      ": replace the SA by a new one, or give a smaller 'ahead'", want->name, *seq,
	      import->ahead, end);
	return STATUS_REFUSED;
}

static int add(struct cli *cli, const struct thing *want, uint64_t seq)
{
	const struct nlattr *attr;
	struct job *job;

	if (!thing_key(want)) {
		error("%s is not here, and the file has no key for it; add --show-keys to 'sa export', or make the SA first",
		      want->name);
		return STATUS_REFUSED;
	}
	job = queue_add(cli, ESPAH_CMD_SA_NEW, want->name, 0);
	if (!job)
		return STATUS_REFUSED;
	mnl_attr_for_each(attr, want->nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) != ESPAH_SA_SEQ)
			put_attr(job->nlh, attr);
	mnl_attr_put_u64(job->nlh, ESPAH_SA_SEQ, seq);
	return queue_commit(cli);
}

/* Has an SA go ahead to @seq, with the settings of the file. */
static int move(struct cli *cli, const struct thing *want, uint64_t seq)
{
	const struct nlattr *from[ESPAH_SA_MAX + 1], *to[ESPAH_SA_MAX + 1];
	struct job *job = queue_add(cli, ESPAH_CMD_SA_SET, want->name, 0);

	if (!job)
		return STATUS_REFUSED;
	attr_table(want->twin->nlh, from, ESPAH_SA_MAX);
	attr_table(want->nlh, to, ESPAH_SA_MAX);
	change_put_sa(job->nlh, from, to);
	mnl_attr_put_u64(job->nlh, ESPAH_SA_SEQ, seq);
	put_attr(job->nlh, to[ESPAH_SA_SEEN]);
	put_attr(job->nlh, to[ESPAH_SA_IV_MASK]);
	put_attr(job->nlh, to[ESPAH_SA_USED]);
	put_attr(job->nlh, to[ESPAH_SA_KEY]);
	return queue_commit(cli);
}

/* If the other gateway comes close to the numbers that are kept for this one, 'ahead' is too small. */
static void check_distance(const struct import *import, const struct thing *want, uint64_t seq,
			   uint64_t here)
{
	if (here < import->ahead || seq - here <= import->ahead / 2 || !import->ahead)
		return;
	warning("%s has sent %" PRIu64 " numbers since the last import, more than half of ahead %" PRIu64
		": import more often, or with a larger 'ahead'", want->name, seq - here,
		import->ahead);
}

/* Return: a STATUS_*; outside of a burst, the answer comes later. */
static int carry(struct cli *cli, struct import *import, struct thing *want)
{
	const struct nlattr *from[ESPAH_SA_MAX + 1], *to[ESPAH_SA_MAX + 1];
	uint64_t seq, here;
	bool out;

	attr_table(want->nlh, to, ESPAH_SA_MAX);
	if (number(import, want, to, &seq))
		return STATUS_REFUSED;
	if (!want->twin) {
		import->added++;
		return add(cli, want, seq);
	}
	if (strcmp(want->fixed, want->twin->fixed)) {
		error("%s is another one here: %s", want->name, want->twin->text);
		return STATUS_REFUSED;
	}
	attr_table(want->twin->nlh, from, ESPAH_SA_MAX);
	here = attr_u64(from[ESPAH_SA_SEQ], 0);
	out = attr_u8(to[ESPAH_SA_DIR], 0) == ESPAH_DIR_OUT;
	if (seq < here) {
		import->older++;
		import->example = want->name;
		return STATUS_OK;
	}
	if (seq == here && !strcmp(want->text, want->twin->text) &&
	    (out ? !to[ESPAH_SA_IV_MASK] || same_attr(from[ESPAH_SA_IV_MASK], to[ESPAH_SA_IV_MASK]) :
		   !to[ESPAH_SA_SEEN] || same_attr(from[ESPAH_SA_SEEN], to[ESPAH_SA_SEEN]))) {
		import->same++;
		return STATUS_OK;
	}
	if (out)
		check_distance(import, want, seq, here);
	import->moved++;
	return move(cli, want, seq);
}

/* Finds the SAs of the kernel that the file has. Return: a STATUS_* */
static int pair(struct import *import, const char *file)
{
	struct thing **wanted = NULL, **there = NULL;
	int status = STATUS_REFUSED;
	size_t i;

	if (!thing_sort(&import->wanted, &wanted) || !thing_sort(&import->there, &there))
		goto out;
	status = STATUS_OK;
	for (i = 0; i < import->wanted.count && !status; i++) {
		wanted[i]->twin = thing_find(there, import->there.count, wanted[i]->name);
		if (i && !strcmp(wanted[i]->name, wanted[i - 1]->name)) {
			error("%s has %s twice", file, wanted[i]->name);
			status = STATUS_USAGE;
		}
	}
out:
	free(wanted);
	free(there);
	return status;
}

static int carry_all(struct cli *cli, struct import *import, const char *file)
{
	int status = STATUS_OK, one;
	size_t i;

	/* each SA for itself: one that is refused does not hold up others */
	cli->batch = cli->force = true;
	for (i = 0; i < import->wanted.count; i++) {
		error_place(file, import->wanted.at[i].line);
		one = carry(cli, import, &import->wanted.at[i]);
		status = one ? one : status;
	}
	one = queue_flush(cli);
	cli->batch = cli->force = false;
	error_place(NULL, 0);
	return one || cli->failed ? STATUS_REFUSED : status;
}

static void tell(const struct cli *cli, const struct import *import, const char *file)
{
	if (import->older)
		warning("%s is older than %u of the SAs here, such as %s; they stay as they are", file,
			import->older, import->example);
	if (cli->json)
		json_print(json_pack("{s:i,s:i,s:i,s:i}", "added", import->added, "moved",
				     import->moved, "same", import->same, "older", import->older));
	else
		printf("%s: added %u, moved ahead %u, unchanged %u\n", file, import->added,
		       import->moved, import->same + import->older);
}

/** carry_import() - espah sa import */
int carry_import(struct cli *cli, struct args *args)
{
	struct import import = { .ahead = CARRY_AHEAD };
	const char *file = file_name(args, "import"), *value;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status = STATUS_USAGE;

	if (!file)
		return STATUS_USAGE;
	if (args_take(args, "ahead")) {
		value = args_value(args, "ahead");
		if (!value || parse_number("ahead", value, 0, CARRY_AHEAD_MAX, &import.ahead))
			return STATUS_USAGE;
	}
	if (args_end(args, "sa import"))
		return STATUS_USAGE;
	if (cli->batch) {
		error("sa import is not for batches");
		return STATUS_USAGE;
	}
	import.wanted.kind = import.there.kind = THING_SA;
	status = carry_read(cli, file, &import.wanted);
	if (!status)
		status = queue_ready(cli);
	if (status)
		goto out;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP);
	mnl_attr_put(nlh, ESPAH_SA_SHOW_STATE, 0, NULL);
	status = nl_dump(cli->nl, nlh, "sa import", ESPAH_SA_ID, see_sa, &import);
	if (!status)
		status = pair(&import, file);
	if (status)
		goto out;
	status = carry_all(cli, &import, !strcmp(file, "-") ? "standard input" : file);
	if (!status)
		tell(cli, &import, file);
out:
	things_free(&import.wanted);
	things_free(&import.there);
	return status;
}
