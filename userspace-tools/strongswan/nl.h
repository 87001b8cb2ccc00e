/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to the netlink family, and events from it. */
#ifndef KERNEL_ESPAH_NL_H
#define KERNEL_ESPAH_NL_H

#include <ipsec/ipsec_types.h>
#include <library.h>
#include <linux/espah.h>
#include "../espah/family.h"

/** NL_REQUEST_MAX - bytes: buffer size for any request */
#define NL_REQUEST_MAX 8192

/** struct nl - a socket connected to the family; any thread may send requests through it */
struct nl;

/** nl_cb - handles a message of an answer, or an event */
typedef void (*nl_cb)(const struct nlmsghdr *nlh, void *data);

/**
 * nl_open() - connect to the module
 * @why: result: error message on failure
 * @size: bytes: size of @why
 *
 * Return: the connection, or NULL.
 */
struct nl *nl_open(char *why, size_t size);
void nl_close(struct nl *nl);

/** nl_start() - begin a request in @buf of NL_REQUEST_MAX bytes */
struct nlmsghdr *nl_start(struct nl *nl, void *buf, uint8_t cmd, uint16_t flags);

/**
 * nl_ask() - send a request and wait until it is done
 * @nl: connection
 * @nlh: from nl_start(); wiped, because it may hold keys
 * @cb: handles the messages of the answer; may be NULL
 * @data: for @cb
 * @why: NULL, or result: the kernel's error message on refusal
 *
 * Return: 0 or an errno.
 */
int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data, char **why);

/** nl_join() - receive the events of a multicast group from now on. Return: 0 or an errno */
int nl_join(struct nl *nl, const char *group);

/** nl_fd() - Return: the file descriptor, for poll(2) */
int nl_fd(const struct nl *nl);

/** NL_ROOM - bytes of messages that the kernel may queue for a connection, by default */
#define NL_ROOM (4 * 1024 * 1024)

/** nl_room() - set the number of bytes of messages that the kernel may queue for a connection */
void nl_room(struct nl *nl, int room);

/**
 * nl_events() - pass all pending events to @cb
 *
 * Return: 0 or an errno; ENOBUFS: some were lost before the last one.
 */
int nl_events(struct nl *nl, nl_cb cb, void *data);

/** nl_host() - Return: an address attribute with a port, as a host_t; NULL if it is absent */
host_t *nl_host(const struct nlattr *attr, uint16_t port);
void nl_put_host(struct nlmsghdr *nlh, uint16_t type, host_t *host);

/** nl_put_mark() - add a mark and its mask, unless the mask is empty */
void nl_put_mark(struct nlmsghdr *nlh, uint16_t type, uint16_t mask_type, mark_t mark);

#endif /* KERNEL_ESPAH_NL_H */
