/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where decrypted packets re-enter the stack. Each CPU has a cell: a queue with its own NAPI
 * context and GRO, like the gro_cells of the kernel's tunnels. Packets of a device without GRO
 * leave the cell as a list, and a packet that comes alone may skip it.
 *
 * Unlike gro_cells, cells keep the packets of a flow in order when the flow moves to another CPU,
 * as it does whenever an interrupt, a NAPI thread or a crypto driver's completion moves. While the
 * old CPU's cell still holds packets of the flow, new ones are queued there. Other flows do not
 * wait.
 */
#ifndef _ESPAH_CELL_H
#define _ESPAH_CELL_H

#include <linux/skbuff.h>
#include "db/sad.h"

int espah_cells_setup(void);
/* after the hooks are gone; no packet may be in flight */
void espah_cells_teardown(void);

/**
 * espah_cell_receive - let the stack receive a decrypted packet
 * @queue: queue of the SA that it came by
 * @skb: the packet, not cloned; freed on failure
 * @at_once: it was decrypted where it came in, so the order of its device still holds
 *
 * Context: RCU reader, BH disabled.
 * Return: false if its device is down, or if net.core.netdev_max_backlog packets are queued.
 */
bool espah_cell_receive(const struct espah_queue *queue, struct sk_buff *skb, bool at_once);

#endif /* _ESPAH_CELL_H */
