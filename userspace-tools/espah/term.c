// SPDX-License-Identifier: GPL-2.0-only
/* The terminal: its size, colours, and lines that fit it. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "term.h"

/* a narrower terminal gets lines of this width: nothing can be read in less */
#define COLUMNS_MIN 20

static bool wide;

/** term_wide() - do not fit output to the terminal */
void term_wide(void)
{
	wide = true;
}

/** term_here() - Return: whether standard output is a terminal */
bool term_here(void)
{
	return isatty(STDOUT_FILENO);
}

/* The size of the terminal, by a variable or by itself; 0: standard output is no terminal. */
static int size_of(const char *variable, bool rows)
{
	const char *text = getenv(variable);
	struct winsize size;

	if (text && atoi(text) > 0)
		return atoi(text);
	if (!term_here() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return rows ? size.ws_row : size.ws_col;
}

/** term_columns() - Return: characters of a line; 0: any number */
int term_columns(void)
{
	return wide ? 0 : size_of("COLUMNS", false);
}

/** term_rows() - Return: lines of the terminal; 0: any number */
int term_rows(void)
{
	return wide ? 0 : size_of("LINES", true);
}

/* Whether output has colours: https://no-color.org asks for any value that is not empty. */
static bool coloured(void)
{
	const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(never && *never) && term && *term && !same(term, "dumb") && term_here();
}

/** tint() - Return: what begins a colour; "" without colours */
const char *tint(enum tint tint)
{
	static const char *const codes[] = {
		[TINT_NONE] = "", [TINT_HEAD] = "\033[1m", [TINT_BAD] = "\033[1;31m",
		[TINT_WARN] = "\033[33m", [TINT_NEW] = "\033[1;32m",
	};

	return tint && coloured() ? codes[tint] : "";
}

/** untint() - Return: what ends a colour */
const char *untint(enum tint tint)
{
	return tint && coloured() ? "\033[0m" : "";
}

/* Bytes of a colour's code at @text, or 0. */
static size_t code_length(const char *text)
{
	size_t len;

	if (text[0] != '\033' || text[1] != '[')
		return 0;
	len = 2 + strspn(text + 2, "0123456789;");
	return text[len] == 'm' ? len + 1 : 0;
}

/** text_columns() - Return: the characters of @len bytes of text, without codes of colours */
int text_columns(const char *text, size_t len)
{
	const char *end = text + len;
	int columns = 0;
	size_t code;

	while (text < end) {
		code = code_length(text);
		/* the second and further bytes of a character in UTF-8 are 10xxxxxx */
		columns += !code && (*text & 0xc0) != 0x80;
		text += code ? code : 1;
	}
	return columns;
}

/**
 * text_fit() - find where to break a line: at two blanks rather than at one
 * @line: the line
 * @len: its bytes
 * @columns: characters that have room
 *
 * Return: bytes that fit; more if the first word is too long.
 */
size_t text_fit(const char *line, size_t len, int columns)
{
	size_t lead = strspn(line, " "), i, last = 0, last_pair = 0;

	for (i = lead; i < len; i += code_length(line + i) ? code_length(line + i) : 1) {
		if (line[i] != ' ')
			continue;
		if (text_columns(line, i) > columns) {
			if (!last)
				last = i;
			break;
		}
		last = i;
		if (line[i + 1] == ' ')
			last_pair = i;
	}
	if (i >= len && text_columns(line, len) <= columns)
		return len;
	/* a break at a pair of blanks, unless it leaves more than half of the line empty */
	if (last_pair && text_columns(line, last_pair) > columns / 2)
		return last_pair;
	return last ? last : len;
}

/**
 * text_wrap() - write text, and break lines that are too long, at blanks
 * @out: where to
 * @text: lines
 * @columns: characters of a line; 0: any number
 * @indent: blanks before what is broken off, in addition to those of its line
 */
void text_wrap(FILE *out, const char *text, int columns, int indent)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), take, lead = strspn(text, " ");
		int room = columns;

		for (;;) {
			take = columns ? text_fit(text, len, room) : len;
			fwrite(text, 1, take, out);
			while (take < len && text[take] == ' ')
				take++;
			text += take;
			len -= take;
			if (!len)
				break;
			fprintf(out, "\n%*s", (int)lead + indent, "");
			room = columns - (int)lead - indent;
			if (room < COLUMNS_MIN)
				room = COLUMNS_MIN;
		}
		if (*text) {
			putc('\n', out);
			text++;
		}
	}
}

/** wrap_start() - hold back what is printed from now on, if a line has a limit */
void wrap_start(struct wrap *wrap)
{
	memset(wrap, 0, sizeof(*wrap));
	if (!term_columns())
		return;
	wrap->held = open_memstream(&wrap->text, &wrap->size);
	if (!wrap->held)
		return;
	wrap->out = stdout;
	stdout = wrap->held;
}

/** wrap_end() - print what was held back, in lines that fit; @indent: as for text_wrap() */
void wrap_end(struct wrap *wrap, int indent)
{
	if (!wrap->out)
		return;
	stdout = wrap->out;
	if (fclose(wrap->held)) {
		error("memory ran out");
		exit(STATUS_REFUSED);
	}
	text_wrap(stdout, wrap->text, term_columns(), indent);
	/* keys may have been printed */
	explicit_bzero(wrap->text, wrap->size);
	free(wrap->text);
}
