/* SPDX-License-Identifier: GPL-2.0-only */
/* The netlink sockets: requests, answers, dumps, events. */
#ifndef ESPAH_NL_H
#define ESPAH_NL_H

#include "cli.h"
#include "family.h"

/** NL_REQUEST_MAX - bytes: buffer size for any request */
#define NL_REQUEST_MAX 8192

/** NL_NO_MODULE - error message */
#define NL_NO_MODULE \
	"the kernel module is not loaded (insmod module/espah.ko, or modprobe espah)"

/** NL_BY_IFINDEX - nl_dump() of network devices, which no attribute identifies */
#define NL_BY_IFINDEX UINT16_MAX

/**
 * struct nl - a socket connected to the family, or to rtnetlink
 * @sock: socket of libmnl
 * @family: ID and groups of the family; rtnetlink: empty
 * @seq: sequence number of the last request
 * @rcvbuf: bytes of answers that the kernel may queue for the socket
 * @rx: receive buffer
 */
struct nl {
	struct mnl_socket *sock;
	struct family family;
	uint32_t seq;
	unsigned int rcvbuf;
	char *rx;
};

/**
 * struct nl_result - how a request ended
 * @error: 0 or an errno
 * @text: the kernel's error message, or empty
 * @offset: where in the request the attribute at fault is; 0: unknown
 */
struct nl_result {
	int error;
	char text[256];
	uint32_t offset;
};

/** nl_cb - handles one message of an answer; a nonzero result stops reading with that status */
typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *data);

struct nl *nl_get(struct cli *cli);
struct nl *nl_route(struct cli *cli);
void nl_close(struct nl *nl);
struct nlmsghdr *nl_start(struct nl *nl, void *buf, uint8_t cmd, uint16_t flags);
int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data, struct nl_result *result);
int nl_do(struct nl *nl, struct nlmsghdr *nlh, const char *what, nl_cb cb, void *data);
int nl_dump(struct nl *nl, struct nlmsghdr *nlh, const char *what, uint16_t id_attr, nl_cb cb,
	    void *data);
int nl_join(struct nl *nl, const char *group);
int nl_send(struct nl *nl, const void *buf, size_t size);
ssize_t nl_receive(struct nl *nl);

/* nl_error.c */
void nl_result_read(const struct nlmsghdr *ack, const struct nlmsghdr *request,
		    struct nl_result *result);
int nl_result_tell(const char *what, const struct nl_result *result);

#endif /* ESPAH_NL_H */
