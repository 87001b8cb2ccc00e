/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices: requests to rtnetlink, and its answers. */
#ifndef ESPAH_DEVICE_H
#define ESPAH_DEVICE_H

#include <linux/rtnetlink.h>

#include "nl.h"

/**
 * struct device - a network device as rtnetlink describes it
 * @info: index and flags
 * @attr: attributes IFLA_*
 * @linkinfo: attributes IFLA_INFO_*
 */
struct device {
	const struct ifinfomsg *info;
	const struct nlattr *attr[IFLA_MAX + 1];
	const struct nlattr *linkinfo[IFLA_INFO_MAX + 1];
};

struct nlmsghdr *device_start(struct nl *nl, void *buf, uint16_t type, uint16_t flags,
			      const struct ifinfomsg *info);
bool device_read(const struct nlmsghdr *nlh, struct device *device);
const char *device_kind(const struct device *device);
bool device_no_module(const struct nl_result *result);

#endif /* ESPAH_DEVICE_H */
