/* SPDX-License-Identifier: GPL-2.0-only */
/* The second station of an outbound packet: its crypto is prepared, and it counts. */
#ifndef _ESPAH_SEAL_H
#define _ESPAH_SEAL_H

#include "packet/op.h"

/**
 * espah_seal - prepare the encryption of a packet, and let it count against the SA's lifetime
 * @op: of espah_protect(), with its number
 *
 * Context: RCU reader, BH disabled.
 * Return: false if it had to be dropped: then @op is gone.
 */
bool espah_seal(struct espah_op *op);

#endif /* _ESPAH_SEAL_H */
