// SPDX-License-Identifier: GPL-2.0-only
/* Devices, addresses and routes of this host. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <linux/if_addr.h>

#include "device.h"
#include "network.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16) /* linux/if.h, which cannot be included beside net/if.h */
#endif

/* Room for one more element at the end of an array that has room for each power of two. */
static void *grow(void *array, size_t count, size_t size)
{
	void *more = array;

	if (!(count & (count - 1)))
		more = reallocarray(array, count ? 2 * count : 1, size);
	if (!more)
		error("memory ran out");
	return more;
}

static int see_device(const struct nlmsghdr *nlh, void *data)
{
	struct network *network = data;
	struct net_device *to;
	struct device device;

	if (!device_read(nlh, &device))
		return 0;
	to = grow(network->device, network->devices, sizeof(*to));
	if (!to)
		return STATUS_REFUSED;
	network->device = to;
	to += network->devices++;
	memset(to, 0, sizeof(*to));
	to->index = device.info->ifi_index;
	snprintf(to->name, sizeof(to->name), "%s", attr_string(device.attr[IFLA_IFNAME], "?"));
	snprintf(to->kind, sizeof(to->kind), "%s", device_kind(&device));
	to->up = device.info->ifi_flags & IFF_UP;
	to->carrier = device.info->ifi_flags & IFF_LOWER_UP;
	to->mtu = attr_u32(device.attr[IFLA_MTU], 0);
	if (!device.attr[IFLA_LINK_NETNSID])
		to->lower = attr_u32(device.attr[IFLA_LINK], 0);
	to->vrf = attr_u32(device.attr[IFLA_MASTER], 0);
	return 0;
}

static int see_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *local = NULL;
	struct network *network = data;
	struct net_address *to;
	struct addr addr;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return 0;
	/* of a point-to-point device, IFA_ADDRESS is the peer's */
	mnl_attr_for_each(attr, nlh, sizeof(*info))
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && !local))
			local = attr;
	if (!attr_addr(local, &addr))
		return 0;
	to = grow(network->address, network->addresses, sizeof(*to));
	if (!to)
		return STATUS_REFUSED;
	network->address = to;
	to[network->addresses++] = (struct net_address){ addr, info->ifa_index };
	return 0;
}

/* Masters that are no VRFs, such as bridges, do not matter here. */
static void keep_vrfs(struct network *network)
{
	const struct net_device *master;
	size_t i;

	for (i = 0; i < network->devices; i++) {
		master = network_device(network, network->device[i].vrf);
		if (!master || !same(master->kind, "vrf"))
			network->device[i].vrf = 0;
	}
}

/**
 * network_read() - read devices and addresses
 * @cli: state of the command
 * @network: result; freed with network_free() in any case
 *
 * Return: a STATUS_*.
 */
int network_read(struct cli *cli, struct network **network)
{
	const struct ifaddrmsg none = { .ifa_family = AF_UNSPEC };
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl *nl = nl_route(cli);
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status;

	*network = calloc(1, sizeof(**network));
	if (!nl || !*network)
		return STATUS_REFUSED;
	nlh = device_start(nl, buf, RTM_GETLINK, NLM_F_DUMP, &info);
	status = nl_dump(nl, nlh, "the list of devices", NL_BY_IFINDEX, see_device, *network);
	if (status)
		return status;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++nl->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(none)), &none, sizeof(none));
	status = nl_dump(nl, nlh, "the list of addresses", 0, see_address, *network);
	keep_vrfs(*network);
	return status;
}

/** network_free() - free what network_read() has read; @network may be NULL */
void network_free(struct network *network)
{
	if (!network)
		return;
	free(network->device);
	free(network->address);
	free(network);
}

/** network_device() - Return: the device with an index, or NULL */
const struct net_device *network_device(const struct network *network, uint32_t index)
{
	size_t i;

	for (i = 0; i < network->devices; i++)
		if (network->device[i].index == index)
			return &network->device[i];
	return NULL;
}

/** network_named() - Return: the device with a name, or NULL */
const struct net_device *network_named(const struct network *network, const char *name)
{
	size_t i;

	for (i = 0; i < network->devices; i++)
		if (same(network->device[i].name, name))
			return &network->device[i];
	return NULL;
}

/** network_address() - Return: where this host has an address, or NULL */
const struct net_address *network_address(const struct network *network, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < network->addresses; i++)
		if (network->address[i].addr.family == addr->family &&
		    !memcmp(network->address[i].addr.byte, addr->byte, addr_size(addr->family)))
			return &network->address[i];
	return NULL;
}

/** network_vrf() - Return: index of the VRF of the device that has an address; 0: none */
uint32_t network_vrf(const struct network *network, const struct addr *addr)
{
	const struct net_address *at = network_address(network, addr);
	const struct net_device *device = at ? network_device(network, at->index) : NULL;

	return device ? device->vrf : 0;
}

static int see_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	struct net_route *route = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return 0;
	route->local = info->rtm_type == RTN_LOCAL;
	if (info->rtm_type == RTN_BLACKHOLE || info->rtm_type == RTN_UNREACHABLE ||
	    info->rtm_type == RTN_PROHIBIT)
		route->error = EHOSTUNREACH;
	route->linkdown = info->rtm_flags & (RTNH_F_LINKDOWN | RTNH_F_DEAD);
	mnl_attr_for_each(attr, nlh, sizeof(*info))
		if (mnl_attr_get_type(attr) == RTA_OIF)
			route->index = attr_u32(attr, 0);
	return 0;
}

/**
 * network_route() - look up a route as for a packet of this host
 * @cli: state of the command
 * @query: the packet
 * @route: result
 *
 * Return: a STATUS_*; that there is no route is a result, not an error.
 */
int network_route(struct cli *cli, const struct net_query *query, struct net_route *route)
{
	struct nl *nl = nl_route(cli);
	char buf[NL_REQUEST_MAX];
	struct nl_result result;
	struct nlmsghdr *nlh;
	struct rtmsg *info;

	memset(route, 0, sizeof(*route));
	if (!nl)
		return STATUS_REFUSED;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++nl->seq;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->rtm_family = query->dst.family;
	info->rtm_dst_len = 8 * addr_size(query->dst.family);
	put_addr(nlh, RTA_DST, &query->dst);
	if (query->src.family == query->dst.family) {
		info->rtm_src_len = info->rtm_dst_len;
		put_addr(nlh, RTA_SRC, &query->src);
	}
	if (query->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, query->oif);
	if (query->mark)
		mnl_attr_put_u32(nlh, RTA_MARK, query->mark);
	if (nl_ask(nl, nlh, see_route, route, &result))
		return STATUS_REFUSED;
	if (result.error)
		route->error = result.error;
	return STATUS_OK;
}

/**
 * network_setting() - read net.ipv4.conf.DEV.NAME or its twin of IPv6
 * @family: AF_INET or AF_INET6
 * @dev: a device, or "all"
 * @name: name of the setting
 * @value: result
 *
 * Return: whether there is such a setting.
 */
bool network_setting(uint8_t family, const char *dev, const char *name, long *value)
{
	char path[128];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%c/conf/%s/%s",
		 family == AF_INET6 ? '6' : '4', dev, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fscanf(file, "%ld", value) == 1;
	fclose(file);
	return got;
}
