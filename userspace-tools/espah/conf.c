// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration files. A line is a command that makes something: 'sa add', 'policy add', 'link add',
 * 'default', 'config'; or 'include FILE'. The commands read their words as always, but then add to
 * struct conf instead of sending a request. All errors are told, with line and column.
 */
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"
#include "key.h"
#include "parse.h"

/* files that may include each other; more is a circle */
#define DEPTH_MAX 8
/* bytes: a line with a key; a buffer that grows leaves a copy behind */
#define LINE_ROOM 4096

/** struct conf_name - the name of a file, to which things and errors point */
struct conf_name {
	struct conf_name *next;
	char text[];
};

static const char *keep_name(struct conf *conf, const char *text)
{
	struct conf_name *name = malloc(sizeof(*name) + strlen(text) + 1);

	if (!name) {
		error("memory ran out");
		return NULL;
	}
	strcpy(name->text, text);
	name->next = conf->names;
	conf->names = name;
	return name->text;
}

/** conf_path() - Return: where a file is that a file names; freed by the caller; NULL: no memory */
char *conf_path(const struct conf *conf, const char *file)
{
	char *path;

	if (*file == '/' || !*conf->folder)
		return strdup(file);
	return asprintf(&path, "%s/%s", conf->folder, file) < 0 ? NULL : path;
}

/** conf_add() - add an SA, a policy or a device, made by the request @nlh */
int conf_add(struct conf *conf, enum thing_kind kind, const struct nlmsghdr *nlh)
{
	struct thing *thing = thing_add(&conf->things[kind], nlh);

	if (!thing)
		return STATUS_REFUSED;
	thing->file = error_file();
	thing->line = error_line();
	thing->owner = ESPAH_OWNER_FILE;
	return STATUS_OK;
}

/** conf_set() - note a setting */
int conf_set(struct conf *conf, uint16_t attr, uint8_t value)
{
	if (conf->given & 1U << attr && conf->value[attr] != value) {
		error("an earlier line sets this to another value");
		return STATUS_USAGE;
	}
	conf->given |= 1U << attr;
	conf->value[attr] = value;
	return STATUS_OK;
}

/* As conf_path(), for glob(): in the folder, no character has a special meaning. */
static char *pattern_path(const struct conf *conf, const char *pattern)
{
	const char *from = *pattern == '/' ? "" : conf->folder;
	char *path = malloc(2 * strlen(from) + strlen(pattern) + 2), *to = path;

	if (!path)
		return NULL;
	for (; *from; from++) {
		if (strchr("*?[]\\", *from))
			*to++ = '\\';
		*to++ = *from;
	}
	if (to != path)
		*to++ = '/';
	strcpy(to, pattern);
	return path;
}

static int read_file(struct cli *cli, const char *file);

static int include(struct cli *cli, struct args *args)
{
	const char *pattern = args_value(args, "include");
	char *path;
	glob_t found;
	size_t i;
	int ret;

	if (!pattern || args_end(args, "include"))
		return STATUS_USAGE;
	path = pattern_path(cli->conf, pattern);
	ret = path ? glob(path, GLOB_ERR, NULL, &found) : GLOB_NOSPACE;
	if (ret == GLOB_NOSPACE) {
		error("memory ran out");
	} else if (ret == GLOB_ABORTED && errno != ENOENT) {
		error("the folder of %s cannot be read: %s", path, strerror(errno));
	} else if (ret && !strpbrk(pattern, "*?[")) {
		error("there is no file %s", path);
	} else {
		for (i = 0; !ret && i < found.gl_pathc; i++)
			read_file(cli, found.gl_pathv[i]);
		free(path);
		if (!ret)
			globfree(&found);
		return STATUS_OK;
	}
	free(path);
	cli->conf->unreadable = true;
	return STATUS_REFUSED;
}

static const struct command commands[] = {
	{ "sa", cmd_sa, "", NULL },
	{ "policy", cmd_policy, "", NULL },
	{ "link", cmd_link, "", NULL },
	{ "default", cmd_default, "", NULL },
	{ "config", cmd_config, "", NULL },
	{ "include", include, "", NULL },
	{ 0 }
};

static const char *command_name(unsigned int i)
{
	return commands[i].name;
}

/* Return: a STATUS_*; errors have been printed. */
static int run_words(struct cli *cli, struct args *args)
{
	const char *word = args_next(args), *near;
	const struct command *row = commands;
	int i;

	while (row->name && strcmp(row->name, word))
		row++;
	if (!row->name) {
		near = suggest(word, command_name);
		error("a line of a file begins with sa, policy, link, default, config or include, not with '%s'%s%s%s",
		      word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		return STATUS_USAGE;
	}
	for (i = args->at; i < args->count; i++) {
		if (strcmp(args->word[i], "--help") && strcmp(args->word[i], "-h") &&
		    (strcmp(args->word[i], "help") || i > args->at + 1 || i + 1 < args->count))
			continue;
		args->at = i + 1;
		error("'%s' is not for files", args->word[i]);
		return STATUS_USAGE;
	}
	if (!args_peek(args)) {
		error("more words must follow '%s'", word);
		return STATUS_USAGE;
	}
	if (row - commands < THING_KINDS && strcmp(args_peek(args), "add")) {
		args_next(args);
		error("a file says what is to be there, by '%s add ...', not by '%s %s'", word, word,
		      args->word[args->at - 1]);
		return STATUS_USAGE;
	}
	return row->run(cli, args);
}

static void run_line(struct cli *cli, char *line, size_t len, char ***words, size_t *size)
{
	struct args args = { 0 };
	int status = STATUS_USAGE;

	if (batch_split(line, len, words, &args.count, size) == 0) {
		if (!args.count)
			return;
		args.word = *words;
		error_words(&args, line);
		status = run_words(cli, &args);
		error_words(NULL, NULL);
	}
	if (status)
		cli->conf->errors++;
}

static int read_lines(struct cli *cli, FILE *in, const char *name)
{
	/* stdio buffers keys: use our own buffer, so that we can wipe it */
	static char buffers[DEPTH_MAX][8192];
	char *buffer = buffers[cli->conf->depth - 1], **words = NULL;
	size_t room = LINE_ROOM, size = 0;
	char *line = malloc(room);
	unsigned int number = 0;
	ssize_t len;

	setvbuf(in, buffer, _IOFBF, sizeof(buffers[0]));
	while (line && !cli->conf->circle && (len = getline(&line, &room, in)) >= 0) {
		error_place(name, ++number);
		run_line(cli, line, len, &words, &size);
		explicit_bzero(line, len);
	}
	if (!line || (!feof(in) && !cli->conf->circle)) {
		error("%s cannot be read: %s", name, strerror(errno));
		cli->conf->unreadable = true;
		cli->conf->errors++;
	}
	free(words);
	free(line);
	explicit_bzero(buffer, sizeof(buffers[0]));
	return STATUS_OK;
}

static int cannot_open(struct conf *conf, const char *file)
{
	error("%s cannot be opened: %s", file, strerror(errno));
	conf->unreadable = true;
	conf->errors++;
	return STATUS_REFUSED;
}

/* Reads a file. Return: STATUS_OK, also after errors in lines; else it was not read. */
static int read_file(struct cli *cli, const char *file)
{
	const char *outer_file = error_file(), *outer_folder = cli->conf->folder;
	bool is_stdin = !strcmp(file, "-"), outer_stdin = cli->batch_stdin;
	const char *name = is_stdin ? "standard input" : keep_name(cli->conf, file);
	const char *outer_readers = cli->batch_readers;
	unsigned int outer_line = error_line();
	char *copy = strdup(file);
	struct stat st;
	FILE *in;
	int status;

	if (!name || !copy) {
		cli->conf->errors++;
		free(copy);
		return STATUS_REFUSED;
	}
	if (cli->conf->circle) {
		free(copy);
		return STATUS_USAGE;
	}
	if (cli->conf->depth == DEPTH_MAX) {
		error("%s would be file %u that includes another: this is a circle", file, DEPTH_MAX + 1);
		cli->conf->errors++;
		cli->conf->circle = true;
		free(copy);
		return STATUS_USAGE;
	}
	in = is_stdin ? stdin : fopen(file, "re");
	if (in && !fstat(fileno(in), &st) && S_ISDIR(st.st_mode)) {
		fclose(in);
		in = NULL;
		errno = EISDIR;
	}
	if (!in) {
		free(copy);
		return cannot_open(cli->conf, file);
	}
	cli->conf->depth++;
	error_words(NULL, NULL);
	cli->conf->folder = is_stdin || !strchr(file, '/') ? "" : dirname(copy);
	cli->batch_stdin = is_stdin || outer_stdin;
	cli->batch_readers = who_reads(&st);
	status = read_lines(cli, in, name);
	cli->batch_readers = outer_readers;
	cli->batch_stdin = outer_stdin;
	cli->conf->folder = outer_folder;
	cli->conf->depth--;
	error_place(outer_file, outer_line);
	if (!is_stdin)
		fclose(in);
	free(copy);
	return status;
}

/* Two things with one name, such as policies with the same selector. */
static void check_twice(struct conf *conf, struct things *things)
{
	struct thing **sorted, *first, *second;
	size_t i;

	if (!thing_sort(things, &sorted)) {
		conf->errors++;
		return;
	}
	for (i = 1; i < things->count; i++) {
		if (strcmp(sorted[i]->name, sorted[i - 1]->name))
			continue;
		first = sorted[i] < sorted[i - 1] ? sorted[i] : sorted[i - 1];
		second = sorted[i] < sorted[i - 1] ? sorted[i - 1] : sorted[i];
		error_place(second->file, second->line);
		error("%s:%u has this already: %s", first->file, first->line, second->name);
		conf->errors++;
	}
	error_place(NULL, 0);
	free(sorted);
}

/**
 * conf_read() - read a configuration file, and the files that it includes
 * @cli: state
 * @file: name; "-" is standard input
 * @lenient: devices that are not there are no error
 * @conf: result; freed with conf_free() in any case
 *
 * Return: STATUS_OK; STATUS_USAGE or STATUS_REFUSED: all errors have been printed.
 */
int conf_read(struct cli *cli, const char *file, bool lenient, struct conf *conf)
{
	bool batch = cli->batch;
	unsigned int i;

	memset(conf, 0, sizeof(*conf));
	for (i = 0; i < THING_KINDS; i++)
		conf->things[i].kind = i;
	conf->folder = "";
	cli->conf = conf;
	cli->batch = true;
	dev_lenient(lenient);
	dev_later(true);
	read_file(cli, file);
	dev_later(false);
	dev_lenient(false);
	cli->conf = NULL;
	cli->batch = batch;
	for (i = 0; i < THING_KINDS && !conf->errors; i++)
		check_twice(conf, &conf->things[i]);
	if (!conf->errors)
		return STATUS_OK;
	return conf->unreadable ? STATUS_REFUSED : STATUS_USAGE;
}

/** conf_free() - free what conf_read() has read */
void conf_free(struct conf *conf)
{
	struct conf_name *name, *next;
	unsigned int i;

	for (i = 0; i < THING_KINDS; i++)
		things_free(&conf->things[i]);
	for (name = conf->names; name; name = next) {
		next = name->next;
		free(name);
	}
}
