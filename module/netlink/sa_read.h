/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading of an SA from the attributes of a request. */
#ifndef _ESPAH_SA_READ_H
#define _ESPAH_SA_READ_H

#include "change.h"

/*
 * Each of these functions reads attributes of a request and returns 0, or -errno with a sentence in
 * @extack. The SA is not in the SAD yet, or the caller holds espah_net.lock.
 */

/* the identity of an SA */
int espah_read_sa_id(struct nlattr **attrs, struct espah_sa_id *id,
		     struct netlink_ext_ack *extack);

/* all attributes of SA_NEW except for those of espah_read_keys() and espah_read_sa_change() */
int espah_read_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack);

/* algorithm, key, window and sequence number; called after espah_read_sa() */
int espah_read_keys(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack);

/* the attributes that can also be changed later, which @attrs keeps; allocates nothing */
int espah_read_sa_change(struct espah_sa *sa, struct nlattr **attrs,
			 struct espah_sa_change *change, struct netlink_ext_ack *extack);

/* the ports of UDP encapsulation; without ports, @sport and @dport stay unchanged */
int espah_read_ports(struct nlattr **attrs, u8 proto, __be16 *sport, __be16 *dport,
		     struct netlink_ext_ack *extack);

/* refuses UDP encapsulation, which needs a single peer, for any source or for a group */
int espah_check_encap(__be16 dport, const union espah_addr *src, const union espah_addr *dst,
		      u8 family, struct nlattr **attrs, struct netlink_ext_ack *extack);

/**
 * espah_forget_keys - zero the keys in a request
 * @nlh: SA_NEW or SA_SET; each SA_KEY in it is overwritten
 *
 * Netlink frees the memory of a request without zeroing it, and copies the request into a refusal.
 * Requests that the netlink core refuses by the attribute policies are not covered.
 */
void espah_forget_keys(const struct nlmsghdr *nlh);

#endif /* _ESPAH_SA_READ_H */
