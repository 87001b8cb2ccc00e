// SPDX-License-Identifier: GPL-2.0-only
#include "net.h"

unsigned int espah_net_id;
atomic64_t espah_generations = ATOMIC64_INIT(0);

/* SAs are freed here, as a crypto driver may sleep while it forgets its key. */
struct workqueue_struct *espah_workqueue;

int espah_workqueue_setup(void)
{
	espah_workqueue = alloc_workqueue("espah", WQ_UNBOUND, 0);
	return espah_workqueue ? 0 : -ENOMEM;
}

void espah_workqueue_teardown(void)
{
	/* callbacks that were queued before the last namespace went run our code */
	rcu_barrier();
	destroy_workqueue(espah_workqueue);
}
