/* SPDX-License-Identifier: GPL-2.0-only */
/* The network device of kind "espah", on which tcpdump sees packets in clear. */
#ifndef ESPAH_LINK_H
#define ESPAH_LINK_H

#include <net/if.h>
#include <stdbool.h>

/**
 * struct link - a device of kind "espah"
 * @index: 0: there is none
 * @name: such as espah0
 * @up: it is up
 * @ours: 'espah capture' made it
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
