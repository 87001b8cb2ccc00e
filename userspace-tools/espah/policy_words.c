// SPDX-License-Identifier: GPL-2.0-only
/* Policies: words to a netlink request. */
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "policy.h"
#include "words.h"

static const struct {
	const char *word;
	uint32_t bit;
} keywords[] = {
	{ "in", POLICY_DIR }, { "out", POLICY_DIR }, { "both", POLICY_DIR },
	{ "proto", POLICY_PROTO }, { "type", POLICY_TYPE }, { "code", POLICY_CODE },
	{ "opaque", POLICY_OPAQUE }, { "mark", POLICY_MARK }, { "dev", POLICY_DEV },
	{ "sport", POLICY_SPORT }, { "dport", POLICY_DPORT },
	{ "priority", POLICY_PRIORITY }, { "inet", POLICY_FAMILY }, { "inet6", POLICY_FAMILY },
	{ "bypass", POLICY_ACTION }, { "discard", POLICY_ACTION }, { "protect", POLICY_ACTION },
	{ "reqid", POLICY_REQID }, { "mss", POLICY_MSS }, { "id", POLICY_ID },
	{ "label", POLICY_LABEL }, { "pfp", POLICY_PFP },
	{ "queue", POLICY_QUEUE }, { "unreach", POLICY_UNREACH }, { "vrf", POLICY_VRF },
	{ "if-id", POLICY_IF_ID },
};

const struct pfp_word pfp_words[PFP_WORDS] = {
	{ "src", ESPAH_PFP_SRC }, { "dst", ESPAH_PFP_DST }, { "proto", ESPAH_PFP_PROTO },
	{ "sport", ESPAH_PFP_SPORT }, { "dport", ESPAH_PFP_DPORT },
	{ "type", ESPAH_PFP_SPORT }, { "code", ESPAH_PFP_DPORT },
};

static const char *keyword_name(unsigned int i)
{
	return i < ARRAY_SIZE(keywords) ? keywords[i].word : NULL;
}

static uint32_t keyword(const char *word)
{
	unsigned int i;

	if (*word >= '0' && *word <= '9') /* most likely an address */
		return 0;
	for (i = 0; i < ARRAY_SIZE(keywords); i++)
		if (same(keywords[i].word, word))
			return keywords[i].bit;
	return 0;
}

static int read_dir(const char *word, struct policy *policy)
{
	policy->both = !strcmp(word, "both");
	if (!policy->both)
		return word_parse(WORD_DIR, "direction", word, &policy->dir);
	policy->dir = ESPAH_DIR_OUT;
	return 0;
}

static int read_mss(const char *word, uint16_t *mss)
{
	uint64_t n;

	if (!strcmp(word, "auto")) {
		*mss = ESPAH_MSS_AUTO;
		return 0;
	}
	if (!strcmp(word, "off")) {
		*mss = ESPAH_MSS_OFF;
		return 0;
	}
	if (*word < '0' || *word > '9' || strlen(word) > 5) {
		error("'mss' cannot be '%s'; it is auto, off or a number of bytes from 1 to %u",
		      word, ESPAH_MSS_AUTO - 1);
		return -1;
	}
	if (parse_number("mss", word, 1, ESPAH_MSS_AUTO - 1, &n))
		return -1;
	*mss = n;
	return 0;
}

/* Reads a comma-separated list of src, dst, proto, sport, dport, type, code. */
static int read_pfp(const char *list, uint32_t *pfp)
{
	size_t len;
	unsigned int i;
	const char *word;

	for (word = list; *word; word += len + (word[len] == ',')) {
		len = strcspn(word, ",");
		for (i = 0; i < PFP_WORDS && (strlen(pfp_words[i].word) != len ||
					      strncmp(word, pfp_words[i].word, len)); i++)
			;
		if (i == PFP_WORDS)
			break;
		*pfp |= pfp_words[i].bit;
	}
	if (!*word && *list)
		return 0;
	error("'pfp' cannot be '%s'; it is a list of src, dst, proto, sport, dport, type and code",
	      list);
	return -1;
}

/* Reads [esp|ah] tunnel ADDR ADDR | [esp|ah] transport [ADDR ADDR] */
static int read_template(struct args *args, struct template *tmpl)
{
	const char *word, *next, *after = "protect";

	tmpl->proto = IPPROTO_ESP;
	if (args_take(args, "ah")) {
		tmpl->proto = IPPROTO_AH;
		after = "ah";
	} else if (args_take(args, "esp")) {
		after = "esp";
	}
	word = args_next(args);
	if (!word || !word_value(WORD_MODE, word, &tmpl->mode)) {
		error("'%s' needs tunnel ADDR ADDR or transport after it, not %s%s%s", after,
		      word ? "'" : "", word ? word : "the end", word ? "'" : "");
		return -1;
	}
	next = args_peek(args);
	if (tmpl->mode == ESPAH_MODE_TRANSPORT && (!next || !addr_read(next, &tmpl->src)))
		return 0;
	word = args_next(args);
	if (!word || keyword(word)) {
		error("'tunnel' needs two addresses after it, the outer source and the outer destination");
		return -1;
	}
	if (parse_addr("outer source", word, &tmpl->src))
		return -1;
	word = args_next(args);
	if (!word || keyword(word)) {
		error("the outer destination is missing after the outer source %s",
		      args->word[args->at - (word ? 2 : 1)]);
		return -1;
	}
	if (parse_addr("outer destination", word, &tmpl->dst))
		return -1;
	if (tmpl->src.family != tmpl->dst.family) {
		error("the outer source is %s, but the outer destination is %s",
		      family_text(tmpl->src.family), family_text(tmpl->dst.family));
		return -1;
	}
	return 0;
}

/* The last template that the command has named. */
static struct template *last_template(struct policy *policy)
{
	unsigned int n = template_count(policy->tmpl);

	return &policy->tmpl[n ? n - 1 : 0];
}

/* Return: 0, or -1 after printing an error. */
static int read_keyword(struct args *args, const char *word, uint32_t bit, struct policy *policy)
{
	struct template *tmpl;
	const char *value;
	uint64_t n;

	switch (bit) {
	case POLICY_UNREACH:
		return 0;
	case POLICY_DIR:
		return read_dir(word, policy);
	case POLICY_FAMILY:
		policy->sel.family = strcmp(word, "inet") ? AF_INET6 : AF_INET;
		return 0;
	case POLICY_OPAQUE:
		policy->sel.opaque = true;
		return 0;
	case POLICY_ACTION:
		if (word_parse(WORD_ACTION, "action", word, &policy->action))
			return -1;
		return policy->action == ESPAH_ACTION_PROTECT ?
		       read_template(args, policy->tmpl) : 0;
	}
	value = args_value(args, word);
	if (!value)
		return -1;
	switch (bit) {
	case POLICY_PROTO:
		return parse_proto(value, &policy->sel.proto);
	case POLICY_SPORT:
		return list_parse_numbers(word, value, 2, &policy->sel.sport);
	case POLICY_DPORT:
		return list_parse_numbers(word, value, 2, &policy->sel.dport);
	case POLICY_TYPE:
		return list_parse_numbers(word, value, 1, &policy->sel.type);
	case POLICY_CODE:
		return list_parse_numbers(word, value, 1, &policy->sel.code);
	case POLICY_MARK:
		return parse_mark(word, value, &policy->sel.mark);
	case POLICY_DEV:
		return parse_dev_name(value, policy->sel.dev, &policy->sel.ifindex);
	case POLICY_PRIORITY:
		return parse_u32(word, value, &policy->priority);
	case POLICY_IF_ID:
		return parse_if_id(value, &policy->if_id);
	case POLICY_REQID:
		tmpl = last_template(policy);
		tmpl->has_reqid = true;
		return parse_u32(word, value, &tmpl->reqid);
	case POLICY_VRF:
		return parse_dev(value, &last_template(policy)->vrf);
	case POLICY_MSS:
		return read_mss(value, &policy->mss);
	case POLICY_QUEUE:
		if (parse_number(word, value, 1, ESPAH_QUEUE_MAX, &n))
			return -1;
		policy->queue = n;
		return 0;
	case POLICY_PFP:
		return read_pfp(value, &policy->pfp);
	case POLICY_ID:
		return parse_u32(word, value, &policy->id);
	case POLICY_LABEL:
		return parse_label(value, &policy->label);
	}
	return -1;
}

/* The keyword proto may be omitted before the name of a protocol. */
static bool is_proto(const char *word, uint8_t *proto)
{
	return (*word < '0' || *word > '9') && !same(word, "any") &&
	       word_value(WORD_PROTO, word, proto);
}

/*
 * Whether this word begins a further template. After a template, esp and ah always begin
 * another template; they are never the protocol of the selector.
 */
static bool is_outer(const char *word, const struct policy *policy)
{
	uint8_t value;

	return policy->tmpl->proto && (!strcmp(word, "esp") || !strcmp(word, "ah") ||
				       word_value(WORD_MODE, word, &value));
}

/* Reads a further template; its SA protects the packets of the previous SA. Return: 0, or -1. */
static int read_outer(struct args *args, struct policy *policy)
{
	unsigned int n = template_count(policy->tmpl);

	if (n == ESPAH_BUNDLE_MAX) {
		error("a policy can require at most %u SAs", ESPAH_BUNDLE_MAX);
		return -1;
	}
	args->at--;
	policy->given &= ~(POLICY_REQID | POLICY_VRF);
	return read_template(args, &policy->tmpl[n]);
}

/* Reads a word that is not a keyword: first the source, then the destination. */
static int read_side(const char *word, const char *command, uint8_t *family,
		     struct policy *policy)
{
	/* suggest() is slow: skip it for words that look like addresses */
	bool odd = !strpbrk(word, ".:/,-") && suggest(word, keyword_name);

	if (same(word, "fwd")) {
		error("'fwd' is not a word of %s: policies in and out are for forwarded packets, too",
		      command);
		return -1;
	}
	if (policy->given & POLICY_DST || odd) {
		unknown_word(word, command, keyword_name);
		return -1;
	}
	if (!(policy->given & POLICY_SRC)) {
		policy->given |= POLICY_SRC;
		return list_parse_addrs("source", word, &policy->sel.src, family);
	}
	policy->given |= POLICY_DST;
	return list_parse_addrs("destination", word, &policy->sel.dst, family);
}

/* options of outbound policies only */
static const uint32_t outbound = POLICY_QUEUE | POLICY_UNREACH;

static int check(const char *command, bool with_action, uint8_t family, struct policy *policy)
{
	uint32_t protect_only = policy->given & (POLICY_REQID | POLICY_MSS | POLICY_PFP |
						 POLICY_QUEUE | POLICY_VRF);

	if (policy->given & POLICY_ID) {
		if (policy->given == POLICY_ID)
			return 0;
		error("%s takes either id or a direction and a selector, not both", command);
		return -1;
	}
	if (!(policy->given & POLICY_DIR)) {
		error("%s also needs in, out or both%s", command, with_action ? "" : ", or id");
		return -1;
	}
	if (!(policy->given & POLICY_DST)) {
		error("%s also needs %s, each an address, a prefix, a range, a list of these, or any", command,
		      policy->given & POLICY_SRC ? "a destination after the source" :
		      "a source and a destination");
		return -1;
	}
	if (with_action && !(policy->given & POLICY_ACTION)) {
		error("%s also needs an action: bypass, discard, protect tunnel ADDR ADDR, or protect transport",
		      command);
		return -1;
	}
	if (with_action && protect_only && policy->action != ESPAH_ACTION_PROTECT) {
		error("'%s' needs the action protect, not %s",
		      protect_only & POLICY_REQID ? "reqid" :
		      protect_only & POLICY_MSS ? "mss" :
		      protect_only & POLICY_PFP ? "pfp" :
		      protect_only & POLICY_VRF ? "vrf" : "queue",
		      word_of(WORD_ACTION, policy->action));
		return -1;
	}
	if (policy->given & POLICY_QUEUE && policy->given & POLICY_PFP) {
		error("'queue' cannot be combined with 'pfp', because the SA belongs to another policy");
		return -1;
	}
	if (policy->given & outbound && policy->dir == ESPAH_DIR_IN) {
		error("'%s' is only for out or both",
		      policy->given & POLICY_QUEUE ? "queue" : "unreach");
		return -1;
	}
	if (policy->given & POLICY_UNREACH && policy->action == ESPAH_ACTION_BYPASS) {
		error("'unreach' needs the action discard or protect, not bypass");
		return -1;
	}
	if (with_action && policy->given & POLICY_IF_ID &&
	    policy->action == ESPAH_ACTION_BYPASS) {
		error("'if-id' needs the action protect or discard, not bypass");
		return -1;
	}
	if (with_action && *policy->sel.dev && !dev_is_there(policy->sel.dev))
		return -1;
	if (family && policy->sel.family && family != policy->sel.family) {
		error("the addresses are %s, but another word says %s", family_text(family),
		      family_text(policy->sel.family));
		return -1;
	}
	if (family)
		policy->sel.family = family;
	return selector_check(command, &policy->sel);
}

/**
 * policy_read() - read the words that describe a policy
 * @args: the words; all are consumed
 * @command: command, such as "policy add", for errors
 * @with_action: the words include an action; otherwise they may be just "id N"
 * @policy: result
 *
 * The words that are not keywords are the source and the destination, in this order.
 *
 * Return: STATUS_OK or STATUS_USAGE.
 */
int policy_read(struct args *args, const char *command, bool with_action, struct policy *policy)
{
	const uint32_t only_add = POLICY_ACTION | POLICY_REQID | POLICY_MSS | POLICY_LABEL |
				  POLICY_PFP | POLICY_QUEUE | POLICY_UNREACH | POLICY_VRF;
	uint32_t refused = with_action ? POLICY_ID : only_add, bit;
	uint8_t family = AF_UNSPEC, side;
	const char *word;
	bool bare;

	memset(policy, 0, offsetof(struct policy, sel));
	selector_clear(&policy->sel);
	while ((word = args_next(args))) {
		if (is_outer(word, policy)) {
			if (read_outer(args, policy))
				return STATUS_USAGE;
			continue;
		}
		bit = keyword(word);
		bare = !bit && is_proto(word, &policy->sel.proto);
		if (bare)
			bit = POLICY_PROTO;
		if (!bit) {
			/* as in sa add, the words may precede the addresses */
			if (same(word, policy->given & POLICY_SRC ? "dst" : "src") && args_peek(args))
				word = args_next(args);
			side = AF_UNSPEC;
			if (read_side(word, command, &side, policy))
				return STATUS_USAGE;
			if (side && family && side != family) {
				error("the source is %s, but the destination is %s",
				      family_text(family), family_text(side));
				return STATUS_USAGE;
			}
			family = side ? side : family;
			continue;
		}
		if (bit & refused) {
			error("%s does not take '%s' (see 'espah %s --help')", command, word,
			      command);
			return STATUS_USAGE;
		}
		if (bit & policy->given) {
			error("'%s' is given twice (or contradicts an earlier word)", word);
			return STATUS_USAGE;
		}
		policy->given |= bit;
		if (!bare && read_keyword(args, word, bit, policy))
			return STATUS_USAGE;
	}
	return check(command, with_action, family, policy) ? STATUS_USAGE : STATUS_OK;
}

/* Swaps source and destination flags. Flags of ICMP types and codes stay. */
static uint32_t pfp_mirror(uint32_t pfp, uint8_t proto)
{
	uint32_t ports = ESPAH_PFP_SPORT | ESPAH_PFP_DPORT, sides = ESPAH_PFP_SRC | ESPAH_PFP_DST;

	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 || proto == IPPROTO_MH)
		ports = 0;
	if ((pfp & ports) == ESPAH_PFP_SPORT || (pfp & ports) == ESPAH_PFP_DPORT)
		pfp ^= ports;
	if ((pfp & sides) == ESPAH_PFP_SRC || (pfp & sides) == ESPAH_PFP_DST)
		pfp ^= sides;
	return pfp;
}

/** policy_mirror() - turn a policy into the policy for the reverse traffic */
void policy_mirror(struct policy *policy)
{
	policy->dir = policy->dir == ESPAH_DIR_OUT ? ESPAH_DIR_IN : ESPAH_DIR_OUT;
	if (policy->dir == ESPAH_DIR_IN)
		policy->given &= ~outbound;
	selector_mirror(&policy->sel);
	policy->pfp = pfp_mirror(policy->pfp, policy->sel.proto);
	template_mirror(policy->tmpl);
}

/** policy_put() - add the given parts of a policy to a request */
void policy_put(struct nlmsghdr *nlh, const struct policy *policy)
{
	if (policy->given & POLICY_ID) {
		mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, policy->id);
		return;
	}
	mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR, policy->dir);
	if (policy->given & POLICY_ACTION)
		mnl_attr_put_u8(nlh, ESPAH_POLICY_ACTION, policy->action);
	selector_put(nlh, ESPAH_POLICY_SELECTOR, &policy->sel);
	if (policy->given & POLICY_PRIORITY)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_PRIORITY, policy->priority);
	if (policy->given & POLICY_IF_ID)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_IF_ID, policy->if_id);
	if (policy->given & POLICY_ACTION && policy->action == ESPAH_ACTION_PROTECT)
		template_put(nlh, ESPAH_POLICY_TEMPLATE, policy->tmpl);
	if (policy->given & POLICY_MSS)
		mnl_attr_put_u16(nlh, ESPAH_POLICY_MSS, policy->mss);
	if (policy->given & POLICY_QUEUE)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_QUEUE, policy->queue);
	if (policy->given & POLICY_UNREACH)
		mnl_attr_put(nlh, ESPAH_POLICY_UNREACH, 0, NULL);
	if (policy->given & POLICY_PFP)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_PFP, policy->pfp);
	if (policy->given & POLICY_LABEL)
		mnl_attr_put_strz(nlh, ESPAH_POLICY_LABEL, policy->label);
	if (policy->replace)
		mnl_attr_put(nlh, ESPAH_POLICY_REPLACE, 0, NULL);
}
