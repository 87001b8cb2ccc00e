// SPDX-License-Identifier: GPL-2.0-only
/* Requests to the netlink family, and events from it. */
#include "nl.h"

#include <errno.h>
#include <stdio.h>
#include <threading/mutex.h>

#define RX_SIZE (64 * 1024)

struct nl {
	struct mnl_socket *sock;
	mutex_t *mutex;
	struct family family;
	uint32_t seq;
	char rx[RX_SIZE];
};

host_t *nl_host(const struct nlattr *attr, uint16_t port)
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (len != 4 && len != 16)
		return NULL;
	return host_create_from_chunk(len == 4 ? AF_INET : AF_INET6,
				      chunk_create(mnl_attr_get_payload(attr), len), port);
}

void nl_put_host(struct nlmsghdr *nlh, uint16_t type, host_t *host)
{
	chunk_t address = host->get_address(host);

	mnl_attr_put(nlh, type, address.len, address.ptr);
}

void nl_put_mark(struct nlmsghdr *nlh, uint16_t type, uint16_t mask_type, mark_t mark)
{
	if (!mark.mask)
		return;
	/* charon does not mask %unique and %same */
	mnl_attr_put_u32(nlh, type, mark.value & mark.mask);
	mnl_attr_put_u32(nlh, mask_type, mark.mask);
}

struct nlmsghdr *nl_start(struct nl *nl, void *buf, uint8_t cmd, uint16_t flags)
{
	memset(buf, 0, NL_REQUEST_MAX); /* clear padding too, because requests are compared */
	return msg_start(buf, nl->family.id, NLM_F_ACK | flags, 0, cmd);
}

/* Reads an acknowledgement. Return: 0 or an errno */
static int read_ack(const struct nlmsghdr *ack, char **why)
{
	size_t size = mnl_nlmsg_get_payload_len(ack), skip = sizeof(int);
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(ack);
	const char *end = mnl_nlmsg_get_payload_tail(ack);
	const struct nlattr *attr;

	if (size < sizeof(int) || err->error >= 0)
		return 0;
	if (!why)
		return -err->error;
	*why = NULL;
	if (ack->nlmsg_type == NLMSG_ERROR)
		skip = sizeof(*err); /* NETLINK_CAP_ACK: the request is not echoed */
	attr = (const void *)((const char *)err + skip);
	for (; ack->nlmsg_flags & NLM_F_ACK_TLVS && mnl_attr_ok(attr, end - (const char *)attr);
	     attr = mnl_attr_next(attr))
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && !*why)
			*why = strndup(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (!*why)
		*why = strdup(strerror(-err->error));
	return -err->error;
}

/* Processes received messages. Return: whether the request is done, with its errno in *error */
static bool take(struct nl *nl, int len, nl_cb cb, void *data, int *error, char **why)
{
	const struct nlmsghdr *nlh = (const void *)nl->rx;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != nl->seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
			*error = read_ack(nlh, why);
			return TRUE;
		}
		if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && cb)
			cb(nlh, data);
	}
	return FALSE;
}

int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data, char **why)
{
	int error = 0;
	ssize_t len;

	nl->mutex->lock(nl->mutex);
	nlh->nlmsg_seq = ++nl->seq;
	do
		len = mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len);
	while (len < 0 && errno == EINTR);
	memwipe(nlh, nlh->nlmsg_len);
	while (len >= 0) {
		len = mnl_socket_recvfrom(nl->sock, nl->rx, sizeof(nl->rx));
		if (len < 0 && errno == EINTR)
			len = 0;
		else if (len >= 0 && take(nl, len, cb, data, &error, why))
			break;
	}
	if (len < 0) {
		error = errno;
		if (why)
			*why = strdup(strerror(error));
	}
	nl->mutex->unlock(nl->mutex);
	return error;
}

static void remember_family(const struct nlmsghdr *nlh, void *data)
{
	family_read(nlh, data);
}

/* Looks up the family, and checks our privilege with a request for the counters. */
static int find_family(struct nl *nl, char *why, size_t size)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int error;

	nl->family.id = GENL_ID_CTRL;
	nlh = nl_start(nl, buf, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ESPAH_GENL_NAME);
	error = nl_ask(nl, nlh, remember_family, &nl->family, NULL);
	if (error) {
		snprintf(why, size, "the kernel module espah is not loaded (modprobe espah)");
		return error;
	}
	error = nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_STATS_GET, 0), NULL, NULL, NULL);
	if (error == EPERM || error == EACCES)
		snprintf(why, size, "charon lacks CAP_NET_ADMIN in this network namespace");
	else if (error)
		snprintf(why, size, "the kernel module espah does not answer: %s", strerror(error));
	return error;
}

struct nl *nl_open(char *why, size_t size)
{
	int one = 1;
	struct nl *nl;

	INIT(nl,
		.sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		snprintf(why, size, "no generic-netlink socket can be opened: %s", strerror(errno));
		nl_close(nl);
		return NULL;
	}
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	nl_room(nl, NL_ROOM);
	if (find_family(nl, why, size)) {
		nl_close(nl);
		return NULL;
	}
	return nl;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->mutex->destroy(nl->mutex);
	free(nl);
}

int nl_fd(const struct nl *nl)
{
	return mnl_socket_get_fd(nl->sock);
}

int nl_join(struct nl *nl, const char *group)
{
	uint32_t id = family_group(&nl->family, group);

	if (!id)
		return ENOENT;
	return mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)) ? errno : 0;
}

void nl_room(struct nl *nl, int room)
{
	setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
}

int nl_events(struct nl *nl, nl_cb cb, void *data)
{
	const struct nlmsghdr *nlh;
	int len, lost = 0;

	/* after a loss, the kernel drops events until the socket is empty, and reports that once */
	for (;;) {
		len = recv(nl_fd(nl), nl->rx, sizeof(nl->rx), MSG_DONTWAIT);
		if (len < 0 && errno == ENOBUFS) {
			lost = ENOBUFS;
			continue;
		}
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? lost : errno;
		for (nlh = (const void *)nl->rx; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len))
			if (nlh->nlmsg_type == nl->family.id &&
			    mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct genlmsghdr))
				cb(nlh, data);
	}
}
