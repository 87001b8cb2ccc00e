/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Outbound packets behind which more wait on the CPU are gathered, whole but for their numbers.
 * They are numbered when they are run, eight at a time: the crypto of all first, then they are
 * sent. So the code of each step is in the CPU's caches from the second one on, and the peer's
 * replay window does not miss what another CPU overtakes meanwhile. A packet that comes alone
 * does not wait.
 */
#ifndef _ESPAH_GATHER_H
#define _ESPAH_GATHER_H

#include <linux/percpu.h>
#include "compat/netdev.h"
#include "esp.h"

int espah_gather_setup(void);
/* no packet is in flight */
void espah_gather_teardown(void);

/* whether packets are gathered on this CPU, or more than one was the last time */
DECLARE_PER_CPU(bool, espah_gather_busy);

/* whether more packets seem to wait on this CPU; if not, none is gathered; Context: BH disabled */
static inline bool espah_gather_expects(void)
{
	return unlikely(__this_cpu_read(espah_gather_busy) ||
			espah_backlog_len(smp_processor_id()));
}

/* whether a packet of @sa may wait for those behind it; Context: RCU reader, BH disabled */
bool espah_gather_takes(const struct espah_sa *sa);

/**
 * espah_gather - let a packet wait for those behind it
 * @op: prepared but for its number
 *
 * It goes to espah_order_run_all() once the CPU has received what waits, or earlier: when very
 * many are gathered, or by espah_gather_flush().
 *
 * Context: RCU reader, BH disabled; espah_gather_takes().
 */
void espah_gather(struct espah_op *op);

/* lets none wait any longer that this CPU has gathered; Context: RCU reader, BH disabled */
void espah_gather_flush(void);

#endif /* _ESPAH_GATHER_H */
