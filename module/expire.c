// SPDX-License-Identifier: GPL-2.0-only
/* The clock that reports and ends SAs whose lifetime is over (RFC 4301 4.4.2.1). */
#include <linux/ktime.h>
#include <linux/module.h>
#include "change.h"
#include "db/net.h"
#include "expire.h"
#include "report/event.h"

/* SAs to review before espah_net.lock is released for others */
#define BATCH 256

/* Reports or ends an SA. */
static void review(struct espah_sa *sa, bool tell)
{
	ktime_t now = ktime_get_boottime();
	int hard, i;

	for (hard = 1; hard >= 0; hard--) {
		for (i = ESPAH_LIMIT_PACKETS; i <= ESPAH_LIMIT_IDLE; i++) {
			if (!espah_life_reached(sa, hard, i, now))
				continue;
			if (tell)
				espah_event_expire(sa, i, hard);
			if (hard) {
				espah_sa_del(sa, tell);
				return;
			}
			WRITE_ONCE(sa->life->told, sa->life->told | BIT(i));
		}
	}
	espah_life_arm(sa);
}

void espah_expire(struct work_struct *work)
{
	struct espah_clock *clock = container_of(to_delayed_work(work), struct espah_clock, work);
	struct espah_net *en = container_of(clock, struct espah_net, sad.clock);
	/* while the module is being unloaded, the netlink family may be gone */
	bool tell = try_module_get(THIS_MODULE);
	struct espah_sa *sa;
	int n;

	do {
		mutex_lock(&en->lock);
		for (n = 0; n < BATCH && (sa = espah_life_next(clock)); n++)
			review(sa, tell);
		mutex_unlock(&en->lock);
		cond_resched();
	} while (n == BATCH);
	if (tell)
		module_put(THIS_MODULE);
}
