/* SPDX-License-Identifier: GPL-2.0-only */
/* Objects and settings as the commands that make them, each in one way. */
#ifndef ESPAH_SPELL_H
#define ESPAH_SPELL_H

#include <stdio.h>

#include "device.h"

/** SPELL_NAME - the words that tell an object from others */
#define SPELL_NAME (1 << 0)
/** SPELL_FIXED - of an SA: words that 'sa set' cannot change */
#define SPELL_FIXED (1 << 1)
/** SPELL_REST - all others */
#define SPELL_REST (1 << 2)
/** SPELL_ALL - the whole command; for an SA without its key */
#define SPELL_ALL (SPELL_NAME | SPELL_FIXED | SPELL_REST)

void spell_policy(FILE *out, const struct nlattr **tb, unsigned int parts);
void spell_sa(FILE *out, const struct nlattr **tb, unsigned int parts);
void spell_sa_progress(FILE *out, const struct nlattr **tb);
void spell_link(FILE *out, const struct device *device, unsigned int parts);
void spell_config(FILE *out, const uint8_t *value, uint32_t which);

#endif /* ESPAH_SPELL_H */
