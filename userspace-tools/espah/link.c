// SPDX-License-Identifier: GPL-2.0-only
/* espah link: network devices of kind "espah". */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <linux/espah.h>

#include "conf.h"
#include "link.h"
#include "queue.h"

#define CARRIER_HELP \
	"  carrier     it has a carrier only while it has an outbound SA\n"

const char link_help[] =
	"espah link [COMMAND]: network devices that protect what is routed into them\n"
	"\n"
	"  add NAME if-id N [dev LINK] [mtu N] [carrier] [up]\n"
	"  set NAME [dev LINK|nodev] [mtu N] [carrier|nocarrier] [up|down]\n"
	"  del NAME\n"
	"  show NAME\n"
	"  list\n"
	"The SAs and policies with the same if-id belong to the device. A packet that is\n"
	"routed into it meets these policies alone. 'espah link' is the list.\n"
	"\n"
	"'espah link COMMAND --help' says more. Example:\n"
	"  espah link add ipsec0 if-id 42 up\n"
	"  ip route add 10.2.0.0/16 dev ipsec0\n";

static const char add_help[] =
	"espah link add NAME if-id N [dev LINK] [mtu N] [carrier] [up]\n"
	"\n"
	"Adds a network device. It is down unless the word 'up' is given.\n"
	"  if-id N     its number: 'if-id N' of its SAs and policies\n"
	"  dev LINK    outer packets leave by this device, so that their route never\n"
	"              leads back into the device itself (default: by the route to the\n"
	"              peer)\n"
	"  mtu N       bytes, 68 to 65535\n"
	CARRIER_HELP
	"'ip link set NAME netns ...' moves it into another network namespace. Its SAs,\n"
	"policies and outer packets stay in the one where it was made.\n"
	"\n"
	"Example:\n"
	"  espah link add ipsec0 if-id 42 dev eth0 up\n"
	"  espah policy add both any4 any if-id 42 \\\n"
	"      protect tunnel 192.0.2.1 198.51.100.7 reqid 7\n";

static const char set_help[] =
	"espah link set NAME [dev LINK|nodev] [mtu N] [carrier|nocarrier] [up|down]\n"
	"\n"
	"Changes a device; what is not named stays.\n"
	"  dev LINK    outer packets leave by this device; nodev: by the route to the\n"
	"              peer\n"
	CARRIER_HELP
	"  nocarrier   it always has one\n"
	"\n"
	"Example:\n"
	"  espah link set ipsec0 nodev carrier\n";

static const char del_help[] =
	"espah link del NAME\n"
	"\n"
	"Deletes a device of kind espah. Its SAs and policies stay.\n"
	"\n"
	"Example:\n"
	"  espah link del ipsec0\n";

static const char show_link_help[] =
	"espah link show NAME\n"
	"\n"
	"Prints a device with its counters.\n"
	"\n"
	"Example:\n"
	"  espah link show ipsec0\n";

static const char list_help[] =
	"espah link [list]\n"
	"\n"
	"Prints the devices of kind espah, and those that 'ip link' made of kind xfrm\n"
	"while espah_xfrm is loaded.\n"
	"\n"
	"Example:\n"
	"  espah -j link list\n";

/* Carries out the earlier commands of a batch. Return: the connection; NULL: *@status says why. */
static struct nl *ready(struct cli *cli, int *status)
{
	struct nl *nl;

	*status = queue_barrier(cli);
	if (*status)
		return NULL;
	nl = nl_route(cli);
	if (!nl)
		*status = STATUS_REFUSED;
	return nl;
}

/* Whether devices of kind xfrm are espah's, not the kernel's own. */
static bool has_xfrm(void)
{
	return !access("/sys/module/espah_xfrm", F_OK);
}

/**
 * struct found - the answer to a request for one device
 * @json: print it as JSON
 * @print: print it
 * @index: its index; 0: there is none
 * @kind: its kind
 */
struct found {
	bool json;
	bool print;
	int index;
	char kind[32];
};

static bool shown(const char *kind)
{
	return !strcmp(kind, ESPAH_LINK_KIND) ||
	       (!strcmp(kind, LINK_KIND_XFRM) && has_xfrm());
}

static int see(const struct nlmsghdr *nlh, void *data)
{
	struct found *found = data;
	struct device device;

	if (!device_read(nlh, &device))
		return 0;
	found->index = device.info->ifi_index;
	snprintf(found->kind, sizeof(found->kind), "%s", device_kind(&device));
	if (!found->print || !shown(found->kind))
		return 0;
	if (found->json)
		json_print(link_json(&device));
	else
		link_print(&device);
	return 0;
}

/* Asks for a device, which must be of kind espah unless it is printed. Return: a STATUS_* */
static int find(struct nl *nl, const char *what, const char *name, struct found *found)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_result result;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;

	nlh = device_start(nl, buf, RTM_GETLINK, NLM_F_ACK, &info);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (nl_ask(nl, nlh, see, found, &result))
		return STATUS_REFUSED;
	if (result.error == ENODEV) {
		error("there is no network device '%s' in this network namespace", name);
		return STATUS_REFUSED;
	}
	if (result.error)
		return nl_result_tell(what, &result);
	if (found->print ? shown(found->kind) : !strcmp(found->kind, ESPAH_LINK_KIND))
		return STATUS_OK;
	error("'%s' is not a device of kind " ESPAH_LINK_KIND "%s%s", name,
	      *found->kind ? ", but of kind " : "", found->kind);
	return STATUS_REFUSED;
}

/* The answer that describes the device looks like the request, so a file keeps it as one. */
static int note(struct conf *conf, const struct link *link)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl nl = { 0 };
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;

	link_info(link, &info);
	nlh = device_start(&nl, buf, RTM_NEWLINK, NLM_F_ACK, &info);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	link_put(nlh, link, true);
	return conf_add(conf, THING_LINK, nlh);
}

static int add(struct cli *cli, struct args *args)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_result result;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct link link;
	struct nl *nl;
	int status;

	status = link_read(args, "link add", true, &link);
	if (status)
		return status;
	if (cli->conf)
		return note(cli->conf, &link);
	nl = ready(cli, &status);
	if (!nl)
		return status;
	link_info(&link, &info);
	nlh = device_start(nl, buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link.name);
	link_put(nlh, &link, false);
	if (nl_ask(nl, nlh, NULL, NULL, &result))
		return STATUS_REFUSED;
	if (device_no_module(&result)) {
		error(NL_NO_MODULE);
		return STATUS_REFUSED;
	}
	if (result.error == EEXIST && !result.text[0]) {
		error("the kernel refused link add: there is a network device '%s' already",
		      link.name);
		return STATUS_REFUSED;
	}
	return nl_result_tell("link add", &result);
}

static int set(struct cli *cli, struct args *args)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct found found = { 0 };
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct link link;
	struct nl *nl;
	int status;

	status = link_read(args, "link set", false, &link);
	if (status)
		return status;
	nl = ready(cli, &status);
	if (nl)
		status = find(nl, "link set", link.name, &found);
	if (status)
		return status;
	info.ifi_index = found.index;
	link_info(&link, &info);
	nlh = device_start(nl, buf, RTM_NEWLINK, NLM_F_ACK, &info);
	link_put(nlh, &link, false);
	return nl_do(nl, nlh, "link set", NULL, NULL);
}

static int del(struct cli *cli, struct args *args)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct found found = { 0 };
	char buf[NL_REQUEST_MAX];
	const char *name;
	struct nl *nl;
	int status;

	if (link_name(args, "link del", &name) || args_end(args, "link del"))
		return STATUS_USAGE;
	nl = ready(cli, &status);
	if (nl)
		status = find(nl, "link del", name, &found);
	if (status)
		return status;
	info.ifi_index = found.index;
	return nl_do(nl, device_start(nl, buf, RTM_DELLINK, NLM_F_ACK, &info), "link del", NULL,
		     NULL);
}

static int show(struct cli *cli, struct args *args)
{
	struct found found = { .json = cli->json, .print = true };
	const char *name;
	struct nl *nl;
	int status;

	if (link_name(args, "link show", &name) || args_end(args, "link show"))
		return STATUS_USAGE;
	nl = ready(cli, &status);
	return nl ? find(nl, "link show", name, &found) : status;
}

/* The devices of a kind as a JSON array or a table. */
struct links {
	const char *kind;
	bool json;
	struct json_list list;
	struct table table;
};

static int list_one(const struct nlmsghdr *nlh, void *data)
{
	struct links *links = data;
	struct device device;

	/* a kernel without the module does not know the kind, and describes all devices */
	if (!device_read(nlh, &device) || strcmp(device_kind(&device), links->kind))
		return 0;
	if (links->json)
		json_list_add(&links->list, link_json(&device));
	else
		link_row(&links->table, &device);
	return ferror(stdout) ? STATUS_REFUSED : 0;
}

static int list_kind(struct nl *nl, const char *kind, struct links *links)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	char buf[NL_REQUEST_MAX];
	struct nlattr *linkinfo;
	struct nlmsghdr *nlh;

	nlh = device_start(nl, buf, RTM_GETLINK, NLM_F_DUMP, &info);
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, linkinfo);
	links->kind = kind;
	return nl_dump(nl, nlh, "link list", NL_BY_IFINDEX, list_one, links);
}

static int list(struct cli *cli, struct args *args)
{
	static struct links links;
	struct nl *nl;
	int status;

	status = args_end(args, "link list");
	if (status)
		return status;
	nl = ready(cli, &status);
	if (!nl)
		return status;
	links.json = cli->json;
	if (links.json)
		json_list_start(&links.list);
	else
		table_start(&links.table, link_headings);
	status = list_kind(nl, ESPAH_LINK_KIND, &links);
	if (!status && has_xfrm())
		status = list_kind(nl, LINK_KIND_XFRM, &links);
	if (links.json)
		json_list_end(&links.list, true);
	else
		table_end(&links.table);
	return status;
}

static const struct command commands[] = {
	{ "add", add, "add a device", add_help },
	{ "set", set, "change a device", set_help },
	{ "del", del, "delete a device", del_help },
	{ "show", show, "print a device", show_link_help },
	{ "list", list, "print the devices", list_help },
	{ 0 }
};

/** cmd_link() - espah link */
int cmd_link(struct cli *cli, struct args *args)
{
	if (!args_peek(args))
		return list(cli, args);
	return command_run(commands, "espah link", link_help, cli, args);
}
