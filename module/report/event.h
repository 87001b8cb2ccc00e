/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of the generic-netlink family. Context, unless stated: process, espah_net.lock. */
#ifndef _ESPAH_EVENT_H
#define _ESPAH_EVENT_H

#include <net/genetlink.h>
#include "db/net.h"

/** enum espah_mcgrp - index of the multicast groups in the family */
enum espah_mcgrp {
	ESPAH_MCGRP_INDEX_SA,
	ESPAH_MCGRP_INDEX_POLICY,
	ESPAH_MCGRP_INDEX_ACQUIRE,
	ESPAH_MCGRP_INDEX_EXPIRE,
	ESPAH_MCGRP_INDEX_MAPPING,
	ESPAH_MCGRP_INDEX_AUDIT,
	ESPAH_MCGRP_INDEX_DROP,
};

/* starts sending events; after the family was registered */
void espah_events_start(void);

/**
 * espah_events_stop - stop sending events
 *
 * Hooks still process packets after the family is unregistered, until the namespaces' hooks are
 * gone. By then another family may have our family's number and those of its groups; its listeners
 * would get our events. Events of netlink requests and of the clock need no wait here: requests end
 * before the family does, and the clock holds a reference to the module.
 *
 * Context: module unload, before the family is unregistered.
 */
void espah_events_stop(void);

/* @cmd: ESPAH_CMD_SA_NEW_NTF, _SET_NTF or _DEL_NTF */
void espah_event_sa(struct espah_net *en, struct espah_sa *sa, u8 cmd);
/* an SA reached a limit */
void espah_event_expire(struct espah_sa *sa, enum espah_limit limit, bool hard);
/* @attrs: the request's: ESPAH_SA_DIR, _PROTO, _REQID, _VRF */
void espah_event_sa_flush(struct espah_net *en, struct nlattr **attrs);
/* @cmd: ESPAH_CMD_POLICY_NEW_NTF or _DEL_NTF */
void espah_event_policy(struct espah_net *en, struct espah_policy *pol, u8 cmd);
/* @attrs: the request's: ESPAH_POLICY_DIR */
void espah_event_policy_flush(struct espah_net *en, struct nlattr **attrs);

/**
 * espah_event_acquire - report that a packet met a protect policy without an SA
 * @en: network namespace
 * @pol: the policy
 * @flow: the packet's flow
 *
 * At most one event a second for each SA that the policy may ask for; see asked.h.
 * Context: RCU reader, BH disabled or not.
 */
void espah_event_acquire(struct espah_net *en, struct espah_policy *pol,
			 const struct espah_flow *flow);

/**
 * espah_event_mapping - report that an SA's peer has another address or port
 * @sa: inbound SA with UDP encapsulation
 * @src: source address of an authenticated packet
 * @sport: its UDP source port
 *
 * At most one event a second for each SA. Context: RCU reader, BH disabled.
 */
void espah_event_mapping(struct espah_sa *sa, const union espah_addr *src, __be16 sport);

/**
 * espah_event_drop - report a dropped packet to listeners
 * @en: network namespace
 * @sa: the SA concerned, or NULL
 * @pol: the policy concerned, or NULL
 * @reason: the reason
 * @skb: the packet, or NULL if it is gone
 *
 * At most ten events a second for each reason. Context: RCU reader.
 */
void espah_event_drop(struct espah_net *en, const struct espah_sa *sa,
		      const struct espah_policy *pol, enum espah_drop reason,
		      const struct sk_buff *skb);

#endif /* _ESPAH_EVENT_H */
