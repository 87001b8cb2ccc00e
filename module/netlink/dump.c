// SPDX-License-Identifier: GPL-2.0-only
#include "attr.h"
#include "db/privilege.h"
#include "dump.h"

/* where a dump keeps that it is refused; the first is where it goes on */
#define DUMP_REFUSED 1

/*
 * The sender of a request is known here alone: who reads the socket later may be another one. The
 * text has to wait for the dump, as 6.1 loses those of genl_ops.start.
 */
int espah_start_dump(struct netlink_callback *cb)
{
	cb->args[DUMP_REFUSED] = espah_permitted(cb->skb, NULL);
	return 0;
}

int espah_check_dump(struct netlink_callback *cb)
{
	if (!cb->args[DUMP_REFUSED])
		return espah_message_once(cb->nlh, cb->extack);
	NL_SET_ERR_MSG(cb->extack, ESPAH_UNPRIVILEGED);
	return cb->args[DUMP_REFUSED];
}
