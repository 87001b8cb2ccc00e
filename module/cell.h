/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where packets wait for those behind them, so that many are handled together: each CPU has a
 * cell with a NAPI context of its own. Inbound packets behind which more wait on the CPU are
 * gathered there before they are decrypted. Decrypted ones re-enter the stack from there, through
 * GRO, as from the gro_cells of the kernel's tunnels, or as a list if their device does none.
 * A packet that comes alone need not wait. Outbound ones never do: they have their numbers, and
 * what another CPU sends meanwhile would leave them behind the peer's replay window.
 *
 * What differs is that packets of an SA stay in order when they move to another
 * CPU, as they do whenever an interrupt, a NAPI thread or a crypto driver's
 * answer does: while the old CPU's cell still holds some, the new ones follow
 * them there.
 */
#ifndef _ESPAH_CELL_H
#define _ESPAH_CELL_H

#include <linux/skbuff.h>
#include "esp.h"
#include "sad.h"

int espah_cells_setup(void);
/* hooks are gone and no packet is in flight */
void espah_cells_teardown(void);

/**
 * espah_cell_gather - let a packet wait for those behind it, if more wait on this CPU
 * @op: prepared by espah_esp_open(), and espah_op.patient
 *
 * Context: RCU reader, BH disabled.
 * Return: whether espah_order_run_all() is going to get it: from the cell's NAPI context, or
 * earlier by espah_cell_flush().
 */
bool espah_cell_gather(struct espah_op *op);

/* has decrypted what this CPU has gathered; Context: BH disabled */
void espah_cell_flush(void);

/**
 * espah_cell_receive - let a decrypted packet be received anew
 * @queue: of the SA that it came through
 * @skb: the packet, not cloned; freed on failure
 * @at_once: it was decrypted where it came in, so its device's order still holds
 *
 * Context: RCU reader, BH disabled.
 * Return: false if its device is down or net.core.netdev_max_backlog packets wait already.
 */
bool espah_cell_receive(struct espah_queue *queue, struct sk_buff *skb, bool at_once);

#endif /* _ESPAH_CELL_H */
