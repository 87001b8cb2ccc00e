/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetimes of an SA: words to a request, answer to text. */
#ifndef ESPAH_LIMIT_H
#define ESPAH_LIMIT_H

#include <jansson.h>
#include <linux/espah.h>

#include "attr.h"
#include "cli.h"

/** LIMIT_TEXT_MAX - bytes: buffer size for all soft or all hard limits in text */
#define LIMIT_TEXT_MAX 320

/**
 * struct limits - the soft or the hard limits of a command
 * @given: bit mask, 1 << ESPAH_LIMIT_*
 * @at: limit, indexed by ESPAH_LIMIT_*; 0: no limit
 */
struct limits {
	uint32_t given;
	uint64_t at[ESPAH_LIMIT_IDLE + 1];
};

int limits_read(struct args *args, const char *word, struct limits *limits);
int limits_check(const struct limits *soft, const struct limits *hard);
void limits_put(struct nlmsghdr *nlh, uint16_t type, const struct limits *limits);
const char *limits_text(const struct nlattr *at, const struct nlattr *used, bool whole,
			char buf[LIMIT_TEXT_MAX]);
json_t *limits_json(const struct nlattr *at, const struct nlattr *used);

#endif /* ESPAH_LIMIT_H */
