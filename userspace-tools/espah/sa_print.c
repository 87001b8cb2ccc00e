// SPDX-License-Identifier: GPL-2.0-only
/* Security associations: netlink answer to text and JSON. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include <linux/espah.h>

#include "sa.h"
#include "term.h"
#include "words.h"

static const char *dir(const struct nlattr **tb)
{
	return word_of(WORD_DIR, attr_u8(tb[ESPAH_SA_DIR], 0xff));
}

static bool outbound(const struct nlattr **tb)
{
	return attr_u8(tb[ESPAH_SA_DIR], 0xff) == ESPAH_DIR_OUT;
}

static uint32_t spi(const struct nlattr **tb)
{
	return ntohl(attr_u32(tb[ESPAH_SA_SPI], 0));
}

static bool larval(const struct nlattr **tb)
{
	return attr_u8(tb[ESPAH_SA_STATE], ESPAH_SA_STATE_VALID) == ESPAH_SA_STATE_LARVAL;
}

/**
 * sa_line() - format one line that identifies an SA
 * @tb: attributes of the SA; absent ones are omitted
 * @buf: result
 * @size: of @buf, at least SA_LINE_MAX
 */
void sa_line(const struct nlattr **tb, char *buf, size_t size)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], proto[8], vrf[DEV_TEXT_MAX];
	char if_id[IF_ID_TEXT_MAX], set[DSCP_SET_MAX];
	struct addr addr;
	int used;

	used = snprintf(buf, size, "%s %s 0x%08x", dir(tb),
			word_proto(attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP), proto), spi(tb));
	if (attr_addr(tb[ESPAH_SA_SRC], &addr))
		used += snprintf(buf + used, size - used, "  %s", addr_text(&addr, src));
	if (attr_addr(tb[ESPAH_SA_DST], &addr))
		used += snprintf(buf + used, size - used, " -> %s", addr_text(&addr, dst));
	if (tb[ESPAH_SA_VRF])
		used += snprintf(buf + used, size - used, "  vrf %s",
				 dev_text(attr_u32(tb[ESPAH_SA_VRF], 0), vrf));
	if (tb[ESPAH_SA_MODE])
		used += snprintf(buf + used, size - used, "  %s",
				 word_of(WORD_MODE, attr_u8(tb[ESPAH_SA_MODE], 0xff)));
	if (larval(tb))
		used += snprintf(buf + used, size - used, "  larval (waits for keys)");
	else if (tb[ESPAH_SA_ALG])
		used += snprintf(buf + used, size - used, "  %.64s",
				 attr_string(tb[ESPAH_SA_ALG], "?"));
	if (tb[ESPAH_SA_ENCAP_SPORT])
		used += snprintf(buf + used, size - used, "  encap udp %u %u",
				 attr_port(tb[ESPAH_SA_ENCAP_SPORT], 0),
				 attr_port(tb[ESPAH_SA_ENCAP_DPORT], 0));
	if (tb[ESPAH_SA_REQID])
		used += snprintf(buf + used, size - used, "  reqid %u",
				 attr_u32(tb[ESPAH_SA_REQID], 0));
	if (tb[ESPAH_SA_IF_ID])
		used += snprintf(buf + used, size - used, " %s",
				 if_id_text(tb[ESPAH_SA_IF_ID], if_id));
	if (tb[ESPAH_SA_FOR_DSCP])
		used += snprintf(buf + used, size - used, "  for-dscp %s",
				 dscp_set_text(attr_u64(tb[ESPAH_SA_FOR_DSCP], 0), set));
	if (tb[ESPAH_SA_LABEL])
		snprintf(buf + used, size - used, "  label '%.63s'",
			 attr_string(tb[ESPAH_SA_LABEL], "?"));
}

/** squeeze() - remove the padding of columns from a line that becomes part of a sentence */
void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != ' ' || text[1] != ' ')
			*to++ = *text;
	*to = '\0';
}

/* A mark as it is typed; @value: its attribute, followed by that of the mask. */
static const char *mark_of(const struct nlattr **tb, int value, char buf[24])
{
	struct mark mark = { attr_u32(tb[value], 0), attr_u32(tb[value + 1], UINT32_MAX) };

	return mark_text(&mark, buf);
}

static void print_hex(const char *what, const struct nlattr *key)
{
	const uint8_t *byte = mnl_attr_get_payload(key);
	unsigned int i;

	printf("    %s 0x", what);
	for (i = 0; i < mnl_attr_get_payload_len(key); i++)
		printf("%02x", byte[i]);
	putchar('\n');
}

static void print_block(const struct nlattr **tb)
{
	uint32_t flags = attr_u32(tb[ESPAH_SA_FLAGS], 0);
	char line[SA_LINE_MAX], age[24], when[32], mark[24], drops[1024], dscp[DSCP_TEXT_MAX];
	char limits[LIMIT_TEXT_MAX], hidden[TFC_TEXT_MAX];
	uint64_t added = attr_u64(tb[ESPAH_SA_ADDED], 0);

	sa_line(tb, line, sizeof(line));
	puts(line);
	printf("    packets %" PRIu64 "  bytes %" PRIu64 "  seq %" PRIu64,
	       attr_u64(tb[ESPAH_SA_PACKETS], 0), attr_u64(tb[ESPAH_SA_BYTES], 0),
	       attr_u64(tb[ESPAH_SA_SEQ], 0));
	if (!outbound(tb) && tb[ESPAH_SA_WINDOW])
		printf("  window %u", attr_u32(tb[ESPAH_SA_WINDOW], 0));
	if (added)
		printf("  added %s (%s ago)", time_text(added, when), age_text(added, age));
	if (tb[ESPAH_SA_FIRST_USED])
		printf("  first used %s ago", age_text(attr_u64(tb[ESPAH_SA_FIRST_USED], 0), age));
	if (tb[ESPAH_SA_LAST_USED])
		printf("  last %s ago", age_text(attr_u64(tb[ESPAH_SA_LAST_USED], 0), age));
	putchar('\n');
	fputs("   ", stdout);
	if (tb[ESPAH_SA_DF])
		printf(" df %s ", word_of(WORD_DF, attr_u8(tb[ESPAH_SA_DF], 0xff)));
	/* 0: no packet was sent yet */
	if (attr_u32(tb[ESPAH_SA_PMTU], 0))
		printf(" pmtu %u ", attr_u32(tb[ESPAH_SA_PMTU], 0));
	if (flags & ESPAH_SA_F_ESN)
		printf(" esn ");
	if (flags & ESPAH_SA_F_NOECN)
		printf(" noecn ");
	if (flags & ESPAH_SA_F_DSCP_IN)
		printf(" dscp-in ");
	if (flags & ESPAH_SA_F_REUSE_KEY)
		printf(" reuse-key ");
	if (tb[ESPAH_SA_DSCP])
		printf(" dscp %s ", dscp_text(tb[ESPAH_SA_DSCP], dscp));
	if (tb[ESPAH_SA_TTL])
		printf(" ttl %u ", attr_u8(tb[ESPAH_SA_TTL], 0));
	if (tb[ESPAH_SA_MARK])
		printf(" set-mark %s ", mark_of(tb, ESPAH_SA_MARK, mark));
	if (tb[ESPAH_SA_SEL_MARK])
		printf(" mark %s ", mark_of(tb, ESPAH_SA_SEL_MARK, mark));
	if (attr_u64(tb[ESPAH_SA_ECN_ODD], 0))
		printf(" ecn-odd %" PRIu64 " ", attr_u64(tb[ESPAH_SA_ECN_ODD], 0));
	if (tb[ESPAH_SA_ID])
		printf(" id %u ", attr_u32(tb[ESPAH_SA_ID], 0));
	if (tb[ESPAH_SA_CPUS])
		printf(" cpus %u ", attr_u16(tb[ESPAH_SA_CPUS], 0));
	if (tb[ESPAH_SA_DRIVER])
		printf(" driver %s", attr_string(tb[ESPAH_SA_DRIVER], "?"));
	putchar('\n');
	if (tb[ESPAH_SA_KEY])
		print_hex("key", tb[ESPAH_SA_KEY]);
	if (tb[ESPAH_SA_IV_MASK])
		print_hex("iv-mask", tb[ESPAH_SA_IV_MASK]);
	if (tb[ESPAH_SA_TFC] || tb[ESPAH_SA_DUMMIES]) {
		fputs("   ", stdout);
		if (tb[ESPAH_SA_TFC])
			printf(" tfc %s ", tfc_text(attr_u16(tb[ESPAH_SA_TFC], 0), hidden));
		if (tb[ESPAH_SA_DUMMIES])
			printf(" dummy %s  dummies sent %" PRIu64,
			       *dummies_text(tb[ESPAH_SA_DUMMY], tb[ESPAH_SA_DUMMY_RANDOM],
					     hidden) ? hidden : "off",
			       attr_u64(tb[ESPAH_SA_DUMMIES], 0));
		putchar('\n');
	}
	if (*limits_text(tb[ESPAH_SA_SOFT], tb[ESPAH_SA_USED], true, limits))
		printf("    soft: %s\n", limits);
	if (*limits_text(tb[ESPAH_SA_HARD], tb[ESPAH_SA_USED], true, limits))
		printf("    hard: %s\n", limits);
	if (*drops_text(tb[ESPAH_SA_DROPS], drops, sizeof(drops)))
		printf("    %sdropped: %s%s\n", tint(TINT_BAD), drops, untint(TINT_BAD));
}

/** sa_print() - print an SA with all its attributes, as a block of lines that fit */
void sa_print(const struct nlattr **tb)
{
	struct wrap wrap;

	wrap_start(&wrap);
	print_block(tb);
	wrap_end(&wrap, WRAP_INDENT);
}

static json_t *hex(const struct nlattr *key)
{
	const uint8_t *byte = mnl_attr_get_payload(key);
	unsigned int i, len = mnl_attr_get_payload_len(key);
	char text[2 * ESPAH_KEY_MAX + 3] = "0x";
	json_t *value;

	for (i = 0; i < len && i < ESPAH_KEY_MAX; i++)
		snprintf(text + 2 + 2 * i, 3, "%02x", byte[i]);
	value = json_string(text);
	explicit_bzero(text, sizeof(text));
	return value;
}

/** sa_json() - Return: an SA as an object; absent read-only attributes are omitted */
json_t *sa_json(const struct nlattr **tb)
{
	static const struct {
		uint8_t attr;
		const char *name;
	} counters[] = {
		{ ESPAH_SA_SEQ, "seq" }, { ESPAH_SA_PACKETS, "packets" },
		{ ESPAH_SA_BYTES, "bytes" }, { ESPAH_SA_ADDED, "added" },
		{ ESPAH_SA_ECN_ODD, "ecn_odd" },
		{ ESPAH_SA_FIRST_USED, "first_used" }, { ESPAH_SA_LAST_USED, "last_used" },
		{ ESPAH_SA_DUMMIES, "dummies" },
	};
	uint32_t flags = attr_u32(tb[ESPAH_SA_FLAGS], 0);
	char proto[8], dscp[DSCP_TEXT_MAX], hidden[TFC_TEXT_MAX], vrf[DEV_TEXT_MAX], mark[24];
	char set[DSCP_SET_MAX];
	json_t *sa = json_object();
	struct addr addr;
	unsigned int i;

	if (tb[ESPAH_SA_ID])
		json_set(sa, "id", json_integer(attr_u32(tb[ESPAH_SA_ID], 0)));
	json_set(sa, "dir", json_string(dir(tb)));
	json_set(sa, "proto", json_string(word_proto(attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP),
						     proto)));
	json_set(sa, "spi", json_spi(spi(tb)));
	if (attr_addr(tb[ESPAH_SA_SRC], &addr))
		json_set(sa, "src", json_addr(&addr));
	if (attr_addr(tb[ESPAH_SA_DST], &addr))
		json_set(sa, "dst", json_addr(&addr));
	if (tb[ESPAH_SA_VRF])
		json_set(sa, "vrf", json_string(dev_text(attr_u32(tb[ESPAH_SA_VRF], 0), vrf)));
	if (tb[ESPAH_SA_ENCAP_SPORT])
		json_set(sa, "encap", json_pack("{s:s,s:i,s:i}", "type", "udp",
						"sport", attr_port(tb[ESPAH_SA_ENCAP_SPORT], 0),
						"dport", attr_port(tb[ESPAH_SA_ENCAP_DPORT], 0)));
	if (tb[ESPAH_SA_MODE])
		json_set(sa, "mode",
			 json_string(word_of(WORD_MODE, attr_u8(tb[ESPAH_SA_MODE], 0xff))));
	if (tb[ESPAH_SA_ALG])
		json_set(sa, "alg", json_string(attr_string(tb[ESPAH_SA_ALG], "?")));
	if (tb[ESPAH_SA_REQID])
		json_set(sa, "reqid", json_integer(attr_u32(tb[ESPAH_SA_REQID], 0)));
	if (tb[ESPAH_SA_IF_ID])
		json_set(sa, "if_id", json_integer(attr_u32(tb[ESPAH_SA_IF_ID], 0)));
	if (tb[ESPAH_SA_MARK])
		json_set(sa, "set_mark", json_string(mark_of(tb, ESPAH_SA_MARK, mark)));
	if (tb[ESPAH_SA_SEL_MARK])
		json_set(sa, "mark", json_string(mark_of(tb, ESPAH_SA_SEL_MARK, mark)));
	if (tb[ESPAH_SA_OWNER])
		json_set(sa, "owner", json_string(word_of(WORD_OWNER,
			 attr_u8(tb[ESPAH_SA_OWNER], 0xff))));
	if (tb[ESPAH_SA_LABEL])
		json_set(sa, "label", json_string(attr_string(tb[ESPAH_SA_LABEL], "?")));
	if (tb[ESPAH_SA_STATE])
		json_set(sa, "state",
			 json_string(word_of(WORD_STATE, attr_u8(tb[ESPAH_SA_STATE], 0xff))));
	if (tb[ESPAH_SA_FLAGS] || tb[ESPAH_SA_MODE]) {
		json_set(sa, "esn", json_boolean(flags & ESPAH_SA_F_ESN));
		json_set(sa, "noecn", json_boolean(flags & ESPAH_SA_F_NOECN));
		json_set(sa, "dscp_in", json_boolean(flags & ESPAH_SA_F_DSCP_IN));
	}
	if (flags & ESPAH_SA_F_REUSE_KEY)
		json_set(sa, "reuse_key", json_true());
	if (tb[ESPAH_SA_DSCP])
		json_set(sa, "dscp", json_string(dscp_text(tb[ESPAH_SA_DSCP], dscp)));
	if (tb[ESPAH_SA_FOR_DSCP])
		json_set(sa, "for_dscp",
			 json_string(dscp_set_text(attr_u64(tb[ESPAH_SA_FOR_DSCP], 0), set)));
	if (tb[ESPAH_SA_TTL])
		json_set(sa, "ttl", json_integer(attr_u8(tb[ESPAH_SA_TTL], 0)));
	if (tb[ESPAH_SA_WINDOW])
		json_set(sa, "window", json_integer(attr_u32(tb[ESPAH_SA_WINDOW], 0)));
	if (tb[ESPAH_SA_DF])
		json_set(sa, "df", json_string(word_of(WORD_DF, attr_u8(tb[ESPAH_SA_DF], 0xff))));
	if (tb[ESPAH_SA_PMTU])
		json_set(sa, "pmtu", json_integer(attr_u32(tb[ESPAH_SA_PMTU], 0)));
	if (tb[ESPAH_SA_DRIVER])
		json_set(sa, "driver", json_string(attr_string(tb[ESPAH_SA_DRIVER], "?")));
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (tb[counters[i].attr])
			json_set(sa, counters[i].name, json_u64(attr_u64(tb[counters[i].attr], 0)));
	if (tb[ESPAH_SA_TFC])
		json_set(sa, "tfc", attr_u16(tb[ESPAH_SA_TFC], 0) == ESPAH_TFC_MTU ?
			 json_string("mtu") : json_integer(attr_u16(tb[ESPAH_SA_TFC], 0)));
	if (tb[ESPAH_SA_CPUS])
		json_set(sa, "cpus", json_integer(attr_u16(tb[ESPAH_SA_CPUS], 0)));
	if (*dummies_text(tb[ESPAH_SA_DUMMY], tb[ESPAH_SA_DUMMY_RANDOM], hidden))
		json_set(sa, "dummy", json_string(hidden));
	if (tb[ESPAH_SA_SOFT])
		json_set(sa, "soft", limits_json(tb[ESPAH_SA_SOFT], tb[ESPAH_SA_USED]));
	if (tb[ESPAH_SA_HARD])
		json_set(sa, "hard", limits_json(tb[ESPAH_SA_HARD], tb[ESPAH_SA_USED]));
	if (tb[ESPAH_SA_KEY])
		json_set(sa, "key", hex(tb[ESPAH_SA_KEY]));
	if (tb[ESPAH_SA_IV_MASK])
		json_set(sa, "iv_mask", hex(tb[ESPAH_SA_IV_MASK]));
	if (tb[ESPAH_SA_PACKETS] || tb[ESPAH_SA_DROPS])
		json_set(sa, "drops", drops_json(tb[ESPAH_SA_DROPS], false));
	return sa;
}

static void add_row(struct table *table, const struct nlattr **tb)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], text[1024], proto[8], vrf[DEV_TEXT_MAX];
	char if_id[IF_ID_TEXT_MAX], set[DSCP_SET_MAX];
	uint32_t window = attr_u32(tb[ESPAH_SA_WINDOW], 0);
	struct addr from, to;

	attr_addr(tb[ESPAH_SA_SRC], &from);
	attr_addr(tb[ESPAH_SA_DST], &to);
	table_text(table, dir(tb));
	table_text(table, word_proto(attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP), proto));
	table_cell(table, "0x%08x", spi(tb));
	if (tb[ESPAH_SA_ENCAP_SPORT])
		snprintf(text, sizeof(text), " udp %u %u", attr_port(tb[ESPAH_SA_ENCAP_SPORT], 0),
			 attr_port(tb[ESPAH_SA_ENCAP_DPORT], 0));
	else
		*text = '\0';
	table_cell(table, "%s -> %s%s%s%s%s%s%s", addr_text(&from, src), addr_text(&to, dst), text,
		   tb[ESPAH_SA_VRF] ? " vrf " : "", tb[ESPAH_SA_VRF] ?
		   dev_text(attr_u32(tb[ESPAH_SA_VRF], 0), vrf) : "",
		   if_id_text(tb[ESPAH_SA_IF_ID], if_id), tb[ESPAH_SA_FOR_DSCP] ? " for-dscp " : "",
		   tb[ESPAH_SA_FOR_DSCP] ?
		   dscp_set_text(attr_u64(tb[ESPAH_SA_FOR_DSCP], 0), set) : "");
	table_text(table, word_of(WORD_MODE, attr_u8(tb[ESPAH_SA_MODE], 0xff)));
	table_text(table, larval(tb) ? "(no keys yet)" :
		   attr_string(tb[ESPAH_SA_ALG], "?"));
	table_cell(table, "%u", attr_u32(tb[ESPAH_SA_REQID], 0));
	table_cell(table, "%" PRIu64, attr_u64(tb[ESPAH_SA_PACKETS], 0));
	table_text(table, bytes_text(attr_u64(tb[ESPAH_SA_BYTES], 0), text));
	table_cell(table, "%" PRIu64 "%s", attr_u64(tb[ESPAH_SA_SEQ], 0),
		   attr_u32(tb[ESPAH_SA_FLAGS], 0) & ESPAH_SA_F_ESN ? " esn" : "");
	if (outbound(tb) || !tb[ESPAH_SA_WINDOW])
		table_cell(table, "-");
	else if (window)
		table_cell(table, "%u", window);
	else
		table_cell(table, "off");
	table_text(table, age_text(attr_u64(tb[ESPAH_SA_ADDED], 0), text));
	table_text(table, *limits_text(tb[ESPAH_SA_HARD], tb[ESPAH_SA_USED], false, text) ?
		   text : "-");
	table_text(table, *drops_text(tb[ESPAH_SA_DROPS], text, sizeof(text)) ? text : "-");
	table_text(table, attr_string(tb[ESPAH_SA_LABEL], "-"));
}

static const char *const headings[] = {
	"DIR", "PROTO", "SPI", "SOURCE -> DESTINATION", "MODE", "ALGORITHM", ">REQID",
	">PACKETS", ">BYTES", ">SEQ", ">WINDOW", ">AGE", "LEFT", "!DROPPED", "LABEL", NULL
};

const struct listing_kind sa_listing = { ESPAH_SA_MAX, sa_json, add_row, headings };
