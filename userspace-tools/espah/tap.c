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

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <linux/espah.h>

#include "attr.h"
#include "cli.h"
#include "tap.h"

#define ALIAS "made by espah capture"

/* The file of the network namespace. Each capture holds a shared lock on it until it ends. */
static int lock = -1;

static int see(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { 0 }, *kind[IFLA_INFO_MAX + 1], *attr;
	struct tap *tap = data;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*info))
		if (mnl_attr_get_type(attr) <= IFLA_MAX)
			tb[mnl_attr_get_type(attr)] = attr;
	attr_nest(tb[IFLA_LINKINFO], kind, IFLA_INFO_MAX);
	/* prefer a device that is up: it is the one that shows packets */
	if (strcmp(attr_string(kind[IFLA_INFO_KIND], ""), ESPAH_TAP_KIND) || tap->up)
		return MNL_CB_OK;
	tap->index = info->ifi_index;
	tap->up = info->ifi_flags & IFF_UP;
	tap->ours = !strcmp(attr_string(tb[IFLA_IFALIAS], ""), ALIAS);
	snprintf(tap->name, sizeof(tap->name), "%s", attr_string(tb[IFLA_IFNAME], ""));
	return MNL_CB_OK;
}

/* Sends a request and reads its answer. Return: 0 or an errno. */
static int ask(struct mnl_socket *sock, struct nlmsghdr *nlh, struct tap *tap)
{
	char buf[32768];
	ssize_t size;
	int ret = MNL_CB_OK;

	nlh->nlmsg_flags |= NLM_F_REQUEST;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		return errno;
	while (ret > MNL_CB_STOP) {
		size = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno;
		ret = mnl_cb_run(buf, size, 0, mnl_socket_get_portid(sock), see, tap);
	}
	return ret < 0 ? errno : 0;
}

static struct ifinfomsg *start(struct nlmsghdr **nlh, void *buf, uint16_t type, uint16_t flags)
{
	struct ifinfomsg *info;

	*nlh = mnl_nlmsg_put_header(buf);
	(*nlh)->nlmsg_type = type;
	(*nlh)->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(*nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	return info;
}

static int find(struct mnl_socket *sock, struct tap *tap)
{
	char buf[256];
	struct nlmsghdr *nlh;

	memset(tap, 0, sizeof(*tap));
	start(&nlh, buf, RTM_GETLINK, NLM_F_DUMP);
	return ask(sock, nlh, tap);
}

static int add(struct mnl_socket *sock)
{
	char buf[256];
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	start(&nlh, buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ESPAH_TAP_KIND);
	mnl_attr_nest_end(nlh, nest);
	return ask(sock, nlh, NULL);
}

/* Sets the device up. If it is new, also sets the alias that marks it as created by a capture. */
static int set(struct mnl_socket *sock, const struct tap *tap, bool made)
{
	char buf[256];
	struct nlmsghdr *nlh;
	struct ifinfomsg *info;

	info = start(&nlh, buf, RTM_SETLINK, NLM_F_ACK);
	info->ifi_index = tap->index;
	info->ifi_flags = info->ifi_change = IFF_UP;
	if (made)
		mnl_attr_put_str(nlh, IFLA_IFALIAS, ALIAS);
	return ask(sock, nlh, NULL);
}

static int del(struct mnl_socket *sock, const struct tap *tap)
{
	char buf[256];
	struct nlmsghdr *nlh;
	struct ifinfomsg *info;

	info = start(&nlh, buf, RTM_DELLINK, NLM_F_ACK);
	info->ifi_index = tap->index;
	return ask(sock, nlh, NULL);
}

static struct mnl_socket *connect_route(void)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (sock && !mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		return sock;
	error("no netlink socket can be opened: %s", strerror(errno));
	if (sock)
		mnl_socket_close(sock);
	return NULL;
}

static void unlock(void)
{
	if (lock >= 0)
		close(lock);
	lock = -1;
}

/**
 * tap_open() - find or create the device, and set it up
 * @tap: result
 *
 * Return: a STATUS_*. After STATUS_OK the caller must call tap_close().
 */
int tap_open(struct tap *tap)
{
	struct mnl_socket *sock = connect_route();
	bool made = false;
	int err;

	if (!sock)
		return STATUS_REFUSED;
	lock = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_SH);
	err = find(sock, tap);
	if (!err && !tap->index) {
		err = add(sock);
		made = !err;
		if (made)
			err = find(sock, tap);
	}
	if (!err && !tap->up)
		err = set(sock, tap, made);
	mnl_socket_close(sock);
	if (!err)
		return STATUS_OK;
	error("the capture device cannot be created: %s",
	      err == EPERM ? "it needs CAP_NET_ADMIN in this network namespace" :
	      err == EOPNOTSUPP ? "the kernel module is not loaded (insmod module/espah.ko, or modprobe espah)" :
	      strerror(err));
	unlock();
	return STATUS_REFUSED;
}

/** tap_close() - delete the device if a capture created it and this capture is the last one */
void tap_close(void)
{
	struct mnl_socket *sock = NULL;
	struct tap tap;

	if (lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB))
		sock = connect_route();
	if (sock) {
		if (!find(sock, &tap) && tap.index && tap.ours)
			del(sock, &tap);
		mnl_socket_close(sock);
	}
	unlock();
}
