// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test.h"

enum { PASSED, FAILED, SKIPPED };

static jmp_buf back;
static char why[1000];
static uint64_t state;

uint64_t random64(void)
{
	uint64_t n = state += 0x9e3779b97f4a7c15; /* splitmix64 */

	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
	n = (n ^ n >> 27) * 0x94d049bb133111eb;
	return n ^ n >> 31;
}

uint32_t below(uint32_t n)
{
	return random64() % n;
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	longjmp(back, FAILED);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	longjmp(back, SKIPPED);
}

__attribute__((weak)) void reset(void)
{
}

/* ONLY=WORD in the environment runs the tests whose names contain it */
int test_main(const struct test *tests, size_t count)
{
	const char *chosen = getenv("SEED"), *only = getenv("ONLY");
	uint64_t seed = chosen ? strtoull(chosen, NULL, 0) : 4303;
	volatile int failed = 0;
	volatile size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# SEED=%llu\n", (unsigned long long)seed);
	for (i = 0; i < count; i++) {
		if (only && !strstr(tests[i].name, only))
			continue;
		state = seed;
		reset();
		switch (setjmp(back)) {
		case PASSED:
			tests[i].run();
			printf("ok %s\n", tests[i].name);
			break;
		case FAILED:
			printf("not ok %s: %s\n", tests[i].name, why);
			failed = 1;
			break;
		case SKIPPED:
			printf("skip %s: %s\n", tests[i].name, why);
			break;
		}
	}
	fflush(stdout);
	/* a failed test does not free its memory: skip the leak report */
	if (failed)
		_Exit(1);
	return 0;
}
