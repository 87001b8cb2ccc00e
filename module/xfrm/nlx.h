/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * espah_xfrm.ko: answers NETLINK_XFRM in the place of xfrm_user, with the SAs and policies of
 * espah.ko. There is one database: requests list everything in it, but change only what came by
 * NETLINK_XFRM, which has a struct nlx_sa or struct nlx_policy.
 */
#ifndef _ESPAH_NLX_H
#define _ESPAH_NLX_H

#include <linux/xfrm.h>
#include <net/netlink.h>
#include "db/net.h"
#include "packet/algo.h"

#define NLX_LABEL "xfrm"

/* bytes of the longest algorithm name in the crypto API */
#define NLX_NAME_LEN 128

/**
 * struct nlx_sa - what came with an SA, for answers; under espah_net.lock
 * @foreign: first
 * @info: the SA as it came; addresses and counters are those of the SA itself
 * @both: it was made for both directions: the other SA has the same id but for its direction
 * @quiet: no message tells that it goes
 * @dying: a soft limit was told, and no other one is
 * @event: XFRM_MSG_NEWSA or UPDSA, of the event of its addition; 0: none
 * @dir: XFRM_SA_DIR_*, as it came, or 0
 * @algo: espah_sa.algo, if none of espah_algos fits
 * @name: name of @algo
 * @encap: ESP in UDP; its ports are those of the SA itself; @encap.encap_type 0: none
 * @mark: as it came, with a mask of 0
 * @set_mark: as it came
 * @extra_flags: XFRM_SA_XFLAG_*
 * @tfcpad: as it came
 * @mapping: XFRMA_MTIMER_THRESH, as it came
 * @pcpu: XFRMA_SA_PCPU, as it came; U32_MAX: none
 * @replay_diff: XFRMA_REPLAY_THRESH, for answers
 * @replay_age: XFRMA_ETIMER_THRESH, for answers
 * @replay: the replay state of the direction that the SA does not have
 * @bmp_len: words of the bitmap of XFRMA_REPLAY_ESN_VAL
 * @window: the window in XFRMA_REPLAY_ESN_VAL
 * @esn_val: XFRMA_REPLAY_ESN_VAL came, and so is answered
 * @bytes: carried before the SA was added; an offset modulo 2^64 to its counter
 * @packets: the same
 */
struct nlx_sa {
	struct espah_foreign foreign;
	struct xfrm_usersa_info info;
	bool both;
	bool quiet;
	bool dying;
	u8 event;
	u8 dir;
	struct espah_algo algo;
	char name[48];
	struct xfrm_encap_tmpl encap;
	struct xfrm_mark mark;
	struct xfrm_mark set_mark;
	u32 extra_flags;
	u32 tfcpad;
	u32 mapping;
	u32 pcpu;
	u32 replay_diff;
	u32 replay_age;
	struct xfrm_replay_state replay;
	u32 bmp_len;
	u32 window;
	bool esn_val;
	u64 bytes;
	u64 packets;
};

/**
 * struct nlx_face - one policy of NETLINK_XFRM
 * @info: as it came
 * @set: there is one
 * @ntmpl: number of templates
 * @tmpl: as they came
 */
struct nlx_face {
	struct xfrm_userpolicy_info info;
	bool set;
	u8 ntmpl;
	struct xfrm_user_tmpl tmpl[XFRM_MAX_DEPTH];
};

/**
 * struct nlx_policy - what came with a policy
 * @foreign: first
 * @mark: as it came
 * @face: by what nlx_which() tells: XFRM's policies for forwarded packets and for packets to the
 *	host are one of espah, whose templates are those of the one that came last
 */
struct nlx_policy {
	struct espah_foreign foreign;
	struct xfrm_mark mark;
	struct nlx_face face[2];
};

/* the struct nlx_sa of an SA, or NULL */
static inline struct nlx_sa *nlx_sa(const struct espah_sa *sa)
{
	return (struct nlx_sa *)sa->foreign;
}

static inline struct nlx_policy *nlx_policy(const struct espah_policy *pol)
{
	return (struct nlx_policy *)pol->foreign;
}

/* --- requests --- */

/**
 * struct nlx_request - a message of a user
 * @skb: the buffer that it came in, for its sender
 * @nlh: its header
 * @attrs: its attributes by type, lengths checked
 * @en: the namespace
 * @extack: gets a sentence
 */
struct nlx_request {
	struct sk_buff *skb;
	const struct nlmsghdr *nlh;
	struct nlattr **attrs;
	struct espah_net *en;
	struct netlink_ext_ack *extack;
};

#define NLX_FAIL(rq, err, text) ({ NL_SET_ERR_MSG((rq)->extack, text); err; })

/* handlers; Context: process. Return: 0 or -errno with XFRM's numbers */
int nlx_sa_new(struct nlx_request *rq);
int nlx_sa_update(struct nlx_request *rq);
int nlx_sa_del(struct nlx_request *rq);
int nlx_sa_get(struct nlx_request *rq);
int nlx_sa_flush(struct nlx_request *rq);
int nlx_sa_alloc_spi(struct nlx_request *rq);
int nlx_sa_expire(struct nlx_request *rq);
int nlx_sa_count(struct nlx_request *rq);
int nlx_ae_new(struct nlx_request *rq);
int nlx_ae_get(struct nlx_request *rq);
int nlx_policy_new(struct nlx_request *rq);
int nlx_policy_del(struct nlx_request *rq);
int nlx_policy_get(struct nlx_request *rq);
int nlx_policy_flush(struct nlx_request *rq);
int nlx_policy_expire(struct nlx_request *rq);
int nlx_policy_count(struct nlx_request *rq);
int nlx_policy_thresholds(struct nlx_request *rq);
int nlx_default_get(struct nlx_request *rq);
int nlx_default_set(struct nlx_request *rq);
int nlx_acquire_echo(struct nlx_request *rq);
int nlx_migrate(struct nlx_request *rq);

/* dumps: cb->args[0] is where to go on, 0 at the start; cb->args[1] and on are the function's */
int nlx_sa_dump(struct sk_buff *skb, struct netlink_callback *cb);
int nlx_policy_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* --- messages --- */

/* the socket of a namespace */
struct sock *nlx_sock(const struct espah_net *en);
/* sends @skb to the sender of a request, and frees it */
int nlx_reply(struct nlx_request *rq, struct sk_buff *skb);
/* whether somebody listens to a group, enum xfrm_nlgroups */
bool nlx_listens(const struct espah_net *en, unsigned int group);
/* sends @skb to a group, and frees it */
void nlx_tell(const struct espah_net *en, struct sk_buff *skb, unsigned int group, gfp_t gfp);

/* bytes that hold any message of an SA or a policy */
#define NLX_SA_SIZE 4096
#define NLX_POLICY_SIZE 2048

/*
 * nlx_put_sa - put a message about an SA
 * @skb: the message's buffer
 * @portid: of the receiver; 0: an event
 * @seq: of the request; 0: an event
 * @flags: NLM_F_*
 * @type: XFRM_MSG_NEWSA, UPDSA or DELSA (the id, with the SA in XFRMA_SA), or XFRM_MSG_EXPIRE
 * @sa: the SA; one for both directions is shown by its inbound half
 * @hard: for XFRM_MSG_EXPIRE
 *
 * Keys are left out of events, and while the kernel is locked down.
 * Context: process, espah_net.lock. Return: 0 or -EMSGSIZE.
 */
int nlx_put_sa(struct sk_buff *skb, u32 portid, u32 seq, u16 flags, u16 type, struct espah_sa *sa,
	       bool hard);

/* an SA's identity, as in events and XFRM_MSG_DELSA */
void nlx_fill_id(struct xfrm_usersa_id *id, const struct espah_sa *sa);

/* 0 for XFRM_POLICY_IN and _OUT, 1 for _FWD */
static inline unsigned int nlx_which(u8 dir)
{
	return dir == XFRM_POLICY_FWD;
}

/* events of espah.ko; see struct espah_face */
void nlx_event_sa(struct espah_sa *sa, u8 cmd);
void nlx_event_expire(struct espah_sa *sa, enum espah_limit limit, bool hard);
void nlx_event_policy(struct espah_net *en, struct espah_policy *pol, u8 cmd);
void nlx_event_acquire(struct espah_net *en, struct espah_policy *pol,
		       const struct espah_flow *flow);
void nlx_event_mapping(struct espah_sa *sa, const union espah_addr *src, __be16 sport);

/* policies that applications set on their sockets (IP_XFRM_POLICY) */
int nlx_socket_setup(void);
void nlx_socket_teardown(void);

static inline void nlx_addr_in(union espah_addr *to, const xfrm_address_t *from, u8 family)
{
	memset(to, 0, sizeof(*to));
	memcpy(to, from, family == AF_INET ? 4 : 16);
}

static inline void nlx_addr_out(xfrm_address_t *to, const union espah_addr *from)
{
	memcpy(to, from, sizeof(*to));
}

#endif /* _ESPAH_NLX_H */
