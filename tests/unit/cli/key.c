// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "key.h"

static bool reads(const char *text, const char *bytes, size_t len)
{
	struct key key;

	return !key_read_text("the key", text, strlen(text), &key) && key.len == len &&
	       !memcmp(key.byte, bytes, len);
}

static bool wiped(const struct key *key)
{
	static const struct key zero;

	return !memcmp(key, &zero, sizeof(zero));
}

static bool refuses(const char *text, const char *why)
{
	struct key key;

	return key_read_text("the key", text, strlen(text), &key) && wiped(&key) && told_of(why);
}

static void files(void)
{
	char name[] = "/tmp/espah-key-XXXXXX";
	int fd = mkstemp(name);
	struct key key;

	test_begin("key files: permissions and absence are told");
	CHECK(fd >= 0 && write(fd, "# b\n00ff\n", 9) == 9);
	CHECK(!fchmod(fd, 0600) && !key_read_file(name, &key) && key.len == 2);
	CHECK(!*told());
	CHECK(!fchmod(fd, 0640) && !key_read_file(name, &key));
	CHECK(told_of("warning: key file"));
	CHECK(!fchmod(fd, 0604) && !key_read_file(name, &key));
	CHECK(told_of("by everybody"));
	unlink(name);
	CHECK(key_read_file(name, &key));
	CHECK(told_of("cannot be opened: No such file"));
	CHECK(key_read_file("/tmp", &key));
	CHECK(key_read_file("/dev/zero", &key));
	close(fd);
	test_end();
}

void test_key(void)
{
	char text[2 * ESPAH_KEY_MAX + 3];
	char word[] = "00ff";
	struct key key;

	test_begin("keys: digits, blanks, colons, lines, comments, 0x");
	CHECK(reads("00", "\0", 1));
	CHECK(reads("0xAbCd", "\xab\xcd", 2));
	CHECK(reads(" de:ad\tbe ef\r\n", "\xde\xad\xbe\xef", 4));
	CHECK(reads("# site b: abc\n 0x01\n  # more\n02", "\1\2", 2));
	CHECK(reads("0\n1", "\1", 1));
	test_end();

	test_begin("keys: what is none, without a word of it in the error");
	CHECK(refuses("", "is empty"));
	CHECK(refuses("# only\n\n", "is empty"));
	CHECK(refuses("0x", "is empty"));
	CHECK(refuses("abc", "3 hexadecimal digits"));
	CHECK(refuses("00gg", "byte 3 of it"));
	CHECK(refuses("00 0x11", "byte 5 of it"));
	CHECK(refuses("0x0x11", "byte 4 of it"));
	CHECK(refuses("00 # late", "byte 4 of it"));
	memset(text, 'a', sizeof(text));
	text[2 * ESPAH_KEY_MAX] = '\0';
	CHECK(!key_read_text("k", text, 2 * ESPAH_KEY_MAX, &key) && key.len == ESPAH_KEY_MAX);
	CHECK(key_read_text("k", text, 2 * ESPAH_KEY_MAX - 1, &key));
	text[2 * ESPAH_KEY_MAX] = 'a';
	text[2 * ESPAH_KEY_MAX + 1] = '\0';
	CHECK(refuses(text, "longer than 128 bytes"));
	test_end();

	test_begin("keys: on the command line: a warning, and the word is overwritten");
	CHECK(!key_read_word(word, &key, true) && key.len == 2);
	CHECK(!strcmp(word, "****"));
	CHECK(told_of("warning: a key on the command line"));
	key_wipe(&key);
	CHECK(wiped(&key));
	test_end();
	files();
}
