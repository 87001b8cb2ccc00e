/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of the command and the netlink constants that they stand for. */
#ifndef ESPAH_WORDS_H
#define ESPAH_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/** enum word_kind - what a word stands for */
enum word_kind {
	WORD_DIR,
	WORD_MODE,
	WORD_ACTION,
	WORD_DF,
	WORD_DSCP,
	WORD_STATE,
	WORD_PROTO,
	WORD_LIMIT,
	WORD_OWNER,
};

const char *word_of(enum word_kind kind, unsigned int value);
bool word_value(enum word_kind kind, const char *word, uint8_t *value);
int word_parse(enum word_kind kind, const char *what, const char *word, uint8_t *value);
const char *word_proto(uint8_t proto, char buf[8]);
const char *word_attr(uint8_t cmd, uint16_t type);
const char *word_attr_nested(uint8_t cmd, uint16_t nest, uint16_t type);

#endif /* ESPAH_WORDS_H */
