// SPDX-License-Identifier: GPL-2.0-only
/* The settings of a network namespace. */
#include <stddef.h>

#include <linux/espah.h>

#include "settings.h"
#include "words.h"

const struct setting settings[] = {
	{ "default", "in", ESPAH_CONFIG_DEFAULT_IN, true, ESPAH_ACTION_BYPASS },
	{ "default", "out", ESPAH_CONFIG_DEFAULT_OUT, true, ESPAH_ACTION_BYPASS },
	{ "default", "icmp", ESPAH_CONFIG_ICMP, true, ESPAH_ACTION_DISCARD },
	{ "config", "secpath", ESPAH_CONFIG_SECPATH, false, 1 },
	{ "config", "direct", ESPAH_CONFIG_DIRECT, false, 0 },
	{ NULL, NULL, 0, false, 0 }
};

/** setting_word() - Return: the word for a value of a setting */
const char *setting_word(const struct setting *setting, uint8_t value)
{
	if (setting->action)
		return word_of(WORD_ACTION, value);
	return value ? "on" : "off";
}
