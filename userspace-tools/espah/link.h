/* SPDX-License-Identifier: GPL-2.0-only */
/* The network device of kind "espah", on which tcpdump sees packets in clear. */
#ifndef ESPAH_LINK_H
#define ESPAH_LINK_H

#include <net/if.h>
#include <stdbool.h>

/**
 * struct link - a device of kind "espah"
 * @index: interface index; 0: no such device
 * @name: name, such as espah0
 * @up: the device is up
 * @ours: 'espah capture' created the device
 */
struct link {
	int index;
	char name[IFNAMSIZ];
	bool up;
	bool ours;
};

int link_open(struct link *link);
void link_close(void);

#endif /* ESPAH_LINK_H */
