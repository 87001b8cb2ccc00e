/* SPDX-License-Identifier: GPL-2.0-only */
/* The DSCP of outer headers: one for all, or a map from the inner one. */
#ifndef ESPAH_DSCP_H
#define ESPAH_DSCP_H

#include <libmnl/libmnl.h>
#include <linux/espah.h>
#include <stdint.h>

/** DSCP_TEXT_MAX - room for any map in text */
#define DSCP_TEXT_MAX 1024

/**
 * struct dscp - what the outer header gets
 * @len: 0: a copy of the inner one; 1: @byte[0]; ESPAH_DSCP_NUM: @byte at the inner one's place
 * @byte: as ESPAH_SA_DSCP has them
 */
struct dscp {
	uint8_t len;
	uint8_t byte[ESPAH_DSCP_NUM];
};

int dscp_parse(const char *word, struct dscp *dscp);
const char *dscp_text(const struct nlattr *attr, char buf[DSCP_TEXT_MAX]);

#endif /* ESPAH_DSCP_H */
