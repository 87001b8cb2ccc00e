// SPDX-License-Identifier: GPL-2.0-only
#include "number.h"

unsigned int espah_number_take(struct espah_sa *sa, unsigned int n, u64 *first)
{
	u64 limit = espah_number_limit(sa);
	u64 last;

	if (unlikely((u64)atomic64_read(&sa->seq) >= limit))
		return 0;
	last = atomic64_add_return(n, &sa->seq);
	*first = last - n + 1;
	if (likely(last <= limit))
		return n;
	return *first <= limit ? limit - *first + 1 : 0;
}
