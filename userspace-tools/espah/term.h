/* SPDX-License-Identifier: GPL-2.0-only */
/* The terminal: its size, colours, and lines that fit it. */
#ifndef ESPAH_TERM_H
#define ESPAH_TERM_H

#include <stdbool.h>
#include <stdio.h>

/** WRAP_INDENT - blanks before what is broken off a line */
#define WRAP_INDENT 4

/** enum tint - what a text is, for its colour */
enum tint {
	TINT_NONE,
	TINT_HEAD, /* a heading */
	TINT_BAD, /* something was dropped */
	TINT_WARN, /* something needs attention, such as traffic in clear */
	TINT_NEW, /* a number that has just changed */
};

/**
 * struct wrap - output that is held back, to be broken into lines that fit
 * @out: the stream that it is for; NULL: nothing is held back
 * @held: takes its place meanwhile
 * @text: what @held has taken
 * @size: of @text
 */
struct wrap {
	FILE *out;
	FILE *held;
	char *text;
	size_t size;
};

void term_wide(void);
int term_columns(void);
int term_rows(void);
bool term_here(void);
const char *tint(enum tint tint);
const char *untint(enum tint tint);
int text_columns(const char *text, size_t len);
size_t text_fit(const char *line, size_t len, int columns);
void text_wrap(FILE *out, const char *text, int columns, int indent);
void wrap_start(struct wrap *wrap);
void wrap_end(struct wrap *wrap, int indent);

#endif /* ESPAH_TERM_H */
