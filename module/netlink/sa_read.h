/* SPDX-License-Identifier: GPL-2.0-only */
/* What requests say of an SA. */
#ifndef _ESPAH_SA_READ_H
#define _ESPAH_SA_READ_H

#include "change.h"

/*
 * Each of these reads attributes of a request, and returns 0 or -errno with a sentence in @extack.
 * SAs are not in the SAD yet, or under espah_net.lock.
 */

/* what identifies an SA */
int espah_read_sa_id(struct nlattr **attrs, struct espah_sa_id *id,
		     struct netlink_ext_ack *extack);

/* all of SA_NEW but the keys and what espah_read_sa_change() reads */
int espah_read_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack);

/* keys, window and first number; after espah_read_sa() */
int espah_read_keys(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack);

/* what can be changed later, too; nothing is allocated for it yet */
int espah_read_sa_change(const struct espah_sa *sa, struct nlattr **attrs,
			 struct espah_sa_change *change, struct netlink_ext_ack *extack);

/* the ports of UDP encapsulation; without any, @sport and @dport are left as they are */
int espah_read_ports(struct nlattr **attrs, u8 proto, __be16 *sport, __be16 *dport,
		     struct netlink_ext_ack *extack);

/* whether an SA with these ends may go in UDP, which has one peer's port */
int espah_check_encap(__be16 dport, const union espah_addr *src, const union espah_addr *dst,
		      u8 family, struct nlattr **attrs, struct netlink_ext_ack *extack);

/**
 * espah_forget_keys - zero the keys that a request holds
 * @nlh: SA_NEW; each SA_KEY in it is overwritten
 *
 * The request's memory is freed without being zeroed, and copied into a refusal. What the netlink
 * core refuses by the policies of attributes never comes here.
 */
void espah_forget_keys(const struct nlmsghdr *nlh);

#endif /* _ESPAH_SA_READ_H */
