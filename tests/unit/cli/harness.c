// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static const char *name;
static bool good_so_far;
static int failures, tests;
static FILE *errors;
static char told_text[65536];
static char printed[65536];
static int real_stdout;
static FILE *capture;

void test_begin(const char *test)
{
	name = test;
	good_so_far = true;
	told();
}

void test_end(void)
{
	tests++;
	failures += !good_so_far;
	printf("%s cli %s\n", good_so_far ? "ok" : "not ok", name);
}

void check(bool good, const char *what, const char *file, int line)
{
	if (good)
		return;
	good_so_far = false;
	printf("# %s:%d: %s\n", file, line, what);
}

const char *told(void)
{
	size_t got;

	fflush(stderr);
	rewind(errors);
	got = fread(told_text, 1, sizeof(told_text) - 1, errors);
	told_text[got] = '\0';
	if (ftruncate(fileno(errors), 0))
		abort();
	rewind(errors);
	return told_text;
}

bool told_of(const char *text)
{
	const char *all = told();

	if (!strncmp(all, "espah: ", 7) && strstr(all, text))
		return true;
	printf("# expected '%s' in: %s\n", text, all);
	return false;
}

void capture_start(void)
{
	fflush(stdout);
	real_stdout = dup(STDOUT_FILENO);
	capture = tmpfile();
	if (real_stdout < 0 || !capture || dup2(fileno(capture), STDOUT_FILENO) < 0)
		abort();
}

const char *capture_end(void)
{
	size_t got;

	fflush(stdout);
	if (dup2(real_stdout, STDOUT_FILENO) < 0)
		abort();
	close(real_stdout);
	rewind(capture);
	got = fread(printed, 1, sizeof(printed) - 1, capture);
	printed[got] = '\0';
	fclose(capture);
	return printed;
}

struct args *words(const char *line)
{
	static char copy[16384];
	static char **word;
	static struct args args;
	static size_t size;

	snprintf(copy, sizeof(copy), "%s", line);
	args.at = 0;
	if (batch_split(copy, strlen(copy), &word, &args.count, &size))
		abort();
	args.word = word;
	return &args;
}

bool has_attr(const struct nlattr **at, uint16_t type, const void *data, size_t size)
{
	const struct nlattr *attr = *at;

	*at = mnl_attr_next(attr);
	if (attr->nla_type == type && mnl_attr_get_payload_len(attr) == size &&
	    !memcmp(mnl_attr_get_payload(attr), data, size))
		return true;
	printf("# attribute %u of %u bytes, expected %u of %zu\n", attr->nla_type,
	       mnl_attr_get_payload_len(attr), type, size);
	return false;
}

bool has_u8(const struct nlattr **at, uint16_t type, uint8_t value)
{
	return has_attr(at, type, &value, 1);
}

bool has_u16(const struct nlattr **at, uint16_t type, uint16_t value)
{
	return has_attr(at, type, &value, 2);
}

bool has_port(const struct nlattr **at, uint16_t type, uint16_t value)
{
	return has_u16(at, type, htons(value));
}

bool has_u32(const struct nlattr **at, uint16_t type, uint32_t value)
{
	return has_attr(at, type, &value, 4);
}

int main(void)
{
	errors = tmpfile();
	if (!errors || dup2(fileno(errors), STDERR_FILENO) < 0)
		abort();
	test_parse();
	test_list();
	test_key();
	test_batch();
	test_sa();
	test_policy();
	test_ack();
	test_print();
	test_dscp();
	test_export();
	test_metrics();
	test_link();
	test_guard();
	test_plugin();
	test_spell();
	test_doctor();
	test_term();
	test_algorithm();
	printf("# %d of %d failed\n", failures, tests);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
