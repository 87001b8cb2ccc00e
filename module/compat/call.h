/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has another CPU call a function that schedules a NAPI context there. PREEMPT_RT forbids to raise
 * a softirq from an interrupt between CPUs: on an idle CPU nothing would run it. There a worker of
 * the kernel calls the function.
 */
#ifndef _ESPAH_COMPAT_CALL_H
#define _ESPAH_COMPAT_CALL_H

#include <linux/cpumask.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

/**
 * struct espah_call - a call to another CPU
 * @function: the function
 * @info: its argument
 */
struct espah_call {
#ifdef CONFIG_PREEMPT_RT
	struct work_struct work;
	void (*function)(void *info);
	void *info;
#else
	call_single_data_t csd;
#endif
};

#ifdef CONFIG_PREEMPT_RT

static inline void espah_call_work(struct work_struct *work)
{
	struct espah_call *call = container_of(work, struct espah_call, work);

	local_bh_disable();
	call->function(call->info);
	local_bh_enable(); /* runs the softirq */
}

static inline void espah_call_init(struct espah_call *call, void (*function)(void *info),
				   void *info)
{
	INIT_WORK(&call->work, espah_call_work);
	call->function = function;
	call->info = info;
}

/*
 * calls the function there, or elsewhere if the CPU goes offline meanwhile; no other call may be in
 * progress; Return: false if the CPU is offline; Context: BH disabled
 */
static inline bool espah_call(struct espah_call *call, int cpu)
{
	return cpu_online(cpu) && queue_work_on(cpu, system_highpri_wq, &call->work);
}

/* waits for a call whose effect has been seen; Context: process */
static inline void espah_call_end(struct espah_call *call)
{
	cancel_work_sync(&call->work);
}

#else

static inline void espah_call_init(struct espah_call *call, void (*function)(void *info),
				   void *info)
{
	INIT_CSD(&call->csd, function, info);
}

static inline bool espah_call(struct espah_call *call, int cpu)
{
	return cpu_online(cpu) && !smp_call_function_single_async(cpu, &call->csd);
}

static inline void espah_call_end(struct espah_call *call)
{
}

#endif

#endif /* _ESPAH_COMPAT_CALL_H */
