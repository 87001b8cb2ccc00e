/* SPDX-License-Identifier: GPL-2.0-only */
/* What generic netlink says of our family: its number and its multicast groups. */
#ifndef ESPAH_FAMILY_H
#define ESPAH_FAMILY_H

#include "attr.h"

/** FAMILY_GROUPS_MAX - multicast groups that are remembered */
#define FAMILY_GROUPS_MAX 8

/**
 * struct family - a family of generic netlink
 * @id: its number; 0: there is none
 * @groups: multicast groups by name
 */
struct family {
	uint16_t id;
	struct {
		char name[16];
		uint32_t id;
	} groups[FAMILY_GROUPS_MAX];
};

void family_read(const struct nlmsghdr *nlh, struct family *family);
uint32_t family_group(const struct family *family, const char *name);

#endif /* ESPAH_FAMILY_H */
