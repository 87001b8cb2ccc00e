/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic flow confidentiality: TFC padding (RFC 4303 2.7) and dummy packets (RFC 4303 2.6). */
#ifndef ESPAH_TFC_H
#define ESPAH_TFC_H

#include "attr.h"
#include "cli.h"

/** TFC_TEXT_MAX - bytes: buffer size for either setting in text */
#define TFC_TEXT_MAX 32

/** struct dummies - requested dummy packets; @interval in microseconds, 0: no dummies */
struct dummies {
	bool random;
	uint32_t interval;
};

int tfc_read(const char *word, uint16_t *tfc);
const char *tfc_text(uint16_t tfc, char buf[TFC_TEXT_MAX]);
int dummies_read(struct args *args, struct dummies *dummies);
void dummies_write(FILE *out, const struct nlattr *steady, const struct nlattr *random);
const char *dummies_text(const struct nlattr *steady, const struct nlattr *random,
			 char buf[TFC_TEXT_MAX]);

#endif /* ESPAH_TFC_H */
