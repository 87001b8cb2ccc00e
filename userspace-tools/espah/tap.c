// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device of kind "espah-tap". Captures share it. The last capture to end
 * deletes the device if a capture created it. The alias of the device records that.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <linux/espah.h>

#include "device.h"
#include "tap.h"

#define ALIAS "made by espah capture"

/* The file of the network namespace. Each capture holds a shared lock on it until it ends. */
static int lock = -1;

static int see(const struct nlmsghdr *nlh, void *data)
{
	struct tap *tap = data;
	struct device device;

	/* prefer a device that is up: it is the one that shows packets */
	if (!device_read(nlh, &device) || strcmp(device_kind(&device), ESPAH_TAP_KIND) || tap->up)
		return 0;
	tap->index = device.info->ifi_index;
	tap->up = device.info->ifi_flags & IFF_UP;
	tap->ours = !strcmp(attr_string(device.attr[IFLA_IFALIAS], ""), ALIAS);
	snprintf(tap->name, sizeof(tap->name), "%s", attr_string(device.attr[IFLA_IFNAME], ""));
	return 0;
}

/* Return: 0, or -1; then result->error is 0 if an error was printed. */
static int ask(struct nl *nl, struct nlmsghdr *nlh, struct tap *tap, struct nl_result *result)
{
	return nl_ask(nl, nlh, tap ? see : NULL, tap, result) || result->error ? -1 : 0;
}

static int find(struct nl *nl, struct tap *tap, struct nl_result *result)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	char buf[NL_REQUEST_MAX];

	memset(tap, 0, sizeof(*tap));
	return ask(nl, device_start(nl, buf, RTM_GETLINK, NLM_F_DUMP, &info), tap, result);
}

static int add(struct nl *nl, struct nl_result *result)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	nlh = device_start(nl, buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ESPAH_TAP_KIND);
	mnl_attr_nest_end(nlh, nest);
	return ask(nl, nlh, NULL, result);
}

/* Sets the device up. If it is new, also sets the alias that marks it as created by a capture. */
static int set(struct nl *nl, const struct tap *tap, bool made, struct nl_result *result)
{
	const struct ifinfomsg info = {
		.ifi_index = tap->index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP
	};
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;

	nlh = device_start(nl, buf, RTM_SETLINK, NLM_F_ACK, &info);
	if (made)
		mnl_attr_put_str(nlh, IFLA_IFALIAS, ALIAS);
	return ask(nl, nlh, NULL, result);
}

static void del(struct nl *nl, const struct tap *tap)
{
	const struct ifinfomsg info = { .ifi_index = tap->index };
	struct nl_result ignored;
	char buf[NL_REQUEST_MAX];

	ask(nl, device_start(nl, buf, RTM_DELLINK, NLM_F_ACK, &info), NULL, &ignored);
}

static void unlock(void)
{
	if (lock >= 0)
		close(lock);
	lock = -1;
}

static const char *why(const struct nl_result *result)
{
	if (device_no_module(result))
		return NL_NO_MODULE;
	if (result->text[0])
		return result->text;
	return result->error == EPERM ? "it needs CAP_NET_ADMIN in this network namespace" :
	       strerror(result->error);
}

/**
 * tap_open() - find or create the device, and set it up
 * @cli: state
 * @tap: result
 *
 * Return: a STATUS_*. After STATUS_OK the caller must call tap_close().
 */
int tap_open(struct cli *cli, struct tap *tap)
{
	struct nl *nl = nl_route(cli);
	struct nl_result result;
	bool made = false;
	int err;

	if (!nl)
		return STATUS_REFUSED;
	lock = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_SH);
	err = find(nl, tap, &result);
	if (!err && !tap->index) {
		err = add(nl, &result);
		made = !err;
		if (made)
			err = find(nl, tap, &result);
	}
	/* another capture may have set it up since then, but only we know that it is new */
	if (!err && (made || !tap->up))
		err = set(nl, tap, made, &result);
	if (!err)
		return STATUS_OK;
	if (result.error)
		error("the capture device cannot be created: %s", why(&result));
	unlock();
	return STATUS_REFUSED;
}

/** tap_close() - delete the device if a capture created it and this capture is the last one */
void tap_close(struct cli *cli)
{
	struct nl_result ignored;
	struct tap tap;

	if (lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB) &&
	    !find(cli->route, &tap, &ignored) && tap.index && tap.ours)
		del(cli->route, &tap);
	unlock();
}
