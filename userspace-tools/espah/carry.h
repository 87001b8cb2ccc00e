/* SPDX-License-Identifier: GPL-2.0-only */
/* espah sa export and import: SAs with which another gateway carries on. */
#ifndef ESPAH_CARRY_H
#define ESPAH_CARRY_H

#include "thing.h"

/** CARRY_AHEAD - numbers: default distance of an outbound SA from its exported number */
#define CARRY_AHEAD (1 << 24)
/** CARRY_AHEAD_MAX - numbers: a receiver with ESN takes a longer jump for an older packet */
#define CARRY_AHEAD_MAX (1u << 31)

extern const char carry_export_help[], carry_import_help[];

int carry_export(struct cli *cli, struct args *args);
int carry_import(struct cli *cli, struct args *args);

int carry_read(struct cli *cli, const char *file, struct things *wanted);

#endif /* ESPAH_CARRY_H */
