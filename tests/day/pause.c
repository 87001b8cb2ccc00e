// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loaded into charon by day.py: poll() that takes a moment. While a callback for one of its descriptors runs,
 * charon's watcher calls poll() again and again, which returns at once. With time-travel=inf-cpu no time passes
 * meanwhile, so no timer interrupt would ever let the callback's thread run.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <time.h>

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static const struct timespec moment = { .tv_nsec = 1000 };
	const struct timespec limit = { timeout / 1000, timeout % 1000 * 1000000L };

	nanosleep(&moment, NULL);
	return ppoll(fds, count, timeout < 0 ? NULL : &limit, NULL);
}
