// SPDX-License-Identifier: GPL-2.0-only
/* The netlink sockets: requests, answers, dumps, events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/espah.h>
#include <linux/rtnetlink.h>

#include "nl.h"

/* The kernel's dump messages are at most 32 KiB. */
#define RX_SIZE (64 * 1024)
#define RCVBUF_WANTED (4 * 1024 * 1024)
#define DUMP_TRIES 8

static void set_option(struct nl *nl, int option)
{
	int one = 1;

	mnl_socket_setsockopt(nl->sock, option, &one, sizeof(one));
}

static int open_socket(struct nl *nl, int protocol)
{
	int want = RCVBUF_WANTED;
	socklen_t size = sizeof(nl->rcvbuf);
	int fd;

	nl->sock = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		error("no netlink socket can be opened: %s", strerror(errno));
		return -1;
	}
	set_option(nl, NETLINK_EXT_ACK);
	set_option(nl, NETLINK_CAP_ACK);
	set_option(nl, NETLINK_GET_STRICT_CHK);
	fd = mnl_socket_get_fd(nl->sock);
	/* SO_RCVBUFFORCE needs privilege in the initial user namespace, SO_RCVBUF does not */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	nl->rcvbuf = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &nl->rcvbuf, &size) || !nl->rcvbuf)
		nl->rcvbuf = 64 * 1024;
	return 0;
}

static int family_cb(const struct nlmsghdr *nlh, void *data)
{
	family_read(nlh, data);
	return 0;
}

static int find_family(struct nl *nl)
{
	char buf[NL_REQUEST_MAX];
	struct nl_result result;
	struct nlmsghdr *nlh;

	nlh = msg_start(buf, GENL_ID_CTRL, NLM_F_ACK, ++nl->seq, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ESPAH_GENL_NAME);
	if (nl_ask(nl, nlh, family_cb, &nl->family, &result))
		return -1;
	if (result.error == ENOENT || (!result.error && !nl->family.id)) {
		error(NL_NO_MODULE);
		return -1;
	}
	if (nl_result_tell("the lookup of the family 'espah'", &result))
		return -1;
	if (nl->family.version == ESPAH_GENL_VERSION)
		return 0;
	error("the loaded module has version %u of the netlink family, but this command needs version %u: use both of one version ('espah -V', 'modinfo espah')",
	      nl->family.version, ESPAH_GENL_VERSION);
	return -1;
}

/* Return: a connection, or NULL after printing an error. */
static struct nl *connect_to(int protocol)
{
	struct nl *nl = calloc(1, sizeof(*nl));

	if (nl)
		nl->rx = malloc(RX_SIZE);
	if (!nl || !nl->rx) {
		error("memory ran out");
		free(nl);
		return NULL;
	}
	if (!open_socket(nl, protocol))
		return nl;
	nl_close(nl);
	return NULL;
}

/**
 * nl_get() - get the connection to the module; the first call opens it
 * @cli: state, which keeps the connection
 *
 * Return: the connection, or NULL after printing an error.
 */
struct nl *nl_get(struct cli *cli)
{
	struct nl *nl;

	if (cli->nl)
		return cli->nl;
	nl = connect_to(NETLINK_GENERIC);
	if (nl && find_family(nl)) {
		nl_close(nl);
		return NULL;
	}
	cli->nl = nl;
	return nl;
}

/** nl_route() - the same for the connection to rtnetlink, which needs no module */
struct nl *nl_route(struct cli *cli)
{
	if (!cli->route)
		cli->route = connect_to(NETLINK_ROUTE);
	return cli->route;
}

/** nl_close() - close and free; @nl may be NULL */
void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	explicit_bzero(nl->rx, RX_SIZE);
	free(nl->rx);
	free(nl);
}

/** nl_start() - begin a request to the family in @buf of NL_REQUEST_MAX bytes */
struct nlmsghdr *nl_start(struct nl *nl, void *buf, uint8_t cmd, uint16_t flags)
{
	return msg_start(buf, nl->family.id, flags, ++nl->seq, cmd);
}

/** nl_send() - send bytes to the kernel. Return: 0, or -1 after printing an error */
int nl_send(struct nl *nl, const void *buf, size_t size)
{
	ssize_t sent;

	do {
		sent = mnl_socket_sendto(nl->sock, buf, size);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	error("the request cannot be sent to the kernel: %s", strerror(errno));
	return -1;
}

/**
 * nl_receive() - wait for messages and store them in nl->rx
 * @nl: connection
 *
 * Return: bytes received; -1 and errno, where ENOBUFS: messages were lost; EINTR: a signal.
 */
ssize_t nl_receive(struct nl *nl)
{
	return mnl_socket_recvfrom(nl->sock, nl->rx, RX_SIZE);
}

/* Reads answers until the request is done. Return: 0, -1 (error printed), or @cb's status. */
static int read_answer(struct nl *nl, const struct nlmsghdr *request, nl_cb cb, void *data,
		       struct nl_result *result, bool *interrupted)
{
	const struct nlmsghdr *nlh;
	int left, ret;

	for (;;) {
		left = nl_receive(nl);
		if (left < 0 && errno == EINTR)
			continue;
		if (left < 0) {
			error("the kernel's answer cannot be read: %s", strerror(errno));
			return -1;
		}
		for (nlh = (const void *)nl->rx; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != request->nlmsg_seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				*interrupted = true;
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				/* only the family's attributes have names in nl_error.c */
				nl_result_read(nlh, nl->family.id ? request : NULL, result);
				return 0;
			}
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE || !cb)
				continue;
			ret = cb(nlh, data);
			if (ret)
				return ret;
		}
	}
}

/**
 * nl_ask() - send a request and wait until it is done
 * @nl: connection
 * @nlh: the request, with NLM_F_ACK or NLM_F_DUMP; wiped, because it may hold keys
 * @cb: handles the messages of the answer; may be NULL
 * @data: for @cb
 * @result: final result from the kernel
 *
 * Return: 0; -1 if no answer came (an error was printed); else what @cb returned.
 */
int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data, struct nl_result *result)
{
	bool interrupted = false;
	int ret;

	memset(result, 0, sizeof(*result));
	ret = nl_send(nl, nlh, nlh->nlmsg_len);
	if (!ret)
		ret = read_answer(nl, nlh, cb, data, result, &interrupted);
	explicit_bzero(nlh, nlh->nlmsg_len);
	return ret;
}

/** nl_do() - nl_ask(), and print an error about @what on refusal. Return: a STATUS_* */
int nl_do(struct nl *nl, struct nlmsghdr *nlh, const char *what, nl_cb cb, void *data)
{
	struct nl_result result;
	int ret;

	ret = nl_ask(nl, nlh, cb, data, &result);
	if (ret)
		return ret < 0 ? STATUS_REFUSED : ret;
	return nl_result_tell(what, &result);
}

/*
 * The objects that a dump has already shown. If the databases change during a dump,
 * the kernel reports it and we repeat the dump, but do not print an object twice.
 */
struct seen {
	uint16_t attr;
	uint32_t *id;
	size_t count, sorted, room;
	nl_cb cb;
	void *data;
};

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t id_of(const struct nlmsghdr *nlh, uint16_t id_attr)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[64];

	if (id_attr == NL_BY_IFINDEX)
		return mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) ? 0 : info->ifi_index;
	attr_table(nlh, tb, ARRAY_SIZE(tb) - 1);
	return attr_u32(tb[id_attr], 0);
}

static int see(const struct nlmsghdr *nlh, void *data)
{
	struct seen *seen = data;
	uint32_t id;

	if (seen->attr) {
		id = id_of(nlh, seen->attr);
		if (seen->sorted && bsearch(&id, seen->id, seen->sorted, sizeof(id), by_id))
			return 0;
		if (seen->count == seen->room) {
			size_t room = seen->room ? seen->room * 2 : 1024;
			uint32_t *more = reallocarray(seen->id, room, sizeof(*more));

			if (!more) {
				error("memory ran out");
				return STATUS_REFUSED;
			}
			seen->id = more;
			seen->room = room;
		}
		seen->id[seen->count++] = id;
	}
	return seen->cb(nlh, seen->data);
}

/**
 * nl_dump() - request a list of objects
 * @nl: connection
 * @nlh: the request, with NLM_F_DUMP
 * @what: the command, for errors
 * @id_attr: u32 attribute that identifies an object, or NL_BY_IFINDEX; 0: the list never changes
 * @cb: handles each object once, as it arrives
 * @data: for @cb
 *
 * A dump that was interrupted by a change is repeated.
 *
 * Return: a STATUS_*.
 */
int nl_dump(struct nl *nl, struct nlmsghdr *nlh, const char *what, uint16_t id_attr, nl_cb cb,
	    void *data)
{
	struct seen seen = { .attr = id_attr, .cb = cb, .data = data };
	struct nl_result result = { 0 };
	bool interrupted;
	int tries = 0, ret;

	do {
		interrupted = false;
		ret = nl_send(nl, nlh, nlh->nlmsg_len);
		if (!ret)
			ret = read_answer(nl, nlh, see, &seen, &result, &interrupted);
		if (ret || result.error)
			break;
		if (seen.count)
			qsort(seen.id, seen.count, sizeof(*seen.id), by_id);
		seen.sorted = seen.count;
		nlh->nlmsg_seq = ++nl->seq;
	} while (interrupted && id_attr && ++tries < DUMP_TRIES);
	free(seen.id);
	if (ret)
		return ret < 0 ? STATUS_REFUSED : ret;
	if (interrupted && id_attr)
		warning("%s: the list changed while it was read, so an entry may be missing",
			what);
	return nl_result_tell(what, &result);
}

/** nl_join() - receive the events of a multicast group. Return: 0, or -1 after printing an error */
int nl_join(struct nl *nl, const char *group)
{
	uint32_t id = family_group(&nl->family, group);

	if (!id) {
		error("the loaded module has no event group '%s'; is the module older than this command?",
		      group);
		return -1;
	}
	if (!mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)))
		return 0;
	error("the events of group '%s' cannot be received: %s", group,
	      errno == EPERM ? "it needs CAP_NET_ADMIN in this network namespace" :
	      strerror(errno));
	return -1;
}
