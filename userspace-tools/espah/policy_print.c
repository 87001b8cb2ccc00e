// SPDX-License-Identifier: GPL-2.0-only
/* Policies: netlink answer to text and JSON. */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "policy.h"
#include "words.h"

/* Whether the word applies to this policy: ports and ICMP types share the same flags. */
static bool pfp_has(const struct pfp_word *word, const struct nlattr **tb)
{
	const struct nlattr *sel[ESPAH_SEL_MAX + 1];
	bool types, is_type = !strcmp(word->word, "type") || !strcmp(word->word, "code");
	uint8_t proto;

	attr_nest(tb[ESPAH_POLICY_SELECTOR], sel, ESPAH_SEL_MAX);
	proto = attr_u8(sel[ESPAH_SEL_PROTO], 0);
	types = proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 || proto == IPPROTO_MH;
	return attr_u32(tb[ESPAH_POLICY_PFP], 0) & word->bit &&
	       (is_type == types || word->bit & ~(ESPAH_PFP_SPORT | ESPAH_PFP_DPORT));
}

/** policy_verdict() - Return: @buf with the action of the policy, such as "bypass" */
const char *policy_verdict(const struct nlattr **tb, char *buf, size_t size)
{
	uint8_t action = attr_u8(tb[ESPAH_POLICY_ACTION], 0xff);
	uint16_t mss = attr_u16(tb[ESPAH_POLICY_MSS], ESPAH_MSS_AUTO);
	char text[SELECTOR_TEXT_MAX], clamp[24] = "";
	struct template tmpl[ESPAH_BUNDLE_MAX];
	const char *before = " pfp ", *unreach = tb[ESPAH_POLICY_UNREACH] ? " unreach" : "";
	unsigned int i, used;

	if (action != ESPAH_ACTION_PROTECT) {
		snprintf(buf, size, "%s%s", word_of(WORD_ACTION, action), unreach);
		return buf;
	}
	template_get(tb[ESPAH_POLICY_TEMPLATE], tmpl);
	/* the automatic value is not shown */
	if (mss == ESPAH_MSS_OFF)
		snprintf(clamp, sizeof(clamp), " mss off");
	else if (mss != ESPAH_MSS_AUTO)
		snprintf(clamp, sizeof(clamp), " mss %u", mss);
	used = snprintf(buf, size, "protect %s%s", template_text(tmpl, text), clamp);
	for (i = 0; i < PFP_WORDS && used < size; i++) {
		if (!pfp_has(&pfp_words[i], tb))
			continue;
		used += snprintf(buf + used, size - used, "%s%s", before, pfp_words[i].word);
		before = ",";
	}
	if (tb[ESPAH_POLICY_QUEUE] && used < size)
		used += snprintf(buf + used, size - used, " queue %u",
				 attr_u32(tb[ESPAH_POLICY_QUEUE], 0));
	if (used < size)
		snprintf(buf + used, size - used, "%s", unreach);
	return buf;
}

/** policy_line() - format one line that identifies a policy */
void policy_line(const struct nlattr **tb, char *buf, size_t size)
{
	char text[SELECTOR_TEXT_MAX], verdict[SELECTOR_TEXT_MAX + 40], if_id[IF_ID_TEXT_MAX];
	struct selector sel;
	int used;

	used = snprintf(buf, size, "policy %u  %s", attr_u32(tb[ESPAH_POLICY_ID], 0),
			word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff)));
	if (tb[ESPAH_POLICY_SELECTOR]) {
		selector_get(tb[ESPAH_POLICY_SELECTOR], &sel);
		used += snprintf(buf + used, size - used, "  %s", selector_text(&sel, text));
	}
	if (tb[ESPAH_POLICY_PRIORITY])
		used += snprintf(buf + used, size - used, "  priority %u",
				 attr_u32(tb[ESPAH_POLICY_PRIORITY], 0));
	if (tb[ESPAH_POLICY_IF_ID])
		used += snprintf(buf + used, size - used, " %s",
				 if_id_text(tb[ESPAH_POLICY_IF_ID], if_id));
	if (tb[ESPAH_POLICY_ACTION])
		used += snprintf(buf + used, size - used, "  %s",
				 policy_verdict(tb, verdict, sizeof(verdict)));
	if (tb[ESPAH_POLICY_LABEL])
		snprintf(buf + used, size - used, "  label '%.63s'",
			 attr_string(tb[ESPAH_POLICY_LABEL], "?"));
}

static json_t *mss(const struct nlattr *attr)
{
	uint16_t value = attr_u16(attr, ESPAH_MSS_AUTO);

	if (value == ESPAH_MSS_AUTO)
		return json_string("auto");
	return value == ESPAH_MSS_OFF ? json_string("off") : json_integer(value);
}

/** policy_json() - Return: a policy as an object */
json_t *policy_json(const struct nlattr **tb)
{
	json_t *policy = json_object(), *pfp;
	struct template tmpl[ESPAH_BUNDLE_MAX];
	struct selector sel;
	unsigned int i;

	json_set(policy, "id", json_integer(attr_u32(tb[ESPAH_POLICY_ID], 0)));
	json_set(policy, "dir",
		 json_string(word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff))));
	if (tb[ESPAH_POLICY_PRIORITY])
		json_set(policy, "priority",
			 json_integer(attr_u32(tb[ESPAH_POLICY_PRIORITY], 0)));
	if (tb[ESPAH_POLICY_IF_ID])
		json_set(policy, "if_id", json_integer(attr_u32(tb[ESPAH_POLICY_IF_ID], 0)));
	if (tb[ESPAH_POLICY_SELECTOR]) {
		selector_get(tb[ESPAH_POLICY_SELECTOR], &sel);
		selector_json(&sel, policy);
	}
	if (tb[ESPAH_POLICY_ACTION])
		json_set(policy, "action", json_string(word_of(WORD_ACTION,
			 attr_u8(tb[ESPAH_POLICY_ACTION], 0xff))));
	if (tb[ESPAH_POLICY_TEMPLATE]) {
		template_get(tb[ESPAH_POLICY_TEMPLATE], tmpl);
		json_set(policy, "template", template_json(tmpl));
	}
	if (tb[ESPAH_POLICY_MSS])
		json_set(policy, "mss", mss(tb[ESPAH_POLICY_MSS]));
	if (tb[ESPAH_POLICY_QUEUE])
		json_set(policy, "queue", json_integer(attr_u32(tb[ESPAH_POLICY_QUEUE], 0)));
	if (tb[ESPAH_POLICY_UNREACH])
		json_set(policy, "unreach", json_true());
	if (tb[ESPAH_POLICY_PFP]) {
		json_set(policy, "pfp", pfp = json_array());
		for (i = 0; i < PFP_WORDS; i++)
			if (pfp_has(&pfp_words[i], tb))
				json_array_append_new(pfp, json_string(pfp_words[i].word));
	}
	if (tb[ESPAH_POLICY_OWNER])
		json_set(policy, "owner", json_string(word_of(WORD_OWNER,
			 attr_u8(tb[ESPAH_POLICY_OWNER], 0xff))));
	if (tb[ESPAH_POLICY_LABEL])
		json_set(policy, "label", json_string(attr_string(tb[ESPAH_POLICY_LABEL], "?")));
	if (tb[ESPAH_POLICY_PACKETS])
		json_set(policy, "packets", json_u64(attr_u64(tb[ESPAH_POLICY_PACKETS], 0)));
	if (tb[ESPAH_POLICY_BYTES])
		json_set(policy, "bytes", json_u64(attr_u64(tb[ESPAH_POLICY_BYTES], 0)));
	if (tb[ESPAH_POLICY_ADDED])
		json_set(policy, "added", json_u64(attr_u64(tb[ESPAH_POLICY_ADDED], 0)));
	if (tb[ESPAH_POLICY_PACKETS] || tb[ESPAH_POLICY_DROPS])
		json_set(policy, "drops", drops_json(tb[ESPAH_POLICY_DROPS], false));
	return policy;
}

static void add_row(struct table *table, const struct nlattr **tb)
{
	char text[1024], traffic[SELECTOR_TEXT_MAX], if_id[IF_ID_TEXT_MAX];
	struct selector sel;

	selector_get(tb[ESPAH_POLICY_SELECTOR], &sel);
	table_cell(table, "%u", attr_u32(tb[ESPAH_POLICY_ID], 0));
	table_text(table, word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff)));
	table_cell(table, "%u", attr_u32(tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT));
	table_text(table, selector_sides(&sel, text));
	table_cell(table, "%s%s", selector_traffic(&sel, traffic),
		   if_id_text(tb[ESPAH_POLICY_IF_ID], if_id));
	table_cell(table, "%" PRIu64, attr_u64(tb[ESPAH_POLICY_PACKETS], 0));
	table_text(table, bytes_text(attr_u64(tb[ESPAH_POLICY_BYTES], 0), text));
	table_text(table, policy_verdict(tb, text, sizeof(text)));
	table_text(table,
		   *drops_text(tb[ESPAH_POLICY_DROPS], text, sizeof(text)) ? text : "-");
	table_text(table, attr_string(tb[ESPAH_POLICY_LABEL], "-"));
}

static const char *const headings[] = {
	">ID", "DIR", ">PRIO", "SOURCE -> DESTINATION", "TRAFFIC", ">PACKETS", ">BYTES",
	"ACTION", "!DROPPED", "LABEL", NULL
};

const struct listing_kind policy_listing = { ESPAH_POLICY_MAX, policy_json, add_row, headings };
