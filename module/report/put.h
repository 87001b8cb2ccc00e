/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What messages of the generic-netlink family say of SAs, policies, flows and drops, in answers and
 * in events. What returns an int returns 0 or
 * -EMSGSIZE.
 */
#ifndef _ESPAH_PUT_H
#define _ESPAH_PUT_H

#include <net/genetlink.h>
#include "db/spd.h"

/* bytes that one SA or policy takes in a message, with drops for each reason */
#define ESPAH_MSG_SIZE 4096
/* the same for a policy whose selector lists as much as it may */
#define ESPAH_POLICY_SIZE (ESPAH_MSG_SIZE + 6144)

/* the family of all messages; set before it is registered */
extern const struct genl_family *espah_family;
void espah_put_setup(const struct genl_family *family);
/* begins a message; Return: what genlmsg_end() takes, or NULL without room */
void *espah_put_message(struct sk_buff *skb, u32 portid, u32 seq, int flags, u8 cmd);

int espah_put_addr(struct sk_buff *skb, int type, const union espah_addr *addr, u8 family);
/* the attributes of an SA, the key too if @keys; Context: espah_net.lock */
int espah_put_sa(struct sk_buff *skb, struct espah_sa *sa, bool keys);
/* the attributes of a policy; Context: espah_net.lock or RCU reader */
int espah_put_policy(struct sk_buff *skb, struct espah_policy *pol);
/* those of a flow's own values that @which (ESPAH_PFP_*) names, as parts of a selector */
int espah_put_flow(struct sk_buff *skb, const struct espah_flow *flow, u8 which);
/* a policy's templates, as a nest of the given type; @flow: for a packet of it, or NULL */
int espah_put_template(struct sk_buff *skb, int type, struct espah_policy *pol,
		       const struct espah_flow *flow);
/* how many packets were dropped under a reason, with the sentence that explains it if @text */
int espah_put_drop(struct sk_buff *skb, enum espah_drop reason, u64 count, bool text);
/* the drops of an SA or a policy that are not 0, as a nest of the given type; none: no nest */
int espah_put_drops(struct sk_buff *skb, int type, const struct espah_drops *drops);

#endif /* _ESPAH_PUT_H */
