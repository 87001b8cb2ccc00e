/* SPDX-License-Identifier: GPL-2.0-only */
/* The network device of kind "espah-tap", on which tcpdump sees packets in clear. */
#ifndef ESPAH_TAP_H
#define ESPAH_TAP_H

#include <net/if.h>
#include <stdbool.h>

#include "cli.h"

/**
 * struct tap - a device of kind "espah-tap"
 * @index: interface index; 0: no such device
 * @name: name, such as espah-tap0
 * @up: the device is up
 * @ours: 'espah capture' created the device
 */
struct tap {
	int index;
	char name[IFNAMSIZ];
	bool up;
	bool ours;
};

int tap_open(struct cli *cli, struct tap *tap);
void tap_close(struct cli *cli);

#endif /* ESPAH_TAP_H */
