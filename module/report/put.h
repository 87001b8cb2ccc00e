/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The attributes of SAs, policies, flows and drops in messages of the generic-netlink family, for
 * answers and events. Functions that return an int return 0 or -EMSGSIZE.
 */
#ifndef _ESPAH_PUT_H
#define _ESPAH_PUT_H

#include <net/genetlink.h>
#include "db/spd.h"

/* bytes of one SA or policy in a message, with drops for each reason */
#define ESPAH_MSG_SIZE 4096
/* bytes of a policy whose selector lists as much as it may */
#define ESPAH_POLICY_SIZE (ESPAH_MSG_SIZE + 6144)

/* bytes of an SA in a message, with ESPAH_PUT_STATE */
#define ESPAH_STATE_SIZE (ESPAH_MSG_SIZE + ESPAH_WINDOW_MAX / 8 + 16)

/* for espah_put_sa(): with the key */
#define ESPAH_PUT_KEYS BIT(0)
/* for espah_put_sa(): with what another gateway needs to carry on with the SA */
#define ESPAH_PUT_STATE BIT(1)

/* the family of all messages; set before it is registered */
extern const struct genl_family *espah_family;
void espah_put_setup(const struct genl_family *family);
/* begins a message; Return: the header, for genlmsg_end(), or NULL without room */
void *espah_put_message(struct sk_buff *skb, u32 portid, u32 seq, int flags, u8 cmd);

/* repeats the attributes of a request, of types up to @max */
int espah_put_attrs(struct sk_buff *skb, struct nlattr **attrs, int max);
int espah_put_addr(struct sk_buff *skb, int type, const union espah_addr *addr, u8 family);
/* puts the attributes of an SA; @with: ESPAH_PUT_*; Context: espah_net.lock */
int espah_put_sa(struct sk_buff *skb, struct espah_sa *sa, u8 with);
/* puts the attributes of a policy; Context: espah_net.lock or RCU reader */
int espah_put_policy(struct sk_buff *skb, struct espah_policy *pol);
/* puts the values of a flow that @which (ESPAH_PFP_*) names, as attributes of a selector */
int espah_put_flow(struct sk_buff *skb, const struct espah_flow *flow, u8 which);
/* puts a policy's templates as a nest of the given type; @flow: of a packet of it, or NULL */
int espah_put_template(struct sk_buff *skb, int type, struct espah_policy *pol,
		       const struct espah_flow *flow);
/* puts how many packets were dropped for a reason, with its explanation if @text */
int espah_put_drop(struct sk_buff *skb, enum espah_drop reason, u64 count, bool text);
/* puts the non-zero drops of an SA or policy as a nest of the given type; none: no nest */
int espah_put_drops(struct sk_buff *skb, int type, const struct espah_drops *drops);

#endif /* _ESPAH_PUT_H */
