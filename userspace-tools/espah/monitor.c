// SPDX-License-Identifier: GPL-2.0-only
/* espah monitor: events as they happen, one line each. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/espah.h>

#include "policy.h"
#include "queue.h"
#include "sa.h"
#include "term.h"
#include "words.h"

const char monitor_help[] =
	"espah monitor [sa] [policy] [acquire] [expire] [mapping] [drop] [audit]\n"
	"\n"
	"Prints changes of SAs and policies, packets that met a policy without an SA\n"
	"(acquire), SAs that reached a limit (expire), SAs in UDP whose peer got a new\n"
	"address or port from a NAT (mapping), and packets that were dropped (drop), a\n"
	"line each with the local time, until Ctrl-C. With -j each line is a JSON object.\n"
	"Of drops, at most ten a second are told for each reason, with the number of\n"
	"those in between; keepalives and dummy packets are not. The word audit prints\n"
	"only those drops that RFC 4301 to 4303 want audited, as events of their own.\n"
	"\n"
	"Example:\n"
	"  espah monitor acquire expire\n"
	"  espah -j monitor audit\n";

/* Prints the date, once and after each midnight: in a terminal, lines have only the time. */
static void print_day(const struct tm *tm)
{
	static int day = -1;
	char text[24];

	if (day == tm->tm_yday)
		return;
	strftime(text, sizeof(text), "%Y-%m-%d", tm);
	printf(day < 0 ? "%s: events as they happen, until Ctrl-C\n" : "%s\n", text);
	day = tm->tm_yday;
}

static void print_now(bool json, char *buf, size_t size)
{
	struct timespec now;
	char zone[8];
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	if (!json && term_here())
		print_day(&tm);
	used = strftime(buf, size, json ? "%Y-%m-%dT%H:%M:%S" : term_here() ? "%H:%M:%S" :
			"%Y-%m-%d %H:%M:%S", &tm);
	used += snprintf(buf + used, size - used, ".%03ld", now.tv_nsec / 1000000);
	/* RFC 3339 wants +01:00, strftime has +0100 */
	if (json && strftime(zone, sizeof(zone), "%z", &tm) == 5)
		snprintf(buf + used, size - used, "%.3s:%s", zone, zone + 3);
}

static const char *event_name(uint8_t cmd)
{
	static const char *const names[] = {
		[ESPAH_CMD_SA_NEW_NTF] = "sa add", [ESPAH_CMD_SA_SET_NTF] = "sa set",
		[ESPAH_CMD_SA_DEL_NTF] = "sa del", [ESPAH_CMD_SA_FLUSH_NTF] = "sa flush",
		[ESPAH_CMD_POLICY_NEW_NTF] = "policy add", [ESPAH_CMD_POLICY_DEL_NTF] = "policy del",
		[ESPAH_CMD_POLICY_FLUSH_NTF] = "policy flush", [ESPAH_CMD_ACQUIRE] = "acquire",
		[ESPAH_CMD_EXPIRE] = "expire",
		[ESPAH_CMD_MAPPING] = "mapping", [ESPAH_CMD_AUDIT] = "audit",
		[ESPAH_CMD_DROP] = "drop",
	};

	return cmd < ARRAY_SIZE(names) ? names[cmd] : NULL;
}

static void sa_flushed(const struct nlattr **tb, char *buf, size_t size, json_t *object)
{
	const char *dir = tb[ESPAH_SA_DIR] ? word_of(WORD_DIR, attr_u8(tb[ESPAH_SA_DIR], 0xff)) :
			  NULL;
	const char *proto = tb[ESPAH_SA_PROTO] ?
			    word_of(WORD_PROTO, attr_u8(tb[ESPAH_SA_PROTO], 0xff)) : NULL;
	static const struct {
		uint8_t attr;
		const char *word;
		const char *key;
	} numbers[] = {
		{ ESPAH_SA_REQID, "reqid", "reqid" }, { ESPAH_SA_IF_ID, "if-id", "if_id" },
	};
	char vrf[DEV_TEXT_MAX];
	unsigned int i;
	int used = snprintf(buf, size, "all%s%s%s%s", dir ? " " : "", dir ? dir : "",
			    proto ? " " : "", proto ? proto : "");

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (tb[numbers[i].attr])
			used += snprintf(buf + used, size - used, " %s %u", numbers[i].word,
					 attr_u32(tb[numbers[i].attr], 0));
	if (tb[ESPAH_SA_VRF])
		snprintf(buf + used, size - used, " vrf %s",
			 dev_text(attr_u32(tb[ESPAH_SA_VRF], 0), vrf));
	if (object && dir)
		json_set(object, "dir", json_string(dir));
	if (object && proto)
		json_set(object, "proto", json_string(proto));
	for (i = 0; object && i < ARRAY_SIZE(numbers); i++)
		if (tb[numbers[i].attr])
			json_set(object, numbers[i].key,
				 json_integer(attr_u32(tb[numbers[i].attr], 0)));
	if (object && tb[ESPAH_SA_VRF])
		json_set(object, "vrf", json_string(vrf));
}

static void policy_flushed(const struct nlattr **tb, char *buf, size_t size, json_t *object)
{
	const char *dir = tb[ESPAH_POLICY_DIR] ?
			  word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff)) : NULL;
	char if_id[IF_ID_TEXT_MAX];

	snprintf(buf, size, "all%s%s%s", dir ? " " : "", dir ? dir : "",
		 if_id_text(tb[ESPAH_POLICY_IF_ID], if_id));
	if (object && dir)
		json_set(object, "dir", json_string(dir));
	if (object && tb[ESPAH_POLICY_IF_ID])
		json_set(object, "if_id", json_integer(attr_u32(tb[ESPAH_POLICY_IF_ID], 0)));
}

static void acquire(const struct nlmsghdr *nlh, char *buf, size_t size, json_t *object)
{
	const struct nlattr *tb[ESPAH_ACQUIRE_MAX + 1];
	char flow_text[SELECTOR_TEXT_MAX], tmpl_text[SELECTOR_TEXT_MAX], text[SELECTOR_TEXT_MAX];
	struct template tmpl[ESPAH_BUNDLE_MAX];
	struct selector flow, wanted;
	char if_id[IF_ID_TEXT_MAX];
	json_t *inner;

	attr_table(nlh, tb, ESPAH_ACQUIRE_MAX);
	template_get(tb[ESPAH_ACQUIRE_TEMPLATE], tmpl);
	selector_get(tb[ESPAH_ACQUIRE_FLOW], &flow);
	selector_get(tb[ESPAH_ACQUIRE_SELECTOR], &wanted);
	snprintf(buf, size, "policy %u has no SA for %s; it needs %s%s for %s",
		 attr_u32(tb[ESPAH_ACQUIRE_POLICY_ID], 0), selector_text(&flow, flow_text),
		 template_text(tmpl, tmpl_text), if_id_text(tb[ESPAH_ACQUIRE_IF_ID], if_id),
		 selector_text(&wanted, text));
	if (!object)
		return;
	json_set(object, "policy", json_integer(attr_u32(tb[ESPAH_ACQUIRE_POLICY_ID], 0)));
	if (tb[ESPAH_ACQUIRE_IF_ID])
		json_set(object, "if_id", json_integer(attr_u32(tb[ESPAH_ACQUIRE_IF_ID], 0)));
	json_set(object, "template", template_json(tmpl));
	inner = json_object();
	selector_json(&flow, inner);
	json_set(object, "flow", inner);
	inner = json_object();
	selector_json(&wanted, inner);
	json_set(object, "selector", inner);
}

static void expire(const struct nlmsghdr *nlh, char *buf, size_t size, json_t *object)
{
	const struct nlattr *tb[ESPAH_EXPIRE_MAX + 1], *sa[ESPAH_SA_MAX + 1];
	const char *kind, *limit;
	int used;

	attr_table(nlh, tb, ESPAH_EXPIRE_MAX);
	attr_nest(tb[ESPAH_EXPIRE_SA], sa, ESPAH_SA_MAX);
	kind = attr_u8(tb[ESPAH_EXPIRE_HARD], 0) ? "hard" : "soft";
	limit = word_of(WORD_LIMIT, attr_u8(tb[ESPAH_EXPIRE_LIMIT], 0));
	used = snprintf(buf, size, "%s %s: ", kind, limit);
	sa_line(sa, buf + used, size - used);
	if (!object)
		return;
	json_set(object, "kind", json_string(kind));
	json_set(object, "limit", json_string(limit));
	json_set(object, "sa", sa_json(sa));
}

static void mapping(const struct nlattr **tb, char *buf, size_t size, json_t *object)
{
	char src[ADDR_TEXT_MAX] = "?";
	struct addr addr;
	size_t used;

	sa_line(tb, buf, size);
	used = strlen(buf);
	if (attr_addr(tb[ESPAH_SA_NEW_SRC], &addr))
		addr_text(&addr, src);
	snprintf(buf + used, size - used, "  now from %s port %u", src,
		 attr_port(tb[ESPAH_SA_NEW_SPORT], 0));
	if (!object)
		return;
	json_set(object, "sa", sa_json(tb));
	json_set(object, "new_src", json_string(src));
	json_set(object, "new_sport", json_integer(attr_port(tb[ESPAH_SA_NEW_SPORT], 0)));
}

static void dropped(const struct nlmsghdr *nlh, char *buf, size_t size, json_t *object)
{
	static const struct {
		uint8_t attr;
		const char *name;
		const char *text;
	} numbers[] = {
		{ ESPAH_AUDIT_SEQ, "seq", "  seq %u" },
		{ ESPAH_AUDIT_FLOW_LABEL, "flow_label", "  flow label %#x" },
		{ ESPAH_AUDIT_POLICY_ID, "policy", "  policy %u" },
		{ ESPAH_AUDIT_MISSED, "missed", "  (%u earlier ones were not reported)" },
	};
	const struct nlattr *tb[ESPAH_AUDIT_MAX + 1];
	char text[SELECTOR_TEXT_MAX] = "?", spi[16];
	struct selector flow;
	json_t *inner;
	unsigned int i;
	int used;

	attr_table(nlh, tb, ESPAH_AUDIT_MAX);
	if (tb[ESPAH_AUDIT_FLOW]) {
		selector_get(tb[ESPAH_AUDIT_FLOW], &flow);
		selector_text(&flow, text);
	}
	used = snprintf(buf, size, "%s: %s", attr_string(tb[ESPAH_AUDIT_REASON], "?"), text);
	if (object)
		json_set(object, "reason", json_string(attr_string(tb[ESPAH_AUDIT_REASON], "?")));
	if (object && tb[ESPAH_AUDIT_FLOW]) {
		inner = json_object();
		selector_json(&flow, inner);
		json_set(object, "flow", inner);
	}
	if (object)
		json_set(object, "time_ns", json_u64(attr_u64(tb[ESPAH_AUDIT_TIME], 0)));
	if (tb[ESPAH_AUDIT_SPI]) {
		const char *proto = word_of(WORD_PROTO, attr_u8(tb[ESPAH_AUDIT_PROTO], 0));

		snprintf(spi, sizeof(spi), "0x%08x", ntohl(attr_u32(tb[ESPAH_AUDIT_SPI], 0)));
		/* a flow of ESP or AH packets has named its protocol */
		if (tb[ESPAH_AUDIT_FLOW] && flow.proto == attr_u8(tb[ESPAH_AUDIT_PROTO], 0))
			used += snprintf(buf + used, size - used, " spi %s", spi);
		else
			used += snprintf(buf + used, size - used, "  %s spi %s", proto, spi);
		if (object) {
			json_set(object, "proto", json_string(proto));
			json_set(object, "spi", json_string(spi));
		}
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint32_t n = attr_u32(tb[numbers[i].attr], 0);

		if (!tb[numbers[i].attr])
			continue;
		used += snprintf(buf + used, size - used, numbers[i].text, n);
		if (object)
			json_set(object, numbers[i].name, json_integer(n));
	}
}

/* Describes an event as text and, if @object is not NULL, as members of @object. */
static void describe(const struct nlmsghdr *nlh, uint8_t cmd, char *buf, size_t size,
		     json_t *object)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1], *policy[ESPAH_POLICY_MAX + 1];

	attr_table(nlh, sa, ESPAH_SA_MAX);
	attr_table(nlh, policy, ESPAH_POLICY_MAX);
	switch (cmd) {
	case ESPAH_CMD_SA_FLUSH_NTF:
		sa_flushed(sa, buf, size, object);
		return;
	case ESPAH_CMD_POLICY_FLUSH_NTF:
		policy_flushed(policy, buf, size, object);
		return;
	case ESPAH_CMD_ACQUIRE:
		acquire(nlh, buf, size, object);
		return;
	case ESPAH_CMD_EXPIRE:
		expire(nlh, buf, size, object);
		return;
	case ESPAH_CMD_MAPPING:
		mapping(sa, buf, size, object);
		return;
	case ESPAH_CMD_AUDIT:
	case ESPAH_CMD_DROP:
		dropped(nlh, buf, size, object);
		return;
	case ESPAH_CMD_POLICY_NEW_NTF:
	case ESPAH_CMD_POLICY_DEL_NTF:
		policy_line(policy, buf, size);
		if (object)
			json_set(object, "policy", policy_json(policy));
		return;
	}
	sa_line(sa, buf, size);
	if (object)
		json_set(object, "sa", sa_json(sa));
}

static enum tint event_tint(uint8_t cmd)
{
	switch (cmd) {
	case ESPAH_CMD_DROP:
	case ESPAH_CMD_AUDIT:
		return TINT_BAD;
	case ESPAH_CMD_ACQUIRE:
	case ESPAH_CMD_EXPIRE:
	case ESPAH_CMD_MAPPING:
		return TINT_WARN;
	default:
		return TINT_NONE;
	}
}

/* Prints an event as a line, or as several where a line does not fit. */
static void print_line(const char *now, const char *name, const char *text, enum tint how)
{
	struct wrap wrap;

	wrap_start(&wrap);
	/* in a terminal, columns are scarcer than rows that are not aligned */
	printf("%s  %s%-*s%s  %s\n", now, tint(how), term_here() ? 7 : 12, name, untint(how),
	       text);
	wrap_end(&wrap, strlen(now) + 2);
}

static void print_event(struct cli *cli, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	json_t *object = NULL;
	char text[2048], now[48];
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*genl))
		return;
	name = event_name(genl->cmd);
	if (!name)
		return;
	print_now(cli->json, now, sizeof(now));
	if (cli->json)
		object = json_pack("{s:s,s:s}", "time", now, "event", name);
	describe(nlh, genl->cmd, text, sizeof(text), object);
	if (cli->json)
		json_print(object);
	else
		print_line(now, name, text, event_tint(genl->cmd));
	fflush(stdout);
}

static int join(struct cli *cli, struct args *args)
{
	static const char *const groups[] = {
		ESPAH_MCGRP_SA, ESPAH_MCGRP_POLICY, ESPAH_MCGRP_ACQUIRE, ESPAH_MCGRP_EXPIRE,
		ESPAH_MCGRP_MAPPING, ESPAH_MCGRP_DROP, ESPAH_MCGRP_AUDIT
	};
	bool all = !args_peek(args);
	const char *word;
	unsigned int i;

	while ((word = args_next(args))) {
		for (i = 0; i < ARRAY_SIZE(groups) && strcmp(groups[i], word); i++)
			;
		if (i == ARRAY_SIZE(groups)) {
			error("'%s' is not a kind of event; the kinds are sa, policy, acquire, expire, mapping, drop and audit",
			      word);
			return STATUS_USAGE;
		}
		if (!nl_get(cli) || nl_join(cli->nl, word))
			return STATUS_REFUSED;
	}
	/* all groups except audit, whose events are also among the drop events */
	for (i = 0; all && i < ARRAY_SIZE(groups) - 1; i++)
		if (!nl_get(cli) || nl_join(cli->nl, groups[i]))
			return STATUS_REFUSED;
	return STATUS_OK;
}

/** cmd_monitor() - espah monitor */
int cmd_monitor(struct cli *cli, struct args *args)
{
	const struct nlmsghdr *nlh;
	char now[48];
	int left, status;

	if (cli->batch) {
		error("monitor is not for batches, because it does not end");
		return STATUS_USAGE;
	}
	status = join(cli, args);
	if (!status && !cli->json && term_here()) {
		print_now(false, now, sizeof(now));
		fflush(stdout);
	}
	while (!status && !ferror(stdout)) {
		left = nl_receive(cli->nl);
		if (left < 0 && errno == EINTR)
			continue;
		if (left < 0 && errno == ENOBUFS) {
			warning("events came faster than they could be read, and some were lost");
			continue;
		}
		if (left < 0) {
			error("events cannot be read: %s", strerror(errno));
			return STATUS_REFUSED;
		}
		for (nlh = (const void *)cli->nl->rx; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			if (nlh->nlmsg_type == cli->nl->family.id)
				print_event(cli, nlh);
	}
	return status;
}
