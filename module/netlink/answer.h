/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers to requests. */
#ifndef _ESPAH_NETLINK_ANSWER_H
#define _ESPAH_NETLINK_ANSWER_H

#include "db/net.h"
#include "report/put.h"

/**
 * espah_answer - answer a request with one message
 * @info: the request; the answer has its command
 * @size: most bytes of the attributes of the answer
 * @put: appends the attributes, under espah_net.lock; returns 0 or -errno
 *
 * Return: 0 or -errno. If @put fails, the answer is zeroed, because it may hold a key.
 */
int espah_answer(struct genl_info *info, size_t size,
		 int (*put)(struct sk_buff *skb, struct espah_net *en, struct genl_info *info));

/**
 * espah_answer_begin - begin an answer, with the command of the request
 * @skb: buffer of the answer
 * @portid: port id of the requester
 * @request: the request
 * @cb: callback of a dump, or NULL
 *
 * Return: the header for espah_answer_end(), or NULL without room.
 */
void *espah_answer_begin(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
			 struct netlink_callback *cb);

/* ends an answer, or cancels it with @err; Return: @err, or -EMSGSIZE if @hdr is NULL */
int espah_answer_end(struct sk_buff *skb, void *hdr, int err);

/* genl_ops.start of each dump */
int espah_start_dump(struct netlink_callback *cb);
/* called first in each dump; Return: 0, or -errno with a sentence if the dump is refused */
int espah_check_dump(struct netlink_callback *cb);

#endif /* _ESPAH_NETLINK_ANSWER_H */
