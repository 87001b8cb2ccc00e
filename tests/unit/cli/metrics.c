// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/espah.h>

#include "file.h"
#include "harness.h"
#include "metrics.h"
#include "nl.h"

#define NOW 1000000

static char buf[NL_REQUEST_MAX] __attribute__((aligned(8)));

static void put_drop(struct nlmsghdr *nlh, const char *reason, uint64_t count)
{
	struct nlattr *entry = mnl_attr_nest_start(nlh, ESPAH_DROP_ENTRY);

	mnl_attr_put_strz(nlh, ESPAH_DROP_NAME, reason);
	mnl_attr_put_u64(nlh, ESPAH_DROP_COUNT, count);
	mnl_attr_nest_end(nlh, entry);
}

static void put_limits(struct nlmsghdr *nlh, uint16_t type, uint64_t time, uint64_t use,
		       uint64_t idle)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_u64(nlh, ESPAH_LIMIT_TIME, time);
	mnl_attr_put_u64(nlh, ESPAH_LIMIT_USE, use);
	mnl_attr_put_u64(nlh, ESPAH_LIMIT_IDLE, idle);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *an_sa(uint8_t dir, const char *label, uint64_t packets)
{
	struct nlmsghdr *nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);

	mnl_attr_put_u8(nlh, ESPAH_SA_DIR, dir);
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI, 0x12345678);
	if (label)
		mnl_attr_put_strz(nlh, ESPAH_SA_LABEL, label);
	mnl_attr_put_u64(nlh, ESPAH_SA_PACKETS, packets);
	mnl_attr_put_u64(nlh, ESPAH_SA_BYTES, 10 * packets);
	return nlh;
}

static void add_sa(struct metrics *metrics, struct nlmsghdr *nlh, uint64_t added,
		   uint64_t last_used)
{
	mnl_attr_put_u64(nlh, ESPAH_SA_ADDED, added);
	if (last_used)
		mnl_attr_put_u64(nlh, ESPAH_SA_LAST_USED, last_used);
	CHECK(!metrics_add_sa(nlh, metrics));
}

/* The text of all that was added; frees @metrics. */
static const char *text_of(struct metrics *metrics)
{
	const char *text;

	metrics_end(metrics, NOW);
	capture_start();
	metrics_print(metrics, stdout);
	text = capture_end();
	metrics_free(metrics);
	return text;
}

static void stats(void)
{
	struct metrics *metrics = metrics_start();
	struct nlmsghdr *nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_STATS_GET);
	struct nlattr *drops;
	const char *text;

	test_begin("metrics: the network namespace; zero counts; numbers of 64 bits");
	mnl_attr_put_strz(nlh, ESPAH_STATS_VERSION, "0.1.0");
	mnl_attr_put_u32(nlh, ESPAH_STATS_SAS, 4);
	mnl_attr_put_u32(nlh, ESPAH_STATS_POLICIES, 2);
	mnl_attr_put_u64(nlh, ESPAH_STATS_OUT_PACKETS, UINT64_MAX);
	mnl_attr_put_u64(nlh, ESPAH_STATS_OUT_BYTES, 5);
	mnl_attr_put_u64(nlh, ESPAH_STATS_IN_PACKETS, 6);
	drops = mnl_attr_nest_start(nlh, ESPAH_STATS_DROPS);
	put_drop(nlh, "no_sa", 0);
	put_drop(nlh, "icv", 7);
	mnl_attr_nest_end(nlh, drops);
	CHECK(!metrics_add_stats(nlh, metrics));
	text = text_of(metrics);
	CHECK(!strncmp(text, "# HELP espah_info ", 18));
	CHECK(strstr(text, "\n# TYPE espah_info gauge\nespah_info{version=\"0.1.0\"} 1\n# HELP "));
	CHECK(strstr(text, "\n# TYPE espah_sas gauge\nespah_sas 4\n"));
	CHECK(strstr(text, "\nespah_policies 2\n"));
	CHECK(strstr(text, "\n# TYPE espah_packets_total counter\n"
		     "espah_packets_total{direction=\"in\"} 6\n"
		     "espah_packets_total{direction=\"out\"} 18446744073709551615\n# HELP "));
	CHECK(strstr(text, "\nespah_bytes_total{direction=\"out\"} 5\n"));
	CHECK(strstr(text, "\n# TYPE espah_drops_total counter\n"
		     "espah_drops_total{reason=\"no_sa\"} 0\n"
		     "espah_drops_total{reason=\"icv\"} 7\n"));
	CHECK(!strstr(text, "espah_sa_") && !strstr(text, "espah_policy_"));
	test_end();
}

static void policies(void)
{
	struct metrics *metrics = metrics_start();
	struct nlattr *drops;
	struct nlmsghdr *nlh;
	const char *text;

	test_begin("metrics: policies; a missing SA counts from 0 on, a label is escaped");
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, 1);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR, ESPAH_DIR_OUT);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_ACTION, ESPAH_ACTION_PROTECT);
	mnl_attr_put_strz(nlh, ESPAH_POLICY_LABEL, "a\"b\\c\nd\xff");
	mnl_attr_put_u32(nlh, ESPAH_POLICY_QUEUE, 9);
	mnl_attr_put_u64(nlh, ESPAH_POLICY_PACKETS, 3);
	mnl_attr_put_u64(nlh, ESPAH_POLICY_BYTES, 300);
	CHECK(!metrics_add_policy(nlh, metrics));
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, 2);
	drops = mnl_attr_nest_start(nlh, ESPAH_POLICY_DROPS);
	put_drop(nlh, "no_sa", 4);
	mnl_attr_nest_end(nlh, drops);
	CHECK(!metrics_add_policy(nlh, metrics));
	nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, 3);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR, ESPAH_DIR_IN);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_ACTION, ESPAH_ACTION_PROTECT);
	CHECK(!metrics_add_policy(nlh, metrics));
	text = text_of(metrics);
#define LABEL "direction=\"out\",label=\"a\\\"b\\\\c\\nd?\""
	CHECK(strstr(text, "\n# TYPE espah_policy_packets_total counter\n"
		     "espah_policy_packets_total{id=\"1\"," LABEL "} 3\n"
		     "espah_policy_packets_total{id=\"2\"," LABEL "} 3\n"
		     "espah_policy_packets_total{id=\"3\",direction=\"in\"} 0\n# HELP "));
	CHECK(strstr(text, "\nespah_policy_bytes_total{id=\"1\"," LABEL "} 300\n"));
	CHECK(strstr(text, "\n# TYPE espah_policy_drops_total counter\n"
		     "espah_policy_drops_total{id=\"1\"," LABEL ",reason=\"no_sa\"} 0\n"
		     "espah_policy_drops_total{id=\"1\"," LABEL ",reason=\"acquire_late\"} 0\n"
		     "espah_policy_drops_total{id=\"2\"," LABEL ",reason=\"no_sa\"} 4\n"
		     "espah_policy_drops_total{id=\"2\"," LABEL ",reason=\"acquire_late\"} 0\n"));
	CHECK(!strstr(text, "espah_policy_drops_total{id=\"3\""));
	test_end();
}

static void sas(void)
{
	struct metrics *metrics = metrics_start();
	struct nlattr *drops;
	struct nlmsghdr *nlh;
	const char *text;

	test_begin("metrics: SAs are summed by label and direction, no SPI is shown");
	nlh = an_sa(ESPAH_DIR_IN, "gw", 2);
	put_limits(nlh, ESPAH_SA_HARD, 3600, 0, 7);
	put_limits(nlh, ESPAH_SA_USED, 600, 0, 3);
	drops = mnl_attr_nest_start(nlh, ESPAH_SA_DROPS);
	put_drop(nlh, "icv", 1);
	put_drop(nlh, "replay", 2);
	mnl_attr_nest_end(nlh, drops);
	add_sa(metrics, nlh, NOW - 600, NOW - 30);
	nlh = an_sa(ESPAH_DIR_IN, "gw", 3);
	put_limits(nlh, ESPAH_SA_HARD, 3600, 1000, 7);
	put_limits(nlh, ESPAH_SA_USED, 60, 50, 6);
	drops = mnl_attr_nest_start(nlh, ESPAH_SA_DROPS);
	put_drop(nlh, "replay", 5);
	mnl_attr_nest_end(nlh, drops);
	add_sa(metrics, nlh, NOW - 60, NOW - 10);
	nlh = an_sa(ESPAH_DIR_IN, "gw", 0);
	mnl_attr_put_u8(nlh, ESPAH_SA_STATE, ESPAH_SA_STATE_LARVAL);
	put_limits(nlh, ESPAH_SA_HARD, 30, 0, 0);
	add_sa(metrics, nlh, NOW - 5000, 0);
	add_sa(metrics, an_sa(ESPAH_DIR_OUT, "gw", 1ULL << 60), NOW - 5, 0);
	add_sa(metrics, an_sa(ESPAH_DIR_IN, NULL, 8), NOW + 5, NOW + 5);
	text = text_of(metrics);
#define IN "{label=\"gw\",direction=\"in\"} "
#define OUT "{label=\"gw\",direction=\"out\"} "
#define NONE "{label=\"\",direction=\"in\"} "
	CHECK(strstr(text, "\n# TYPE espah_sa_present gauge\nespah_sa_present" IN "3\n"
		     "espah_sa_present" OUT "1\nespah_sa_present" NONE "1\n# HELP "));
	CHECK(strstr(text, "\nespah_sa_larval" IN "1\nespah_sa_larval" OUT "0\n"));
	CHECK(strstr(text, "\n# TYPE espah_sa_present_packets gauge\n"
		     "espah_sa_present_packets" IN "5\n"
		     "espah_sa_present_packets" OUT "1152921504606846976\n"
		     "espah_sa_present_packets" NONE "8\n"));
	CHECK(strstr(text, "\nespah_sa_present_bytes" IN "50\n"));
	CHECK(strstr(text, "\nespah_sa_idle_seconds" IN "10\nespah_sa_idle_seconds" OUT "5\n"
		     "espah_sa_idle_seconds" NONE "0\n"));
	CHECK(strstr(text, "\nespah_sa_oldest_age_seconds" IN "600\n"
		     "espah_sa_oldest_age_seconds" OUT "5\n"));
	CHECK(strstr(text, "\nespah_sa_lifetime_left_seconds" IN "950\n"));
	CHECK(!strstr(text, "espah_sa_lifetime_left_seconds" OUT));
	CHECK(strstr(text, "\n# TYPE espah_sa_present_drops gauge\n"
		     "espah_sa_present_drops{label=\"gw\",direction=\"in\",reason=\"icv\"} 1\n"
		     "espah_sa_present_drops{label=\"gw\",direction=\"in\",reason=\"replay\"} 7\n"));
	CHECK(!strstr(text, "12345678") && !strstr(text, "78563412") && !strstr(text, "spi"));
	test_end();
}

static void broken(void)
{
	struct metrics *metrics = metrics_start();
	struct nlmsghdr *nlh = msg_start(buf, 77, 0, 1, ESPAH_CMD_SA_NEW);

	test_begin("metrics from broken messages: no crash");
	mnl_attr_put(nlh, 1, 0, NULL);
	mnl_attr_put(nlh, ESPAH_SA_LABEL, 3, "abc");
	mnl_attr_put(nlh, ESPAH_SA_DROPS, 4, "\xff\xff\xff\xff");
	mnl_attr_put(nlh, ESPAH_SA_HARD, 6, "\6\0\2\0ab");
	mnl_attr_put(nlh, ESPAH_STATS_DROPS, 4, "\xff\xff\xff\xff");
	mnl_attr_put(nlh, ESPAH_POLICY_DROPS, 4, "\xff\xff\xff\xff");
	metrics_add_stats(nlh, metrics);
	metrics_add_policy(nlh, metrics);
	metrics_add_sa(nlh, metrics);
	CHECK(strstr(text_of(metrics), "\nespah_sa_present{label=\"\",direction=\"?\"} 1\n"));
	test_end();
}

static int write_text(FILE *stream, void *text)
{
	fputs(text ? text : "half a", stream);
	return text ? STATUS_OK : STATUS_REFUSED;
}

/* Whether the folder holds one file with this mode and text. */
static bool holds(const char *folder, const char *name, mode_t mode, const char *text)
{
	char got[64] = "", command[128];
	FILE *file = fopen(name, "r");
	struct stat st;
	bool alone;

	snprintf(command, sizeof(command), "[ $(ls %s | wc -l) = 1 ]", folder);
	alone = !system(command);
	if (!file)
		return false;
	if (fgets(got, sizeof(got), file) && !fstat(fileno(file), &st))
		alone = alone && (st.st_mode & 07777) == mode && !strcmp(got, text);
	fclose(file);
	return alone;
}

static void files(void)
{
	char folder[] = "/tmp/espah-unit.XXXXXX", name[64];
	struct stat before, after;
	mode_t mask = umask(077);

	test_begin("a file is replaced as a whole, or stays as it was; its mode");
	CHECK(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/file", folder);
	CHECK(!file_write(name, 0644, write_text, "one") && holds(folder, name, 0644, "one"));
	CHECK(!stat(name, &before));
	CHECK(!file_write(name, 0600, write_text, "two") && holds(folder, name, 0600, "two"));
	CHECK(!stat(name, &after) && before.st_ino != after.st_ino);
	CHECK(file_write(name, 0644, write_text, NULL) == STATUS_REFUSED);
	CHECK(holds(folder, name, 0600, "two"));
	CHECK(file_write("/dev/full", 0644, write_text, "x") == STATUS_REFUSED);
	CHECK(told_of("/dev/full cannot be written: No space left"));
	CHECK(!stat("/dev/full", &after) && S_ISCHR(after.st_mode));
	CHECK(file_write("/nonsuch/file", 0644, write_text, "x") == STATUS_REFUSED);
	CHECK(told_of("/nonsuch/file cannot be written: No such file"));
	unlink(name);
	CHECK(!rmdir(folder));
	umask(mask);
	test_end();
}

void test_metrics(void)
{
	stats();
	policies();
	sas();
	broken();
	files();
}
