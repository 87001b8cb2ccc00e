/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where packets wait for those behind them, so that many are handled together: each CPU has a
 * cell with a NAPI context of its own. Packets for which more wait on the CPU are gathered
 * there before their crypto is run. Decrypted packets re-enter the stack from there, through
 * GRO, as from the gro_cells of the kernel's tunnels, or as a list if their device does none.
 * A packet that comes alone need not wait.
 *
 * What differs is that packets of an SA stay in order when they move to another
 * CPU, as they do whenever an interrupt, a NAPI thread or a crypto driver's
 * answer does: while the old CPU's cell still holds some, the new ones follow
 * them there.
 */
#ifndef _ESPAH_CELL_H
#define _ESPAH_CELL_H

#include <linux/percpu.h>
#include <linux/skbuff.h>
#include "compat/netdev.h"
#include "esp.h"
#include "sad.h"

int espah_cells_setup(void);
/* hooks are gone and no packet is in flight */
void espah_cells_teardown(void);

/* whether this CPU's cell holds something, or gathered several packets the last time */
DECLARE_PER_CPU(bool, espah_cell_busy);

/* whether more packets seem to wait on this CPU; if not, none is gathered; Context: BH disabled */
static inline bool espah_cell_expects(void)
{
	return unlikely(__this_cpu_read(espah_cell_busy) ||
			espah_backlog_len(smp_processor_id()));
}

/* whether a packet of @sa may wait for those behind it; Context: RCU reader, BH disabled */
bool espah_cell_takes(const struct espah_sa *sa);

/**
 * espah_cell_gather - let a packet wait for those behind it
 * @op: prepared; output: but for its number
 *
 * It goes to espah_order_run_all() from the cell's NAPI context, or earlier: when very many
 * wait, or by espah_cell_flush().
 *
 * Context: RCU reader, BH disabled; espah_cell_takes().
 */
void espah_cell_gather(struct espah_op *op);

/* lets none wait any longer that this CPU has gathered; Context: RCU reader, BH disabled */
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
