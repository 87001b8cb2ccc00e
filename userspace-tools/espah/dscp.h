/* SPDX-License-Identifier: GPL-2.0-only */
/* The DSCP of outer headers: a fixed value, or a map from the inner DSCP; and sets of DSCPs. */
#ifndef ESPAH_DSCP_H
#define ESPAH_DSCP_H

#include <libmnl/libmnl.h>
#include <linux/espah.h>
#include <stdint.h>

/** DSCP_TEXT_MAX - bytes: buffer size for any map in text */
#define DSCP_TEXT_MAX 1024

/**
 * struct dscp - rule for the DSCP of the outer header
 * @len: 0: copy the inner DSCP; 1: use @byte[0]; ESPAH_DSCP_NUM: use @byte[inner DSCP]
 * @byte: values in the format of ESPAH_SA_DSCP
 */
struct dscp {
	uint8_t len;
	uint8_t byte[ESPAH_DSCP_NUM];
};

int dscp_parse(const char *word, struct dscp *dscp);
const char *dscp_text(const struct nlattr *attr, char buf[DSCP_TEXT_MAX]);

/** DSCP_VALUE_MAX - bytes: buffer size for a DSCP in text */
#define DSCP_VALUE_MAX 4
/** DSCP_SET_MAX - bytes: buffer size for a set of DSCPs in text */
#define DSCP_SET_MAX 256

int dscp_value_parse(const char *word, uint8_t *value);
const char *dscp_value_text(uint8_t value, char buf[DSCP_VALUE_MAX]);
int dscp_set_parse(const char *word, uint64_t *set);
const char *dscp_set_text(uint64_t set, char buf[DSCP_SET_MAX]);

#endif /* ESPAH_DSCP_H */
