/* SPDX-License-Identifier: GPL-2.0-only */
/* Events for another configuration interface than generic netlink: NETLINK_XFRM. */
#ifndef _ESPAH_FACE_H
#define _ESPAH_FACE_H

#include <linux/espah.h>
#include "db/net.h"

/**
 * struct espah_face - functions that get the events of all namespaces
 * @sa: an SA was added, changed or is about to go: ESPAH_CMD_SA_NEW_NTF, _SET_NTF, _DEL_NTF
 * @expire: an SA reached a limit; at a hard one it is about to go
 * @policy: a policy was added or is about to go: ESPAH_CMD_POLICY_NEW_NTF, _DEL_NTF
 * @acquire: a packet met a protect policy without an SA
 * @mapping: the peer of an inbound SA has another address or port
 *
 * Context: process, espah_net.lock; @acquire and @mapping: RCU reader, and at most once a second
 * for each policy or SA. No function is called for what is removed by a flush.
 */
struct espah_face {
	void (*sa)(struct espah_sa *sa, u8 cmd);
	void (*expire)(struct espah_sa *sa, enum espah_limit limit, bool hard);
	void (*policy)(struct espah_net *en, struct espah_policy *pol, u8 cmd);
	void (*acquire)(struct espah_net *en, struct espah_policy *pol,
			const struct espah_flow *flow);
	void (*mapping)(struct espah_sa *sa, const union espah_addr *src, __be16 sport);
};

/* sets the interface, or NULL: then none of its functions runs any more; Context: process */
void espah_face_set(const struct espah_face *face);

#endif /* _ESPAH_FACE_H */
