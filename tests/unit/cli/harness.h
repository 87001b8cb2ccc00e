/* SPDX-License-Identifier: GPL-2.0-only */
/* A small harness: one line per test, with access to the text printed on stderr. */
#ifndef ESPAH_TEST_HARNESS_H
#define ESPAH_TEST_HARNESS_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "cli.h"

#define CHECK(condition) \
	check(!!(condition), #condition, __FILE__, __LINE__)

void test_begin(const char *name);
void test_end(void);
void check(bool good, const char *what, const char *file, int line);

/* The text printed on stderr since the last call. */
const char *told(void);
/* Whether that text contains @text; discards it. */
bool told_of(const char *text);

/* Between these, what is printed on stdout is kept; capture_end() returns it. */
void capture_start(void);
const char *capture_end(void);

/* The words of @line as arguments. */
struct args *words(const char *line);

/* Whether the next attribute at @*at is this one; advances past it. */
bool has_attr(const struct nlattr **at, uint16_t type, const void *data, size_t size);
bool has_u8(const struct nlattr **at, uint16_t type, uint8_t value);
bool has_u16(const struct nlattr **at, uint16_t type, uint16_t value);
bool has_port(const struct nlattr **at, uint16_t type, uint16_t value);
bool has_u32(const struct nlattr **at, uint16_t type, uint32_t value);

void test_parse(void);
void test_list(void);
void test_key(void);
void test_batch(void);
void test_sa(void);
void test_policy(void);
void test_ack(void);
void test_print(void);
void test_dscp(void);
void test_export(void);
void test_metrics(void);
void test_link(void);
void test_guard(void);
void test_plugin(void);
void test_spell(void);
void test_doctor(void);
void test_term(void);
void test_algorithm(void);

#endif /* ESPAH_TEST_HARNESS_H */
