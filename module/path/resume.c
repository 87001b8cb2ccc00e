// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/sched/clock.h>
#include "cpu/load.h"
#include "cpu/worker.h"
#include "db/net.h"
#include "input.h"
#include "order.h"
#include "output.h"
#include "resume.h"

static void go_on(struct espah_op *op)
{
	if (!op)
		return;
	if (op->sa->id.dir == ESPAH_DIR_OUT)
		espah_output_on(op);
	else
		espah_input_on(op);
}

void espah_resume_answered(ESPAH_CRYPTO_DONE_ARGS)
{
	struct espah_op *op = espah_crypto_done_data();

	if (err == -EINPROGRESS)
		return;
	local_bh_disable();
	rcu_read_lock();
	go_on(espah_order_answer(op, err));
	rcu_read_unlock();
	local_bh_enable();
}

int espah_resume_poll(struct napi_struct *napi, int budget)
{
	struct espah_worker *worker = container_of(napi, struct espah_worker, napi);
	struct espah_queue *queue, *next;
	struct espah_op *op;
	bool again = false;
	u64 start;
	int n;

	if (espah_worker_go_home(worker))
		return 0; /* not completed, so still scheduled */
	start = local_clock();
	rcu_read_lock();
	llist_for_each_entry_safe(queue, next, llist_del_all(&worker->queues), resume) {
		if (espah_order_resume(queue, &op)) {
			go_on(op);
			espah_queue_put(queue);
		} else {
			llist_add(&queue->resume, &worker->queues);
			again = true;
		}
	}
	for (n = 0; n < budget; n++) {
		op = espah_worker_next(worker);
		if (!op)
			break;
		go_on(espah_order_work(op));
	}
	rcu_read_unlock();
	espah_load_help(local_clock() - start);
	if (again)
		return budget; /* poll again, after the other contexts of this CPU */
	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}
