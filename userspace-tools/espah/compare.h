/* SPDX-License-Identifier: GPL-2.0-only */
/* A configuration file and the kernel, compared. */
#ifndef ESPAH_COMPARE_H
#define ESPAH_COMPARE_H

#include "conf.h"
#include "state.h"

int compare(struct conf *conf, struct state *state);
uint32_t compare_settings(const struct conf *conf, const struct state *state,
			  uint8_t value[ESPAH_CONFIG_MAX + 1], bool adopt);
bool compare_changes(const struct thing *thing);

#endif /* ESPAH_COMPARE_H */
