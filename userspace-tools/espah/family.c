// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family of the module: its ID and its multicast groups. */
#include <stdio.h>
#include <string.h>

#include "family.h"

/** family_read() - read the answer to CTRL_CMD_GETFAMILY */
void family_read(const struct nlmsghdr *nlh, struct family *family)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1], *group[CTRL_ATTR_MCAST_GRP_MAX + 1], *entry;
	unsigned int i = 0;

	attr_table(nlh, tb, CTRL_ATTR_MAX);
	family->id = attr_u16(tb[CTRL_ATTR_FAMILY_ID], 0);
	family->version = attr_u32(tb[CTRL_ATTR_VERSION], 0);
	if (!tb[CTRL_ATTR_MCAST_GROUPS])
		return;
	mnl_attr_for_each_nested(entry, tb[CTRL_ATTR_MCAST_GROUPS]) {
		if (i == FAMILY_GROUPS_MAX)
			break;
		attr_nest(entry, group, CTRL_ATTR_MCAST_GRP_MAX);
		snprintf(family->groups[i].name, sizeof(family->groups[i].name), "%s",
			 attr_string(group[CTRL_ATTR_MCAST_GRP_NAME], ""));
		family->groups[i++].id = attr_u32(group[CTRL_ATTR_MCAST_GRP_ID], 0);
	}
}

/** family_group() - Return: the ID of a multicast group, 0 if no group has that name */
uint32_t family_group(const struct family *family, const char *name)
{
	unsigned int i;

	for (i = 0; i < FAMILY_GROUPS_MAX; i++)
		if (!strcmp(family->groups[i].name, name))
			return family->groups[i].id;
	return 0;
}
