/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys: read from a file, standard input or a word; wiped after use. */
#ifndef ESPAH_KEY_H
#define ESPAH_KEY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <linux/espah.h>

/** struct key - key material; its owner calls key_wipe() after use */
struct key {
	uint8_t byte[ESPAH_KEY_MAX];
	size_t len;
};

int key_read_text(const char *what, const char *text, size_t size, struct key *key);
const char *who_reads(const struct stat *st);
int key_read_word(char *word, struct key *key, bool seen);
int key_read_file(const char *file, struct key *key);
void key_wipe(struct key *key);

#endif /* ESPAH_KEY_H */
