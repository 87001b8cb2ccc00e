/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to the netlink family, and its events. */
#ifndef KERNEL_ESPAH_NL_H
#define KERNEL_ESPAH_NL_H

#include <library.h>
#include <linux/espah.h>
#include "../espah/family.h"

/** NL_REQUEST_MAX - more than any request of ours takes, bytes */
#define NL_REQUEST_MAX 8192

/** struct nl - a socket that speaks to the family; any thread may ask through it */
struct nl;

/** nl_cb - takes a message of an answer, or an event */
typedef void (*nl_cb)(const struct nlmsghdr *nlh, void *data);

/**
 * nl_open() - connect to the module
 * @why: gets a sentence if that fails
 * @size: of @why, bytes
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
 * @nlh: from nl_start(); wiped, as it may hold keys
 * @cb: takes the messages of the answer; may be NULL
 * @data: for @cb
 * @why: NULL, or gets the kernel's sentence if it refuses
 *
 * Return: 0 or an errno.
 */
int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data, char **why);

/** nl_join() - receive the events of a multicast group from now on. Return: 0 or an errno */
int nl_join(struct nl *nl, const char *group);

/** nl_fd() - for poll(2) */
int nl_fd(const struct nl *nl);

/** nl_events() - hand events that wait to @cb; Return: 0 or an errno; ENOBUFS: some were lost */
int nl_events(struct nl *nl, nl_cb cb, void *data);

/** nl_host() - an address, with a port; NULL if there is none */
host_t *nl_host(const struct nlattr *attr, uint16_t port);
void nl_put_host(struct nlmsghdr *nlh, uint16_t type, host_t *host);

#endif /* KERNEL_ESPAH_NL_H */
