/* SPDX-License-Identifier: GPL-2.0-only */
/* How requests are answered. */
#ifndef _ESPAH_NETLINK_ANSWER_H
#define _ESPAH_NETLINK_ANSWER_H

#include "db/net.h"
#include "report/put.h"

/**
 * espah_answer - answer a request with one message
 * @info: the request, whose command the answer has
 * @size: most bytes of its attributes
 * @put: appends them, under espah_net.lock; returns 0 or -errno
 *
 * Return: 0 or -errno. An answer that was not sent is zeroed, since it may hold a key.
 */
int espah_answer(struct genl_info *info, size_t size,
		 int (*put)(struct sk_buff *skb, struct espah_net *en, struct genl_info *info));

/**
 * espah_answer_begin - begin a message that answers a request, with the command of that
 * @skb: where
 * @portid: of who asked
 * @request: the request
 * @cb: of a dump, or NULL
 *
 * Return: what espah_answer_end() takes, or NULL without room.
 */
void *espah_answer_begin(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
			 struct netlink_callback *cb);

/* ends it, or takes it back with @err; Return: @err, or -EMSGSIZE if it was not begun */
int espah_answer_end(struct sk_buff *skb, void *hdr, int err);

/* genl_ops.start of each dump */
int espah_start_dump(struct netlink_callback *cb);
/* with what each dump begins; Return: 0, or -errno with a sentence if it is refused */
int espah_check_dump(struct netlink_callback *cb);

#endif /* _ESPAH_NETLINK_ANSWER_H */
