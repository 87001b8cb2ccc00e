/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a function tells those functions of ours that the kernel calls before it returns, with BH
 * disabled. A per-CPU pointer leads to it. PREEMPT_RT lets other tasks run on the CPU meanwhile,
 * whose frames lie before and behind; each task finds its own.
 */
#ifndef _ESPAH_COMPAT_FRAME_H
#define _ESPAH_COMPAT_FRAME_H

#include <linux/sched.h>
#include "rt.h"

/**
 * struct espah_frame - part of a struct on the stack of a function
 * @outer: the frame that was the newest of the CPU before
 * @task: the task whose stack it is on
 */
struct espah_frame {
	struct espah_frame *outer;
#ifdef CONFIG_PREEMPT_RT
	const struct task_struct *task;
#endif
};

/**
 * struct espah_frames - the frames of a kind on a CPU
 * @newest: the newest of them
 * @lock: for these, and for espah_frame.outer
 */
struct espah_frames {
	struct espah_frame *newest;
	local_lock_t lock;
};

#define ESPAH_FRAMES(name)									\
	DEFINE_PER_CPU(struct espah_frames, name) = { .lock = INIT_LOCAL_LOCK(lock) }

/* Context of all: BH disabled, from espah_frame_begin() to espah_frame_end() */

static inline void espah_frame_begin(struct espah_frames __percpu *frames,
				     struct espah_frame *frame)
{
	local_lock_nested_bh(&frames->lock);
	frame->outer = __this_cpu_read(frames->newest);
#ifdef CONFIG_PREEMPT_RT
	frame->task = current;
#endif
	__this_cpu_write(frames->newest, frame);
	local_unlock_nested_bh(&frames->lock);
}

static inline void espah_frame_end(struct espah_frames __percpu *frames, struct espah_frame *frame)
{
	local_lock_nested_bh(&frames->lock);
#ifdef CONFIG_PREEMPT_RT
	{
		struct espah_frame **at = &this_cpu_ptr(frames)->newest;

		while (*at != frame)
			at = &(*at)->outer;
		*at = frame->outer;
	}
#else
	__this_cpu_write(frames->newest, frame->outer);
#endif
	local_unlock_nested_bh(&frames->lock);
}

/* Return: the innermost frame around the caller, or NULL */
static inline struct espah_frame *espah_frame_find(struct espah_frames __percpu *frames)
{
	struct espah_frame *frame;

	local_lock_nested_bh(&frames->lock);
	frame = __this_cpu_read(frames->newest);
#ifdef CONFIG_PREEMPT_RT
	while (frame && frame->task != current)
		frame = frame->outer;
#endif
	local_unlock_nested_bh(&frames->lock);
	return frame;
}

#endif /* _ESPAH_COMPAT_FRAME_H */
