/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters and settings of the network namespace, for use by other commands. */
#ifndef ESPAH_STATS_H
#define ESPAH_STATS_H

#include <jansson.h>

#include "nl.h"

int stats_ask(struct cli *cli, const char *what, nl_cb cb, void *data);
int stats_watch(struct cli *cli, unsigned int seconds);

/** DEFAULT_ICMP - index of ESPAH_CONFIG_ICMP, after the two directions */
#define DEFAULT_ICMP 2
/** DEFAULT_NUM - number of default actions */
#define DEFAULT_NUM 3

int default_ask(struct cli *cli, const char *what, uint8_t action[DEFAULT_NUM]);
json_t *default_json(const uint8_t action[DEFAULT_NUM]);

#endif /* ESPAH_STATS_H */
