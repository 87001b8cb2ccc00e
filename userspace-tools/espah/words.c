// SPDX-License-Identifier: GPL-2.0-only
/* The words of the command and the netlink constants that they stand for. */
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "cli.h"
#include "words.h"

/* A value may have several input words. The first one is printed. */
static const struct {
	enum word_kind kind;
	uint8_t value;
	const char *word;
} words[] = {
	{ WORD_DIR, ESPAH_DIR_IN, "in" },
	{ WORD_DIR, ESPAH_DIR_OUT, "out" },
	{ WORD_MODE, ESPAH_MODE_TUNNEL, "tunnel" },
	{ WORD_MODE, ESPAH_MODE_TRANSPORT, "transport" },
	{ WORD_ACTION, ESPAH_ACTION_BYPASS, "bypass" },
	{ WORD_ACTION, ESPAH_ACTION_DISCARD, "discard" },
	{ WORD_ACTION, ESPAH_ACTION_PROTECT, "protect" },
	{ WORD_DF, ESPAH_DF_COPY, "copy" },
	{ WORD_DF, ESPAH_DF_SET, "set" },
	{ WORD_DF, ESPAH_DF_CLEAR, "clear" },
	{ WORD_DSCP, 0, "cs0" }, { WORD_DSCP, 0, "be" }, { WORD_DSCP, 1, "le" },
	{ WORD_DSCP, 8, "cs1" }, { WORD_DSCP, 16, "cs2" }, { WORD_DSCP, 24, "cs3" },
	{ WORD_DSCP, 32, "cs4" }, { WORD_DSCP, 40, "cs5" }, { WORD_DSCP, 48, "cs6" },
	{ WORD_DSCP, 56, "cs7" },
	{ WORD_DSCP, 10, "af11" }, { WORD_DSCP, 12, "af12" }, { WORD_DSCP, 14, "af13" },
	{ WORD_DSCP, 18, "af21" }, { WORD_DSCP, 20, "af22" }, { WORD_DSCP, 22, "af23" },
	{ WORD_DSCP, 26, "af31" }, { WORD_DSCP, 28, "af32" }, { WORD_DSCP, 30, "af33" },
	{ WORD_DSCP, 34, "af41" }, { WORD_DSCP, 36, "af42" }, { WORD_DSCP, 38, "af43" },
	{ WORD_DSCP, 44, "va" }, { WORD_DSCP, 46, "ef" },
	{ WORD_STATE, ESPAH_SA_STATE_LARVAL, "larval" },
	{ WORD_STATE, ESPAH_SA_STATE_VALID, "valid" },
	{ WORD_PROTO, 0, "any" },
	{ WORD_PROTO, IPPROTO_TCP, "tcp" },
	{ WORD_PROTO, IPPROTO_UDP, "udp" },
	{ WORD_PROTO, IPPROTO_ICMP, "icmp" },
	{ WORD_PROTO, IPPROTO_ICMPV6, "icmpv6" },
	{ WORD_PROTO, IPPROTO_ICMPV6, "ipv6-icmp" },
	{ WORD_PROTO, IPPROTO_ICMPV6, "icmp6" },
	{ WORD_PROTO, IPPROTO_MH, "mh" },
	{ WORD_PROTO, IPPROTO_SCTP, "sctp" },
	{ WORD_PROTO, IPPROTO_UDPLITE, "udplite" },
	{ WORD_PROTO, IPPROTO_DCCP, "dccp" },
	{ WORD_PROTO, IPPROTO_GRE, "gre" },
	{ WORD_PROTO, IPPROTO_IGMP, "igmp" },
	{ WORD_PROTO, IPPROTO_IPIP, "ipip" },
	{ WORD_PROTO, IPPROTO_IPV6, "ipv6" },
	{ WORD_PROTO, IPPROTO_ESP, "esp" },
	{ WORD_PROTO, IPPROTO_AH, "ah" },
	{ WORD_PROTO, 89, "ospf" },
	{ WORD_PROTO, IPPROTO_PIM, "pim" },
	{ WORD_PROTO, 112, "vrrp" },
	{ WORD_PROTO, 115, "l2tp" },
	{ WORD_LIMIT, ESPAH_LIMIT_PACKETS, "packets" },
	{ WORD_LIMIT, ESPAH_LIMIT_BYTES, "bytes" },
	{ WORD_LIMIT, ESPAH_LIMIT_TIME, "time" },
	{ WORD_LIMIT, ESPAH_LIMIT_USE, "use" },
	{ WORD_LIMIT, ESPAH_LIMIT_IDLE, "idle" },
	{ WORD_OWNER, ESPAH_OWNER_HAND, "hand" },
	{ WORD_OWNER, ESPAH_OWNER_FILE, "file" },
	{ WORD_OWNER, ESPAH_OWNER_DAEMON, "daemon" },
	{ WORD_OWNER, ESPAH_OWNER_XFRM, "xfrm" },
};

/** word_of() - Return: the word for a value, "?" if there is none */
const char *word_of(enum word_kind kind, unsigned int value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].kind == kind && words[i].value == value)
			return words[i].word;
	return "?";
}

/** word_value() - Return: whether @word is one of @kind; its value is stored in *@value */
bool word_value(enum word_kind kind, const char *word, uint8_t *value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].kind == kind && same(words[i].word, word)) {
			*value = words[i].value;
			return true;
		}
	}
	return false;
}

static enum word_kind names_of;

static const char *name(unsigned int i)
{
	unsigned int j;

	for (j = 0; j < ARRAY_SIZE(words); j++)
		if (words[j].kind == names_of && !i--)
			return words[j].word;
	return NULL;
}

static int refuse(enum word_kind kind, const char *what, const char *word)
{
	char list[256] = "";
	unsigned int i;
	const char *near, *known;

	names_of = kind;
	near = suggest(word, name);
	for (i = 0; (known = name(i)); i++) {
		strcat(list, i ? ", " : "");
		strcat(list, known);
	}
	if (near)
		error("'%s' cannot be '%s'; did you mean '%s'? (it is one of: %s)", what, word,
		      near, list);
	else
		error("'%s' cannot be '%s'; it is one of: %s", what, word, list);
	return -1;
}

/**
 * word_parse() - get the value of a word that must be one of @kind
 * @kind: kind of the word
 * @what: the keyword before the word, for the error
 * @word: the word that was typed
 * @value: result
 *
 * Return: 0, or -1 after printing an error that lists the accepted words.
 */
int word_parse(enum word_kind kind, const char *what, const char *word, uint8_t *value)
{
	return word_value(kind, word, value) ? 0 : refuse(kind, what, word);
}

/** word_proto() - Return: the name of a protocol, or its number written into @buf */
const char *word_proto(uint8_t proto, char buf[8])
{
	const char *word = word_of(WORD_PROTO, proto);

	if (strcmp(word, "?"))
		return word;
	snprintf(buf, 8, "%u", proto);
	return buf;
}

static const char *const sa_words[] = {
	[ESPAH_SA_DIR] = "in|out", [ESPAH_SA_PROTO] = "esp|ah", [ESPAH_SA_MODE] = "tunnel|transport",
	[ESPAH_SA_SPI] = "spi", [ESPAH_SA_SRC] = "src", [ESPAH_SA_DST] = "dst",
	[ESPAH_SA_REQID] = "reqid", [ESPAH_SA_ALG] = "algorithm", [ESPAH_SA_KEY] = "key",
	[ESPAH_SA_FLAGS] = "esn|noecn|dscp-in|reuse-key", [ESPAH_SA_WINDOW] = "window", [ESPAH_SA_DF] = "df",
	[ESPAH_SA_SEQ] = "seq", [ESPAH_SA_SPI_MIN] = "min", [ESPAH_SA_SPI_MAX] = "max",
	[ESPAH_SA_SHOW_KEYS] = "--show-keys", [ESPAH_SA_DSCP] = "dscp", [ESPAH_SA_TTL] = "ttl",
	[ESPAH_SA_SOFT] = "soft", [ESPAH_SA_HARD] = "hard", [ESPAH_SA_TFC] = "tfc",
	[ESPAH_SA_CPUS] = "cpus", [ESPAH_SA_DUMMY] = "dummy", [ESPAH_SA_DUMMY_RANDOM] = "dummy",
	[ESPAH_SA_LABEL] = "label", [ESPAH_SA_IF_ID] = "if-id",
	[ESPAH_SA_MARK] = "set-mark", [ESPAH_SA_MARK_MASK] = "set-mark",
	[ESPAH_SA_SEL_MARK] = "mark", [ESPAH_SA_SEL_MARK_MASK] = "mark",
	[ESPAH_SA_FOR_DSCP] = "for-dscp",
	[ESPAH_SA_SEEN] = "seen", [ESPAH_SA_IV_MASK] = "iv-mask", [ESPAH_SA_USED] = "used",
};

static const char *const policy_words[] = {
	[ESPAH_POLICY_ID] = "id", [ESPAH_POLICY_DIR] = "in|out",
	[ESPAH_POLICY_ACTION] = "action", [ESPAH_POLICY_PRIORITY] = "priority",
	[ESPAH_POLICY_MSS] = "mss", [ESPAH_POLICY_LABEL] = "label",
	[ESPAH_POLICY_IF_ID] = "if-id",
};

static const char *const sel_words[] = {
	[ESPAH_SEL_FAMILY] = "inet|inet6", [ESPAH_SEL_SRC] = "source",
	[ESPAH_SEL_SRC_LEN] = "source prefix length", [ESPAH_SEL_DST] = "destination",
	[ESPAH_SEL_DST_LEN] = "destination prefix length", [ESPAH_SEL_PROTO] = "proto",
	[ESPAH_SEL_SPORT_MIN] = "sport", [ESPAH_SEL_SPORT_MAX] = "sport",
	[ESPAH_SEL_DPORT_MIN] = "dport", [ESPAH_SEL_DPORT_MAX] = "dport",
	[ESPAH_SEL_SRC_RANGES] = "source", [ESPAH_SEL_DST_RANGES] = "destination",
	[ESPAH_SEL_SPORT_RANGES] = "sport", [ESPAH_SEL_DPORT_RANGES] = "dport",
	[ESPAH_SEL_ICMP_TYPES] = "type", [ESPAH_SEL_ICMP_CODES] = "code",
	[ESPAH_SEL_MH_TYPES] = "type", [ESPAH_SEL_OPAQUE] = "opaque",
};

static const char *const tmpl_words[] = {
	[ESPAH_TMPL_PROTO] = "esp|ah", [ESPAH_TMPL_MODE] = "tunnel|transport",
	[ESPAH_TMPL_SRC] = "template source", [ESPAH_TMPL_DST] = "template destination",
	[ESPAH_TMPL_REQID] = "reqid", [ESPAH_TMPL_OUTER] = "outer template",
};

static const char *const explain_words[] = {
	[ESPAH_EXPLAIN_DIR] = "in|out", [ESPAH_EXPLAIN_SRC] = "source",
	[ESPAH_EXPLAIN_DST] = "destination", [ESPAH_EXPLAIN_PROTO] = "proto",
	[ESPAH_EXPLAIN_SPORT] = "sport", [ESPAH_EXPLAIN_DPORT] = "dport",
	[ESPAH_EXPLAIN_TYPE] = "type", [ESPAH_EXPLAIN_CODE] = "code",
	[ESPAH_EXPLAIN_FRAGMENT] = "fragment", [ESPAH_EXPLAIN_DSCP] = "dscp",
};

static const char *at(const char *const *table, size_t count, uint16_t type)
{
	return type < count ? table[type] : NULL;
}

/** word_attr() - Return: the command word for an attribute of a request, or NULL */
const char *word_attr(uint8_t cmd, uint16_t type)
{
	if (cmd >= ESPAH_CMD_SA_NEW && cmd <= ESPAH_CMD_SA_ALLOC_SPI)
		return at(sa_words, ARRAY_SIZE(sa_words), type);
	if (cmd >= ESPAH_CMD_POLICY_NEW && cmd <= ESPAH_CMD_POLICY_FLUSH)
		return at(policy_words, ARRAY_SIZE(policy_words), type);
	if (cmd == ESPAH_CMD_EXPLAIN)
		return at(explain_words, ARRAY_SIZE(explain_words), type);
	return NULL;
}

/** word_attr_nested() - Return: the same for an attribute within @nest */
const char *word_attr_nested(uint8_t cmd, uint16_t nest, uint16_t type)
{
	if (cmd == ESPAH_CMD_SA_NEW || cmd == ESPAH_CMD_SA_SET)
		return type && type <= ESPAH_LIMIT_IDLE ? word_of(WORD_LIMIT, type) : NULL;
	if (cmd < ESPAH_CMD_POLICY_NEW || cmd > ESPAH_CMD_POLICY_FLUSH)
		return NULL;
	if (nest == ESPAH_POLICY_SELECTOR)
		return at(sel_words, ARRAY_SIZE(sel_words), type);
	if (nest == ESPAH_POLICY_TEMPLATE)
		return at(tmpl_words, ARRAY_SIZE(tmpl_words), type);
	return NULL;
}
