// SPDX-License-Identifier: GPL-2.0-only
/* Argument words, tables of commands, and error output. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static struct {
	const char *file;
	unsigned int line;
	const struct args *args;
	const char *text;
} place;

/**
 * error_place() - set the batch line that the next errors are about
 * @file: name of the batch file, NULL outside a batch; must stay valid
 * @line: line number, counted from 1
 */
void error_place(const char *file, unsigned int line)
{
	place.file = file;
	place.line = line;
}

/**
 * error_words() - have errors also tell the column of the word that was read last
 * @args: the words of the line, in place; NULL: tell no column
 * @text: the line
 */
void error_words(const struct args *args, const char *text)
{
	place.args = args;
	place.text = text;
}

/** error_line() - Return: the line set by error_place() */
unsigned int error_line(void)
{
	return place.line;
}

/** error_file() - Return: the file set by error_place(), or NULL */
const char *error_file(void)
{
	return place.file;
}

/* Bytes of a character at @at that would act on a terminal: controls, and marks of direction. */
static unsigned int acts(const unsigned char *at)
{
	if (*at < ' ' || *at == 0x7f)
		return 1;
	if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* C1 */
		return 2;
	if (*at != 0xe2 || (at[1] != 0x80 && at[1] != 0x81))
		return 0;
	if (at[1] == 0x80) /* U+200E, U+200F, U+2028 to U+202E */
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae) ? 3 : 0;
	return at[2] >= 0xa6 && at[2] <= 0xa9 ? 3 : 0; /* U+2066 to U+2069 */
}

/* hexadecimal digits beside each other that may be a key */
#define KEY_DIGITS 32

/* Bytes of what may be a key at @at, or 0. */
static size_t key_length(const char *at)
{
	size_t len = strspn(at, "0123456789abcdefABCDEF");

	return len >= KEY_DIGITS ? len : 0;
}

/* Prints what users may have typed: as a line of text, whatever is in it, but no key. */
static void put_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned int n;

	while (*at) {
		if (key_length((const char *)at)) {
			at += key_length((const char *)at);
			fputs("(hexadecimal digits)", stderr);
			continue;
		}
		n = acts(at);
		if (!n)
			fputc(*at++, stderr);
		for (; n; n--)
			fprintf(stderr, "\\x%02x", *at++);
	}
}

static unsigned int column(void)
{
	int at = place.args->at;

	return place.args->word[at ? at - 1 : 0] - place.text + 1;
}

static void tell(const char *kind, const char *fmt, va_list ap)
{
	char text[4096];

	vsnprintf(text, sizeof(text), fmt, ap);
	fflush(stdout);
	fputs("espah: ", stderr);
	if (place.file) {
		put_text(place.file);
		fprintf(stderr, ":%u:", place.line);
		if (place.args && place.args->count)
			fprintf(stderr, "%u:", column());
		putc(' ', stderr);
	}
	fputs(kind, stderr);
	put_text(text);
	fputc('\n', stderr);
}

/** error() - print one sentence on stderr; the caller returns the status */
void error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("", fmt, ap);
	va_end(ap);
}

/* refusal() printed an error while a command read its words */
static bool refused;

/**
 * refusal() - print an error about words that are right, such as the name of a device that is not
 * there: what reads words fails as for a usage error, but the status is STATUS_REFUSED
 */
void refusal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("", fmt, ap);
	va_end(ap);
	refused = true;
}

/** warning() - print one sentence on stderr; the exit status does not change */
void warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("warning: ", fmt, ap);
	va_end(ap);
}

/* Words that users of other tools type, and ours. */
static const struct {
	const char *theirs;
	const char *ours;
} habits[] = {
	{ "prio", "priority" }, { "req", "reqid" }, { "port", "dport" },
	{ "if_id", "if-id" }, { "ifid", "if-id" }, { "replay-window", "window" }, { "keyfile", "key-file" },
}, other_commands[] = {
	{ "show", "list" }, { "ls", "list" }, { "delete", "del" }, { "rm", "del" },
	{ "remove", "del" }, { "update", "set" }, { "change", "set" }, { "update", "replace" }, { "new", "add" },
};

/* Whether @name knows a word. */
static bool knows(const char *(*name)(unsigned int i), const char *word)
{
	const char *known;
	unsigned int i;

	for (i = 0; (known = name(i)); i++)
		if (same(known, word))
			return true;
	return false;
}

/* Number of edits (insert, delete, change, swap neighbours) from a to b, both short. */
static unsigned int distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	unsigned char d[33][33];

	if (la > 32 || lb > 32)
		return 99;
	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			unsigned int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (best > d[i - 1][j] + 1u)
				best = d[i - 1][j] + 1u;
			if (best > d[i][j - 1] + 1u)
				best = d[i][j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    best > d[i - 2][j - 2] + 1u)
				best = d[i - 2][j - 2] + 1u;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

/**
 * suggest() - find the known word that the user probably meant
 * @word: the word that was typed
 * @name: returns the i-th known word, NULL after the last
 *
 * Return: the nearest known word if it is near enough, else NULL.
 */
const char *suggest(const char *word, const char *(*name)(unsigned int i))
{
	unsigned int limit = strlen(word) <= 3 ? 1 : 2, best = limit + 1, i, d;
	const char *found = NULL, *known;

	for (i = 0; i < ARRAY_SIZE(habits); i++)
		if (same(habits[i].theirs, word) && knows(name, habits[i].ours))
			return habits[i].ours;
	for (i = 0; (known = name(i)); i++) {
		d = distance(word, known);
		if (d < best && d < strlen(known)) {
			best = d;
			found = known;
		}
	}
	return found;
}

/**
 * unknown_word() - print an error about a word that a command does not know
 * @word: the word that was typed
 * @command: such as "sa add"
 * @name: returns the i-th word that the command knows, NULL after the last
 */
void unknown_word(const char *word, const char *command, const char *(*name)(unsigned int i))
{
	const char *near = suggest(word, name);

	if (near)
		error("'%s' is not a word of %s; did you mean '%s'?", word, command, near);
	else
		error("'%s' is not a word of %s (see 'espah %s --help')", word, command, command);
}

/** args_peek() - Return: the next word without consuming it, or NULL */
char *args_peek(const struct args *args)
{
	return args->at < args->count ? args->word[args->at] : NULL;
}

/** args_next() - consume the next word. Return: the word, or NULL */
char *args_next(struct args *args)
{
	return args->at < args->count ? args->word[args->at++] : NULL;
}

/** args_take() - consume the next word if it is @word. Return: whether it was */
bool args_take(struct args *args, const char *word)
{
	char *next = args_peek(args);

	if (!next || strcmp(next, word))
		return false;
	args->at++;
	return true;
}

/** args_value() - Return: the word after @keyword; NULL after printing an error */
char *args_value(struct args *args, const char *keyword)
{
	char *value = args_next(args);

	if (!value)
		error("'%s' is the last word, but a value must follow it", keyword);
	return value;
}

/** args_end() - Return: STATUS_OK; STATUS_USAGE after printing an error if words are left */
int args_end(const struct args *args, const char *command)
{
	char *word = args_peek(args);

	if (!word)
		return STATUS_OK;
	if (*word == '-' && word[1]) {
		error("'%s' cannot follow the command; options such as -n and -j stand before it: espah %s ... %s", word,
		      !strncmp(word, "-j", 2) || same(word, "--json") ? "-j" : "-n NETNS",
		      command);
		return STATUS_USAGE;
	}
	error("'%s' is one word too many for %s (see 'espah %s --help')", word, command, command);
	return STATUS_USAGE;
}

static const struct command *names_of;

static const char *command_name(unsigned int i)
{
	return names_of[i].name;
}

/* The command that users of other tools call by another name, or NULL. */
static const struct command *by_habit(const struct command *table, const char *word)
{
	const struct command *row;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(other_commands); i++)
		for (row = table; row->name && same(other_commands[i].theirs, word); row++)
			if (same(row->name, other_commands[i].ours))
				return row;
	return NULL;
}

static const struct command *find(const struct command *table, const char *word,
				  const char *parent)
{
	const struct command *row, *found = NULL;
	const char *near;

	for (row = table; row->name; row++)
		if (same(row->name, word))
			return row;
	found = by_habit(table, word);
	if (found)
		return found;
	for (row = table; row->name; row++) {
		if (strncmp(row->name, word, strlen(word)))
			continue;
		if (found) {
			error("'%s' is ambiguous: it may mean %s or %s; type more of it", word,
			      found->name, row->name);
			return NULL;
		}
		found = row;
	}
	if (found && *word && same(found->name, "flush")) {
		error("'%s' may mean flush, which deletes everything; type it in full", word);
		return NULL;
	}
	if (found && *word && same(found->name, "reload")) {
		error("'%s' may mean reload, which interrupts all traffic; type it in full", word);
		return NULL;
	}
	if (found && *word)
		return found;
	names_of = table;
	near = suggest(word, command_name);
	if (near)
		error("'%s' is not a command of %s; did you mean '%s'?", word, parent, near);
	else
		error("'%s' is not a command of %s (see '%s --help')", word, parent, parent);
	return NULL;
}

static bool asks_help(const char *word)
{
	return *word == '-' && (!strcmp(word, "--help") || !strcmp(word, "-h"));
}

static bool is_help(const char *word)
{
	return asks_help(word) || same(word, "help");
}

static int tell_commands(const struct command *table, const char *parent)
{
	const struct command *row;
	char list[256] = "";

	for (row = table; row->name; row++) {
		strcat(list, *list ? ", " : "");
		strcat(list, row->name);
	}
	error("a command must follow '%s': %s (see '%s --help')", parent, list, parent);
	return STATUS_USAGE;
}

/* "help COMMAND": as "COMMAND --help". Return: a STATUS_* */
static int help_of(const struct command *table, const char *parent, struct cli *cli,
		   struct args *args)
{
	const struct command *row = find(table, args_next(args), parent);
	static char help[] = "help";
	char *words[] = { help, args_peek(args) };
	struct args asked = { .word = words, .count = words[1] ? 2 : 1 };

	if (!row)
		return STATUS_USAGE;
	if (!row->help)
		return row->run(cli, &asked);
	fputs(row->help, stdout);
	return STATUS_OK;
}

/**
 * command_run() - find the next word in a table of commands and execute that command
 * @table: the commands
 * @parent: words before the command, such as "espah sa"
 * @intro: help text of the table itself
 * @cli: state
 * @args: the words; the command is next
 *
 * A full name wins over an unambiguous prefix. flush has no abbreviation.
 *
 * Return: a STATUS_*.
 */
int command_run(const struct command *table, const char *parent, const char *intro,
		struct cli *cli, struct args *args)
{
	const struct command *row;
	const char *word = args_next(args);
	int i;

	if (!word) {
		return tell_commands(table, parent);
	}
	if (is_help(word)) {
		if (args_peek(args) && !is_help(args_peek(args)))
			return help_of(table, parent, cli, args);
		fputs(intro, stdout);
		return STATUS_OK;
	}
	row = find(table, word, parent);
	if (!row)
		return STATUS_USAGE;
	/* "help" counts only as the last word: it may be a file name. "--help" counts anywhere. */
	for (i = args->at; row->help && i < args->count; i++) {
		if (asks_help(args->word[i]) ||
		    (i == args->at && i == args->count - 1 && is_help(args->word[i]))) {
			fputs(row->help, stdout);
			return STATUS_OK;
		}
	}
	refused = false;
	i = row->run(cli, args);
	return i == STATUS_USAGE && refused ? STATUS_REFUSED : i;
}
