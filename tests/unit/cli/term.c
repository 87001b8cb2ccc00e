// SPDX-License-Identifier: GPL-2.0-only
/* Lines that fit a terminal, and colours in one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "harness.h"
#include "print.h"
#include "term.h"

/* What text_wrap() makes of a text. */
static const char *wrapped(const char *text, int columns, int indent)
{
	capture_start();
	text_wrap(stdout, text, columns, indent);
	return capture_end();
}

static void wraps(void)
{
	test_begin("lines break at blanks, within the width, and at two blanks rather than at one");
	CHECK(!strcmp(wrapped("one two three\n", 0, 4), "one two three\n"));
	CHECK(!strcmp(wrapped("one two three\n", 13, 4), "one two three\n"));
	CHECK(!strcmp(wrapped("one two three four five six seven eight\n", 24, 2),
		      "one two three four five\n  six seven eight\n"));
	CHECK(!strcmp(wrapped("  an SA  1.2.3.4 -> 5.6.7.8  tunnel  aes256gcm16\nx\n", 40, 4),
		      "  an SA  1.2.3.4 -> 5.6.7.8  tunnel\n      aes256gcm16\nx\n"));
	/* a pair far in front is no place to break */
	CHECK(!strcmp(wrapped("a  b c d e f g h i j k l m n o p q r s t u\n", 24, 2),
		      "a  b c d e f g h i j k l\n  m n o p q r s t u\n"));
	/* what has no blank stays whole; no blanks remain at the end of a line */
	CHECK(!strcmp(wrapped("0x00112233445566778899aabbccddeeff and more\n", 24, 2),
		      "0x00112233445566778899aabbccddeeff\n  and more\n"));
	CHECK(!strcmp(wrapped("\n\nno end", 24, 2), "\n\nno end"));
	test_end();

	test_begin("codes of colours and bytes of UTF-8 take no room; a lone escape is no code");
	CHECK(text_columns("\033[1;31mred\033[0m", 14) == 3);
	CHECK(text_columns("gr\303\274n", 5) == 4);
	CHECK(text_columns("\033", 1) == 1 && text_columns("\033[31", 4) == 4);
	CHECK(!strcmp(wrapped("one \033[1;31mtwo\033[0m three four five six\n", 23, 2),
		      "one \033[1;31mtwo\033[0m three four five\n  six\n"));
	test_end();
}

static struct table table;

static void print_table(void)
{
	static const char *const headings[] = { "WHY", ">!N", "?SPARE", "~MEANING", NULL };

	table_start(&table, headings);
	table_text(&table, "icv");
	table_text(&table, "2");
	table_text(&table, "a spare column that is really wide");
	table_text(&table, "the integrity check failed, so the packet was dropped");
	table_text(&table, "replay");
	table_text(&table, "0");
	table_text(&table, "spare");
	table_text(&table, "short");
	table_end(&table);
}

static void columns(void)
{
	test_begin("a table: a spare column goes without room for it, a last one of text is broken");
	setenv("COLUMNS", "40", 1);
	capture_start();
	print_table();
	CHECK(!strcmp(capture_end(),
		      "WHY     N  MEANING\n"
		      "icv     2  the integrity check failed,\n"
		      "           so the packet was dropped\n"
		      "replay  0  short\n"));
	setenv("COLUMNS", "200", 1);
	capture_start();
	print_table();
	CHECK(strstr(capture_end(), "icv     2  a spare column that is really wide  the integrity check failed, so"));
	unsetenv("COLUMNS");
	test_end();
}

/* What print_table() prints on a terminal. */
static const char *on_terminal(void)
{
	static char text[4096];
	int host = posix_openpt(O_RDWR | O_NOCTTY), terminal, kept;
	struct termios raw;
	ssize_t got;

	if (host < 0 || grantpt(host) || unlockpt(host))
		abort();
	terminal = open(ptsname(host), O_RDWR | O_NOCTTY);
	if (terminal < 0 || tcgetattr(terminal, &raw))
		abort();
	cfmakeraw(&raw);
	tcsetattr(terminal, TCSANOW, &raw);
	fflush(stdout);
	kept = dup(STDOUT_FILENO);
	dup2(terminal, STDOUT_FILENO);
	print_table();
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	got = read(host, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	close(terminal);
	close(host);
	return text;
}

static void colours(void)
{
	const char *text;

	test_begin("colours in a terminal only, and not with NO_COLOR, TERM=dumb or without TERM");
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	text = on_terminal();
	CHECK(strstr(text, "\033[1;31m2\033[0m"));
	CHECK(strstr(text, "replay  0  ") || strstr(text, "replay  0"));
	CHECK(!strstr(text, "\033[1;31m0"));
	/* the standard wants any value but the empty one */
	setenv("NO_COLOR", "", 1);
	CHECK(strchr(on_terminal(), '\033'));
	setenv("NO_COLOR", "0", 1);
	text = on_terminal();
	CHECK(strstr(text, "icv") && !strchr(text, '\033'));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	CHECK(!strchr(on_terminal(), '\033'));
	unsetenv("TERM");
	CHECK(!strchr(on_terminal(), '\033'));
	setenv("TERM", "xterm", 1);
	capture_start();
	print_table();
	CHECK(!strchr(capture_end(), '\033'));
	test_end();
}

void test_term(void)
{
	wraps();
	columns();
	colours();
}
