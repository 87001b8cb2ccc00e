/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * espah_xfrm.ko: answers NETLINK_XFRM in the place of xfrm_user, with the SAs and policies of
 * espah.ko. There is one database: requests list everything in it, but change only what came by
 * NETLINK_XFRM, which has a struct nlx_sa or struct nlx_policy.
 */
#ifndef _ESPAH_NLX_H
#define _ESPAH_NLX_H

#include <linux/module.h>
#include <linux/xfrm.h>
#include <net/netlink.h>
#include <net/xfrm.h>
#include "db/net.h"
#include "packet/algo.h"

#define NLX_LABEL "xfrm"

/* attributes that newer kernels know */
#define NLX_SA_DIR 33
#define NLX_NAT_KEEPALIVE_INTERVAL 34
#define NLX_SA_PCPU 35
#define NLX_IPTFS_DROP_TIME 36
#define NLX_ATTR_MAX 47
/* a flag of policies that newer kernels know */
#define NLX_POLICY_CPU_ACQUIRE 4

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
 * @set_mark: as it came
 * @extra_flags: XFRM_SA_XFLAG_*
 * @tfcpad: as it came
 * @mapping: XFRMA_MTIMER_THRESH, as it came
 * @pcpu: XFRMA_SA_PCPU, as it came; U32_MAX: none
 * @replay_diff: XFRMA_REPLAY_THRESH, for answers
 * @replay_age: XFRMA_ETIMER_THRESH, for answers
 * @sent: the number sent last, as it came, for an SA that is not outbound
 * @received: the top of the window, as it came, for an SA that is not inbound
 * @bitmap: XFRMA_REPLAY_VAL's, likewise
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
	struct xfrm_mark set_mark;
	u32 extra_flags;
	u32 tfcpad;
	u32 mapping;
	u32 pcpu;
	u32 replay_diff;
	u32 replay_age;
	u64 sent;
	u64 received;
	u32 bitmap;
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
 * @event: XFRM_MSG_* of the event of its next change; 0: none
 * @told: enum of XFRM_POLICY_* that this event names
 * @face: by what nlx_which() tells: XFRM's policies for forwarded packets and for packets to the
 *	host are one of espah, whose action and templates are those of nlx_ruling()
 */
struct nlx_policy {
	struct espah_foreign foreign;
	u8 event;
	u8 told;
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

/* zeroes the keys of NEWSA or UPDSA, whose memory netlink frees as it is, or sends back */
void nlx_forget_keys(const struct nlmsghdr *nlh);

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

int nlx_sa_dump(struct sk_buff *skb, struct netlink_callback *cb);
int nlx_policy_dump(struct sk_buff *skb, struct netlink_callback *cb);

/**
 * nlx_dump - continue a dump, newest first, as XFRM's
 * @skb: to put messages into
 * @cb: the dump; args[2] is the caller's, 0 at the start of each entry
 * @index: espah_sad.index or espah_spd.index
 * @put: puts the messages of an entry; returns 0, or -EMSGSIZE without room
 *
 * Return: bytes in @skb; -ENOMEM.
 */
int nlx_dump(struct sk_buff *skb, struct netlink_callback *cb, struct xarray *index,
	     int (*put)(struct sk_buff *skb, struct netlink_callback *cb, void *entry));
/* frees what nlx_dump() keeps, at the end of a dump */
int nlx_dump_end(struct netlink_callback *cb);

/* --- messages --- */

/**
 * struct nlx_net - the state of a network namespace
 * @sock: its socket
 * @ending: the namespace goes away, and its socket with it; set under espah_net.lock
 * @thresholds: of XFRM_MSG_NEWSPDINFO, without effect: for IPv4, IPv6
 * @acquires: number of the last acquire
 * @default_held: a default action came by NETLINK_XFRM, so the module is held; under espah_net.lock
 */
struct nlx_net {
	struct sock *sock;
	bool ending;
	struct xfrmu_spdhthresh thresholds[2];
	atomic_t acquires;
	bool default_held;
};

extern unsigned int nlx_net_id;

static inline struct nlx_net *nlx_net(const struct espah_net *en)
{
	return net_generic(en->net, nlx_net_id);
}

/* sends @skb to the sender of a request, and frees it */
int nlx_reply(struct nlx_request *rq, struct sk_buff *skb);
/**
 * nlx_answer - answer a request with one message
 * @rq: the request
 * @size: bytes that hold the message
 * @put: puts it, under espah_net.lock; returns 0 or -errno
 *
 * Return: 0; -ENOMEM; the error of @put.
 */
int nlx_answer(struct nlx_request *rq, size_t size,
	       int (*put)(struct nlx_request *rq, struct sk_buff *skb));
/*
 * whether somebody listens to a group, enum xfrm_nlgroups; Context: espah_net.lock, an RCU reader
 * or a request, in which nlx_tell() follows
 */
bool nlx_listens(const struct espah_net *en, unsigned int group);
/* sends @skb to a group that has listeners, and frees it */
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

static inline u8 nlx_espah_dir(u8 dir)
{
	return dir == XFRM_POLICY_OUT ? ESPAH_DIR_OUT : ESPAH_DIR_IN;
}

/* 0 for XFRM_POLICY_IN and _OUT, 1 for _FWD */
static inline unsigned int nlx_which(u8 dir)
{
	return dir == XFRM_POLICY_FWD;
}

/**
 * nlx_put_policy - put a message about a policy
 * @skb: the message's buffer
 * @portid: of the receiver; 0: an event
 * @seq: of the request; 0: an event
 * @flags: NLM_F_*
 * @type: XFRM_MSG_NEWPOLICY, UPDPOLICY, DELPOLICY or POLEXPIRE
 * @pol: the policy
 * @dir: XFRM_POLICY_*
 * @hard: for XFRM_MSG_POLEXPIRE
 *
 * Context: process, espah_net.lock. Return: 0 or -EMSGSIZE.
 */
int nlx_put_policy(struct sk_buff *skb, u32 portid, u32 seq, u16 flags, u16 type,
		   struct espah_policy *pol, u8 dir, bool hard);
/* tells listeners the same */
void nlx_tell_policy(struct espah_net *en, u16 type, struct espah_policy *pol, u8 dir, bool hard);

/* reads XFRM's selector, mark and if_id; Return: 0 or -errno */
int nlx_read_selector(struct nlx_request *rq, const struct xfrm_selector *from,
		      struct espah_selector *sel);

/**
 * nlx_read_policy - read a policy
 * @rq: the request
 * @info: the policy
 * @sel: its selector
 *
 * Return: the policy, with its own part of nlx_policy.face, or ERR_PTR().
 */
struct espah_policy *nlx_read_policy(struct nlx_request *rq,
				     const struct xfrm_userpolicy_info *info,
				     const struct espah_selector *sel);

/**
 * nlx_ruling - which of two faces decides about packets
 * @faces: the two
 * @last: the one that came last, set
 *
 * Return: the stricter one: drop, require SAs, pass in clear; or @last.
 */
unsigned int nlx_ruling(const struct nlx_face *faces, unsigned int last);

/**
 * nlx_policy_of - make a policy anew
 * @rq: the request
 * @faces: the two faces it gets
 * @last: as in nlx_ruling()
 * @given: where its mark and event come from
 * @sel: its selector
 *
 * Return: the policy, or ERR_PTR().
 */
struct espah_policy *nlx_policy_of(struct nlx_request *rq, const struct nlx_face *faces,
				   unsigned int last, const struct nlx_policy *given,
				   const struct espah_selector *sel);

/*
 * the policy that came for a direction (in and fwd: for one of the two) with a selector, its bits
 * beyond the prefixes included, or NULL; @sel: what nlx_read_selector() makes of @given; Context:
 * espah_net.lock
 */
struct espah_policy *nlx_policy_find(struct espah_net *en, u8 dir, const struct espah_selector *sel,
				     const struct xfrm_selector *given);

/* makes @pol effective in the place of @old, or NULL; Context: espah_net.lock */
int nlx_policy_add(struct nlx_request *rq, struct espah_policy *pol, struct espah_policy *old);

/* passes a request on to the listeners of a group; Return: 0 or -ENOMEM */
int nlx_echo(struct nlx_request *rq, unsigned int group);

/* registers the device kind `xfrm'; -EEXIST beside xfrm_interface */
int nlx_device_setup(void);
void nlx_device_teardown(void);

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
