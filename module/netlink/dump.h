/* SPDX-License-Identifier: GPL-2.0-only */
/* What all dumps have in common. */
#ifndef _ESPAH_NETLINK_DUMP_H
#define _ESPAH_NETLINK_DUMP_H

#include <net/genetlink.h>

/* genl_ops.start of each dump */
int espah_start_dump(struct netlink_callback *cb);
/* with what each dump begins; Return: 0, or -errno with a sentence if it is refused */
int espah_check_dump(struct netlink_callback *cb);

#endif /* _ESPAH_NETLINK_DUMP_H */
