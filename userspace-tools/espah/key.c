// SPDX-License-Identifier: GPL-2.0-only
/* Keys: read from a file, standard input or a word; wiped after use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "key.h"
#include "parse.h"

/* Comments and blanks may surround the digits; more than this is not a key. */
#define KEY_TEXT_MAX 8192

/**
 * key_read_text() - hexadecimal digits to bytes
 * @what: where the text is from, for errors (which never show any of it)
 * @text: digits; blanks, colons, one leading 0x and lines that begin with # do not count
 * @size: bytes of @text
 * @key: result, wiped on error
 *
 * Return: 0, or -1 and told.
 */
int key_read_text(const char *what, const char *text, size_t size, struct key *key)
{
	size_t i, digits = 0;
	bool line_start = true, comment = false, begun = false;

	memset(key, 0, sizeof(*key));
	for (i = 0; i < size; i++) {
		char c = text[i];
		int value;

		if (c == '\n') {
			line_start = true;
			comment = false;
			continue;
		}
		if (comment || c == ' ' || c == '\t' || c == '\r' || c == ':' || c == '\v' ||
		    c == '\f')
			continue;
		if (c == '#' && line_start) {
			comment = true;
			continue;
		}
		line_start = false;
		if (!begun && c == '0' && i + 1 < size && (text[i + 1] == 'x' ||
							   text[i + 1] == 'X')) {
			begun = true;
			i++;
			continue;
		}
		begun = true;
		value = digit_read(c);
		if (value < 0) {
			error("%s cannot be read: byte %zu of it is not a hexadecimal digit",
			      what, i + 1);
			goto fail;
		}
		if (digits / 2 >= sizeof(key->byte)) {
			error("%s is longer than %zu bytes, the longest key of any algorithm",
			      what, sizeof(key->byte));
			goto fail;
		}
		key->byte[digits / 2] |= digits & 1 ? value : value << 4;
		digits++;
	}
	if (!digits) {
		error("%s is empty; it must hold hexadecimal digits", what);
		goto fail;
	}
	if (digits & 1) {
		error("%s has %zu hexadecimal digits; a byte takes two, so one digit is missing or extra",
		      what, digits);
		goto fail;
	}
	key->len = digits / 2;
	return 0;
fail:
	key_wipe(key);
	return -1;
}

/**
 * key_read_word() - a key among the words of a command
 * @word: hexadecimal digits; overwritten, so that "ps" stops showing them
 * @key: result
 * @seen: they were typed on the command line, which deserves a warning; not in a batch
 *
 * Return: 0, or -1 and told.
 */
int key_read_word(char *word, struct key *key, bool seen)
{
	int ret;

	ret = key_read_text("the key after 'key'", word, strlen(word), key);
	memset(word, '*', strlen(word));
	__asm__ volatile("" : : "r"(word) : "memory");
	if (!ret && seen)
		warning("a key on the command line is visible in the process list and the shell's history; use key-file or key-stdin instead");
	return ret;
}

/* read(2), not stdio: no copy stays behind in a buffer that is not ours. */
static int slurp(int fd, const char *what, char *text, size_t *size)
{
	ssize_t got;

	*size = 0;
	while (*size < KEY_TEXT_MAX) {
		got = read(fd, text + *size, KEY_TEXT_MAX - *size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			error("%s cannot be read: %s", what, strerror(errno));
			return -1;
		}
		if (!got)
			return 0;
		*size += got;
	}
	error("%s holds more than %u bytes, so it is not a key", what, KEY_TEXT_MAX - 1);
	return -1;
}

/**
 * who_reads() - who may read a file beside its owner
 * @st: what is known of it
 *
 * Return: in words, or NULL: nobody.
 */
const char *who_reads(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return NULL;
	return st->st_mode & S_IROTH ? "everybody" : st->st_mode & S_IRGRP ? "its group" : NULL;
}

/**
 * key_read_file() - a key from a file
 * @file: its name; "-" is standard input
 * @key: result
 *
 * Return: 0, or -1 and told.
 */
int key_read_file(const char *file, struct key *key)
{
	bool is_stdin = !strcmp(file, "-");
	char text[KEY_TEXT_MAX], what[300];
	struct stat st;
	size_t size = 0;
	int fd, ret;

	snprintf(what, sizeof(what), is_stdin ? "the key on standard input" : "key file %s", file);
	fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error("%s cannot be opened: %s", what, strerror(errno));
		return -1;
	}
	if (!is_stdin && !fstat(fd, &st) && who_reads(&st))
		warning("key file %s can be read by %s; run chmod 600 on it", file,
			who_reads(&st));
	ret = slurp(fd, what, text, &size);
	if (!ret)
		ret = key_read_text(what, text, size, key);
	explicit_bzero(text, sizeof(text));
	if (!is_stdin)
		close(fd);
	return ret;
}

/** key_wipe() - overwrite a key */
void key_wipe(struct key *key)
{
	explicit_bzero(key, sizeof(*key));
}
