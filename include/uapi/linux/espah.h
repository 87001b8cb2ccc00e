/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The generic-netlink family "espah", version 1.
 *
 * Every request applies to the network namespace of its socket. The sender needs
 * CAP_NET_ADMIN in the initial user namespace or, if the module was loaded with
 * userns=1, in the user namespace that owns that network namespace. Attributes are
 * validated strictly: a request is refused if it has an unknown attribute, or one that
 * is not listed for its command below. A refusal carries an extack sentence and changes
 * nothing.
 *
 * An attribute with a value may appear once. Addresses are binary: 4 bytes for IPv4,
 * 16 bytes for IPv6. Addresses, ports and SPIs are in network order (be16, be32),
 * all other numbers in host order.
 * "[x]" is optional, "x..." may appear several times.
 *
 * An answer has the command and the sequence number of its request. Events have
 * commands of their own and sequence number 0. SA_NEW accepts an answer to SA_GET with
 * [SA_SHOW_KEYS], and POLICY_NEW an answer to POLICY_GET: both ignore read-only
 * attributes. But such an SA sends the IVs again that the old one sent after the answer:
 * leave out SA_IV_MASK, or raise SA_SEQ above every number that was sent.
 *
 * ESPAH_CMD_SA_NEW       SA_DIR SA_SPI SA_SRC SA_DST SA_MODE SA_ALG SA_KEY
 *                        [SA_PROTO] [SA_REQID] [SA_FLAGS] [SA_WINDOW] [SA_DF]
 *                        [SA_SEQ [SA_SEEN or SA_IV_MASK]] [SA_USED]
 *                        [SA_DSCP] [SA_TTL] [SA_SOFT] [SA_HARD]
 *                        [SA_ENCAP_SPORT SA_ENCAP_DPORT] [SA_TFC]
 *                        [SA_DUMMY or SA_DUMMY_RANDOM] [SA_LABEL] [SA_CPUS]
 *                        [SA_VRF] [SA_IF_ID] [SA_MARK [SA_MARK_MASK]] [SA_OWNER]
 *                        [SA_SEL_MARK [SA_SEL_MARK_MASK]] [SA_FOR_DSCP]
 *     Adds an SA. -EEXIST if (direction, destination, SPI, protocol, VRF) is in use.
 *     An SA that SA_ALLOC_SPI reserved without keys is completed instead.
 *     -EKEYREJECTED if the algorithm is a counter mode (GCM, CCM, GMAC, CTR,
 *     ChaCha20-Poly1305) and the cipher key is all zero, or another SA of the network
 *     namespace, inbound or outbound, has the same cipher key and salt.
 *     ESPAH_SA_F_REUSE_KEY allows both, but not with implicit IVs.
 * ESPAH_CMD_SA_SET       (identity) [SA_DF] [SA_SOFT] [SA_HARD] [SA_NEW_SRC]
 *                        [SA_NEW_DST] [SA_ENCAP_SPORT SA_ENCAP_DPORT] [SA_TFC]
 *                        [SA_DUMMY or SA_DUMMY_RANDOM] [SA_CPUS] [SA_OWNER]
 *                        [SA_FOR_DSCP]
 *                        [SA_SEQ [SA_SEEN or SA_IV_MASK]] [SA_USED] [SA_KEY]
 *     Changes an SA in place. Keys, counters and all that the request does not name stay
 *     unchanged, as do limits that it does not name; 0 removes a limit. SA_SEQ, SA_SEEN and
 *     SA_USED only go ahead: -ERANGE if SA_SEQ is below that of the SA; numbers that the
 *     SA has seen stay seen. -EKEYREJECTED if SA_KEY is not the SA's key. Soft
 *     limits that were already reported are reported again. SA_NEW_DST changes the
 *     identity of the SA. Policies that name the old addresses have to be replaced.
 * ESPAH_CMD_SA_DEL       (identity)
 * ESPAH_CMD_SA_GET       (identity) [SA_SHOW_KEYS] [SA_SHOW_STATE]
 *     do: answers with the attributes of SA_NEW and the read-only attributes; SA_KEY
 *     only with [SA_SHOW_KEYS], SA_SEEN only with [SA_SHOW_STATE], SA_IV_MASK with either.
 *     dump: all SAs in the order in which they were added, filtered by each of [SA_DIR]
 *     [SA_SPI] [SA_SRC] [SA_DST] [SA_PROTO] [SA_REQID] [SA_VRF] [SA_IF_ID] that is given;
 *     [SA_SHOW_KEYS] and [SA_SHOW_STATE] as above.
 * ESPAH_CMD_SA_FLUSH     [SA_DIR] [SA_PROTO] [SA_REQID] [SA_VRF] [SA_IF_ID]
 * ESPAH_CMD_SA_ALLOC_SPI SA_SRC SA_DST SA_MODE [SA_PROTO] [SA_REQID]
 *                        [SA_SPI_MIN] [SA_SPI_MAX] [SA_VRF] [SA_IF_ID]
 *     Reserves a free inbound SPI for 60 seconds, as an SA without keys, and
 *     answers as SA_GET does.
 *
 *     A policy sends by the SAs that have the addresses, SA_PROTO, SA_MODE, SA_REQID, SA_VRF and
 *     SA_IF_ID of its template. Each DSCP is served by the newest of these SAs with keys whose
 *     SA_FOR_DSCP has it, or else by the newest without SA_FOR_DSCP; if there is neither, the
 *     packet has no SA. So an SA is replaced by a newer one for the DSCPs that both have, and a
 *     DSCP falls back to the next older SA when the newest is deleted.
 *
 *     (identity) is SA_DIR SA_SPI SA_DST [SA_PROTO] [SA_VRF].
 *     SA_SOFT and SA_HARD nest [LIMIT_PACKETS] [LIMIT_BYTES] [LIMIT_TIME]
 *     [LIMIT_USE] [LIMIT_IDLE] (RFC 4301 4.4.2.1). Soft: one ESPAH_CMD_EXPIRE event
 *     reports that the SA should be replaced. Hard: the SA is deleted; packets of its
 *     policies are dropped until there is another SA.
 *
 * ESPAH_CMD_POLICY_NEW   POLICY_DIR POLICY_ACTION POLICY_SELECTOR
 *                        [POLICY_PRIORITY] [POLICY_TEMPLATE] [POLICY_MSS]
 *                        [POLICY_REPLACE] [POLICY_LABEL] [POLICY_PFP or POLICY_QUEUE]
 *                        [POLICY_UNREACH] [POLICY_IF_ID] [POLICY_OWNER]
 *     Adds a policy. With NLM_F_ECHO the answer is that of POLICY_GET, so that the
 *     caller learns the POLICY_ID. -EEXIST if a policy with the same direction, selector,
 *     priority and POLICY_IF_ID exists. With POLICY_REPLACE the new policy replaces that
 *     policy atomically and keeps its POLICY_ID.
 * ESPAH_CMD_POLICY_DEL   POLICY_ID, or
 *                        POLICY_DIR POLICY_SELECTOR [POLICY_PRIORITY] [POLICY_IF_ID]
 * ESPAH_CMD_POLICY_GET   as for DEL; dump: [POLICY_DIR] [POLICY_IF_ID]
 * ESPAH_CMD_POLICY_FLUSH [POLICY_DIR] [POLICY_IF_ID]
 * ESPAH_CMD_POLICY_APPLY [APPLY_DEL...] [APPLY_POLICY...] [APPLY_ADOPT...]
 *                        [APPLY_DEFAULT_IN] [APPLY_DEFAULT_OUT]
 *     Deletes and adds policies, and changes default actions, in one step: the decision about
 *     each packet is made by all of them as they were before or as they are afterwards. Either
 *     everything is done or, on an error, nothing; if a policy is at fault, the extack names its
 *     APPLY_POLICY. An added policy may have the identity of a deleted one. The policies are
 *     added in the order of the request.
 *
 *     POLICY_SELECTOR nests [SEL_SRC SEL_SRC_LEN] [SEL_DST SEL_DST_LEN]
 *     [SEL_FAMILY] [SEL_PROTO] [SEL_SPORT_MIN SEL_SPORT_MAX]
 *     [SEL_DPORT_MIN SEL_DPORT_MAX] [SEL_SRC_RANGES] [SEL_DST_RANGES]
 *     [SEL_SPORT_RANGES] [SEL_DPORT_RANGES] [SEL_ICMP_TYPES] [SEL_ICMP_CODES]
 *     [SEL_MH_TYPES] [SEL_OPAQUE] [SEL_MARK [SEL_MARK_MASK]] [SEL_IFINDEX or SEL_IFNAME].
 *     An absent attribute matches everything. An address or SEL_FAMILY must give the
 *     family. A flow matches if, for each attribute, its value lies within one of the
 *     ranges. Answers hold the selector as it was given. Lists cost memory and classifier
 *     shapes, but no lookup time per value: address ranges are split into prefixes, and
 *     the combinations of prefixes and port ranges make at most ESPAH_RULES_MAX rules.
 *     POLICY_TEMPLATE nests TMPL_MODE [TMPL_PROTO] [TMPL_SRC] [TMPL_DST]
 *     [TMPL_REQID] [TMPL_VRF] [TMPL_OUTER]. Tunnel mode needs addresses; in transport mode
 *     they default to the packet's own. TMPL_OUTER nests the same attributes: another SA,
 *     which is applied to the output of this SA (RFC 4301 4.5), up to ESPAH_BUNDLE_MAX SAs
 *     in all. An inbound packet passes only if it came by all of these SAs and no others.
 *
 *     Before the request is answered, connections that are in an nftables flowtable but
 *     are now to be protected or discarded are ended, which takes a walk through the
 *     conntrack entries. One walk serves all requests of one sendmsg() if only the last
 *     request asks for an answer. It serves the requests of the next sendmsg() as well if
 *     the last message is an NLMSG_NOOP, which netlink itself answers. If no other request
 *     follows, the walk runs within a second.
 *
 * ESPAH_CMD_ALGO_GET     dump: one message per algorithm, ESPAH_ALGO_*
 * ESPAH_CMD_STATS_GET    do: one message, ESPAH_STATS_*
 * ESPAH_CMD_CONFIG_GET   do: one message, ESPAH_CONFIG_*
 * ESPAH_CMD_CONFIG_SET   [CONFIG_DEFAULT_IN] [CONFIG_DEFAULT_OUT] [CONFIG_ICMP] [CONFIG_SECPATH]
 *                        [CONFIG_DIRECT] [CONFIG_OWNER]
 * ESPAH_CMD_EXPLAIN      EXPLAIN_DIR EXPLAIN_SRC EXPLAIN_DST [EXPLAIN_PROTO]
 *                        [EXPLAIN_SPORT] [EXPLAIN_DPORT] [EXPLAIN_TYPE]
 *                        [EXPLAIN_CODE] [EXPLAIN_FRAGMENT] [EXPLAIN_MARK]
 *                        [EXPLAIN_IFINDEX] [EXPLAIN_DSCP]
 *     Answers how a packet of this flow would be handled, and which policies precede
 *     the matching policy but do not match; see ESPAH_EXPLAIN_*.
 *
 * Devices of kind "espah" are made by rtnetlink: RTM_NEWLINK with IFLA_INFO_KIND
 * ESPAH_LINK_KIND and IFLA_INFO_DATA, enum espah_link_attr: IF_ID [DEV] [CARRIER] [OWNER]
 * [MTU_SET]. A change leaves attributes as they are that it does not name; the IF_ID cannot
 * change. SAs and policies with the same number belong to the device. What is routed into it
 * meets these policies alone, and what comes by these SAs is delivered by it. They stay, like
 * the outer packets, in the network namespace where the device was made, or that
 * IFLA_LINK_NETNSID named. Devices of kind ESPAH_TAP_KIND, without data, show packets in clear.
 *
 * Events, to the multicast groups:
 *   "sa"       ESPAH_CMD_SA_NEW_NTF, _SA_SET_NTF, _SA_DEL_NTF (never with keys),
 *              _SA_FLUSH_NTF
 *   "policy"   ESPAH_CMD_POLICY_NEW_NTF, _POLICY_DEL_NTF, _POLICY_FLUSH_NTF
 *   "acquire"  ESPAH_CMD_ACQUIRE, ESPAH_ACQUIRE_*: a packet matched a protect
 *              policy that has no SA. At most one event per second for each SA that
 *              the policy may ask for: one, unless its templates name no addresses or
 *              POLICY_PFP is set. Then at most 4,096 per second and namespace.
 *   "expire"   ESPAH_CMD_EXPIRE, ESPAH_EXPIRE_*: an SA reached a limit. For a hard
 *              limit, it precedes the ESPAH_CMD_SA_DEL_NTF.
 *   "mapping"  ESPAH_CMD_MAPPING: (identity) SA_SRC SA_REQID SA_ENCAP_SPORT
 *              SA_ENCAP_DPORT SA_NEW_SRC SA_NEW_SPORT: an authenticated packet of
 *              an inbound SA with UDP encapsulation came from an address or port
 *              other than the SA's, for example because a NAT lost its mapping.
 *              The SA is unchanged until SA_SET. At most one event per second and SA.
 *   "audit"    ESPAH_CMD_AUDIT, ESPAH_AUDIT_*: a packet was dropped for a reason that
 *              RFC 4301 to 4303 call auditable. At most ten events per second and reason.
 *   "drop"     ESPAH_CMD_DROP, ESPAH_AUDIT_*: the same for all reasons except keepalives
 *              and dummy packets, which are always dropped.
 */
#ifndef _UAPI_LINUX_ESPAH_H
#define _UAPI_LINUX_ESPAH_H

#define ESPAH_GENL_NAME "espah"
#define ESPAH_GENL_VERSION 1

#define ESPAH_MCGRP_SA "sa"
#define ESPAH_MCGRP_POLICY "policy"
#define ESPAH_MCGRP_ACQUIRE "acquire"
#define ESPAH_MCGRP_EXPIRE "expire"
#define ESPAH_MCGRP_MAPPING "mapping"
#define ESPAH_MCGRP_AUDIT "audit"
#define ESPAH_MCGRP_DROP "drop"

/** enum espah_cmd - commands, then events; the grammar is at the top of this file */
enum espah_cmd {
	ESPAH_CMD_UNSPEC,
	ESPAH_CMD_SA_NEW,
	ESPAH_CMD_SA_SET,
	ESPAH_CMD_SA_DEL,
	ESPAH_CMD_SA_GET,
	ESPAH_CMD_SA_FLUSH,
	ESPAH_CMD_SA_ALLOC_SPI,
	ESPAH_CMD_POLICY_NEW,
	ESPAH_CMD_POLICY_DEL,
	ESPAH_CMD_POLICY_GET,
	ESPAH_CMD_POLICY_FLUSH,
	ESPAH_CMD_ALGO_GET,
	ESPAH_CMD_STATS_GET,
	ESPAH_CMD_CONFIG_GET,
	ESPAH_CMD_CONFIG_SET,
	ESPAH_CMD_EXPLAIN,

	ESPAH_CMD_SA_NEW_NTF,
	ESPAH_CMD_SA_SET_NTF,
	ESPAH_CMD_SA_DEL_NTF,
	ESPAH_CMD_SA_FLUSH_NTF,
	ESPAH_CMD_POLICY_NEW_NTF,
	ESPAH_CMD_POLICY_DEL_NTF,
	ESPAH_CMD_POLICY_FLUSH_NTF,
	ESPAH_CMD_ACQUIRE,
	ESPAH_CMD_EXPIRE,
	ESPAH_CMD_MAPPING,
	ESPAH_CMD_AUDIT,
	ESPAH_CMD_DROP,

	/* a command */
	ESPAH_CMD_POLICY_APPLY,

	__ESPAH_CMD_MAX,
	ESPAH_CMD_MAX = __ESPAH_CMD_MAX - 1
};

/** enum espah_dir - direction of an SA or policy, as seen from this host */
enum espah_dir {
	ESPAH_DIR_IN,
	ESPAH_DIR_OUT,

	__ESPAH_DIR_MAX,
	ESPAH_DIR_MAX = __ESPAH_DIR_MAX - 1
};

/** enum espah_mode - RFC 4301 4.1 */
enum espah_mode {
	ESPAH_MODE_TRANSPORT,
	ESPAH_MODE_TUNNEL,

	__ESPAH_MODE_MAX,
	ESPAH_MODE_MAX = __ESPAH_MODE_MAX - 1
};

/** enum espah_action - how a policy handles its packets, RFC 4301 4.4.1 */
enum espah_action {
	ESPAH_ACTION_DISCARD,
	ESPAH_ACTION_BYPASS,
	ESPAH_ACTION_PROTECT,

	__ESPAH_ACTION_MAX,
	ESPAH_ACTION_MAX = __ESPAH_ACTION_MAX - 1
};

/** enum espah_owner - who made an object, for those who delete or replace only what is theirs */
enum espah_owner {
	/** @ESPAH_OWNER_HAND: the default: a command that was typed */
	ESPAH_OWNER_HAND,
	/** @ESPAH_OWNER_FILE: a configuration file ("espah apply") */
	ESPAH_OWNER_FILE,
	/** @ESPAH_OWNER_DAEMON: an IKE daemon, by this family */
	ESPAH_OWNER_DAEMON,
	/** @ESPAH_OWNER_XFRM: anyone, by NETLINK_XFRM; only in answers */
	ESPAH_OWNER_XFRM,

	__ESPAH_OWNER_MAX,
	ESPAH_OWNER_MAX = __ESPAH_OWNER_MAX - 1
};

/**
 * enum espah_df - the don't-fragment bit of the outer IPv4 header, RFC 4301 8.1
 *
 * @ESPAH_DF_COPY: copied from the inner header; set if the inner packet is IPv6
 * @ESPAH_DF_SET: always set
 * @ESPAH_DF_CLEAR: never set: packets that are too long are fragmented after encryption
 */
enum espah_df {
	ESPAH_DF_COPY,
	ESPAH_DF_SET,
	ESPAH_DF_CLEAR,

	__ESPAH_DF_MAX,
	ESPAH_DF_MAX = __ESPAH_DF_MAX - 1
};

/** enum espah_sa_state - life cycle of an SA */
enum espah_sa_state {
	/** @ESPAH_SA_STATE_LARVAL: the SPI is reserved, there are no keys yet */
	ESPAH_SA_STATE_LARVAL,
	/** @ESPAH_SA_STATE_VALID: the SA carries traffic */
	ESPAH_SA_STATE_VALID,
};

/** ESPAH_SA_F_ESN - 64-bit sequence numbers, RFC 4303 2.2.1 */
#define ESPAH_SA_F_ESN (1U << 0)
/**
 * ESPAH_SA_F_NOECN - tunnels; outbound: the outer header is Not-ECT (RFC 6040 4.1,
 * compatibility mode); inbound: the inner ECN field stays unchanged
 */
#define ESPAH_SA_F_NOECN (1U << 1)
/** ESPAH_SA_F_DSCP_IN - inbound tunnels: copy the outer DSCP to the inner header */
#define ESPAH_SA_F_DSCP_IN (1U << 2)
/**
 * ESPAH_SA_F_REUSE_KEY - counter modes: allow the cipher key and salt of another SA, or an all-zero
 * cipher key. If two such SAs use the same IV, the packets expose plaintext, and with GCM also the
 * authentication key; ESPAH_SA_IV_MASK gives the probability. The flag has no effect on other
 * algorithms, whose keys are not compared, nor on implicit IVs (RFC 8750): there, a reused key is
 * always refused
 */
#define ESPAH_SA_F_REUSE_KEY (1U << 3)
/** ESPAH_SA_F_ALL - the flags that this version knows */
#define ESPAH_SA_F_ALL \
	(ESPAH_SA_F_ESN | ESPAH_SA_F_NOECN | ESPAH_SA_F_DSCP_IN | ESPAH_SA_F_REUSE_KEY)

/** ESPAH_DSCP_NUM - number of DSCPs (RFC 2474 3) */
#define ESPAH_DSCP_NUM 64

/** ESPAH_WINDOW_MIN - packets: smallest replay window; a window of 0 disables the check */
#define ESPAH_WINDOW_MIN 32
/** ESPAH_WINDOW_MAX - packets: largest replay window */
#define ESPAH_WINDOW_MAX 32768
/** ESPAH_WINDOW_DEFAULT - packets: default replay window */
#define ESPAH_WINDOW_DEFAULT 1024

/** ESPAH_SPI_MIN - lower SPIs are reserved, RFC 4303 2.1 */
#define ESPAH_SPI_MIN 256

/** ESPAH_TFC_MTU - pad packets to the path MTU */
#define ESPAH_TFC_MTU 0xffff

/** ESPAH_KEY_MAX - bytes: longest SA_KEY */
#define ESPAH_KEY_MAX 128

/** enum espah_sa_attr - an SA */
enum espah_sa_attr {
	ESPAH_SA_UNSPEC,
	/** @ESPAH_SA_DIR: u8, enum espah_dir */
	ESPAH_SA_DIR,
	/** @ESPAH_SA_PROTO: u8, IPPROTO_ESP (the default) or IPPROTO_AH */
	ESPAH_SA_PROTO,
	/** @ESPAH_SA_MODE: u8, enum espah_mode */
	ESPAH_SA_MODE,
	/** @ESPAH_SA_SPI: be32, at least ESPAH_SPI_MIN */
	ESPAH_SA_SPI,
	/**
	 * @ESPAH_SA_SRC: binary, outer source address. All zero, in transport mode without UDP:
	 * any source (RFC 4552), without a replay window
	 */
	ESPAH_SA_SRC,
	/** @ESPAH_SA_DST: binary, outer destination address; multicast only in transport mode */
	ESPAH_SA_DST,
	/** @ESPAH_SA_REQID: u32, request id, links the SA to policies with this id; default 0 */
	ESPAH_SA_REQID,
	/** @ESPAH_SA_ALG: string, IKE keyword such as "aes256gcm16", or "sha256" for AH */
	ESPAH_SA_ALG,
	/**
	 * @ESPAH_SA_KEY: binary, in the order of IKE's key material (RFC 7296
	 * 2.17): encryption key, salt, integrity key; ESPAH_ALGO_KEY_LEN bytes
	 */
	ESPAH_SA_KEY,
	/** @ESPAH_SA_FLAGS: u32, ESPAH_SA_F_* */
	ESPAH_SA_FLAGS,
	/** @ESPAH_SA_WINDOW: u32, replay window in packets (inbound) */
	ESPAH_SA_WINDOW,
	/** @ESPAH_SA_DF: u8, enum espah_df (outbound tunnels) */
	ESPAH_SA_DF,
	/**
	 * @ESPAH_SA_SEQ: u64, outbound: the last sequence number used; inbound:
	 * the highest one accepted
	 */
	ESPAH_SA_SEQ,
	/** @ESPAH_SA_SPI_MIN: be32, lowest SPI that SA_ALLOC_SPI may choose */
	ESPAH_SA_SPI_MIN,
	/** @ESPAH_SA_SPI_MAX: be32, highest SPI that SA_ALLOC_SPI may choose */
	ESPAH_SA_SPI_MAX,
	/** @ESPAH_SA_SHOW_KEYS: flag, in a request: include SA_KEY in the answer */
	ESPAH_SA_SHOW_KEYS,
	/** @ESPAH_SA_ID: u32, read-only, number of the SA, in the order of addition */
	ESPAH_SA_ID,
	/** @ESPAH_SA_STATE: u8, read-only, enum espah_sa_state */
	ESPAH_SA_STATE,
	/** @ESPAH_SA_DRIVER: string, read-only, the kernel's crypto driver */
	ESPAH_SA_DRIVER,
	/** @ESPAH_SA_PMTU: u32, read-only, path MTU to the peer (outbound), bytes */
	ESPAH_SA_PMTU,
	/** @ESPAH_SA_PACKETS: u64, read-only, authenticated packets carried */
	ESPAH_SA_PACKETS,
	/** @ESPAH_SA_BYTES: u64, read-only, inner packet bytes carried */
	ESPAH_SA_BYTES,
	/** @ESPAH_SA_ADDED: u64, read-only, time of addition, seconds since the epoch */
	ESPAH_SA_ADDED,
	/** @ESPAH_SA_DROPS: nested, read-only, ESPAH_DROP_ENTRY... with counts above 0 */
	ESPAH_SA_DROPS,
	/** @ESPAH_SA_PAD: alignment of 64-bit attributes */
	ESPAH_SA_PAD,
	/**
	 * @ESPAH_SA_DSCP: binary, DSCP of the outer header (outbound tunnels,
	 * RFC 2983). Absent: copied from the inner header; 1 byte: this DSCP;
	 * ESPAH_DSCP_NUM bytes: a table indexed by the inner DSCP
	 */
	ESPAH_SA_DSCP,
	/** @ESPAH_SA_TTL: u8, outer TTL, 1 to 255 (outbound tunnels); absent: the route's */
	ESPAH_SA_TTL,
	/**
	 * @ESPAH_SA_ECN_ODD: u64, read-only, packets with a combination of ECN
	 * fields that RFC 6040 4.2 marks as currently unused (inbound tunnels)
	 */
	ESPAH_SA_ECN_ODD,
	/** @ESPAH_SA_SOFT: nested, enum espah_limit: limits at which the SA should be replaced */
	ESPAH_SA_SOFT,
	/** @ESPAH_SA_HARD: nested, enum espah_limit: limits at which the SA is deleted */
	ESPAH_SA_HARD,
	/**
	 * @ESPAH_SA_USED: nested, enum espah_limit: used part of the limits; in a request: what
	 * was used elsewhere. Without effect: less than the SA has used, limits that it does not
	 * have of packets and bytes, and LIMIT_IDLE
	 */
	ESPAH_SA_USED,
	/** @ESPAH_SA_FIRST_USED: u64, read-only, seconds since the epoch; absent: not used yet */
	ESPAH_SA_FIRST_USED,
	/** @ESPAH_SA_LAST_USED: u64, read-only, seconds since the epoch */
	ESPAH_SA_LAST_USED,
	/**
	 * @ESPAH_SA_ENCAP_SPORT: be16, UDP source port of the SA's packets:
	 * ESP in UDP (RFC 3948); 0 in SA_SET turns UDP encapsulation off
	 */
	ESPAH_SA_ENCAP_SPORT,
	/** @ESPAH_SA_ENCAP_DPORT: be16, UDP destination port of the SA's packets */
	ESPAH_SA_ENCAP_DPORT,
	/** @ESPAH_SA_NEW_SRC: binary, new value of SA_SRC; in events: the source address seen */
	ESPAH_SA_NEW_SRC,
	/** @ESPAH_SA_NEW_DST: binary, new value of SA_DST */
	ESPAH_SA_NEW_DST,
	/** @ESPAH_SA_NEW_SPORT: be16, in events: the UDP source port seen */
	ESPAH_SA_NEW_SPORT,
	/**
	 * @ESPAH_SA_TFC: u16, bytes up to which inner packets are padded (RFC 4303
	 * 2.7, outbound tunnels), limited to what fits the path MTU; 0: no padding;
	 * ESPAH_TFC_MTU: always up to the path MTU
	 */
	ESPAH_SA_TFC,
	/**
	 * @ESPAH_SA_DUMMY: u32, microseconds between dummy packets (RFC 4303 2.6,
	 * outbound), 1000 to 3600000000; 0: no dummy packets
	 */
	ESPAH_SA_DUMMY,
	/** @ESPAH_SA_DUMMY_RANDOM: u32, the same, but the mean of random intervals */
	ESPAH_SA_DUMMY_RANDOM,
	/** @ESPAH_SA_DUMMIES: u64, read-only, dummy packets sent; not in ESPAH_SA_PACKETS */
	ESPAH_SA_DUMMIES,
	/**
	 * @ESPAH_SA_LABEL: string, 1 to 63 printable ASCII characters: free text of the SA's
	 * creator, for example the IKE daemon and its peer; for display only
	 */
	ESPAH_SA_LABEL,
	/**
	 * @ESPAH_SA_CPUS: u16, number of CPUs that share the packets of the SA; the packet order
	 * is kept. 1: each packet stays on the CPU where it arrives. 0 (default): the same, but
	 * CPUs that have time help a busy CPU. Isolated CPUs do not help other CPUs. Senders
	 * without CAP_NET_ADMIN in the initial user namespace can only set 1, which is their
	 * default
	 */
	ESPAH_SA_CPUS,
	/**
	 * @ESPAH_SA_IV_MASK: binary, 8 bytes: the IVs of an outbound counter-mode SA are its
	 * 64-bit sequence number, in network order, XOR these bytes. Random unless a request
	 * gives them, together with a sequence number that no packet with these bytes had yet:
	 * SA_NEW, or SA_SET while SA_SEQ is 0.
	 * If two SAs with the same key and salt, and random bytes, send up to 2^N packets each,
	 * they share an IV with a probability of 1 in 2^(64 - N): without ESN, 1 in 2^32 at most
	 */
	ESPAH_SA_IV_MASK,
	/**
	 * @ESPAH_SA_VRF: u32, index of the VRF device in whose domain the SA's packets travel;
	 * part of the SA's identity. Absent: the current domain of the device that has the
	 * local address (outbound the source, inbound the destination); if several domains
	 * have the address, the main domain is preferred. Inbound multicast: any domain
	 */
	ESPAH_SA_VRF,
	/**
	 * @ESPAH_SA_IF_ID: u32, number of the device that the SA belongs to, above 0; with
	 * SA_REQID it links the SA to policies. Absent: none
	 */
	ESPAH_SA_IF_ID,
	/**
	 * @ESPAH_SA_MARK: u32, mark that packets get in the bits of SA_MARK_MASK; outbound:
	 * ESP and AH packets, before their route is looked up; inbound: decrypted packets.
	 * Absent: forwarded ESP and AH packets keep the mark of the packet in clear, decrypted
	 * packets that of the ESP or AH packet
	 */
	ESPAH_SA_MARK,
	/** @ESPAH_SA_MARK_MASK: u32; default: all bits */
	ESPAH_SA_MARK_MASK,
	/**
	 * @ESPAH_SA_SEL_MARK: u32, required value of the packet's mark in the bits of
	 * SA_SEL_MARK_MASK; outbound: of the packet in clear; inbound: of the ESP or AH packet
	 */
	ESPAH_SA_SEL_MARK,
	/** @ESPAH_SA_SEL_MARK_MASK: u32; default: all bits */
	ESPAH_SA_SEL_MARK_MASK,
	/** @ESPAH_SA_OWNER: u8, enum espah_owner */
	ESPAH_SA_OWNER,
	/**
	 * @ESPAH_SA_FOR_DSCP: u64, outbound: bit N (1 << N): the SA is for packets with the DSCP N
	 * (RFC 4301 4.1), in the header that the SA protects: of the packet in clear, or of the
	 * result of the SA that was applied before. 0 (default): for packets with DSCPs that no
	 * other SA of the same policies is for; the grammar at the top says which SA sends
	 */
	ESPAH_SA_FOR_DSCP,
	/**
	 * @ESPAH_SA_SEEN: binary, the replay window of an inbound SA, one bit for each number,
	 * set if it was received: the highest bit of the first byte is for SA_SEQ, the next bit
	 * for SA_SEQ - 1. 8 bytes for each 64 numbers of the window. Numbers before those are
	 * refused. Absent in a request with SA_SEQ: all numbers up to SA_SEQ were received
	 */
	ESPAH_SA_SEEN,
	/** @ESPAH_SA_SHOW_STATE: flag, in a request: answer with SA_SEEN and SA_IV_MASK */
	ESPAH_SA_SHOW_STATE,

	__ESPAH_SA_MAX,
	ESPAH_SA_MAX = __ESPAH_SA_MAX - 1
};

/** enum espah_limit - a limit of an SA; 0: no limit; only authenticated packets count */
enum espah_limit {
	ESPAH_LIMIT_UNSPEC,
	/** @ESPAH_LIMIT_PACKETS: u64, packets carried; exact */
	ESPAH_LIMIT_PACKETS,
	/** @ESPAH_LIMIT_BYTES: u64, bytes processed by the cipher; never exceeded */
	ESPAH_LIMIT_BYTES,
	/** @ESPAH_LIMIT_TIME: u64, seconds since the SA was added, up to 2^32 - 1 */
	ESPAH_LIMIT_TIME,
	/** @ESPAH_LIMIT_USE: u64, seconds since the SA's first packet, up to 2^32 - 1 */
	ESPAH_LIMIT_USE,
	/** @ESPAH_LIMIT_IDLE: u64, seconds since the SA's last packet, or since it was added */
	ESPAH_LIMIT_IDLE,
	/** @ESPAH_LIMIT_PAD: alignment of 64-bit attributes */
	ESPAH_LIMIT_PAD,

	__ESPAH_LIMIT_MAX,
	ESPAH_LIMIT_MAX = __ESPAH_LIMIT_MAX - 1
};

/** ESPAH_LIST_MAX - ranges: longest list in a selector */
#define ESPAH_LIST_MAX 64
/** ESPAH_RULES_MAX - most combinations of source prefix, destination prefix, ports etc. */
#define ESPAH_RULES_MAX 1024

/** enum espah_sel_attr - a selector, RFC 4301 4.4.1.1 */
enum espah_sel_attr {
	ESPAH_SEL_UNSPEC,
	/** @ESPAH_SEL_FAMILY: u8, AF_INET or AF_INET6; required if there is no address */
	ESPAH_SEL_FAMILY,
	/** @ESPAH_SEL_SRC: binary, source prefix; bits beyond its length are 0 */
	ESPAH_SEL_SRC,
	/** @ESPAH_SEL_SRC_LEN: u8, bits; default: the whole address */
	ESPAH_SEL_SRC_LEN,
	/** @ESPAH_SEL_DST: binary, destination prefix */
	ESPAH_SEL_DST,
	/** @ESPAH_SEL_DST_LEN: u8, bits */
	ESPAH_SEL_DST_LEN,
	/** @ESPAH_SEL_PROTO: u8, upper-layer protocol; 0 or absent: any */
	ESPAH_SEL_PROTO,
	/** @ESPAH_SEL_SPORT_MIN: be16; only for protocols with ports */
	ESPAH_SEL_SPORT_MIN,
	/** @ESPAH_SEL_SPORT_MAX: be16; default: SPORT_MIN */
	ESPAH_SEL_SPORT_MAX,
	/** @ESPAH_SEL_DPORT_MIN: be16 */
	ESPAH_SEL_DPORT_MIN,
	/** @ESPAH_SEL_DPORT_MAX: be16; default: DPORT_MIN */
	ESPAH_SEL_DPORT_MAX,
	/**
	 * @ESPAH_SEL_SRC_RANGES: list of addresses, instead of SEL_SRC; needs
	 * SEL_FAMILY. A list is binary: up to ESPAH_LIST_MAX pairs of lowest and
	 * highest value in network order, ascending and without overlap
	 */
	ESPAH_SEL_SRC_RANGES,
	/** @ESPAH_SEL_DST_RANGES: list of addresses, instead of SEL_DST */
	ESPAH_SEL_DST_RANGES,
	/** @ESPAH_SEL_SPORT_RANGES: list of be16, instead of SEL_SPORT_MIN */
	ESPAH_SEL_SPORT_RANGES,
	/** @ESPAH_SEL_DPORT_RANGES: list of be16, instead of SEL_DPORT_MIN */
	ESPAH_SEL_DPORT_RANGES,
	/** @ESPAH_SEL_ICMP_TYPES: list of u8; only for ICMP and ICMPv6 */
	ESPAH_SEL_ICMP_TYPES,
	/** @ESPAH_SEL_ICMP_CODES: list of u8; only for ICMP and ICMPv6 */
	ESPAH_SEL_ICMP_CODES,
	/** @ESPAH_SEL_MH_TYPES: list of u8, types of IPv6 mobility headers (RFC 6275) */
	ESPAH_SEL_MH_TYPES,
	/**
	 * @ESPAH_SEL_OPAQUE: flag, match only packets whose ports cannot be known: fragments
	 * other than the first (RFC 4301 4.4.1.1, OPAQUE). A selector with neither this flag
	 * nor ports (ANY) matches such packets too. A selector with ports does not: if the
	 * first policy that could apply has ports, such packets are dropped
	 */
	ESPAH_SEL_OPAQUE,
	/**
	 * @ESPAH_SEL_MARK: u32, required value of the packet's mark (SO_MARK, nft) in the bits
	 * of SEL_MARK_MASK. Inbound it is the mark at the time of the check, as set by tc or
	 * netdev rules; for packets that came by an SA, the mark of the ESP or AH packet, as
	 * ESPAH_SA_MARK has changed it
	 */
	ESPAH_SEL_MARK,
	/** @ESPAH_SEL_MARK_MASK: u32; default: all bits */
	ESPAH_SEL_MARK_MASK,
	/**
	 * @ESPAH_SEL_IFINDEX: u32, index of the device by which the packet leaves (before
	 * encryption) or arrived; for packets that came by an SA, the device by which the ESP
	 * or AH packet arrived. The index of a VRF stands for all its devices
	 */
	ESPAH_SEL_IFINDEX,
	/**
	 * @ESPAH_SEL_IFNAME: string, up to 15 characters: the device that has this name at the
	 * moment, instead of SEL_IFINDEX. While there is none, the selector matches nothing
	 */
	ESPAH_SEL_IFNAME,

	__ESPAH_SEL_MAX,
	ESPAH_SEL_MAX = __ESPAH_SEL_MAX - 1
};

/** ESPAH_BUNDLE_MAX - most SAs that a policy may require */
#define ESPAH_BUNDLE_MAX 4

/** enum espah_tmpl_attr - the SAs that a protect policy requires */
enum espah_tmpl_attr {
	ESPAH_TMPL_UNSPEC,
	/** @ESPAH_TMPL_PROTO: u8, IPPROTO_ESP (the default) or IPPROTO_AH */
	ESPAH_TMPL_PROTO,
	/** @ESPAH_TMPL_MODE: u8, enum espah_mode */
	ESPAH_TMPL_MODE,
	/** @ESPAH_TMPL_SRC: binary, the SA's source address */
	ESPAH_TMPL_SRC,
	/** @ESPAH_TMPL_DST: binary, the SA's destination address */
	ESPAH_TMPL_DST,
	/** @ESPAH_TMPL_REQID: u32, request id of the SA; default 0 */
	ESPAH_TMPL_REQID,
	/**
	 * @ESPAH_TMPL_OUTER: nested, enum espah_tmpl_attr: the SA that is applied to the output
	 * of this SA; in transport mode with the same addresses
	 */
	ESPAH_TMPL_OUTER,
	/**
	 * @ESPAH_TMPL_VRF: u32, index of the VRF device of the SA. Absent: SAs in the domain of
	 * the local address, whether or not they name a VRF
	 */
	ESPAH_TMPL_VRF,

	__ESPAH_TMPL_MAX,
	ESPAH_TMPL_MAX = __ESPAH_TMPL_MAX - 1
};

/** ESPAH_MSS_OFF - leave the MSS option of TCP SYNs alone */
#define ESPAH_MSS_OFF 0
/** ESPAH_MSS_AUTO - clamp the MSS to what the SA carries without fragmentation */
#define ESPAH_MSS_AUTO 0xffff

/**
 * ESPAH_PFP_SRC - populate from packet (RFC 4301 4.4.1.2): the selector of the requested SA takes
 * this field from the packet, not from the policy's selector
 */
#define ESPAH_PFP_SRC (1U << 0)
#define ESPAH_PFP_DST (1U << 1)
#define ESPAH_PFP_PROTO (1U << 2)
/** ESPAH_PFP_SPORT - source port, or type of an ICMP message or mobility header */
#define ESPAH_PFP_SPORT (1U << 3)
/** ESPAH_PFP_DPORT - destination port, or code of an ICMP message */
#define ESPAH_PFP_DPORT (1U << 4)
#define ESPAH_PFP_ALL 0x1f

/** ESPAH_QUEUE_MAX - packets: most that may wait for the SA of a policy */
#define ESPAH_QUEUE_MAX 64

/** enum espah_policy_attr - a policy */
enum espah_policy_attr {
	ESPAH_POLICY_UNSPEC,
	/** @ESPAH_POLICY_ID: u32, assigned by the kernel */
	ESPAH_POLICY_ID,
	/** @ESPAH_POLICY_DIR: u8, enum espah_dir; "in" includes forwarded packets */
	ESPAH_POLICY_DIR,
	/** @ESPAH_POLICY_ACTION: u8, enum espah_action */
	ESPAH_POLICY_ACTION,
	/** @ESPAH_POLICY_PRIORITY: u32, lower comes first; default 1000 */
	ESPAH_POLICY_PRIORITY,
	/** @ESPAH_POLICY_SELECTOR: nested, enum espah_sel_attr */
	ESPAH_POLICY_SELECTOR,
	/** @ESPAH_POLICY_TEMPLATE: nested, enum espah_tmpl_attr; only with protect */
	ESPAH_POLICY_TEMPLATE,
	/** @ESPAH_POLICY_MSS: u16, ESPAH_MSS_OFF, bytes, or ESPAH_MSS_AUTO (default for protect) */
	ESPAH_POLICY_MSS,
	/**
	 * @ESPAH_POLICY_REPLACE: flag, in a request: replace a policy with the same direction,
	 * selector and priority (generic netlink refuses NLM_F_REPLACE in the header)
	 */
	ESPAH_POLICY_REPLACE,
	/** @ESPAH_POLICY_PACKETS: u64, read-only, packets that the policy let pass */
	ESPAH_POLICY_PACKETS,
	/** @ESPAH_POLICY_BYTES: u64, read-only, bytes of these packets */
	ESPAH_POLICY_BYTES,
	/** @ESPAH_POLICY_ADDED: u64, read-only, time of addition, seconds since the epoch */
	ESPAH_POLICY_ADDED,
	/** @ESPAH_POLICY_DROPS: nested, read-only, ESPAH_DROP_ENTRY... */
	ESPAH_POLICY_DROPS,
	/** @ESPAH_POLICY_PAD: alignment of 64-bit attributes */
	ESPAH_POLICY_PAD,
	/** @ESPAH_POLICY_LABEL: string, as ESPAH_SA_LABEL */
	ESPAH_POLICY_LABEL,
	/**
	 * @ESPAH_POLICY_PFP: u32, ESPAH_PFP_*; only with protect. Such a policy uses no SA
	 * itself: its acquire events request a narrower policy that precedes it, with an SA.
	 * ESPAH_ACQUIRE_SELECTOR gives the selector of that policy
	 */
	ESPAH_POLICY_PFP,
	/**
	 * @ESPAH_POLICY_QUEUE: u32, 1 to ESPAH_QUEUE_MAX: number of packets that wait for the
	 * SA, up to 5 seconds, instead of being dropped; only outbound and with protect;
	 * default: none
	 */
	ESPAH_POLICY_QUEUE,
	/**
	 * @ESPAH_POLICY_UNREACH: flag, outbound: send ICMP errors (RFC 4301 5.1.1), within the
	 * ICMP rate limits of the IP layer: "prohibited" for packets that the policy discards,
	 * "host unreachable" for packets that are dropped because there is no SA
	 */
	ESPAH_POLICY_UNREACH,
	/**
	 * @ESPAH_POLICY_IF_ID: u32, number of the device that the policy belongs to, above 0,
	 * part of the policy's identity: outbound it applies to packets that are routed into the
	 * device, inbound to packets that come by SAs with this number, and to no others. Such a
	 * policy protects or discards. Absent: the policy applies to all other packets
	 */
	ESPAH_POLICY_IF_ID,
	/** @ESPAH_POLICY_OWNER: u8, enum espah_owner */
	ESPAH_POLICY_OWNER,

	__ESPAH_POLICY_MAX,
	ESPAH_POLICY_MAX = __ESPAH_POLICY_MAX - 1
};

/** enum espah_apply_attr - a change of several policies in one step */
enum espah_apply_attr {
	ESPAH_APPLY_UNSPEC,
	/** @ESPAH_APPLY_DEL: u32, several: ESPAH_POLICY_ID of a policy to delete */
	ESPAH_APPLY_DEL,
	/** @ESPAH_APPLY_POLICY: nested, several, enum espah_policy_attr: as for POLICY_NEW */
	ESPAH_APPLY_POLICY,
	/**
	 * @ESPAH_APPLY_ADOPT: u32, several: ESPAH_POLICY_ID of a policy whose owner becomes
	 * ESPAH_OWNER_FILE; nothing else of it changes
	 */
	ESPAH_APPLY_ADOPT,
	/**
	 * @ESPAH_APPLY_DEFAULT_IN: u8, as ESPAH_CONFIG_DEFAULT_IN; discard belongs to the
	 * configuration file afterwards
	 */
	ESPAH_APPLY_DEFAULT_IN,
	/** @ESPAH_APPLY_DEFAULT_OUT: u8, as ESPAH_APPLY_DEFAULT_IN */
	ESPAH_APPLY_DEFAULT_OUT,

	__ESPAH_APPLY_MAX,
	ESPAH_APPLY_MAX = __ESPAH_APPLY_MAX - 1
};

/** ESPAH_PRIORITY_DEFAULT - default priority of a policy */
#define ESPAH_PRIORITY_DEFAULT 1000

/** enum espah_drop_attr - a counted drop reason, inside a DROPS nest */
enum espah_drop_attr {
	ESPAH_DROP_UNSPEC,
	/** @ESPAH_DROP_ENTRY: nested, one reason: the attributes below */
	ESPAH_DROP_ENTRY,
	/** @ESPAH_DROP_NAME: string, stable name such as "no_sa" */
	ESPAH_DROP_NAME,
	/** @ESPAH_DROP_COUNT: u64, packets */
	ESPAH_DROP_COUNT,
	/** @ESPAH_DROP_TEXT: string, one sentence (only in STATS) */
	ESPAH_DROP_TEXT,
	/** @ESPAH_DROP_PAD: alignment of 64-bit attributes */
	ESPAH_DROP_PAD,

	__ESPAH_DROP_MAX,
	ESPAH_DROP_MAX = __ESPAH_DROP_MAX - 1
};

/** enum espah_algo_attr - an algorithm suite */
enum espah_algo_attr {
	ESPAH_ALGO_UNSPEC,
	/** @ESPAH_ALGO_NAME: string, IKE keyword, as in ESPAH_SA_ALG */
	ESPAH_ALGO_NAME,
	/** @ESPAH_ALGO_KERNEL_NAME: string, the crypto API's name */
	ESPAH_ALGO_KERNEL_NAME,
	/** @ESPAH_ALGO_KEY_LEN: u32, bytes of ESPAH_SA_KEY, including the salt */
	ESPAH_ALGO_KEY_LEN,
	/** @ESPAH_ALGO_SALT_LEN: u32, bytes of salt or nonce in the key */
	ESPAH_ALGO_SALT_LEN,
	/** @ESPAH_ALGO_AUTH_KEY_LEN: u32, bytes of the integrity key at the end of the key */
	ESPAH_ALGO_AUTH_KEY_LEN,
	/** @ESPAH_ALGO_IV_LEN: u32, bytes on the wire */
	ESPAH_ALGO_IV_LEN,
	/** @ESPAH_ALGO_ICV_LEN: u32, bytes on the wire */
	ESPAH_ALGO_ICV_LEN,
	/** @ESPAH_ALGO_BLOCK_LEN: u32, padding granularity, bytes */
	ESPAH_ALGO_BLOCK_LEN,
	/** @ESPAH_ALGO_DRIVER: string, the driver that this kernel would use; absent: none */
	ESPAH_ALGO_DRIVER,
	/** @ESPAH_ALGO_MISSING: string, the module or config option to add */
	ESPAH_ALGO_MISSING,
	/** @ESPAH_ALGO_PROTO: u8, IPPROTO_ESP or IPPROTO_AH; some names exist for both */
	ESPAH_ALGO_PROTO,

	__ESPAH_ALGO_MAX,
	ESPAH_ALGO_MAX = __ESPAH_ALGO_MAX - 1
};

/** enum espah_stats_attr - counters of the network namespace */
enum espah_stats_attr {
	ESPAH_STATS_UNSPEC,
	/** @ESPAH_STATS_SAS: u32, SAs present */
	ESPAH_STATS_SAS,
	/** @ESPAH_STATS_POLICIES: u32, policies present */
	ESPAH_STATS_POLICIES,
	/** @ESPAH_STATS_OUT_PACKETS: u64, packets protected and sent */
	ESPAH_STATS_OUT_PACKETS,
	/** @ESPAH_STATS_OUT_BYTES: u64, inner packet bytes sent */
	ESPAH_STATS_OUT_BYTES,
	/** @ESPAH_STATS_IN_PACKETS: u64, packets unprotected and delivered */
	ESPAH_STATS_IN_PACKETS,
	/** @ESPAH_STATS_IN_BYTES: u64, inner packet bytes delivered */
	ESPAH_STATS_IN_BYTES,
	/** @ESPAH_STATS_DROPS: nested, ESPAH_DROP_ENTRY..., all reasons, including zero counts */
	ESPAH_STATS_DROPS,
	/** @ESPAH_STATS_VERSION: string, the module's version */
	ESPAH_STATS_VERSION,
	/** @ESPAH_STATS_PAD: alignment of 64-bit attributes */
	ESPAH_STATS_PAD,

	__ESPAH_STATS_MAX,
	ESPAH_STATS_MAX = __ESPAH_STATS_MAX - 1
};

/** enum espah_config_attr - settings of the network namespace */
enum espah_config_attr {
	ESPAH_CONFIG_UNSPEC,
	/** @ESPAH_CONFIG_DEFAULT_IN: u8, bypass or discard, for packets that match no policy */
	ESPAH_CONFIG_DEFAULT_IN,
	/** @ESPAH_CONFIG_DEFAULT_OUT: u8, bypass or discard */
	ESPAH_CONFIG_DEFAULT_OUT,
	/**
	 * @ESPAH_CONFIG_ICMP: u8, bypass or discard (the default), for ICMP errors that arrive
	 * in clear and quote a packet of a protected flow (RFC 4301 6.1.1). Does not apply to
	 * ICMP errors about the SA's own packets
	 */
	ESPAH_CONFIG_ICMP,
	/**
	 * @ESPAH_CONFIG_SECPATH: u8, 1 (the default) or 0: whether packets that came by an SA
	 * have a secpath, by which firewall rules recognise IPsec (nft "meta ipsec exists" and
	 * "ipsec in reqid", xt_policy). With 0, only IPv4 packets have one, and only if
	 * rp_filter is not 0 on the device by which they arrive
	 */
	ESPAH_CONFIG_SECPATH,
	/**
	 * @ESPAH_CONFIG_DIRECT: u8, 1 or 0 (the default): whether ESP and AH packets of SAs skip
	 * conntrack and all further netfilter rules of this host: inbound from our hook in
	 * PRE_ROUTING on, outbound from LOCAL_OUT to POST_ROUTING. Rules for the packets in
	 * clear, tc and netdev rules apply as always. Outbound multicast does not skip them
	 */
	ESPAH_CONFIG_DIRECT,
	/** @ESPAH_CONFIG_OWNER: u8, in a request, enum espah_owner: who changes the settings */
	ESPAH_CONFIG_OWNER,
	/**
	 * @ESPAH_CONFIG_FILE: u32, read-only: bit N is set if the setting with the attribute N
	 * was last changed by ESPAH_OWNER_FILE, to another value than that of a new namespace
	 */
	ESPAH_CONFIG_FILE,

	__ESPAH_CONFIG_MAX,
	ESPAH_CONFIG_MAX = __ESPAH_CONFIG_MAX - 1
};

/** ESPAH_WHY_OPAQUE - the policy matches only fragments without ports; the flow is none */
#define ESPAH_WHY_OPAQUE (1U << 5)
/** ESPAH_WHY_MARK - the mark differs */
#define ESPAH_WHY_MARK (1U << 6)
/** ESPAH_WHY_IFINDEX - the device differs */
#define ESPAH_WHY_IFINDEX (1U << 7)
/** ESPAH_WHY_IF_ID - the policy is for packets of another device of kind espah, or of none */
#define ESPAH_WHY_IF_ID (1U << 8)

/** ESPAH_PASSED_MAX - most ESPAH_EXPLAIN_PASSED in an answer */
#define ESPAH_PASSED_MAX 8

/** enum espah_passed_attr - a policy that precedes the matching one, but does not match */
enum espah_passed_attr {
	ESPAH_PASSED_UNSPEC,
	/** @ESPAH_PASSED_POLICY_ID: u32 */
	ESPAH_PASSED_POLICY_ID,
	/** @ESPAH_PASSED_PRIORITY: u32 */
	ESPAH_PASSED_PRIORITY,
	/**
	 * @ESPAH_PASSED_WHY: u32, ESPAH_PFP_* of the fields that do not match, and
	 * ESPAH_WHY_*; for a selector with lists: of the entry with the fewest mismatches
	 */
	ESPAH_PASSED_WHY,

	__ESPAH_PASSED_MAX,
	ESPAH_PASSED_ATTR_MAX = __ESPAH_PASSED_MAX - 1
};

/** ESPAH_DIFFERS_SRC - the source address of the SA is not that of the template */
#define ESPAH_DIFFERS_SRC (1U << 0)
/** ESPAH_DIFFERS_DST - the destination address */
#define ESPAH_DIFFERS_DST (1U << 1)
/** ESPAH_DIFFERS_SWAPPED - the source is the destination of the template, and vice versa */
#define ESPAH_DIFFERS_SWAPPED (1U << 2)
/** ESPAH_DIFFERS_REQID - the reqid */
#define ESPAH_DIFFERS_REQID (1U << 3)
/** ESPAH_DIFFERS_MODE - the mode */
#define ESPAH_DIFFERS_MODE (1U << 4)
/** ESPAH_DIFFERS_PROTO - the protocol, ESP or AH */
#define ESPAH_DIFFERS_PROTO (1U << 5)
/** ESPAH_DIFFERS_IF_ID - the SA is for another device of kind espah than the policy, or for none */
#define ESPAH_DIFFERS_IF_ID (1U << 6)
/** ESPAH_DIFFERS_VRF - the VRF */
#define ESPAH_DIFFERS_VRF (1U << 7)
/** ESPAH_DIFFERS_SPI - the policy, which came by NETLINK_XFRM, admits another SPI only */
#define ESPAH_DIFFERS_SPI (1U << 8)
/** ESPAH_DIFFERS_LARVAL - the SA has no keys yet */
#define ESPAH_DIFFERS_LARVAL (1U << 9)
/** ESPAH_DIFFERS_DSCP - ESPAH_SA_FOR_DSCP does not have the DSCP of the packet */
#define ESPAH_DIFFERS_DSCP (1U << 10)

/** enum espah_near_attr - an SA that nearly fits a policy */
enum espah_near_attr {
	ESPAH_NEAR_UNSPEC,
	/** @ESPAH_NEAR_SA: nested, enum espah_sa_attr, without keys */
	ESPAH_NEAR_SA,
	/** @ESPAH_NEAR_DIFFERS: u32, ESPAH_DIFFERS_*: what keeps the policy from using the SA */
	ESPAH_NEAR_DIFFERS,
	/** @ESPAH_NEAR_TEMPLATE: nested, enum espah_tmpl_attr: the SA that the policy requires */
	ESPAH_NEAR_TEMPLATE,

	__ESPAH_NEAR_MAX,
	ESPAH_NEAR_MAX = __ESPAH_NEAR_MAX - 1
};

/** enum espah_explain_attr - a flow, and how its packets are handled */
enum espah_explain_attr {
	ESPAH_EXPLAIN_UNSPEC,
	/** @ESPAH_EXPLAIN_DIR: u8, enum espah_dir */
	ESPAH_EXPLAIN_DIR,
	/** @ESPAH_EXPLAIN_SRC: binary, source address of the plaintext packet */
	ESPAH_EXPLAIN_SRC,
	/** @ESPAH_EXPLAIN_DST: binary, destination address of the plaintext packet */
	ESPAH_EXPLAIN_DST,
	/** @ESPAH_EXPLAIN_PROTO: u8, upper-layer protocol of the plaintext packet */
	ESPAH_EXPLAIN_PROTO,
	/** @ESPAH_EXPLAIN_SPORT: be16 */
	ESPAH_EXPLAIN_SPORT,
	/** @ESPAH_EXPLAIN_DPORT: be16 */
	ESPAH_EXPLAIN_DPORT,
	/** @ESPAH_EXPLAIN_ACTION: u8, answer: enum espah_action */
	ESPAH_EXPLAIN_ACTION,
	/** @ESPAH_EXPLAIN_POLICY: nested, answer: enum espah_policy_attr; absent: default action */
	ESPAH_EXPLAIN_POLICY,
	/**
	 * @ESPAH_EXPLAIN_SA: nested, answer: enum espah_sa_attr, without keys; several if the
	 * policy requires several: each is applied to the output of the one before
	 */
	ESPAH_EXPLAIN_SA,
	/**
	 * @ESPAH_EXPLAIN_DROP: string, answer: the reason for which the packet would be
	 * dropped. Inbound with protect: if it arrived in clear. With EXPLAIN_EXEMPT: if
	 * the exemption does not apply to it
	 */
	ESPAH_EXPLAIN_DROP,
	/** @ESPAH_EXPLAIN_OVERHEAD: u32, answer: most bytes that the SAs add to a packet */
	ESPAH_EXPLAIN_OVERHEAD,
	/** @ESPAH_EXPLAIN_MTU: u32, answer: bytes of the largest packet that is not fragmented */
	ESPAH_EXPLAIN_MTU,
	/** @ESPAH_EXPLAIN_MSS: u32, answer: bytes of the TCP MSS for EXPLAIN_MTU */
	ESPAH_EXPLAIN_MSS,
	/** @ESPAH_EXPLAIN_EXEMPT: string, answer: why the packet passes regardless of the policy */
	ESPAH_EXPLAIN_EXEMPT,
	/** @ESPAH_EXPLAIN_TYPE: u8, type of the ICMP message or mobility header */
	ESPAH_EXPLAIN_TYPE,
	/** @ESPAH_EXPLAIN_CODE: u8, ICMP code */
	ESPAH_EXPLAIN_CODE,
	/** @ESPAH_EXPLAIN_FRAGMENT: flag, a fragment other than the first, without ports */
	ESPAH_EXPLAIN_FRAGMENT,
	/**
	 * @ESPAH_EXPLAIN_HOOK: string, answer: the netfilter hook that applies the policy;
	 * absent: none, because there is no policy, no SA and no default that discards
	 */
	ESPAH_EXPLAIN_HOOK,
	/** @ESPAH_EXPLAIN_MARK: u32, the packet's mark; default 0 */
	ESPAH_EXPLAIN_MARK,
	/**
	 * @ESPAH_EXPLAIN_IFINDEX: u32, the packet's device, as ESPAH_SEL_IFINDEX; default: none.
	 * A device of kind espah: a packet that is routed into it or came by its SAs
	 */
	ESPAH_EXPLAIN_IFINDEX,
	/**
	 * @ESPAH_EXPLAIN_PASSED: nested, answer: enum espah_passed_attr; up to ESPAH_PASSED_MAX:
	 * the policies of this family and direction that precede the matching policy, or all
	 * if none matches; those with the fewest mismatching fields come first
	 */
	ESPAH_EXPLAIN_PASSED,
	/** @ESPAH_EXPLAIN_PASSED_COUNT: u32, answer: total number of such policies */
	ESPAH_EXPLAIN_PASSED_COUNT,
	/**
	 * @ESPAH_EXPLAIN_SECPATH: u8, answer, inbound and protected: 1 or 0: whether firewall
	 * rules recognise the packet as IPsec, see ESPAH_CONFIG_SECPATH
	 */
	ESPAH_EXPLAIN_SECPATH,
	/**
	 * @ESPAH_EXPLAIN_NAT: flag, answer: rules of the firewall may translate addresses: outbound
	 * source and destination, before the policy sees them; inbound the destination, afterwards
	 */
	ESPAH_EXPLAIN_NAT,
	/**
	 * @ESPAH_EXPLAIN_TRACKED: nested, answer, outbound, with EXPLAIN_NAT: enum espah_sel_attr:
	 * conntrack has a connection of exactly this flow, and its packets leave with these
	 * addresses and ports. The rest of the answer is about a packet with these
	 */
	ESPAH_EXPLAIN_TRACKED,
	/**
	 * @ESPAH_EXPLAIN_NEAR: nested, answer: enum espah_near_attr; there is no SA that the policy
	 * could use, but this one nearly fits
	 */
	ESPAH_EXPLAIN_NEAR,
	/**
	 * @ESPAH_EXPLAIN_OPPOSITE_ENCAP: u8, answer: 1 or 0: whether the newest SA of the other
	 * direction, with the addresses of the last EXPLAIN_SA swapped and the same reqid, has UDP
	 * encapsulation; absent: there is none
	 */
	ESPAH_EXPLAIN_OPPOSITE_ENCAP,
	/**
	 * @ESPAH_EXPLAIN_INPUT: flag, answer, inbound with an EXPLAIN_SA: the firewall has rules
	 * at INPUT, which see the ESP or AH packets of the last one before they are processed
	 */
	ESPAH_EXPLAIN_INPUT,
	/**
	 * @ESPAH_EXPLAIN_FIREWALL: flag, answer: there are chains of the firewall, whose rules may
	 * drop the packet, or change its mark: outbound before the policy sees it, inbound
	 * afterwards
	 */
	ESPAH_EXPLAIN_FIREWALL,
	/**
	 * @ESPAH_EXPLAIN_QUOTES: flag, answer: the packet may be an ICMP error or redirect, which
	 * the policy of the packet that it quotes may concern, with addresses and ports reversed
	 */
	ESPAH_EXPLAIN_QUOTES,
	/**
	 * @ESPAH_EXPLAIN_ASSUMED: u32, answer: ESPAH_PFP_PROTO, _SPORT, _DPORT and ESPAH_WHY_MARK
	 * of the fields that the request does not give, but by which the policy selects
	 */
	ESPAH_EXPLAIN_ASSUMED,
	/**
	 * @ESPAH_EXPLAIN_BY_SA: string, answer, inbound: the reason for which the packet would be
	 * dropped if it came by an SA, other than those of EXPLAIN_SA and EXPLAIN_OTHERS
	 */
	ESPAH_EXPLAIN_BY_SA,
	/**
	 * @ESPAH_EXPLAIN_OTHERS: u32, answer, inbound, if one SA is required: number of further SAs
	 * by which the packet would be accepted, such as older ones
	 */
	ESPAH_EXPLAIN_OTHERS,
	/**
	 * @ESPAH_EXPLAIN_DIRECT: flag, answer: ESP and AH packets of SAs skip the firewall, see
	 * ESPAH_CONFIG_DIRECT
	 */
	ESPAH_EXPLAIN_DIRECT,
	/**
	 * @ESPAH_EXPLAIN_ENCAP: flag, answer, inbound: if the policy lets it pass, the packet is
	 * taken for ESP in UDP of the SAs that use its destination port, unless its data begin with
	 * four zero bytes
	 */
	ESPAH_EXPLAIN_ENCAP,
	/** @ESPAH_EXPLAIN_DSCP: u8, DSCP of the packet, which may select its SAs; default 0 */
	ESPAH_EXPLAIN_DSCP,
	/**
	 * @ESPAH_EXPLAIN_CLASSES: flag, answer: packets of this flow with another DSCP may leave
	 * through another SA; see ESPAH_SA_FOR_DSCP
	 */
	ESPAH_EXPLAIN_CLASSES,

	__ESPAH_EXPLAIN_MAX,
	ESPAH_EXPLAIN_MAX = __ESPAH_EXPLAIN_MAX - 1
};

/** enum espah_acquire_attr - the event that requests an SA */
enum espah_acquire_attr {
	ESPAH_ACQUIRE_UNSPEC,
	/** @ESPAH_ACQUIRE_POLICY_ID: u32, the policy that matched */
	ESPAH_ACQUIRE_POLICY_ID,
	/** @ESPAH_ACQUIRE_TEMPLATE: nested, the policy's template, with addresses filled in */
	ESPAH_ACQUIRE_TEMPLATE,
	/** @ESPAH_ACQUIRE_FLOW: nested, enum espah_sel_attr, the packet's own values */
	ESPAH_ACQUIRE_FLOW,
	/**
	 * @ESPAH_ACQUIRE_SELECTOR: nested, enum espah_sel_attr, the selector of the requested SA:
	 * that of the policy, with the packet's own values in the fields of ESPAH_POLICY_PFP
	 */
	ESPAH_ACQUIRE_SELECTOR,
	/** @ESPAH_ACQUIRE_IF_ID: u32, ESPAH_POLICY_IF_ID of the policy; absent: none */
	ESPAH_ACQUIRE_IF_ID,

	__ESPAH_ACQUIRE_MAX,
	ESPAH_ACQUIRE_MAX = __ESPAH_ACQUIRE_MAX - 1
};

/** enum espah_expire_attr - the event that an SA reached a limit */
enum espah_expire_attr {
	ESPAH_EXPIRE_UNSPEC,
	/** @ESPAH_EXPIRE_SA: nested, enum espah_sa_attr, without keys */
	ESPAH_EXPIRE_SA,
	/** @ESPAH_EXPIRE_LIMIT: u8, enum espah_limit: the limit reached */
	ESPAH_EXPIRE_LIMIT,
	/** @ESPAH_EXPIRE_HARD: u8, 1: the hard limit, the SA is deleted; 0: the soft limit */
	ESPAH_EXPIRE_HARD,

	__ESPAH_EXPIRE_MAX,
	ESPAH_EXPIRE_MAX = __ESPAH_EXPIRE_MAX - 1
};

/** enum espah_audit_attr - the event that a packet was dropped */
enum espah_audit_attr {
	ESPAH_AUDIT_UNSPEC,
	/** @ESPAH_AUDIT_REASON: string, as ESPAH_DROP_NAME */
	ESPAH_AUDIT_REASON,
	/** @ESPAH_AUDIT_TIME: u64, nanoseconds since the epoch */
	ESPAH_AUDIT_TIME,
	/** @ESPAH_AUDIT_SPI: be32, SPI of the packet, or of the SA that it came by or was to use */
	ESPAH_AUDIT_SPI,
	/** @ESPAH_AUDIT_PROTO: u8, IPPROTO_ESP or IPPROTO_AH; present with AUDIT_SPI */
	ESPAH_AUDIT_PROTO,
	/** @ESPAH_AUDIT_SEQ: u32, sequence number in the packet, if it is still there */
	ESPAH_AUDIT_SEQ,
	/** @ESPAH_AUDIT_FLOW_LABEL: u32, flow label of an IPv6 packet */
	ESPAH_AUDIT_FLOW_LABEL,
	/**
	 * @ESPAH_AUDIT_FLOW: nested, enum espah_sel_attr, the packet's own values: of the outer
	 * packet before authentication, of the inner packet afterwards; absent: the headers
	 * are broken, or the packet is gone
	 */
	ESPAH_AUDIT_FLOW,
	/** @ESPAH_AUDIT_POLICY_ID: u32, the policy concerned */
	ESPAH_AUDIT_POLICY_ID,
	/** @ESPAH_AUDIT_MISSED: u32, packets dropped for this reason that no event reported */
	ESPAH_AUDIT_MISSED,
	/** @ESPAH_AUDIT_PAD: alignment of 64-bit attributes */
	ESPAH_AUDIT_PAD,

	__ESPAH_AUDIT_MAX,
	ESPAH_AUDIT_MAX = __ESPAH_AUDIT_MAX - 1
};

/** ESPAH_LINK_KIND - kind of devices that one can route into */
#define ESPAH_LINK_KIND "espah"
/** ESPAH_TAP_KIND - kind of devices that show packets in clear */
#define ESPAH_TAP_KIND "espah-tap"

/** enum espah_link_attr - a device of kind espah, in IFLA_INFO_DATA */
enum espah_link_attr {
	ESPAH_LINK_UNSPEC,
	/** @ESPAH_LINK_IF_ID: u32, above 0, its number; no other device of the namespace has it */
	ESPAH_LINK_IF_ID,
	/**
	 * @ESPAH_LINK_DEV: u32, index of the device by which outer packets leave, so that their
	 * route never leads back into this device; 0 or absent: by the route to the peer
	 */
	ESPAH_LINK_DEV,
	/**
	 * @ESPAH_LINK_CARRIER: u8, 1: the device has a carrier only while it has an outbound SA;
	 * 0 (default): always
	 */
	ESPAH_LINK_CARRIER,
	/** @ESPAH_LINK_OWNER: u8, enum espah_owner */
	ESPAH_LINK_OWNER,
	/**
	 * @ESPAH_LINK_MTU_SET: u8, 1: the MTU was set by hand; 0: it follows the SAs. A request can
	 * only set 0
	 */
	ESPAH_LINK_MTU_SET,

	__ESPAH_LINK_MAX,
	ESPAH_LINK_MAX = __ESPAH_LINK_MAX - 1
};

#endif /* _UAPI_LINUX_ESPAH_H */
