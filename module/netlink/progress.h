/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading of how far an SA has come. */
#ifndef _ESPAH_NETLINK_PROGRESS_H
#define _ESPAH_NETLINK_PROGRESS_H

#include "db/progress.h"
#include "db/sa.h"

struct netlink_ext_ack;
struct nlattr;

/**
 * espah_read_progress - read SA_SEQ, SA_SEEN, SA_IV_MASK and SA_USED
 * @sa: the SA; if it is in the SAD, the caller holds espah_net.lock
 * @attrs: attributes of SA_NEW or SA_SET; they must outlive @progress
 * @progress: set
 * @extack: gets a sentence on failure
 *
 * Return: 0; -EINVAL; -ERANGE: the SA has come further.
 */
int espah_read_progress(struct espah_sa *sa, struct nlattr **attrs,
			struct espah_progress *progress, struct netlink_ext_ack *extack);

/* refuses a SA_KEY that is not the SA's; Return: 0 or -EKEYREJECTED with a sentence */
int espah_check_same_key(const struct espah_sa *sa, const struct nlattr *key,
			 struct netlink_ext_ack *extack);

/* the value of SA_SEQ, or 0; Return: 0, or -ERANGE with a sentence */
int espah_read_seq(const struct espah_sa *sa, struct nlattr **attrs, u64 *seq,
		   struct netlink_ext_ack *extack);

#endif /* _ESPAH_NETLINK_PROGRESS_H */
