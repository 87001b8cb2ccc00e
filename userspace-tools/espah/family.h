/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family of the module: its ID and its multicast groups. */
#ifndef ESPAH_FAMILY_H
#define ESPAH_FAMILY_H

#include "attr.h"

/** FAMILY_GROUPS_MAX - number of multicast groups that are stored */
#define FAMILY_GROUPS_MAX 8

/**
 * struct family - a generic netlink family
 * @id: ID of the family; 0: the family does not exist
 * @version: its version
 * @groups: multicast groups by name
 */
struct family {
	uint16_t id;
	uint32_t version;
	struct {
		char name[16];
		uint32_t id;
	} groups[FAMILY_GROUPS_MAX];
};

void family_read(const struct nlmsghdr *nlh, struct family *family);
uint32_t family_group(const struct family *family, const char *name);

#endif /* ESPAH_FAMILY_H */
