// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects and settings as the commands that make them. Equal objects have equal texts: values that
 * are the default are left out, and words stand in one order. Counters, keys and numbers that the
 * kernel gave are not part of the text.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <string.h>

#include <linux/espah.h>

#include "link.h"
#include "policy.h"
#include "sa.h"
#include "settings.h"
#include "spell.h"
#include "words.h"

/* Writes a word so that batch_split() reads it as one. */
static void put_word(FILE *out, const char *word)
{
	if (*word && !strpbrk(word, " \t\"'\\#")) {
		fputs(word, out);
		return;
	}
	putc('"', out);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			putc('\\', out);
		putc(*word, out);
	}
	putc('"', out);
}

static void put_dev(FILE *out, const char *keyword, uint32_t index)
{
	char name[DEV_TEXT_MAX];

	if (!index)
		return;
	fprintf(out, " %s ", keyword);
	put_word(out, dev_text(index, name));
}

static void put_label(FILE *out, const struct nlattr *label)
{
	if (!label)
		return;
	fputs(" label ", out);
	put_word(out, attr_string(label, "?"));
}

static void put_mark_of(FILE *out, const char *keyword, const struct mark *mark)
{
	char text[24];

	if (mark->mask)
		fprintf(out, " %s %s", keyword, mark_text(mark, text));
}

/* --- policies --- */

static void put_selector(FILE *out, const struct nlattr *nest)
{
	static struct selector sel;
	const char *none = "any";
	char proto[8];

	selector_get(nest, &sel);
	if (!sel.src.size && !sel.dst.size)
		none = sel.family == AF_INET6 ? "any6" : "any4";
	putc(' ', out);
	list_write(out, &sel.src, none);
	putc(' ', out);
	list_write(out, &sel.dst, none);
	if (sel.proto)
		fprintf(out, " proto %s", word_proto(sel.proto, proto));
	selector_fields_write(out, &sel);
	if (sel.opaque)
		fputs(" opaque", out);
	put_mark_of(out, "mark", &sel.mark);
	/* one by its number is another one than one by its name */
	if (*sel.dev) {
		fputs(" dev ", out);
		put_word(out, sel.dev);
	} else if (sel.ifindex) {
		fprintf(out, " dev %u", sel.ifindex);
	}
}

static void put_templates(FILE *out, const struct nlattr *nest)
{
	struct template tmpl[ESPAH_BUNDLE_MAX];
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	unsigned int i;

	template_get(nest, tmpl);
	for (i = 0; i < template_count(tmpl); i++) {
		fprintf(out, " %s %s", word_of(WORD_PROTO, tmpl[i].proto),
			word_of(WORD_MODE, tmpl[i].mode));
		/* an outer transport template has the addresses of the one inside anyway */
		if (tmpl[i].src.family && (!i || tmpl[i].mode == ESPAH_MODE_TUNNEL))
			fprintf(out, " %s %s", addr_text(&tmpl[i].src, src),
				addr_text(&tmpl[i].dst, dst));
		if (tmpl[i].reqid)
			fprintf(out, " reqid %u", tmpl[i].reqid);
		put_dev(out, "vrf", tmpl[i].vrf);
	}
}

static void put_pfp(FILE *out, const struct nlattr **tb)
{
	uint32_t pfp = attr_u32(tb[ESPAH_POLICY_PFP], 0);
	const char *before = " pfp ";
	unsigned int i;

	for (i = 0; i < PFP_WORDS; i++) {
		if (!(pfp & pfp_words[i].bit))
			continue;
		/* type and code stand for the bits of sport and dport */
		pfp &= ~pfp_words[i].bit;
		fprintf(out, "%s%s", before, pfp_words[i].word);
		before = ",";
	}
}

/** spell_policy() - write @parts of the command that makes a policy, each with a blank before */
void spell_policy(FILE *out, const struct nlattr **tb, unsigned int parts)
{
	uint8_t action = attr_u8(tb[ESPAH_POLICY_ACTION], 0xff);
	uint32_t priority = attr_u32(tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT);
	uint16_t mss = attr_u16(tb[ESPAH_POLICY_MSS], ESPAH_MSS_AUTO);

	if (parts & SPELL_NAME) {
		fprintf(out, " %s", word_of(WORD_DIR, attr_u8(tb[ESPAH_POLICY_DIR], 0xff)));
		put_selector(out, tb[ESPAH_POLICY_SELECTOR]);
		if (priority != ESPAH_PRIORITY_DEFAULT)
			fprintf(out, " priority %u", priority);
		if (tb[ESPAH_POLICY_IF_ID])
			fprintf(out, " if-id %u", attr_u32(tb[ESPAH_POLICY_IF_ID], 0));
	}
	if (!(parts & SPELL_REST))
		return;
	fprintf(out, " %s", word_of(WORD_ACTION, action));
	if (action == ESPAH_ACTION_PROTECT) {
		put_templates(out, tb[ESPAH_POLICY_TEMPLATE]);
		if (mss == ESPAH_MSS_OFF)
			fputs(" mss off", out);
		else if (mss != ESPAH_MSS_AUTO)
			fprintf(out, " mss %u", mss);
		put_pfp(out, tb);
		if (tb[ESPAH_POLICY_QUEUE])
			fprintf(out, " queue %u", attr_u32(tb[ESPAH_POLICY_QUEUE], 0));
	}
	if (tb[ESPAH_POLICY_UNREACH])
		fputs(" unreach", out);
	put_label(out, tb[ESPAH_POLICY_LABEL]);
}

/* --- SAs --- */

static void put_limits(FILE *out, const char *keyword, const struct nlattr *nest)
{
	const struct nlattr *limit[ESPAH_LIMIT_MAX + 1];
	const char *before = keyword;
	unsigned int i;

	attr_nest(nest, limit, ESPAH_LIMIT_MAX);
	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++) {
		if (!attr_u64(limit[i], 0))
			continue;
		fprintf(out, "%s %s %" PRIu64, before, word_of(WORD_LIMIT, i),
			attr_u64(limit[i], 0));
		before = "";
	}
}

static void put_sa_mark(FILE *out, const char *keyword, const struct nlattr **tb, int value)
{
	struct mark mark = { attr_u32(tb[value], 0),
			     attr_u32(tb[value + 1], tb[value] ? UINT32_MAX : 0) };

	put_mark_of(out, keyword, &mark);
}

static bool any_source(const struct nlattr **tb)
{
	static const uint8_t zero[16];
	struct addr src;

	return attr_addr(tb[ESPAH_SA_SRC], &src) && !memcmp(src.byte, zero, sizeof(zero));
}

static void put_fixed(FILE *out, const struct nlattr **tb)
{
	uint32_t flags = attr_u32(tb[ESPAH_SA_FLAGS], 0);
	uint32_t usual = any_source(tb) ? 0 : ESPAH_WINDOW_DEFAULT;
	uint32_t window = attr_u32(tb[ESPAH_SA_WINDOW], usual);
	char dscp[DSCP_TEXT_MAX];

	fprintf(out, " %s %s", word_of(WORD_MODE, attr_u8(tb[ESPAH_SA_MODE], 0xff)),
		attr_string(tb[ESPAH_SA_ALG], "?"));
	if (attr_u32(tb[ESPAH_SA_REQID], 0))
		fprintf(out, " reqid %u", attr_u32(tb[ESPAH_SA_REQID], 0));
	if (tb[ESPAH_SA_IF_ID])
		fprintf(out, " if-id %u", attr_u32(tb[ESPAH_SA_IF_ID], 0));
	if (flags & ESPAH_SA_F_ESN)
		fputs(" esn", out);
	if (window != usual)
		fprintf(out, " window %u", window);
	if (flags & ESPAH_SA_F_REUSE_KEY)
		fputs(" reuse-key", out);
	if (flags & ESPAH_SA_F_NOECN)
		fputs(" noecn", out);
	if (flags & ESPAH_SA_F_DSCP_IN)
		fputs(" dscp-in", out);
	if (tb[ESPAH_SA_DSCP])
		fprintf(out, " dscp %s", dscp_text(tb[ESPAH_SA_DSCP], dscp));
	if (tb[ESPAH_SA_TTL])
		fprintf(out, " ttl %u", attr_u8(tb[ESPAH_SA_TTL], 0));
	put_sa_mark(out, "set-mark", tb, ESPAH_SA_MARK);
	put_sa_mark(out, "mark", tb, ESPAH_SA_SEL_MARK);
	put_label(out, tb[ESPAH_SA_LABEL]);
}

static void put_settable(FILE *out, const struct nlattr **tb)
{
	uint8_t df = attr_u8(tb[ESPAH_SA_DF], ESPAH_DF_COPY);
	uint16_t cpus = attr_u16(tb[ESPAH_SA_CPUS], 0), tfc = attr_u16(tb[ESPAH_SA_TFC], 0);
	char text[TFC_TEXT_MAX], set[DSCP_SET_MAX];

	if (attr_u64(tb[ESPAH_SA_FOR_DSCP], 0))
		fprintf(out, " for-dscp %s",
			dscp_set_text(attr_u64(tb[ESPAH_SA_FOR_DSCP], 0), set));
	if (attr_port(tb[ESPAH_SA_ENCAP_SPORT], 0))
		fprintf(out, " encap udp %u %u", attr_port(tb[ESPAH_SA_ENCAP_SPORT], 0),
			attr_port(tb[ESPAH_SA_ENCAP_DPORT], 0));
	if (df != ESPAH_DF_COPY)
		fprintf(out, " df %s", word_of(WORD_DF, df));
	if (tfc)
		fprintf(out, " tfc %s", tfc_text(tfc, text));
	dummies_write(out, tb[ESPAH_SA_DUMMY], tb[ESPAH_SA_DUMMY_RANDOM]);
	if (cpus)
		fprintf(out, " cpus %u", cpus);
	put_limits(out, " soft", tb[ESPAH_SA_SOFT]);
	put_limits(out, " hard", tb[ESPAH_SA_HARD]);
}

/** spell_sa() - as spell_policy() */
void spell_sa(FILE *out, const struct nlattr **tb, unsigned int parts)
{
	char proto[8], text[ADDR_TEXT_MAX];
	struct addr addr;

	if (parts & SPELL_NAME) {
		fprintf(out, " %s %s spi 0x%08x", word_of(WORD_DIR, attr_u8(tb[ESPAH_SA_DIR], 0xff)),
			word_proto(attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP), proto),
			ntohl(attr_u32(tb[ESPAH_SA_SPI], 0)));
		if (attr_addr(tb[ESPAH_SA_DST], &addr))
			fprintf(out, " dst %s", addr_text(&addr, text));
		put_dev(out, "vrf", attr_u32(tb[ESPAH_SA_VRF], 0));
	}
	if (parts & SPELL_REST && attr_addr(tb[ESPAH_SA_SRC], &addr))
		fprintf(out, " src %s", addr_text(&addr, text));
	if (parts & SPELL_FIXED)
		put_fixed(out, tb);
	if (parts & SPELL_REST)
		put_settable(out, tb);
}

static void put_hex(FILE *out, const char *keyword, const struct nlattr *attr)
{
	const uint8_t *byte;
	unsigned int i;

	if (!attr)
		return;
	byte = mnl_attr_get_payload(attr);
	fprintf(out, " %s 0x", keyword);
	for (i = 0; i < mnl_attr_get_payload_len(attr); i++)
		fprintf(out, "%02x", byte[i]);
}

/** spell_sa_progress() - write the key of an SA, if it is shown, and how far the SA has come */
void spell_sa_progress(FILE *out, const struct nlattr **tb)
{
	if (tb[ESPAH_SA_KEY])
		put_hex(out, "key", tb[ESPAH_SA_KEY]);
	else
		fputs(" key-present", out);
	fprintf(out, " seq %" PRIu64, attr_u64(tb[ESPAH_SA_SEQ], 0));
	put_hex(out, "iv-mask", tb[ESPAH_SA_IV_MASK]);
	put_hex(out, "seen", tb[ESPAH_SA_SEEN]);
	put_limits(out, " used", tb[ESPAH_SA_USED]);
}

/* --- devices --- */

/** spell_link() - as spell_policy(), of a device of kind espah */
void spell_link(FILE *out, const struct device *device, unsigned int parts)
{
	const struct nlattr *data[ESPAH_LINK_MAX + 1];

	attr_nest(device->linkinfo[IFLA_INFO_DATA], data, ESPAH_LINK_MAX);
	if (parts & SPELL_NAME) {
		putc(' ', out);
		put_word(out, attr_string(device->attr[IFLA_IFNAME], "?"));
	}
	if (parts & SPELL_FIXED)
		fprintf(out, " if-id %u", attr_u32(data[ESPAH_LINK_IF_ID], 0));
	if (!(parts & SPELL_REST))
		return;
	put_dev(out, "dev", attr_u32(data[ESPAH_LINK_DEV], 0));
	if (attr_u8(data[ESPAH_LINK_MTU_SET], 0))
		fprintf(out, " mtu %u", attr_u32(device->attr[IFLA_MTU], 0));
	if (attr_u8(data[ESPAH_LINK_CARRIER], 0))
		fputs(" carrier", out);
	if (device->info->ifi_flags & IFF_UP)
		fputs(" up", out);
}

/* --- settings --- */

/**
 * spell_config() - write the commands that make settings, a line each
 * @out: where to
 * @value: by attribute of the setting
 * @which: bit mask: settings to write, 1 << attribute
 */
void spell_config(FILE *out, const uint8_t *value, uint32_t which)
{
	const struct setting *setting;

	for (setting = settings; setting->command; setting++)
		if (which & 1U << setting->attr)
			fprintf(out, "%s %s %s\n", setting->command, setting->name,
				setting_word(setting, value[setting->attr]));
}
