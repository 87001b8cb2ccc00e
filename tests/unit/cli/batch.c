// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static char **word;
static size_t size;

static int split(const char *text)
{
	static char line[1024];
	int count;

	snprintf(line, sizeof(line), "%s", text);
	return batch_split(line, strlen(line), &word, &count, &size) ? -1 : count;
}

static const char *colour(unsigned int i)
{
	static const char *const names[] = { "window", "reqid", "in", "out", NULL };

	return names[i];
}

void test_batch(void)
{
	char many[1000] = "";
	int i;

	test_begin("batch lines: words, comments, quotes");
	CHECK(split("") == 0 && split("  \t\r\n") == 0 && split("# x y\n") == 0);
	CHECK(split("sa list\n") == 2 && !strcmp(word[0], "sa") && !strcmp(word[1], "list"));
	CHECK(split(" a  b # c\n") == 2 && !strcmp(word[1], "b"));
	CHECK(split("a#b c") == 2 && !strcmp(word[0], "a#b"));
	CHECK(split("key-file 'a b'\n") == 2 && !strcmp(word[1], "a b"));
	CHECK(split("x\"a '#b\"y z") == 2 && !strcmp(word[0], "xa '#by"));
	CHECK(split("a\\ b '\\n' \"\\\"\"") == 3 && !strcmp(word[0], "a b") &&
	      !strcmp(word[1], "\\n") && !strcmp(word[2], "\""));
	CHECK(split("'' b") == 2 && !*word[0]);
	CHECK(split("''") == 1 && split("a\\") == 1 && !strcmp(word[0], "a\\"));
	for (i = 0; i < 300; i++)
		strcat(many, "a ");
	CHECK(split(many) == 300);
	test_end();

	test_begin("batch lines: an open quote is refused");
	CHECK(split("a 'b\n") == -1);
	CHECK(told_of("opens a quote"));
	CHECK(split("a \"b\\\"") == -1);
	test_end();
	free(word);
	word = NULL;
	size = 0;

	test_begin("suggestions: near ones only");
	CHECK(suggest("widnow", colour) && !strcmp(suggest("widnow", colour), "window"));
	CHECK(suggest("reqd", colour) && !strcmp(suggest("reqd", colour), "reqid"));
	CHECK(suggest("ot", colour) && !strcmp(suggest("ot", colour), "out"));
	CHECK(!suggest("key-file", colour) && !suggest("", colour));
	CHECK(!suggest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", colour));
	test_end();
}
