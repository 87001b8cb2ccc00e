/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters for Prometheus: netlink answers to its text format, version 0.0.4. */
#ifndef ESPAH_METRICS_H
#define ESPAH_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include <libmnl/libmnl.h>

struct metrics;

struct metrics *metrics_start(void);
int metrics_add_stats(const struct nlmsghdr *nlh, void *metrics);
int metrics_add_policy(const struct nlmsghdr *nlh, void *metrics);
int metrics_add_sa(const struct nlmsghdr *nlh, void *metrics);
void metrics_end(struct metrics *metrics, uint64_t now);
void metrics_print(const struct metrics *metrics, FILE *stream);
void metrics_free(struct metrics *metrics);

#endif /* ESPAH_METRICS_H */
