/* SPDX-License-Identifier: GPL-2.0-only */
/* The settings of a network namespace. */
#ifndef ESPAH_SETTINGS_H
#define ESPAH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct setting - a setting of a network namespace
 * @command: "default" or "config"; NULL ends the table
 * @name: its word
 * @attr: ESPAH_CONFIG_*
 * @action: its values are actions, bypass or discard, not on or off
 * @initial: its value in a new namespace
 */
struct setting {
	const char *command;
	const char *name;
	uint16_t attr;
	bool action;
	uint8_t initial;
};

/** settings - all of them; the default actions come first */
extern const struct setting settings[];

const char *setting_word(const struct setting *setting, uint8_t value);

#endif /* ESPAH_SETTINGS_H */
