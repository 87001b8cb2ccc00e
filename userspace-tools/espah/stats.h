/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters and settings of the network namespace, as other commands need them. */
#ifndef ESPAH_STATS_H
#define ESPAH_STATS_H

#include "nl.h"

int stats_ask(struct cli *cli, nl_cb cb, void *data);
int stats_reason(struct cli *cli, const char *name, char *buf, size_t size);
int default_ask(struct cli *cli, const char *what, uint8_t action[2]);

#endif /* ESPAH_STATS_H */
