/* SPDX-License-Identifier: GPL-2.0-only */
/* The second station of an outbound packet: prepare its crypto, and charge the SA's lifetime. */
#ifndef _ESPAH_SEAL_H
#define _ESPAH_SEAL_H

#include "packet/op.h"

/**
 * espah_seal - prepare the encryption of a packet, and charge it to the SA's lifetime
 * @op: from espah_protect(), with its sequence number
 *
 * Context: RCU reader, BH disabled.
 * Return: false if the packet was dropped: then @op is gone, unless it is queued.
 */
bool espah_seal(struct espah_op *op);

#endif /* _ESPAH_SEAL_H */
