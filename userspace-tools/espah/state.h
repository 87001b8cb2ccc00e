/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is in the kernel. */
#ifndef ESPAH_STATE_H
#define ESPAH_STATE_H

#include <linux/espah.h>

#include "thing.h"

/**
 * struct state - SAs, policies, devices and settings of the network namespace
 * @things: by kind, in the order in which they were made; without larval SAs
 * @no_keys: the kernel does not show keys
 * @value: the settings, by attribute
 * @by_file: ESPAH_CONFIG_FILE
 * @guests: number of devices that were made in another namespace, and are not among @things
 */
struct state {
	struct things things[THING_KINDS];
	bool no_keys;
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	uint32_t by_file;
	unsigned int guests;
};

int state_read(struct cli *cli, const char *what, bool keys, struct state *state);
void state_free(struct state *state);
void state_save(FILE *out, const struct state *state, bool hand);

#endif /* ESPAH_STATE_H */
