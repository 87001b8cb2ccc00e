/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration files: what there is to be, in the words of the command. */
#ifndef ESPAH_CONF_H
#define ESPAH_CONF_H

#include <linux/espah.h>

#include "thing.h"

/** CONF_DEFAULT - the file that is read unless another is named */
#define CONF_DEFAULT "/etc/espah/espah.conf"

/**
 * struct conf - what a configuration file says
 * @things: by kind, in the order of the file
 * @given: bit mask: settings that the file has, 1 << ESPAH_CONFIG_*
 * @value: their values, by attribute
 * @lenient: devices that are not there are no error
 * @errors: number of errors, all of which were printed
 * @unreadable: one of them is about a file, not about words
 * @depth: files that include each other
 * @circle: they do so in a circle; nothing more is read
 * @folder: of the file that is read; relative names in it start there
 * @names: names of the files; freed by conf_free()
 */
struct conf {
	struct things things[THING_KINDS];
	uint32_t given;
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	bool lenient;
	unsigned int errors;
	bool unreadable;
	unsigned int depth;
	bool circle;
	const char *folder;
	struct conf_name *names;
};

int conf_read(struct cli *cli, const char *file, bool lenient, struct conf *conf);
void conf_free(struct conf *conf);

/* for the commands that a file may have; Return: a STATUS_* */
int conf_add(struct conf *conf, enum thing_kind kind, const struct nlmsghdr *nlh);
int conf_set(struct conf *conf, uint16_t attr, uint8_t value);
char *conf_path(const struct conf *conf, const char *file);

#endif /* ESPAH_CONF_H */
