/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drop reasons: one list, which yields the enum, the counters, the names that
 * the CLI prints, and the trace events.
 */
#ifndef _ESPAH_REASONS_H
#define _ESPAH_REASONS_H

#include <linux/bits.h>

/* X(enumerator, name, nearest reason of the kernel's own, sentence) */
#define ESPAH_DROPS(X)                                                                             \
	/* either direction */                                                                     \
	X(NOMEM, "nomem", NOMEM, "memory ran out")                                                 \
	X(CRYPTO, "crypto", NOT_SPECIFIED, "the crypto driver failed")                             \
	X(QUEUE_FULL, "queue_full", FULL_RING, "too many packets wait for the crypto driver")      \
	X(AH_HEADERS, "ah_headers", IP_INHDR,                                                      \
	  "options or extension headers before AH are broken, too long, or unknown to AH")         \
	X(LARVAL, "larval", XFRM_POLICY, "the SA has no keys yet")                                 \
	X(EXPIRED, "expired", XFRM_POLICY, "a hard limit of the SA was reached")                   \
	/* output */                                                                               \
	X(NO_SA, "no_sa", XFRM_POLICY, "a policy says protect, and there is no SA for it")         \
	X(ACQUIRE_FULL, "acquire_full", FULL_RING,                                                 \
	  "more packets wait for an SA than the policy allows")                                    \
	X(ACQUIRE_LATE, "acquire_late", XFRM_POLICY,                                               \
	  "the SA that it waited for did not come in time, or the policy went")                    \
	X(DISCARD_OUT, "discard_out", XFRM_POLICY, "a policy or the default says discard")         \
	X(OPAQUE_OUT, "opaque_out", XFRM_POLICY,                                                   \
	  "a fragment without ports, and a policy that asks for ports comes first")                \
	X(FRAGMENT_OUT, "fragment_out", XFRM_POLICY,                                               \
	  "a fragment, and transport mode takes whole packets only")                               \
	X(MALFORMED_OUT, "malformed_out", IP_INHDR, "headers of a packet to be sent are broken")   \
	X(SEQ_OVERFLOW, "seq_overflow", XFRM_POLICY, "the SA ran out of sequence numbers")         \
	X(TOO_BIG, "too_big", PKT_TOO_BIG, "over the path MTU; the sender was told")               \
	X(ICMP_NO_SA, "icmp_no_sa", XFRM_POLICY,                                                   \
	  "an ICMP error about a protected flow that has no SA")                                   \
	X(REDIRECT, "redirect", XFRM_POLICY,                                                       \
	  "a redirect that quotes a packet of a protected flow")                                   \
	X(NO_ROUTE, "no_route", IP_OUTNOROUTES, "no route to the SA's destination")                \
	X(NESTING, "nesting", NOT_SPECIFIED,                                                       \
	  "too many tunnels within tunnels, or the route to an SA's peer leads back to it")        \
	X(FAMILY, "family", XFRM_POLICY, "transport mode needs the addresses of the SA")           \
	X(SEGMENT, "segment", SKB_GSO_SEG, "a GSO packet could not be segmented")                  \
	X(LWTUNNEL, "lwtunnel", XFRM_POLICY,                                                       \
	  "its route puts it into a lightweight tunnel before it could be protected")              \
	X(CONFIRM, "confirm", NETFILTER_DROP, "conntrack or one of its helpers refused")           \
	/* input, before authentication */                                                         \
	X(UDP, "udp", UDP_CSUM, "ESP in UDP whose UDP length or checksum is wrong")                \
	X(KEEPALIVE, "keepalive", NOT_SPECIFIED, "a NAT keepalive, as it should be")               \
	X(ENCAP, "encap", XFRM_POLICY, "ESP in UDP to an SA without it, or the other way round")   \
	X(SHORT, "short", HDR_TRUNC, "too short for an ESP or AH header, IV and ICV")              \
	X(RESERVED_SPI, "reserved_spi", XFRM_POLICY, "SPI below 256")                              \
	X(NO_SPI, "no_spi", XFRM_POLICY, "no SA has this SPI and destination")                     \
	X(FRAGMENT, "fragment", XFRM_POLICY, "an ESP or AH fragment that was not reassembled")     \
	X(REPLAY, "replay", XFRM_POLICY, "the sequence number was received before")                \
	X(TOO_OLD, "too_old", XFRM_POLICY, "the sequence number is left of the replay window")     \
	X(LENGTH, "length", PKT_TOO_SMALL,                                                         \
	  "the length does not fit the cipher's blocks, or AH's own does not fit its ICV")         \
	X(ICV, "icv", XFRM_POLICY, "the integrity check failed")                                   \
	/* input, after authentication */                                                          \
	X(PADDING, "padding", XFRM_POLICY, "the padding is not 1, 2, 3 ... or overruns")           \
	X(DUMMY, "dummy", XFRM_POLICY, "a dummy packet (next header 59), as it should be")         \
	X(NEXT_HEADER, "next_header", XFRM_POLICY, "the next header does not fit the SA's mode")   \
	X(INNER, "inner", IP_INHDR, "headers of the inner packet are broken")                      \
	X(ECN, "ecn", IP_INHDR, "congestion experienced, inner packet not ECN-capable")            \
	X(POLICY, "policy", XFRM_POLICY, "no policy lets this inner packet come by this SA")       \
	X(BUNDLE, "bundle", XFRM_POLICY,                                                           \
	  "came by other SAs than all that its policy asks for, in their order")                   \
	X(DELIVER, "deliver", CPU_BACKLOG, "over net.core.netdev_max_backlog packets wait")        \
	/* input, plaintext */                                                                     \
	X(PLAINTEXT, "plaintext", XFRM_POLICY, "came in clear, and a policy says protect")         \
	X(ICMP_PLAINTEXT, "icmp_plaintext", XFRM_POLICY,                                           \
	  "an ICMP error in clear about a protected flow")                                         \
	X(DISCARD_IN, "discard_in", XFRM_POLICY, "a policy or the default says discard")           \
	X(OPAQUE_IN, "opaque_in", XFRM_POLICY,                                                     \
	  "a fragment without ports, and a policy that asks for ports comes first")                \
	X(MALFORMED_IN, "malformed_in", IP_INHDR, "headers of a received packet are broken")

/** enum espah_drop - why a packet was dropped; ESPAH_DROP_NONE: not dropped */
enum espah_drop {
	ESPAH_DROP_NONE,
#define X(id, name, kernel, text) ESPAH_DROP_##id,
	ESPAH_DROPS(X)
#undef X
	ESPAH_DROP_NUM
};

#define DROP_BIT(id) BIT_ULL(ESPAH_DROP_##id)
/*
 * The auditable reasons: RFC 4301 4.4.1.1, 5.2, 6.1, 6.2, 7; RFC 4302 and 4303 3.3.3 (sequence
 * number overflow), 3.4.1 (fragment), 3.4.2 (no SA), 3.4.3 (replay), 3.4.4 (ICV)
 */
#define ESPAH_DROPS_AUDITED							\
	(DROP_BIT(NO_SA) | DROP_BIT(OPAQUE_OUT) | DROP_BIT(SEQ_OVERFLOW) |	\
	 DROP_BIT(RESERVED_SPI) | DROP_BIT(NO_SPI) | DROP_BIT(FRAGMENT) |	\
	 DROP_BIT(REPLAY) | DROP_BIT(TOO_OLD) | DROP_BIT(ICV) |			\
	 DROP_BIT(POLICY) | DROP_BIT(BUNDLE) | DROP_BIT(PLAINTEXT) |		\
	 DROP_BIT(ICMP_PLAINTEXT) | DROP_BIT(OPAQUE_IN))

/* The reasons that are part of normal operation and cause no event. */
#define ESPAH_DROPS_QUIET (DROP_BIT(KEEPALIVE) | DROP_BIT(DUMMY))

extern const char *const espah_drop_names[ESPAH_DROP_NUM];
extern const char *const espah_drop_texts[ESPAH_DROP_NUM];

#endif /* _ESPAH_REASONS_H */
