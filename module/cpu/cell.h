/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where decrypted packets re-enter the stack: each CPU has a cell, a queue with
 * a NAPI context of its own and GRO, as the kernel's tunnels have by gro_cells.
 * Those of a device without GRO leave it as a list, and need not wait in it when they come alone.
 *
 * What differs is that packets of a flow stay in order when they move to another
 * CPU, as they do whenever an interrupt, a NAPI thread or a crypto driver's
 * answer does: while the old CPU's cell still holds some, the new ones follow
 * them there. Those of other flows do not wait.
 */
#ifndef _ESPAH_CELL_H
#define _ESPAH_CELL_H

#include <linux/skbuff.h>
#include "db/sad.h"

int espah_cells_setup(void);
/* hooks are gone and no packet is in flight */
void espah_cells_teardown(void);

/**
 * espah_cell_receive - let a decrypted packet be received anew
 * @queue: of the SA that it came through
 * @skb: the packet, not cloned; freed on failure
 * @at_once: it was decrypted where it came in, so its device's order still holds
 *
 * Context: RCU reader, BH disabled.
 * Return: false if its device is down or net.core.netdev_max_backlog packets wait already.
 */
bool espah_cell_receive(const struct espah_queue *queue, struct sk_buff *skb, bool at_once);

#endif /* _ESPAH_CELL_H */
