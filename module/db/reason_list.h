/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drop reasons: one list, which yields the enum, the counters, the names that
 * the CLI prints, and the trace events. The CLI includes it, too.
 */
#ifndef _ESPAH_REASON_LIST_H
#define _ESPAH_REASON_LIST_H

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
	X(SA_MARK, "sa_mark", XFRM_POLICY, "the SA is for packets with another mark")              \
	/* output */                                                                               \
	X(NO_SA, "no_sa", XFRM_POLICY, "a policy requires protection, but there is no SA for it")  \
	X(ACQUIRE_FULL, "acquire_full", FULL_RING,                                                 \
	  "more packets wait for an SA than the policy allows")                                    \
	X(ACQUIRE_LATE, "acquire_late", XFRM_POLICY,                                               \
	  "no SA was added in time for the waiting packet, or its policy was deleted")             \
	X(DISCARD_OUT, "discard_out", XFRM_POLICY, "a policy or the default action is discard")    \
	X(OPAQUE_OUT, "opaque_out", XFRM_POLICY,                                                   \
	  "the fragment has no ports, but an earlier policy selects by ports")                     \
	X(FRAGMENT_OUT, "fragment_out", XFRM_POLICY,                                               \
	  "the packet is a fragment, but transport mode takes whole packets only")                 \
	X(MALFORMED_OUT, "malformed_out", IP_INHDR, "broken headers in a packet to be sent")       \
	X(SEQ_OVERFLOW, "seq_overflow", XFRM_POLICY, "the SA ran out of sequence numbers")         \
	X(TOO_BIG, "too_big", PKT_TOO_BIG, "the packet exceeds the path MTU; the sender was told") \
	X(ICMP_NO_SA, "icmp_no_sa", XFRM_POLICY,                                                   \
	  "an ICMP error about a protected flow that has no SA")                                   \
	X(REDIRECT, "redirect", XFRM_POLICY,                                                       \
	  "a redirect that quotes a packet of a protected flow")                                   \
	X(NO_ROUTE, "no_route", IP_OUTNOROUTES, "no route to the SA's destination")                \
	X(NESTING, "nesting", NOT_SPECIFIED,                                                       \
	  "too many tunnels within tunnels, or the route to an SA's peer leads back to it")        \
	X(FAMILY, "family", XFRM_POLICY,                                                           \
	  "transport mode, but the packet does not have the addresses of the SA")                  \
	X(SEGMENT, "segment", SKB_GSO_SEG, "a GSO packet could not be segmented")                  \
	X(LWTUNNEL, "lwtunnel", XFRM_POLICY,                                                       \
	  "the route puts the packet into a lightweight tunnel before it can be protected")        \
	X(DEVICE_NO_POLICY, "device_no_policy", XFRM_POLICY,                                       \
	  "no policy with the if_id of the device matches")                                        \
	X(DEVICE_LOOP, "device_loop", IP_OUTNOROUTES,                                              \
	  "the route to the SA's peer leads into the SA's own device")                             \
	X(CONFIRM, "confirm", NETFILTER_DROP,                                                      \
	  "conntrack or one of its helpers refused the packet")                                    \
	/* input, before authentication */                                                         \
	X(UDP, "udp", UDP_CSUM, "the UDP length or checksum of ESP in UDP is wrong")               \
	X(KEEPALIVE, "keepalive", NOT_SPECIFIED, "a NAT keepalive; this is normal")                \
	X(ENCAP, "encap", XFRM_POLICY,                                                             \
	  "ESP in UDP for an SA without UDP, or plain ESP for an SA with UDP")                     \
	X(SHORT, "short", HDR_TRUNC,                                                               \
	  "the packet is too short for an ESP or AH header, IV and ICV")                           \
	X(RESERVED_SPI, "reserved_spi", XFRM_POLICY, "the SPI is below 256")                       \
	X(NO_SPI, "no_spi", XFRM_POLICY, "no SA has this SPI and destination")                     \
	X(FRAGMENT, "fragment", XFRM_POLICY, "an ESP or AH fragment that was not reassembled")     \
	X(REPLAY, "replay", XFRM_POLICY, "the sequence number was received before")                \
	X(TOO_OLD, "too_old", XFRM_POLICY, "the sequence number is older than the replay window")  \
	X(LENGTH, "length", PKT_TOO_SMALL,                                                         \
	  "the length does not fit the cipher's block size, or AH's length field its ICV")         \
	X(ICV, "icv", XFRM_POLICY, "the integrity check failed")                                   \
	/* input, after authentication */                                                          \
	X(PADDING, "padding", XFRM_POLICY,                                                         \
	  "the padding is not 1, 2, 3 ..., or is longer than the packet")                          \
	X(DUMMY, "dummy", XFRM_POLICY, "a dummy packet (next header 59); this is normal")          \
	X(NEXT_HEADER, "next_header", XFRM_POLICY, "the next header does not fit the SA's mode")   \
	X(INNER, "inner", IP_INHDR, "broken headers in the inner packet")                          \
	X(ECN, "ecn", IP_INHDR,                                                                    \
	  "the outer header reports congestion, but the inner packet is not ECN-capable")          \
	X(POLICY, "policy", XFRM_POLICY,                                                           \
	  "no policy lets this inner packet arrive through this SA")                               \
	X(BUNDLE, "bundle", XFRM_POLICY,                                                           \
	  "the packet did not arrive through exactly the SAs of its policy, in order")             \
	X(DEVICE_MISSING, "device_missing", XFRM_POLICY,                                           \
	  "there is no device with the if_id of the SA")                                           \
	X(DEVICE_DOWN, "device_down", DEV_READY,                                                   \
	  "the device with the if_id of the SA is down")                                           \
	X(DELIVER, "deliver", CPU_BACKLOG,                                                         \
	  "more than net.core.netdev_max_backlog packets wait for delivery")                       \
	/* input, plaintext */                                                                     \
	X(PLAINTEXT, "plaintext", XFRM_POLICY,                                                     \
	  "the packet came in the clear, but a policy requires protection")                        \
	X(ICMP_PLAINTEXT, "icmp_plaintext", XFRM_POLICY,                                           \
	  "an ICMP error in the clear about a protected flow")                                     \
	X(DISCARD_IN, "discard_in", XFRM_POLICY, "a policy or the default action is discard")      \
	X(OPAQUE_IN, "opaque_in", XFRM_POLICY,                                                     \
	  "the fragment has no ports, but an earlier policy selects by ports")                     \
	X(MALFORMED_IN, "malformed_in", IP_INHDR, "broken headers in a received packet")

#endif /* _ESPAH_REASON_LIST_H */
