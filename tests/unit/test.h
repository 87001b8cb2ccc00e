/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by all test programs. A program is an array of tests and
 * `TEST_MAIN(array)'; it prints "ok NAME", "not ok NAME: why" or
 * "skip NAME: why" for each, and exits with 1 if one failed.
 */
#ifndef _ESPAH_TEST_H
#define _ESPAH_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test {
	const char *name;
	void (*run)(void);
};

int test_main(const struct test *tests, size_t count);

#define TEST_MAIN(tests) \
	int main(void) { return test_main(tests, sizeof(tests) / sizeof((tests)[0])); }

/* a program may define reset(): it runs before each test, and the previous test may have failed */
void reset(void);

/* both end the current test */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *why, ...);
__attribute__((noreturn, format(printf, 1, 2))) void skip(const char *why, ...);

/* checks an expected condition; the other arguments are a message for printf() */
#define CHECK(condition, ...)              \
	do {                               \
		if (!(condition))          \
			fail(__VA_ARGS__); \
	} while (0)

/* Random numbers from the seed that is printed first; SEED= in the environment sets it. Each test
 * starts from the seed, so it behaves the same when it runs alone.
 */
uint64_t random64(void);
uint32_t below(uint32_t n); /* 0 to n - 1 */
static inline bool one_in(uint32_t n) { return !below(n); }

#endif /* _ESPAH_TEST_H */
