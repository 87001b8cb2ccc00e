/* SPDX-License-Identifier: GPL-2.0-only */
/* The overhead and the MTU of SAs. Pure except for the route lookup. */
#ifndef _ESPAH_MTU_H
#define _ESPAH_MTU_H

#include <linux/types.h>

struct espah_sa;

/* most bytes that @sa adds to a packet, including padding; Context: as for espah_sa_path() */
unsigned int espah_sa_overhead(const struct espah_sa *sa);

/**
 * espah_sa_mtu - the largest plaintext packet that fits
 * @sa: outbound SA
 * @pmtu: path MTU to its destination, bytes
 * @hdr_len: transport mode: bytes of IP header (and IPv6 extension headers)
 *	before the ESP header; tunnel mode: ignored
 *
 * Return: bytes from the inner IP header on; 0 if nothing fits.
 */
unsigned int espah_sa_mtu(const struct espah_sa *sa, unsigned int pmtu, unsigned int hdr_len);

/**
 * espah_sas_mtu - the largest plaintext packet that fits through several SAs
 * @sas: outbound SAs, the innermost first
 * @n: number of SAs, at least 1
 * @pmtu: path MTU to the destination of the last SA, bytes
 * @hdr_len: as for espah_sa_mtu(), for the first SA
 *
 * Return: as espah_sa_mtu().
 */
unsigned int espah_sas_mtu(struct espah_sa *const *sas, unsigned int n, unsigned int pmtu,
			   unsigned int hdr_len);

/* path MTU of the route to @sa's destination, or 0 without a route; takes RCU itself */
unsigned int espah_sa_pmtu(struct espah_sa *sa);

/* the same without what ICMP errors have reported */
unsigned int espah_sa_link_mtu(struct espah_sa *sa);

#endif /* _ESPAH_MTU_H */
