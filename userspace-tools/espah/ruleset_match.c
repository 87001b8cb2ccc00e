// SPDX-License-Identifier: GPL-2.0-only
/*
 * Matches of nftables' rules: whether a packet has the wanted value. What a rule asks that nobody
 * can know of a packet yet, such as its rate, is PERHAPS.
 */
#include <netdb.h>
#include <netinet/in.h>

#include "cli.h"
#include "ruleset.h"

/** enum field_kind - what is compared */
enum field_kind { FIELD_UNKNOWN, FIELD_ADDR, FIELD_NUMBER, FIELD_TEXT, FIELD_BOOL };

/**
 * struct field - a value of the packets that are judged
 * @kind: how it is compared
 * @exists: whether they have it at all, such as a port
 * @addrs: FIELD_ADDR
 * @number: FIELD_NUMBER, where -1 means any; FIELD_BOOL
 * @named: by what words numbers are written: 'p': protocols, 's': services, 'f': families, or 0
 * @text: FIELD_TEXT; NULL: unknown
 * @own: it identifies the packet, such as its protocol
 */
struct field {
	enum field_kind kind;
	enum certainty exists;
	const struct list *addrs;
	long number;
	char named;
	const char *text;
	bool own;
};

const char *ruleset_word(const json_t *object, const char *member)
{
	const char *word = json_string_value(json_object_get(object, member));

	return word ? word : "";
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

static int proto_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} known[] = { /* /etc/protocols may be missing */
		{ "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH }, { "udp", IPPROTO_UDP },
		{ "tcp", IPPROTO_TCP }, { "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 },
		{ "ipv6-icmp", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP },
		{ "udplite", IPPROTO_UDPLITE }, { "comp", IPPROTO_COMP }, { "gre", IPPROTO_GRE },
	};
	struct protoent *entry;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (same(known[i].name, name))
			return known[i].number;
	entry = getprotobyname(name);
	return entry ? entry->p_proto : -1;
}

static int service_number(const char *name)
{
	struct servent *entry;

	if (same(name, "isakmp"))
		return 500;
	if (same(name, "ipsec-nat-t"))
		return 4500;
	entry = getservbyname(name, NULL);
	return entry ? ntohs(entry->s_port) : -1;
}

/* Return: the number that a word or number of nft stands for; -1: unknown */
static long number_of(const struct field *field, const json_t *value)
{
	const char *word = json_string_value(value);

	if (json_is_integer(value))
		return json_integer_value(value);
	if (!word)
		return -1;
	if (field->named == 'p')
		return proto_number(word);
	if (field->named == 's')
		return service_number(word);
	if (field->named == 'f')
		return same(word, "ipv4") || same(word, "ip") ? AF_INET :
		       same(word, "ipv6") || same(word, "ip6") ? AF_INET6 : 0;
	return -1;
}

/* --- what an expression looks at --- */

static enum certainty has_proto(const struct probe *probe, int proto)
{
	return !probe->proto ? FOR_SOME : probe->proto == proto ? FOR_ALL : CERTAINLY_NOT;
}

static void get_port(const struct probe *probe, const char *name, struct field *field)
{
	bool source = same(name, "sport");

	if (!source && !same(name, "dport"))
		return;
	field->kind = FIELD_NUMBER;
	field->named = 's';
	field->own = true;
	field->number = source ? probe->sport : probe->dport;
}

static void get_address(const struct probe *probe, const char *name, struct field *field)
{
	if (!same(name, "saddr") && !same(name, "daddr"))
		return;
	field->kind = FIELD_ADDR;
	field->own = true;
	field->addrs = same(name, "saddr") ? &probe->src : &probe->dst;
}

static void get_payload(const json_t *payload, const struct probe *probe, struct field *field)
{
	const char *proto = ruleset_word(payload, "protocol");
	const char *name = ruleset_word(payload, "field");
	bool six = same(proto, "ip6");
	int number;

	if (same(proto, "ip") || six) {
		field->exists = (probe->family == AF_INET6) == six ? FOR_ALL : CERTAINLY_NOT;
		get_address(probe, name, field);
		if (same(name, "protocol") || same(name, "nexthdr")) {
			field->kind = FIELD_NUMBER;
			field->named = 'p';
			field->own = true;
			field->number = probe->proto ? probe->proto : -1;
		}
	} else if (same(proto, "th")) {
		field->exists = !probe->proto ? FOR_SOME : has_ports(probe->proto) ? FOR_ALL :
				CERTAINLY_NOT;
		get_port(probe, name, field);
	} else if (*proto && (number = proto_number(proto)) >= 0) {
		field->exists = has_proto(probe, number);
		if (has_ports(number))
			get_port(probe, name, field);
	}
}

static void get_meta(const char *key, const struct probe *probe, struct field *field)
{
	bool in = same(key, "iifname") || same(key, "iif");

	if (in || same(key, "oifname") || same(key, "oif")) {
		field->kind = FIELD_TEXT;
		field->text = in ? probe->iif : probe->oif;
	} else if (same(key, "l4proto")) {
		field->kind = FIELD_NUMBER;
		field->named = 'p';
		field->own = true;
		field->number = probe->proto ? probe->proto : -1;
	} else if (same(key, "nfproto") || same(key, "protocol")) {
		field->kind = FIELD_NUMBER;
		field->named = 'f';
		field->number = probe->family;
	} else if (same(key, "ipsec") || same(key, "secpath")) {
		field->kind = FIELD_BOOL; /* false of ESP itself, and of what goes into an SA */
		field->number = probe->ipsec;
	} else if (same(key, "pkttype") && probe->to_host) {
		field->kind = FIELD_TEXT;
		field->text = "host";
	}
}

static void get_fib(const json_t *fib, const struct probe *probe, struct field *field)
{
	const json_t *flag;
	size_t i;

	if (!same(ruleset_word(fib, "result"), "type") || !probe->to_host)
		return;
	json_array_foreach(json_object_get(fib, "flags"), i, flag) {
		if (json_string_value(flag) && same(json_string_value(flag), "daddr")) {
			field->kind = FIELD_TEXT;
			field->text = "local";
		}
	}
}

static void get_field(const json_t *left, const struct probe *probe, struct field *field)
{
	const char *name = json_object_iter_key(json_object_iter((json_t *)left));
	const json_t *at;

	*field = (struct field){ .exists = FOR_ALL, .number = -1 };
	if (name && json_is_array(json_object_get(left, name)) && !same(name, "concat")) {
		get_field(json_array_get(json_object_get(left, name), 0), probe, field);
		field->kind = FIELD_UNKNOWN; /* some bits of a field */
	} else if ((at = json_object_get(left, "meta"))) {
		get_meta(ruleset_word(at, "key"), probe, field);
	} else if ((at = json_object_get(left, "payload"))) {
		get_payload(at, probe, field);
	} else if ((at = json_object_get(left, "fib"))) {
		get_fib(at, probe, field);
	} else if ((at = json_object_get(left, "ct"))) {
		if (same(ruleset_word(at, "key"), "state")) {
			field->kind = FIELD_TEXT;
			field->text = probe->known ? "established" : "new";
		}
	} else if ((at = json_object_get(left, "rt"))) {
		if (same(ruleset_word(at, "key"), "ipsec")) {
			field->kind = FIELD_BOOL; /* XFRM's routes, which espah does not make */
			field->number = false;
		}
	} else if ((at = json_object_get(left, "ipsec"))) {
		field->exists = probe->ipsec && same(ruleset_word(at, "dir"), "in") ? PERHAPS :
				CERTAINLY_NOT;
	}
}

/* --- comparisons --- */

static bool get_end(const json_t *value, uint8_t family, uint8_t end[16])
{
	const char *word = json_string_value(value);
	struct addr addr;

	if (!word || !addr_read(word, &addr) || addr.family != family)
		return false;
	memcpy(end, addr.byte, sizeof(addr.byte));
	return true;
}

/* The addresses of an element. Return: whether it is one that can be read */
static bool get_range(const json_t *value, uint8_t family, struct list *list)
{
	const json_t *prefix = json_object_get(value, "prefix");
	const json_t *range = json_object_get(value, "range");
	struct addr addr = { .family = family };
	unsigned int len = 8 * addr_size(family);

	if (prefix)
		len = json_integer_value(json_object_get(prefix, "len"));
	if (range) {
		list_set_addr(list, &addr, len);
		return get_end(json_array_get(range, 0), family, list->range->low) &&
		       get_end(json_array_get(range, 1), family, list->range->high);
	}
	if (!get_end(prefix ? json_object_get(prefix, "addr") : value, family, addr.byte) ||
	    len > 8 * addr_size(family))
		return false;
	list_set_addr(list, &addr, len);
	return true;
}

static enum certainty match_addr(const struct probe *probe, const struct list *has,
				 const json_t *value)
{
	static struct list wanted;

	if (!get_range(value, probe->family, &wanted))
		return json_is_string(value) || json_is_object(value) ? CERTAINLY_NOT : PERHAPS;
	return list_covers(&wanted, has) && (has->size || !wanted.size) ? FOR_ALL :
	       list_meets(&wanted, has) ? FOR_SOME : CERTAINLY_NOT;
}

static enum certainty match_number(const struct field *field, const json_t *value)
{
	const json_t *range = json_object_get(value, "range");
	long low = number_of(field, range ? json_array_get(range, 0) : value);
	long high = range ? number_of(field, json_array_get(range, 1)) : low;

	if (low < 0 || high < 0)
		return PERHAPS;
	/* packets of any protocol are those within a tunnel, which are hardly ESP themselves */
	if (field->number < 0 && field->named == 'p' && low == high &&
	    (low == IPPROTO_ESP || low == IPPROTO_AH))
		return CERTAINLY_NOT;
	if (field->number < 0)
		return FOR_SOME;
	return field->number >= low && field->number <= high ? FOR_ALL : CERTAINLY_NOT;
}

static enum certainty match_text(const struct field *field, const json_t *value)
{
	const char *word = json_string_value(value);
	size_t len = word ? strlen(word) : 0;

	if (!word || !field->text)
		return PERHAPS;
	if (len && word[len - 1] == '*')
		return strncmp(field->text, word, len - 1) ? CERTAINLY_NOT : FOR_ALL;
	return same(field->text, word) ? FOR_ALL : CERTAINLY_NOT;
}

static enum certainty match_one(const struct field *field, const json_t *value,
				const struct probe *probe)
{
	switch (field->kind) {
	case FIELD_ADDR:
		return match_addr(probe, field->addrs, value);
	case FIELD_NUMBER:
		return match_number(field, value);
	case FIELD_TEXT:
		return match_text(field, value);
	case FIELD_BOOL:
		return json_is_true(value) == !!field->number ? FOR_ALL : CERTAINLY_NOT;
	default:
		return PERHAPS;
	}
}

/* An element of a set without its timeout, counter and so on. */
static const json_t *plain(const json_t *element)
{
	const json_t *elem = json_object_get(element, "elem");

	return elem ? json_object_get(elem, "val") : element;
}

/** match_element() - whether packets have the value of an element; @key may be a concatenation */
enum certainty match_element(const json_t *ruleset, const json_t *rule, const json_t *key,
			     const json_t *element, const struct probe *probe, bool *named)
{
	const json_t *keys = json_object_get(key, "concat"), *part;
	enum certainty how = FOR_ALL;
	struct field field;
	size_t i;

	element = plain(element);
	if (!keys) {
		get_field(key, probe, &field);
		*named |= field.own;
		return both(field.exists, match_one(&field, element, probe));
	}
	json_array_foreach(keys, i, part)
		how = both(how, match_element(ruleset, rule, part,
					      json_array_get(json_object_get(element, "concat"), i),
					      probe, named));
	return how;
}

/** match_set() - Return: the elements of a set or map, given as such or by name; NULL: none */
const json_t *match_set(const json_t *ruleset, const json_t *rule, const json_t *value)
{
	const char *name = json_string_value(value);

	if (name)
		return *name == '@' ? ruleset_part(ruleset, "sets", rule, name + 1) : NULL;
	return json_is_array(value) ? value : json_object_get(value, "set");
}

static bool is_named_set(const json_t *value)
{
	const char *name = json_string_value(value);

	return name && *name == '@';
}

/** match_expression() - whether packets match the "match" of a rule */
enum certainty match_expression(const json_t *ruleset, const json_t *rule, const json_t *match,
				const struct probe *probe, bool *named)
{
	const json_t *left = json_object_get(match, "left");
	const json_t *right = json_object_get(match, "right");
	const json_t *set = match_set(ruleset, rule, right), *element;
	const char *op = ruleset_word(match, "op");
	enum certainty how = CERTAINLY_NOT;
	struct field field;
	size_t i;

	get_field(left, probe, &field);
	if (!same(op, "==") && !same(op, "!=") && !same(op, "in"))
		return both(field.exists, PERHAPS);
	if (!set && !is_named_set(right)) {
		how = match_element(ruleset, rule, left, right, probe, named);
	} else {
		json_array_foreach(set, i, element)
			how = either(how, match_element(ruleset, rule, left, element, probe,
							named));
	}
	if (!same(op, "!="))
		return how;
	/* a packet that does not have the field does not match either */
	return both(field.exists, how == FOR_ALL ? CERTAINLY_NOT :
				  how == CERTAINLY_NOT ? FOR_ALL : how);
}
