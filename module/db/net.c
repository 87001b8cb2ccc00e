// SPDX-License-Identifier: GPL-2.0-only
#include "net.h"

unsigned int espah_net_id;
atomic64_t espah_generations = ATOMIC64_INIT(0);

/* SAs are freed on this workqueue, because freeing a crypto transform may sleep. */
struct workqueue_struct *espah_workqueue;

#ifdef CONFIG_LOCKDEP
bool espah_sa_stands(const struct espah_sa *sa)
{
	return lockdep_is_held(&sa->en->lock) || list_empty(&sa->link);
}
#endif

int espah_workqueue_setup(void)
{
	espah_workqueue = alloc_workqueue("espah", WQ_UNBOUND, 0);
	return espah_workqueue ? 0 : -ENOMEM;
}

void espah_workqueue_teardown(void)
{
	/* RCU callbacks queued before the exit of the last namespace run module code */
	rcu_barrier();
	destroy_workqueue(espah_workqueue);
}
