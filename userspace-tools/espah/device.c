// SPDX-License-Identifier: GPL-2.0-only
/* Network devices: requests to rtnetlink, and its answers. */
#include <errno.h>
#include <string.h>

#include "device.h"

/**
 * device_start() - begin a request to rtnetlink
 * @nl: from nl_route()
 * @buf: buffer of NL_REQUEST_MAX bytes
 * @type: RTM_NEWLINK, RTM_DELLINK or RTM_GETLINK
 * @flags: NLM_F_* in addition to NLM_F_REQUEST
 * @info: index and flags of the device
 *
 * Return: the message, ready for attributes.
 */
struct nlmsghdr *device_start(struct nl *nl, void *buf, uint16_t type, uint16_t flags,
			      const struct ifinfomsg *info)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(*info)), info, sizeof(*info));
	return nlh;
}

/** device_read() - Return: whether @nlh describes a device; its attributes are put into @device */
bool device_read(const struct nlmsghdr *nlh, struct device *device)
{
	const struct nlattr *attr;

	memset(device, 0, sizeof(*device));
	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*device->info))
		return false;
	device->info = mnl_nlmsg_get_payload(nlh);
	mnl_attr_for_each(attr, nlh, sizeof(*device->info))
		if (mnl_attr_get_type(attr) <= IFLA_MAX)
			device->attr[mnl_attr_get_type(attr)] = attr;
	attr_nest(device->attr[IFLA_LINKINFO], device->linkinfo, IFLA_INFO_MAX);
	return true;
}

/** device_kind() - Return: the kind of a device, such as "veth"; empty if it has none */
const char *device_kind(const struct device *device)
{
	return attr_string(device->linkinfo[IFLA_INFO_KIND], "");
}

/** device_no_module() - Return: whether a device was refused because nothing knows its kind */
bool device_no_module(const struct nl_result *result)
{
	return result->error == EOPNOTSUPP &&
	       (!result->text[0] || !strcmp(result->text, "Unknown device type"));
}
