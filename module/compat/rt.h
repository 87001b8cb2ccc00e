/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU data of code that runs with BH disabled. On most kernels nothing else with BH disabled
 * runs on the CPU meanwhile. PREEMPT_RT lets another task run; since Linux 6.18 it may disable BH,
 * too. Before, BH has a lock of its own.
 *
 * The lock of such data is a local lock, which costs nothing without PREEMPT_RT. It is not held
 * while a packet is sent or received: the stack takes other locks then, and may come back.
 * Linux 6.11 has the functions for it; older kernels do not need it.
 */
#ifndef _ESPAH_COMPAT_RT_H
#define _ESPAH_COMPAT_RT_H

#include <linux/spinlock.h> /* until Linux 6.13, the next header needs it with PREEMPT_RT */
#include <linux/local_lock.h>
#include <linux/percpu.h>

#ifndef local_lock_nested_bh
#define local_lock_nested_bh(lock) ((void)(lock))
#define local_unlock_nested_bh(lock) ((void)(lock))
#endif

/* whether another task may run on a CPU between two steps with BH disabled */
#define espah_bh_yields IS_ENABLED(CONFIG_PREEMPT_RT)

/* adds to a per-CPU counter; Context: BH disabled */
#ifdef CONFIG_PREEMPT_RT
#define espah_cpu_add(counter, n) this_cpu_add(counter, n)
#else
#define espah_cpu_add(counter, n) __this_cpu_add(counter, n)
#endif

#endif /* _ESPAH_COMPAT_RT_H */
