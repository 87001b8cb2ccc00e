/* SPDX-License-Identifier: GPL-2.0-only */
/* Conversion between netlink attributes and our types. Received attributes are not trusted. */
#ifndef ESPAH_ATTR_H
#define ESPAH_ATTR_H

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "parse.h"

void attr_table(const struct nlmsghdr *nlh, const struct nlattr **tb, unsigned int max);
void attr_nest(const struct nlattr *nest, const struct nlattr **tb, unsigned int max);
uint8_t attr_u8(const struct nlattr *attr, uint8_t missing);
uint16_t attr_u16(const struct nlattr *attr, uint16_t missing);
uint16_t attr_port(const struct nlattr *attr, uint16_t missing);
uint32_t attr_u32(const struct nlattr *attr, uint32_t missing);
uint64_t attr_u64(const struct nlattr *attr, uint64_t missing);
const char *attr_string(const struct nlattr *attr, const char *missing);
bool attr_addr(const struct nlattr *attr, struct addr *addr);

struct nlmsghdr *msg_start(void *buf, uint16_t type, uint16_t flags, uint32_t seq, uint8_t cmd);
void put_port(struct nlmsghdr *nlh, uint16_t type, uint16_t port);
void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *addr);
void put_attr(struct nlmsghdr *nlh, const struct nlattr *attr);

#endif /* ESPAH_ATTR_H */
