/* SPDX-License-Identifier: GPL-2.0-only */
/* The packets that a policy may match, in a few bytes: to compare many policies with each other. */
#ifndef ESPAH_REACH_H
#define ESPAH_REACH_H

#include "list.h"

/**
 * struct reach - the packets that a policy matches, and more
 * @group: direction, family and if-id; policies of different groups never meet
 * @priority: of the policy
 * @src: lowest and highest source
 * @dst: lowest and highest destination
 * @proto: 0: any
 */
struct reach {
	uint64_t group;
	uint32_t priority;
	struct range src;
	struct range dst;
	uint8_t proto;
};

void reach_of(const struct nlmsghdr *policy, struct reach *reach);
bool reach_meets(const struct reach *a, const struct reach *b);
bool reach_covers(const struct reach *a, const struct reach *b);

#endif /* ESPAH_REACH_H */
