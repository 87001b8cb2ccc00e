// SPDX-License-Identifier: GPL-2.0-only
/* Counters for Prometheus: netlink answers to its text format, version 0.0.4. */
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "attr.h"
#include "cli.h"
#include "metrics.h"
#include "print.h"
#include "words.h"

enum metric {
	METRIC_INFO,
	METRIC_SAS,
	METRIC_POLICIES,
	METRIC_PACKETS,
	METRIC_BYTES,
	METRIC_DROPS,
	METRIC_POLICY_PACKETS,
	METRIC_POLICY_BYTES,
	METRIC_POLICY_DROPS,
	METRIC_SA_PRESENT,
	METRIC_SA_LARVAL,
	METRIC_SA_PACKETS,
	METRIC_SA_BYTES,
	METRIC_SA_DROPS,
	METRIC_SA_IDLE,
	METRIC_SA_OLDEST,
	METRIC_SA_LEFT,

	METRIC_NUM
};

/*
 * Counters belong to what outlives a rekey: the network namespace and the policies. A sum over SAs
 * falls when one of them is deleted, so it is a gauge.
 */
static const struct {
	const char *name;
	const char *type;
	const char *help;
} descriptions[METRIC_NUM] = {
	[METRIC_INFO] = { "espah_info", "gauge", "Version of the kernel module." },
	[METRIC_SAS] = { "espah_sas", "gauge", "SAs present." },
	[METRIC_POLICIES] = { "espah_policies", "gauge", "Policies present." },
	[METRIC_PACKETS] = { "espah_packets_total", "counter",
		"Packets that were protected and sent (out), or unprotected and delivered (in)." },
	[METRIC_BYTES] = { "espah_bytes_total", "counter",
		"Bytes of inner packets that were protected and sent (out), or unprotected and delivered (in)." },
	[METRIC_DROPS] = { "espah_drops_total", "counter",
		"Packets dropped, by reason (see 'espah explain reason NAME')." },
	[METRIC_POLICY_PACKETS] = { "espah_policy_packets_total", "counter",
		"Packets that the policy let pass." },
	[METRIC_POLICY_BYTES] = { "espah_policy_bytes_total", "counter",
		"Bytes of packets that the policy let pass." },
	[METRIC_POLICY_DROPS] = { "espah_policy_drops_total", "counter",
		"Packets of the policy that were dropped, by reason; reasons without drops are absent, except those for a missing SA." },
	[METRIC_SA_PRESENT] = { "espah_sa_present", "gauge", "SAs present, by label." },
	[METRIC_SA_LARVAL] = { "espah_sa_larval", "gauge",
		"SAs present that have no keys yet, by label." },
	[METRIC_SA_PACKETS] = { "espah_sa_present_packets", "gauge",
		"Packets that the present SAs have carried; falls when an SA is deleted." },
	[METRIC_SA_BYTES] = { "espah_sa_present_bytes", "gauge",
		"Bytes of inner packets that the present SAs have carried; falls when an SA is deleted." },
	[METRIC_SA_DROPS] = { "espah_sa_present_drops", "gauge",
		"Packets that the present SAs have dropped, by reason; falls when an SA is deleted." },
	[METRIC_SA_IDLE] = { "espah_sa_idle_seconds", "gauge",
		"Time since the last packet of any present SA; if none has carried a packet, age of the oldest." },
	[METRIC_SA_OLDEST] = { "espah_sa_oldest_age_seconds", "gauge",
		"Age of the oldest present SA that has keys." },
	[METRIC_SA_LEFT] = { "espah_sa_lifetime_left_seconds", "gauge",
		"Time until the first present SA reaches its hard limit of time or use." },
};

/** struct label - a label of a sample; a label without a value is left out */
struct label {
	const char *name;
	const char *value;
};

/** struct drop - how often the SAs of a group have dropped a packet for a reason */
struct drop {
	char *reason;
	uint64_t count;
	struct drop *next;
};

/**
 * struct group - the SAs with the same direction and label
 * @dir: direction
 * @label: label, empty if they have none
 * @present: number of SAs
 * @larval: number of SAs without keys
 * @packets: packets carried
 * @bytes: bytes carried
 * @last_used: seconds since the epoch: last packet; 0: none
 * @added: seconds since the epoch: addition of the oldest SA with keys; UINT64_MAX: no such SA
 * @left: seconds until the first hard limit is reached; UINT64_MAX: there is no limit
 * @drops: by reason
 * @next: the next group, in the order of the dump
 */
struct group {
	const char *dir;
	char *label;
	uint64_t present;
	uint64_t larval;
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_used;
	uint64_t added;
	uint64_t left;
	struct drop *drops;
	struct group *next;
};

/**
 * struct metrics - what was read so far
 * @stream: for each metric, writes its samples into @text
 * @text: samples of each metric
 * @size: of @text
 * @tree: groups, to find one
 * @groups: groups, as a list
 * @last: where to append to @groups
 */
struct metrics {
	FILE *stream[METRIC_NUM];
	char *text[METRIC_NUM];
	size_t size[METRIC_NUM];
	void *tree;
	struct group *groups;
	struct group **last;
};

static void *need(void *memory)
{
	if (!memory) {
		error("memory ran out");
		exit(STATUS_REFUSED);
	}
	return memory;
}

/* --- samples --------------------------------------------------------------------------- */

/* A label's value is UTF-8; ours is ASCII, so other bytes of a message are replaced. */
static void put_value(FILE *stream, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			putc('\\', stream);
		if (*value == '\n')
			fputs("\\n", stream);
		else
			putc(*value & 0x80 ? '?' : *value, stream);
	}
}

/* Adds a sample; @labels ends with a label without a name. */
static void add(struct metrics *metrics, enum metric metric, const struct label *labels,
		uint64_t value)
{
	FILE *stream = metrics->stream[metric];
	char before = '{';

	fputs(descriptions[metric].name, stream);
	for (; labels->name; labels++) {
		if (!labels->value)
			continue;
		fprintf(stream, "%c%s=\"", before, labels->name);
		put_value(stream, labels->value);
		putc('"', stream);
		before = ',';
	}
	fprintf(stream, "%s %" PRIu64 "\n", before == ',' ? "}" : "", value);
}

/* --- the network namespace --------------------------------------------------------------- */

static void add_drop(const char *reason, uint64_t count, const char *text, void *metrics)
{
	struct label labels[] = { { "reason", reason }, { 0 } };

	(void)text;
	add(metrics, METRIC_DROPS, labels, count);
}

static void add_traffic(struct metrics *metrics, uint8_t dir, const struct nlattr *packets,
			const struct nlattr *bytes)
{
	struct label labels[] = { { "direction", word_of(WORD_DIR, dir) }, { 0 } };

	add(metrics, METRIC_PACKETS, labels, attr_u64(packets, 0));
	add(metrics, METRIC_BYTES, labels, attr_u64(bytes, 0));
}

/** metrics_add_stats() - add the answer of STATS_GET; a nl_cb */
int metrics_add_stats(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_STATS_MAX + 1];
	struct metrics *metrics = data;
	struct label version[2] = { 0 }, none = { 0 };

	attr_table(nlh, tb, ESPAH_STATS_MAX);
	version[0].name = "version";
	version[0].value = attr_string(tb[ESPAH_STATS_VERSION], "?");
	add(metrics, METRIC_INFO, version, 1);
	add(metrics, METRIC_SAS, &none, attr_u32(tb[ESPAH_STATS_SAS], 0));
	add(metrics, METRIC_POLICIES, &none, attr_u32(tb[ESPAH_STATS_POLICIES], 0));
	add_traffic(metrics, ESPAH_DIR_IN, tb[ESPAH_STATS_IN_PACKETS], tb[ESPAH_STATS_IN_BYTES]);
	add_traffic(metrics, ESPAH_DIR_OUT, tb[ESPAH_STATS_OUT_PACKETS],
		    tb[ESPAH_STATS_OUT_BYTES]);
	drops_each(tb[ESPAH_STATS_DROPS], add_drop, metrics);
	return 0;
}

/* --- policies ---------------------------------------------------------------------------- */

#define NO_SA "no_sa"
#define ACQUIRE_LATE "acquire_late"

/**
 * struct policy_drops - where the drops of a policy are added
 * @labels: of the policy; @reason is one of them
 * @reason: to be filled in
 * @no_sa: the policy has counted this reason
 * @late: as @no_sa, for ACQUIRE_LATE
 */
struct policy_drops {
	struct metrics *metrics;
	const struct label *labels;
	struct label *reason;
	bool no_sa;
	bool late;
};

static void add_policy_drop(const char *reason, uint64_t count, const char *text, void *data)
{
	struct policy_drops *drops = data;

	(void)text;
	drops->no_sa |= !strcmp(reason, NO_SA);
	drops->late |= !strcmp(reason, ACQUIRE_LATE);
	drops->reason->value = reason;
	add(drops->metrics, METRIC_POLICY_DROPS, drops->labels, count);
}

/* A rate needs a first sample of 0, so the reasons to be alarmed about are always there. */
static void add_policy_drops(const struct nlattr **tb, struct policy_drops *drops)
{
	drops_each(tb[ESPAH_POLICY_DROPS], add_policy_drop, drops);
	if (attr_u8(tb[ESPAH_POLICY_ACTION], 0xff) != ESPAH_ACTION_PROTECT ||
	    attr_u8(tb[ESPAH_POLICY_DIR], 0xff) != ESPAH_DIR_OUT)
		return;
	if (!drops->no_sa)
		add_policy_drop(NO_SA, 0, NULL, drops);
	if (!drops->late && tb[ESPAH_POLICY_QUEUE])
		add_policy_drop(ACQUIRE_LATE, 0, NULL, drops);
}

/** metrics_add_policy() - add a policy; a nl_cb */
int metrics_add_policy(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct metrics *metrics = data;
	char id[16];
	struct label labels[] = {
		{ "id", id }, { "direction", NULL }, { "label", NULL }, { "reason", NULL }, { 0 }
	};
	struct policy_drops drops = {
		.metrics = metrics, .labels = labels, .reason = &labels[3]
	};

	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	snprintf(id, sizeof(id), "%u", attr_u32(tb[ESPAH_POLICY_ID], 0));
	labels[1].value = word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff));
	labels[2].value = attr_string(tb[ESPAH_POLICY_LABEL], NULL);
	add(metrics, METRIC_POLICY_PACKETS, labels, attr_u64(tb[ESPAH_POLICY_PACKETS], 0));
	add(metrics, METRIC_POLICY_BYTES, labels, attr_u64(tb[ESPAH_POLICY_BYTES], 0));
	add_policy_drops(tb, &drops);
	return 0;
}

/* --- SAs --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int dir = strcmp(x->dir, y->dir);

	return dir ? dir : strcmp(x->label, y->label);
}

static struct group *group_of(struct metrics *metrics, const struct nlattr **tb)
{
	const char *label = attr_string(tb[ESPAH_SA_LABEL], "");
	struct group key = {
		.dir = word_of(WORD_DIR, attr_u8(tb[ESPAH_SA_DIR], 0xff)), .label = (char *)label,
		.added = UINT64_MAX, .left = UINT64_MAX
	}, *group, **found = tfind(&key, &metrics->tree, compare);

	if (found)
		return *found;
	group = need(malloc(sizeof(*group)));
	*group = key;
	group->label = need(strdup(label));
	need(tsearch(group, &metrics->tree, compare));
	*metrics->last = group;
	metrics->last = &group->next;
	return group;
}

static void count_drop(const char *reason, uint64_t count, const char *text, void *data)
{
	struct group *group = data;
	struct drop **at = &group->drops;

	(void)text;
	while (*at && strcmp((*at)->reason, reason))
		at = &(*at)->next;
	if (!*at) {
		*at = need(calloc(1, sizeof(**at)));
		(*at)->reason = need(strdup(reason));
	}
	(*at)->count += count;
}

/* The idle limit is no end that must come: each packet moves it. */
static uint64_t lifetime_left(const struct nlattr **tb)
{
	static const uint8_t ends[] = { ESPAH_LIMIT_TIME, ESPAH_LIMIT_USE };
	const struct nlattr *limits[ESPAH_LIMIT_MAX + 1], *used[ESPAH_LIMIT_MAX + 1];
	uint64_t least = UINT64_MAX, limit, gone, left;
	unsigned int i;

	attr_nest(tb[ESPAH_SA_HARD], limits, ESPAH_LIMIT_MAX);
	attr_nest(tb[ESPAH_SA_USED], used, ESPAH_LIMIT_MAX);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		limit = attr_u64(limits[ends[i]], 0);
		gone = attr_u64(used[ends[i]], 0);
		left = gone < limit ? limit - gone : 0;
		if (limit && left < least)
			least = left;
	}
	return least;
}

/** metrics_add_sa() - add an SA to those with the same label; a nl_cb */
int metrics_add_sa(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	uint64_t last_used, added, left;
	struct group *group;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	group = group_of(data, tb);
	group->present++;
	group->packets += attr_u64(tb[ESPAH_SA_PACKETS], 0);
	group->bytes += attr_u64(tb[ESPAH_SA_BYTES], 0);
	drops_each(tb[ESPAH_SA_DROPS], count_drop, group);
	if (attr_u8(tb[ESPAH_SA_STATE], ESPAH_SA_STATE_VALID) == ESPAH_SA_STATE_LARVAL) {
		group->larval++;
		return 0;
	}
	last_used = attr_u64(tb[ESPAH_SA_LAST_USED], 0);
	added = attr_u64(tb[ESPAH_SA_ADDED], 0);
	left = lifetime_left(tb);
	if (last_used > group->last_used)
		group->last_used = last_used;
	if (added < group->added)
		group->added = added;
	if (left < group->left)
		group->left = left;
	return 0;
}

static uint64_t since(uint64_t when, uint64_t now)
{
	return now > when ? now - when : 0;
}

static void add_group(struct metrics *metrics, const struct group *group, uint64_t now)
{
	struct label labels[] = {
		{ "label", group->label }, { "direction", group->dir }, { "reason", NULL }, { 0 }
	};
	const struct drop *drop;

	add(metrics, METRIC_SA_PRESENT, labels, group->present);
	add(metrics, METRIC_SA_LARVAL, labels, group->larval);
	add(metrics, METRIC_SA_PACKETS, labels, group->packets);
	add(metrics, METRIC_SA_BYTES, labels, group->bytes);
	if (group->added != UINT64_MAX) {
		add(metrics, METRIC_SA_IDLE, labels,
		    since(group->last_used ? group->last_used : group->added, now));
		add(metrics, METRIC_SA_OLDEST, labels, since(group->added, now));
	}
	if (group->left != UINT64_MAX)
		add(metrics, METRIC_SA_LEFT, labels, group->left);
	for (drop = group->drops; drop; drop = drop->next) {
		labels[2].value = drop->reason;
		add(metrics, METRIC_SA_DROPS, labels, drop->count);
	}
}

/* --- all --------------------------------------------------------------------------------- */

/** metrics_start() - begin. Return: no metrics yet; free them with metrics_free() */
struct metrics *metrics_start(void)
{
	struct metrics *metrics = need(calloc(1, sizeof(*metrics)));
	unsigned int i;

	metrics->last = &metrics->groups;
	for (i = 0; i < METRIC_NUM; i++)
		metrics->stream[i] = need(open_memstream(&metrics->text[i], &metrics->size[i]));
	return metrics;
}

/** metrics_end() - nothing more will be added; @now: seconds since the epoch, for ages */
void metrics_end(struct metrics *metrics, uint64_t now)
{
	const struct group *group;
	unsigned int i;
	bool failed;

	for (group = metrics->groups; group; group = group->next)
		add_group(metrics, group, now);
	for (i = 0; i < METRIC_NUM; i++) {
		failed = ferror(metrics->stream[i]);
		need(fclose(metrics->stream[i]) || failed ? NULL : metrics->text[i]);
	}
}

/** metrics_print() - print all metrics that have samples, after metrics_end() */
void metrics_print(const struct metrics *metrics, FILE *stream)
{
	unsigned int i;

	for (i = 0; i < METRIC_NUM; i++) {
		if (!metrics->size[i])
			continue;
		fprintf(stream, "# HELP %s %s\n# TYPE %s %s\n", descriptions[i].name,
			descriptions[i].help, descriptions[i].name, descriptions[i].type);
		fwrite(metrics->text[i], 1, metrics->size[i], stream);
	}
}

static void forget(void *node)
{
	(void)node;
}

/** metrics_free() - free the metrics, after metrics_end() */
void metrics_free(struct metrics *metrics)
{
	struct group *group;
	struct drop *drop;
	unsigned int i;

	tdestroy(metrics->tree, forget);
	while ((group = metrics->groups)) {
		metrics->groups = group->next;
		while ((drop = group->drops)) {
			group->drops = drop->next;
			free(drop->reason);
			free(drop);
		}
		free(group->label);
		free(group);
	}
	for (i = 0; i < METRIC_NUM; i++)
		free(metrics->text[i]);
	free(metrics);
}
