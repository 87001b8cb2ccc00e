// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of kind espah that go and come again. What was routed into such a device would take
 * another route meanwhile, in clear. So each route gets a blackhole route behind it: of the same
 * prefix and table, with the next metric.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/espah.h>

#include "change.h"
#include "routes.h"

/* --- messages --- */

static int keep(struct messages *messages, const struct nlmsghdr *nlh)
{
	size_t room = messages->room ? 2 * messages->room : 16;
	struct nlmsghdr **at, *copy;

	if (messages->count == messages->room) {
		at = reallocarray(messages->at, room, sizeof(*at));
		if (!at)
			goto no_memory;
		messages->at = at;
		messages->room = room;
	}
	copy = malloc(nlh->nlmsg_len);
	if (!copy)
		goto no_memory;
	memcpy(copy, nlh, nlh->nlmsg_len);
	messages->at[messages->count++] = copy;
	return STATUS_OK;
no_memory:
	error("memory ran out");
	return STATUS_REFUSED;
}

/* Sends a message as a request, which stays as it is. Return: 0 or an errno; -1: error printed */
static int ask(struct nl *nl, const struct nlmsghdr *nlh, uint16_t type, uint16_t flags,
	       struct nl_result *result)
{
	struct nlmsghdr *request = malloc(nlh->nlmsg_len);
	int ret = -1;

	if (!request) {
		error("memory ran out");
		return -1;
	}
	memcpy(request, nlh, nlh->nlmsg_len);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	request->nlmsg_seq = ++nl->seq;
	if (!nl_ask(nl, request, NULL, NULL, result))
		ret = result->error;
	free(request);
	return ret;
}

static void copy_attr(struct nlmsghdr *nlh, const struct nlattr *attr)
{
	if (attr)
		mnl_attr_put(nlh, attr->nla_type, mnl_attr_get_payload_len(attr),
			     mnl_attr_get_payload(attr));
}

/* --- reading --- */

/**
 * struct reading - a list that is read
 * @routes: result
 * @status: STATUS_*
 */
struct reading {
	struct routes *routes;
	int status;
};

/* Not the link-local address that the kernel makes: a device that is made again gets another. */
static int see_address(const struct nlmsghdr *nlh, void *data)
{
	struct reading *reading = data;
	const struct nlattr *attr;
	uint32_t flags = 0;

	if (nlh->nlmsg_type != RTM_NEWADDR)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct ifaddrmsg))
		if (mnl_attr_get_type(attr) == IFA_FLAGS)
			flags = attr_u32(attr, 0);
	if (!(flags & IFA_F_STABLE_PRIVACY))
		reading->status |= keep(&reading->routes->addresses, nlh);
	return 0;
}

static void route_attrs(const struct nlmsghdr *nlh, const struct nlattr **tb)
{
	const struct nlattr *attr;

	memset(tb, 0, (RTA_MAX + 1) * sizeof(*tb));
	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
		if (mnl_attr_get_type(attr) <= RTA_MAX)
			tb[mnl_attr_get_type(attr)] = attr;
}

static bool is_link_local(const struct rtmsg *route, const struct nlattr *dst)
{
	const uint8_t *addr = dst ? mnl_attr_get_payload(dst) : NULL;

	return route->rtm_family == AF_INET6 && addr && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* The route that comes next: with the same prefix, in the same table. */
static int keep_blackhole(struct routes *routes, const struct rtmsg *of, const struct nlattr **tb)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	size_t i;

	route->rtm_family = of->rtm_family;
	route->rtm_dst_len = of->rtm_dst_len;
	route->rtm_src_len = of->rtm_src_len;
	route->rtm_tos = of->rtm_tos;
	route->rtm_table = of->rtm_table;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_BLACKHOLE;
	copy_attr(nlh, tb[RTA_TABLE]);
	copy_attr(nlh, tb[RTA_DST]);
	copy_attr(nlh, tb[RTA_SRC]);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, attr_u32(tb[RTA_PRIORITY], 0) + 1);
	for (i = 0; i < routes->closed.count; i++)
		if (routes->closed.at[i]->nlmsg_len == nlh->nlmsg_len &&
		    !memcmp(routes->closed.at[i], nlh, nlh->nlmsg_len))
			return STATUS_OK; /* two devices with one route */
	return keep(&routes->closed, nlh);
}

/* Without what is only told, and without nexthop objects, which have gone with the device. */
static int keep_route(struct routes *routes, const struct rtmsg *of, const struct nlattr **tb)
{
	static const uint16_t given[] = {
		RTA_TABLE, RTA_DST, RTA_SRC, RTA_GATEWAY, RTA_VIA, RTA_OIF, RTA_PREFSRC,
		RTA_PRIORITY, RTA_METRICS, RTA_MULTIPATH, RTA_ENCAP_TYPE, RTA_ENCAP, RTA_PREF,
	};
	struct nlmsghdr *nlh;
	struct rtmsg *route;
	char buf[65536];
	unsigned int i;

	nlh = mnl_nlmsg_put_header(buf);
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	*route = *of;
	route->rtm_flags &= RTNH_F_ONLINK;
	for (i = 0; i < ARRAY_SIZE(given); i++)
		copy_attr(nlh, tb[given[i]]);
	return keep(&routes->routes, nlh);
}

static int see_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];
	struct reading *reading = data;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*route) ||
	    route->rtm_type != RTN_UNICAST || route->rtm_flags & RTM_F_CLONED)
		return 0;
	route_attrs(nlh, tb);
	if (is_link_local(route, tb[RTA_DST])) /* each device has its own */
		return 0;
	reading->status |= keep_blackhole(reading->routes, route, tb);
	if (route->rtm_protocol != RTPROT_KERNEL) /* those come with the addresses */
		reading->status |= keep_route(reading->routes, route, tb);
	return 0;
}

static int read_routes(struct nl *nl, uint8_t family, uint32_t index, struct reading *reading)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++nl->seq;
	route->rtm_family = family;
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	return nl_dump(nl, nlh, "reload", 0, see_route, reading);
}

static int read_addresses(struct nl *nl, uint32_t index, struct reading *reading)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(nlh, sizeof(*address));

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++nl->seq;
	address->ifa_index = index;
	return nl_dump(nl, nlh, "reload", 0, see_address, reading);
}

static int keep_device(struct nl *nl, const struct thing *link, struct routes *routes)
{
	static const uint16_t given[] = {
		IFLA_IFNAME, IFLA_MASTER, IFLA_TXQLEN, IFLA_GROUP, IFLA_IFALIAS,
	};
	char buf[NL_REQUEST_MAX];
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_change = IFF_UP };
	struct nlmsghdr *nlh;
	struct device device;
	unsigned int i;

	device_read(link->nlh, &device);
	info.ifi_index = device.info->ifi_index;
	info.ifi_flags = device.info->ifi_flags & IFF_UP;
	nlh = device_start(nl, buf, RTM_NEWLINK, 0, &info);
	for (i = 0; i < ARRAY_SIZE(given); i++)
		copy_attr(nlh, device.attr[given[i]]);
	change_put_link(nlh, &device, link->owner);
	return keep(&routes->devices, nlh);
}

/**
 * routes_read() - read what has to come again with devices
 * @cli: state
 * @links: the devices
 * @routes: result; freed with routes_free() in any case
 *
 * Return: a STATUS_*.
 */
int routes_read(struct cli *cli, const struct things *links, struct routes *routes)
{
	struct reading reading = { .routes = routes };
	struct nl *nl = links->count ? nl_route(cli) : NULL;
	int status = !links->count || nl ? STATUS_OK : STATUS_REFUSED;
	size_t i;

	memset(routes, 0, sizeof(*routes));
	for (i = 0; i < links->count && !status; i++) {
		status = keep_device(nl, &links->at[i], routes);
		if (!status)
			status = read_addresses(nl, links->at[i].id, &reading);
		if (!status)
			status = read_routes(nl, AF_INET, links->at[i].id, &reading);
		if (!status)
			status = read_routes(nl, AF_INET6, links->at[i].id, &reading);
	}
	return status | reading.status;
}

/* --- closing and opening --- */

/** routes_open() - remove the blackhole routes. Return: a STATUS_* */
int routes_open(struct cli *cli, const struct routes *routes)
{
	struct nl_result result;
	int status = STATUS_OK;
	size_t i;

	for (i = 0; i < routes->closed.count; i++) {
		int ret = ask(cli->route, routes->closed.at[i], RTM_DELROUTE, 0, &result);

		if (ret > 0 && ret != ESRCH)
			nl_result_tell("the removal of a blackhole route", &result);
		if (ret && ret != ESRCH)
			status = STATUS_REFUSED;
	}
	return status;
}

/** routes_close() - add the blackhole routes; all or none. Return: a STATUS_* */
int routes_close(struct cli *cli, const struct routes *routes)
{
	struct routes done = *routes;
	struct nl_result result;
	size_t i;

	for (i = 0; i < routes->closed.count; i++) {
		int ret = ask(cli->route, routes->closed.at[i], RTM_NEWROUTE,
			      NLM_F_CREATE | NLM_F_EXCL, &result);

		if (!ret)
			continue;
		if (ret == EEXIST)
			error("there is no room for a blackhole route behind a route into a device of kind espah: the next metric is taken");
		else if (ret > 0)
			nl_result_tell("a blackhole route", &result);
		done.closed.count = i;
		routes_open(cli, &done);
		return STATUS_REFUSED;
	}
	return STATUS_OK;
}

/* --- putting back --- */

static int put_back(struct cli *cli, const struct messages *messages, uint16_t type,
		    uint16_t flags, const char *what, bool (*turn)(const struct nlmsghdr *nlh))
{
	struct nl_result result;
	int status = STATUS_OK;
	size_t i;

	for (i = 0; i < messages->count; i++) {
		int ret = !turn || turn(messages->at[i]) ?
			  ask(cli->route, messages->at[i], type, flags, &result) : 0;

		if (ret > 0 && ret != EEXIST)
			nl_result_tell(what, &result);
		if (ret && ret != EEXIST)
			status = STATUS_REFUSED;
	}
	return status;
}

static bool by_gateway(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[RTA_MAX + 1];

	route_attrs(nlh, tb);
	return tb[RTA_GATEWAY] || tb[RTA_VIA] || tb[RTA_MULTIPATH];
}

static bool direct(const struct nlmsghdr *nlh)
{
	return !by_gateway(nlh);
}

/** routes_put_back() - make the devices, addresses and routes again. Return: a STATUS_* */
int routes_put_back(struct cli *cli, const struct routes *routes)
{
	int status = put_back(cli, &routes->devices, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			      "a device", NULL);

	status |= put_back(cli, &routes->addresses, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
			   "an address", NULL);
	/* a gateway has to be reachable first */
	status |= put_back(cli, &routes->routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
			   "a route", direct);
	return status | put_back(cli, &routes->routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
				 "a route", by_gateway);
}

static void messages_free(struct messages *messages)
{
	while (messages->count)
		free(messages->at[--messages->count]);
	free(messages->at);
	memset(messages, 0, sizeof(*messages));
}

/** routes_free() - free what routes_read() has read */
void routes_free(struct routes *routes)
{
	messages_free(&routes->devices);
	messages_free(&routes->addresses);
	messages_free(&routes->routes);
	messages_free(&routes->closed);
}
