/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known about algorithms without asking the module. */
#ifndef ESPAH_ALGORITHM_H
#define ESPAH_ALGORITHM_H

#include <stdbool.h>
#include <stdint.h>

/** ALGORITHM_MAX - bytes: buffer size for the name of an algorithm */
#define ALGORITHM_MAX 32

/** enum advice - what RFC 8221 asks of implementations, from the least to the most */
enum advice {
	ADVICE_MAY,
	ADVICE_IOT, /* SHOULD, for the interoperability with small devices only */
	ADVICE_FADING, /* MUST-: a MUST that will end */
	ADVICE_SHOULD,
	ADVICE_MUST,
};

bool algorithm_name(unsigned int i, uint8_t proto, char name[ALGORITHM_MAX]);
bool algorithm_advice(const char *name, uint8_t proto, enum advice *advice);
const char *advice_text(enum advice advice);
bool algorithm_hides(const char *name, uint8_t proto);
bool algorithm_suggest(const char *word, uint8_t proto, char name[ALGORITHM_MAX]);
bool driver_fast(const char *driver);

#endif /* ESPAH_ALGORITHM_H */
