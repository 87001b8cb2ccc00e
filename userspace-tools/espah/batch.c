// SPDX-License-Identifier: GPL-2.0-only
/* espah -b: commands from a file, in one process and few system calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "key.h"
#include "queue.h"

/* bytes: buffer for a line with a key. A buffer that grows leaves a copy of the key behind. */
#define LINE_ROOM 4096

/* Character classes: part of a word, separator, quote or backslash, end of the line. */
enum { PART, BLANK, KEEPS, END };

static const uint8_t kinds[256] = {
	[0] = END, [' '] = BLANK, ['\t'] = BLANK, ['\n'] = BLANK, ['\v'] = BLANK, ['\f'] = BLANK,
	['\r'] = BLANK, ['\''] = KEEPS, ['"'] = KEEPS, ['\\'] = KEEPS,
};

static uint8_t kind(char c)
{
	return kinds[(uint8_t)c];
}

static bool blank(char c)
{
	return kind(c) == BLANK;
}

/* Terminates a word and removes its quotes. Return: the text after it; NULL: unclosed quote. */
static char *unquote(char *from)
{
	char quote = 0, *to;

	while (kind(*from) == PART)
		from++;
	to = from;
	for (; *from && (quote || !blank(*from)); from++) {
		if (quote && *from == quote) {
			quote = 0;
		} else if (!quote && (*from == '\'' || *from == '"')) {
			quote = *from;
		} else if (*from == '\\' && quote != '\'' && from[1] && from[1] != '\n') {
			*to++ = *++from;
		} else {
			*to++ = *from;
		}
	}
	if (quote)
		return NULL;
	if (*from)
		from++;
	*to = '\0';
	return from;
}

/**
 * batch_split() - split a line into words, in place
 * @line: the line; blanks separate words unless quoted or escaped, # starts a comment
 * @len: bytes of the line
 * @words: array that grows as needed; freed by the caller
 * @count: result: number of words
 * @size: capacity of @words
 *
 * Return: 0, or -1 after printing an error.
 */
int batch_split(char *line, size_t len, char ***words, int *count, size_t *size)
{
	char *at = line;

	*count = 0;
	if (!strncmp(line, "\xef\xbb\xbf", 3) || !strncmp(line, "\xff\xfe", 2) ||
	    !strncmp(line, "\xfe\xff", 2)) {
		error("the file begins with a byte order mark, as Windows' editors write it; save it as UTF-8 without one");
		return -1;
	}
	if (strlen(line) != len) {
		error("this line contains a zero byte, so it is not text");
		return -1;
	}
	for (;;) {
		while (blank(*at))
			at++;
		if (!*at || *at == '#')
			return 0;
		if ((size_t)*count + 1 >= *size) {
			size_t more = *size ? *size * 2 : 64;
			char **grown = reallocarray(*words, more, sizeof(**words));

			if (!grown) {
				error("memory ran out");
				return -1;
			}
			*words = grown;
			*size = more;
		}
		(*words)[*count] = at;
		at = unquote(at);
		if (!at) {
			error("this line opens a quote, but does not close it");
			return -1;
		}
		(*count)++;
	}
}

/* With --force, ignores errors. Return: STATUS_OK to continue, else the status to stop with */
static int run_line(struct cli *cli, char *line, size_t len, char ***words, size_t *size,
		    int (*run)(struct cli *cli, struct args *args))
{
	struct args args = { 0 };
	int status = STATUS_USAGE;

	if (batch_split(line, len, words, &args.count, size) == 0) {
		if (!args.count)
			return STATUS_OK;
		args.word = *words;
		status = run(cli, &args);
	}
	if (status)
		cli->failed = true;
	return cli->force ? STATUS_OK : status;
}

/**
 * batch_run() - execute the commands in a file
 * @cli: state
 * @file: file name; "-" is standard input
 * @run: executes one command; returns a STATUS_*
 *
 * Return: a STATUS_*.
 */
int batch_run(struct cli *cli, const char *file, int (*run)(struct cli *cli, struct args *args))
{
	/* stdio buffers keys: use our own buffer, so that we can wipe it */
	static char buffer[32768];
	bool is_stdin = !strcmp(file, "-");
	FILE *in = is_stdin ? stdin : fopen(file, "re");
	size_t room = LINE_ROOM, words_size = 0;
	char *line = malloc(room), **words = NULL;
	int status = STATUS_OK, later;
	unsigned int number = 0;
	struct stat st;
	ssize_t len;

	if (!line) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	if (!in) {
		error("the batch %s cannot be opened: %s", file, strerror(errno));
		free(line);
		return STATUS_REFUSED;
	}
	setvbuf(in, buffer, _IOFBF, sizeof(buffer));
	cli->batch = true;
	cli->batch_stdin = is_stdin;
	cli->batch_readers = !fstat(fileno(in), &st) ? who_reads(&st) : NULL;
	while (!status && (len = getline(&line, &room, in)) >= 0) {
		error_place(is_stdin ? "standard input" : file, ++number);
		status = run_line(cli, line, len, &words, &words_size, run);
		explicit_bzero(line, len);
	}
	if (!status && !feof(in)) {
		error("the batch %s cannot be read: %s", file, strerror(errno));
		status = STATUS_REFUSED;
	}
	/* commands before the error are still executed */
	later = queue_flush(cli);
	error_place(NULL, 0);
	free(words);
	free(line);
	if (!is_stdin)
		fclose(in);
	explicit_bzero(buffer, sizeof(buffer));
	if (!status)
		status = later;
	return cli->force && cli->failed ? STATUS_REFUSED : status;
}
