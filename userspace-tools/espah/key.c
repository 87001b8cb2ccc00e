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

/* bytes: largest accepted key file, including comments and blanks */
#define KEY_TEXT_MAX 8192

/**
 * key_read_text() - convert hexadecimal digits to bytes
 * @what: source of the text, for errors (which never show the text itself)
 * @text: digits; blanks, colons, one leading 0x and lines that begin with # are ignored
 * @size: bytes of @text
 * @key: result, wiped on error
 *
 * Return: 0, or -1 after printing an error.
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
 * key_read_word() - read a key from a word of the command
 * @word: hexadecimal digits; overwritten, so that "ps" stops showing them
 * @key: result
 * @seen: the key was typed on the command line (not in a batch), which causes a warning
 *
 * Return: 0, or -1 after printing an error.
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

/* Uses read(2): stdio would leave a copy of the key in its buffer. */
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
 * who_reads() - name the users other than the owner that may read a file
 * @st: status of the file
 *
 * Return: a description, or NULL if only the owner may.
 */
const char *who_reads(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return NULL;
	return st->st_mode & S_IROTH ? "everybody" : st->st_mode & S_IRGRP ? "its group" : NULL;
}

/**
 * key_read_file() - read a key from a file
 * @file: file name; "-" is standard input
 * @key: result
 *
 * Return: 0, or -1 after printing an error.
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
