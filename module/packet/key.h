/* SPDX-License-Identifier: GPL-2.0-only */
/* The keys of an SA. */
#ifndef _ESPAH_KEY_H
#define _ESPAH_KEY_H

#include "db/sa.h"

struct espah_algo;
struct netlink_ext_ack;

/**
 * espah_sa_key - give an SA its algorithm and key
 * @sa: not in the SAD yet
 * @algo: the suite
 * @key: espah_algo_key_len() bytes
 * @window: replay window in packets (inbound)
 * @seq: last sequence number used (outbound) or highest accepted (inbound)
 * @extack: gets a sentence on failure
 *
 * Context: process, without locks; may load modules.
 * Return: 0, or -errno: then the caller only has to call espah_sa_put().
 */
int espah_sa_key(struct espah_sa *sa, const struct espah_algo *algo, const u8 *key, u32 window,
		 u64 seq, struct netlink_ext_ack *extack);

#endif /* _ESPAH_KEY_H */
