// SPDX-License-Identifier: GPL-2.0-only
/* Selectors and templates: words to attributes, attributes to text. */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <linux/espah.h>

#include "cli.h"
#include "print.h"
#include "selector.h"
#include "words.h"

/** selector_clear() - make a selector that matches any packet; ranges in its lists stay */
void selector_clear(struct selector *sel)
{
	list_clear(&sel->src);
	list_clear(&sel->dst);
	list_clear(&sel->sport);
	list_clear(&sel->dport);
	list_clear(&sel->type);
	list_clear(&sel->code);
	sel->family = AF_UNSPEC;
	sel->proto = 0;
	sel->opaque = false;
	sel->mark = (struct mark){ 0 };
	*sel->dev = '\0';
	sel->ifindex = 0;
}

/**
 * selector_check() - check that the parts of a selector are consistent
 * @command: such as "policy add", for errors
 * @sel: @family is AF_UNSPEC if no word specified it
 *
 * Return: 0, or -1 after printing an error.
 */
int selector_check(const char *command, const struct selector *sel)
{
	uint8_t src = list_family(&sel->src), dst = list_family(&sel->dst);
	bool icmp = sel->proto == IPPROTO_ICMP || sel->proto == IPPROTO_ICMPV6;

	if (src && dst && src != dst) {
		error("the source is %s, but the destination is %s", family_text(src),
		      family_text(dst));
		return -1;
	}
	if (!sel->family) {
		error("%s needs to know whether 'any any' is IPv4 or IPv6; add inet or inet6, or write any4 or any6",
		      command);
		return -1;
	}
	if ((src && src != sel->family) || (dst && dst != sel->family)) {
		error("the addresses are %s, but another word says %s",
		      family_text(src ? src : dst), family_text(sel->family));
		return -1;
	}
	if (sel->proto == (sel->family == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		error("%s packets carry no %s, but %s; the selector would match nothing",
		      family_text(sel->family),
		      sel->family == AF_INET ? "icmpv6" : "icmp",
		      sel->family == AF_INET ? "icmp" : "icmpv6");
		return -1;
	}
	if (sel->type.size && !icmp && sel->proto != IPPROTO_MH) {
		error("'type' needs icmp, icmpv6 or mh");
		return -1;
	}
	if (sel->code.size && !icmp) {
		error("'code' needs icmp or icmpv6");
		return -1;
	}
	if (sel->opaque && (sel->sport.size || sel->dport.size || sel->type.size ||
			    sel->code.size)) {
		error("'opaque' is for packets whose ports and types cannot be known, so no ports or types can be given");
		return -1;
	}
	return 0;
}

/** selector_mirror() - turn a selector into the selector of the other direction */
void selector_mirror(struct selector *sel)
{
	struct list list = sel->src;

	sel->src = sel->dst;
	sel->dst = list;
	list = sel->sport;
	sel->sport = sel->dport;
	sel->dport = list;
}

static bool marks_agree(const struct mark *a, const struct mark *b, uint32_t mask)
{
	return (a->value & mask) == (b->value & mask);
}

static bool same_dev(const struct selector *a, const struct selector *b)
{
	return !strcmp(a->dev, b->dev) && a->ifindex == b->ifindex;
}

/** selector_covers() - Return: whether a selector matches each packet that @b matches */
bool selector_covers(const struct selector *a, const struct selector *b)
{
	return a->family == b->family && (!a->proto || a->proto == b->proto) &&
	       list_covers(&a->src, &b->src) && list_covers(&a->dst, &b->dst) &&
	       list_covers(&a->sport, &b->sport) && list_covers(&a->dport, &b->dport) &&
	       list_covers(&a->type, &b->type) && list_covers(&a->code, &b->code) &&
	       (!a->opaque || b->opaque) &&
	       !(a->mark.mask & ~b->mark.mask) && marks_agree(&a->mark, &b->mark, a->mark.mask) &&
	       ((!*a->dev && !a->ifindex) || same_dev(a, b));
}

/** selector_meets() - Return: whether two selectors may match the same packet */
bool selector_meets(const struct selector *a, const struct selector *b)
{
	return a->family == b->family && (!a->proto || !b->proto || a->proto == b->proto) &&
	       list_meets(&a->src, &b->src) && list_meets(&a->dst, &b->dst) &&
	       list_meets(&a->sport, &b->sport) && list_meets(&a->dport, &b->dport) &&
	       list_meets(&a->type, &b->type) && list_meets(&a->code, &b->code) &&
	       !(a->opaque && (b->sport.size || b->dport.size || b->type.size)) &&
	       !(b->opaque && (a->sport.size || a->dport.size || a->type.size)) &&
	       marks_agree(&a->mark, &b->mark, a->mark.mask & b->mark.mask) &&
	       (!*a->dev || !*b->dev || same_dev(a, b));
}

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, uint16_t len_type,
		       const struct prefix *prefix)
{
	if (!prefix->addr.family)
		return;
	put_addr(nlh, type, &prefix->addr);
	mnl_attr_put_u8(nlh, len_type, prefix->len);
}

static void put_ports(struct nlmsghdr *nlh, uint16_t min, uint16_t max, uint16_t list_type,
		      const struct list *ports)
{
	uint16_t low, high;

	if (list_numbers(ports, &low, &high)) {
		put_port(nlh, min, low);
		put_port(nlh, max, high);
	} else if (ports->size) {
		list_put(nlh, list_type, ports);
	}
}

/** selector_put() - add a selector to a message as a nest of type @type */
void selector_put(struct nlmsghdr *nlh, uint16_t type, const struct selector *sel)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);
	struct prefix src, dst;
	bool src_lists = !list_prefix(&sel->src, &src), dst_lists = !list_prefix(&sel->dst, &dst);

	/* lists do not carry the address family */
	if (src_lists || dst_lists || (!src.addr.family && !dst.addr.family))
		mnl_attr_put_u8(nlh, ESPAH_SEL_FAMILY, sel->family);
	if (src_lists)
		list_put(nlh, ESPAH_SEL_SRC_RANGES, &sel->src);
	else
		put_prefix(nlh, ESPAH_SEL_SRC, ESPAH_SEL_SRC_LEN, &src);
	if (dst_lists)
		list_put(nlh, ESPAH_SEL_DST_RANGES, &sel->dst);
	else
		put_prefix(nlh, ESPAH_SEL_DST, ESPAH_SEL_DST_LEN, &dst);
	if (sel->proto)
		mnl_attr_put_u8(nlh, ESPAH_SEL_PROTO, sel->proto);
	put_ports(nlh, ESPAH_SEL_SPORT_MIN, ESPAH_SEL_SPORT_MAX, ESPAH_SEL_SPORT_RANGES,
		  &sel->sport);
	put_ports(nlh, ESPAH_SEL_DPORT_MIN, ESPAH_SEL_DPORT_MAX, ESPAH_SEL_DPORT_RANGES,
		  &sel->dport);
	if (sel->type.size)
		list_put(nlh, sel->proto == IPPROTO_MH ? ESPAH_SEL_MH_TYPES : ESPAH_SEL_ICMP_TYPES,
			 &sel->type);
	if (sel->code.size)
		list_put(nlh, ESPAH_SEL_ICMP_CODES, &sel->code);
	if (sel->opaque)
		mnl_attr_put(nlh, ESPAH_SEL_OPAQUE, 0, NULL);
	if (sel->mark.mask) {
		mnl_attr_put_u32(nlh, ESPAH_SEL_MARK, sel->mark.value);
		mnl_attr_put_u32(nlh, ESPAH_SEL_MARK_MASK, sel->mark.mask);
	}
	if (*sel->dev)
		mnl_attr_put_strz(nlh, ESPAH_SEL_IFNAME, sel->dev);
	if (sel->ifindex)
		mnl_attr_put_u32(nlh, ESPAH_SEL_IFINDEX, sel->ifindex);
	mnl_attr_nest_end(nlh, nest);
}

static void get_addrs(const struct nlattr *addr_attr, const struct nlattr *len,
		      const struct nlattr *list_attr, uint8_t family, struct list *list)
{
	struct addr addr;

	if (attr_addr(addr_attr, &addr))
		list_set_addr(list, &addr, attr_u8(len, addr_size(addr.family) * 8));
	else if (list_attr && addr_size(family))
		list_get(list_attr, addr_size(family), list);
}

static void get_ports(const struct nlattr *min, const struct nlattr *max,
		      const struct nlattr *list_attr, struct list *ports)
{
	uint16_t low = attr_port(min, 0), high = attr_port(max, low);

	if (list_attr)
		list_get(list_attr, sizeof(low), ports);
	else if ((min || max) && (low || high != UINT16_MAX))
		list_set_numbers(ports, sizeof(low), low, high);
}

/** selector_get() - read a selector; @nest may be NULL */
void selector_get(const struct nlattr *nest, struct selector *sel)
{
	const struct nlattr *tb[ESPAH_SEL_MAX + 1];
	struct addr addr;

	selector_clear(sel);
	attr_nest(nest, tb, ESPAH_SEL_MAX);
	sel->family = attr_u8(tb[ESPAH_SEL_FAMILY], 0);
	if (attr_addr(tb[ESPAH_SEL_SRC], &addr) || attr_addr(tb[ESPAH_SEL_DST], &addr))
		sel->family = addr.family;
	get_addrs(tb[ESPAH_SEL_SRC], tb[ESPAH_SEL_SRC_LEN], tb[ESPAH_SEL_SRC_RANGES], sel->family,
		  &sel->src);
	get_addrs(tb[ESPAH_SEL_DST], tb[ESPAH_SEL_DST_LEN], tb[ESPAH_SEL_DST_RANGES], sel->family,
		  &sel->dst);
	sel->proto = attr_u8(tb[ESPAH_SEL_PROTO], 0);
	get_ports(tb[ESPAH_SEL_SPORT_MIN], tb[ESPAH_SEL_SPORT_MAX], tb[ESPAH_SEL_SPORT_RANGES],
		  &sel->sport);
	get_ports(tb[ESPAH_SEL_DPORT_MIN], tb[ESPAH_SEL_DPORT_MAX], tb[ESPAH_SEL_DPORT_RANGES],
		  &sel->dport);
	if (tb[ESPAH_SEL_ICMP_TYPES] || tb[ESPAH_SEL_MH_TYPES])
		list_get(tb[ESPAH_SEL_ICMP_TYPES] ? tb[ESPAH_SEL_ICMP_TYPES] :
			 tb[ESPAH_SEL_MH_TYPES], 1, &sel->type);
	if (tb[ESPAH_SEL_ICMP_CODES])
		list_get(tb[ESPAH_SEL_ICMP_CODES], 1, &sel->code);
	sel->opaque = tb[ESPAH_SEL_OPAQUE];
	sel->mark.value = attr_u32(tb[ESPAH_SEL_MARK], 0);
	sel->mark.mask = attr_u32(tb[ESPAH_SEL_MARK_MASK], tb[ESPAH_SEL_MARK] ? UINT32_MAX : 0);
	snprintf(sel->dev, sizeof(sel->dev), "%s", attr_string(tb[ESPAH_SEL_IFNAME], ""));
	sel->ifindex = attr_u32(tb[ESPAH_SEL_IFINDEX], 0);
}

/* Text of one side. "any4" and "any6" keep the family, and the command accepts them as input. */
static const char *side_text(const struct selector *sel, const struct list *list,
			     char buf[LIST_TEXT_MAX])
{
	if (sel->src.size || sel->dst.size)
		return list_text(list, buf);
	return sel->family == AF_INET6 ? "any6" : "any4";
}

/* Fields of a selector other than addresses. The names are also keywords of the command. */
static const struct {
	const char *word;
	size_t offset;
} fields[] = {
	{ "sport", offsetof(struct selector, sport) }, { "dport", offsetof(struct selector, dport) },
	{ "type", offsetof(struct selector, type) }, { "code", offsetof(struct selector, code) },
};

static const struct list *field(const struct selector *sel, unsigned int i)
{
	return (const struct list *)((const char *)sel + fields[i].offset);
}

/** selector_traffic() - Return: all but addresses, such as "tcp dport 443"; "any" if empty */
const char *selector_traffic(const struct selector *sel, char buf[SELECTOR_TEXT_MAX])
{
	char proto[8], text[LIST_TEXT_MAX], mark[24], dev[DEV_TEXT_MAX];
	size_t size = SELECTOR_TEXT_MAX;
	unsigned int i;
	int used;

	used = snprintf(buf, size, "%s", word_proto(sel->proto, proto));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (field(sel, i)->size)
			used += snprintf(buf + used, size - used, " %s %s", fields[i].word,
					 list_text(field(sel, i), text));
	if (sel->opaque)
		used += snprintf(buf + used, size - used, " opaque");
	if (sel->mark.mask)
		used += snprintf(buf + used, size - used, " mark %s", mark_text(&sel->mark, mark));
	if (selector_dev(sel, dev))
		snprintf(buf + used, size - used, " dev %s", dev);
	return buf;
}

/** selector_dev() - Return: whether a selector names a device; @buf: its name, or its index */
bool selector_dev(const struct selector *sel, char buf[DEV_TEXT_MAX])
{
	if (*sel->dev)
		snprintf(buf, DEV_TEXT_MAX, "%s", sel->dev);
	else if (sel->ifindex)
		dev_text(sel->ifindex, buf);
	return *sel->dev || sel->ifindex;
}

/** selector_fields_write() - write ports, types and codes, as a user types them */
void selector_fields_write(FILE *out, const struct selector *sel)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!field(sel, i)->size)
			continue;
		fprintf(out, " %s ", fields[i].word);
		list_write(out, field(sel, i), "any");
	}
}

/** selector_sides() - Return: "SRC -> DST" */
const char *selector_sides(const struct selector *sel, char buf[SELECTOR_TEXT_MAX])
{
	char src[LIST_TEXT_MAX], dst[LIST_TEXT_MAX];

	snprintf(buf, SELECTOR_TEXT_MAX, "%s -> %s", side_text(sel, &sel->src, src),
		 side_text(sel, &sel->dst, dst));
	return buf;
}

/** selector_text() - Return: "SRC -> DST", then protocol and ports if restricted */
const char *selector_text(const struct selector *sel, char buf[SELECTOR_TEXT_MAX])
{
	char traffic[SELECTOR_TEXT_MAX];
	size_t used;

	used = strlen(selector_sides(sel, buf));
	selector_traffic(sel, traffic);
	if (strcmp(traffic, "any"))
		snprintf(buf + used, SELECTOR_TEXT_MAX - used, " %s", traffic);
	return buf;
}

/** selector_json() - add the members of a selector to an object */
void selector_json(const struct selector *sel, json_t *object)
{
	char proto[8], text[24];
	unsigned int i;

	json_set(object, "family", json_string(sel->family == AF_INET6 ? "inet6" : "inet"));
	json_set(object, "src", list_json(&sel->src));
	json_set(object, "dst", list_json(&sel->dst));
	if (sel->proto)
		json_set(object, "proto", json_string(word_proto(sel->proto, proto)));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (field(sel, i)->size)
			json_set(object, fields[i].word, list_json(field(sel, i)));
	if (sel->opaque)
		json_set(object, "opaque", json_true());
	if (sel->mark.mask)
		json_set(object, "mark", json_string(mark_text(&sel->mark, text)));
	if (selector_dev(sel, text))
		json_set(object, "dev", json_string(text));
}

/** template_count() - Return: the number of templates */
unsigned int template_count(const struct template *tmpl)
{
	unsigned int n = 0;

	while (n < ESPAH_BUNDLE_MAX && tmpl[n].proto)
		n++;
	return n;
}

/** template_mirror() - turn templates into the templates of the other direction */
void template_mirror(struct template *tmpl)
{
	unsigned int i;

	for (i = 0; i < template_count(tmpl); i++) {
		struct addr addr = tmpl[i].src;

		tmpl[i].src = tmpl[i].dst;
		tmpl[i].dst = addr;
	}
}

/** template_put() - add templates as nests of type @type, each inside the previous one */
void template_put(struct nlmsghdr *nlh, uint16_t type, const struct template *tmpl)
{
	unsigned int i, n = template_count(tmpl);
	struct nlattr *nests[ESPAH_BUNDLE_MAX];

	for (i = 0; i < n; i++) {
		nests[i] = mnl_attr_nest_start(nlh, i ? ESPAH_TMPL_OUTER : type);
		if (tmpl[i].proto == IPPROTO_AH)
			mnl_attr_put_u8(nlh, ESPAH_TMPL_PROTO, tmpl[i].proto);
		mnl_attr_put_u8(nlh, ESPAH_TMPL_MODE, tmpl[i].mode);
		put_addr(nlh, ESPAH_TMPL_SRC, &tmpl[i].src);
		put_addr(nlh, ESPAH_TMPL_DST, &tmpl[i].dst);
		if (tmpl[i].has_reqid)
			mnl_attr_put_u32(nlh, ESPAH_TMPL_REQID, tmpl[i].reqid);
		if (tmpl[i].vrf)
			mnl_attr_put_u32(nlh, ESPAH_TMPL_VRF, tmpl[i].vrf);
	}
	while (n--)
		mnl_attr_nest_end(nlh, nests[n]);
}

/** template_get() - read templates; @nest may be NULL */
void template_get(const struct nlattr *nest, struct template *tmpl)
{
	const struct nlattr *tb[ESPAH_TMPL_MAX + 1];
	struct template *end = tmpl + ESPAH_BUNDLE_MAX;

	memset(tmpl, 0, ESPAH_BUNDLE_MAX * sizeof(*tmpl));
	do {
		attr_nest(nest, tb, ESPAH_TMPL_MAX);
		tmpl->proto = attr_u8(tb[ESPAH_TMPL_PROTO], IPPROTO_ESP);
		tmpl->mode = attr_u8(tb[ESPAH_TMPL_MODE], 0xff);
		attr_addr(tb[ESPAH_TMPL_SRC], &tmpl->src);
		attr_addr(tb[ESPAH_TMPL_DST], &tmpl->dst);
		tmpl->has_reqid = tb[ESPAH_TMPL_REQID];
		tmpl->reqid = attr_u32(tb[ESPAH_TMPL_REQID], 0);
		tmpl->vrf = attr_u32(tb[ESPAH_TMPL_VRF], 0);
		nest = tb[ESPAH_TMPL_OUTER];
	} while (nest && ++tmpl < end);
}

/** template_text() - Return: text such as "esp tunnel 192.0.2.1 -> 198.51.100.7 reqid 7" */
const char *template_text(const struct template *tmpl, char buf[SELECTOR_TEXT_MAX])
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], vrf[DEV_TEXT_MAX];
	size_t size = SELECTOR_TEXT_MAX;
	unsigned int i;
	int used = 0;

	for (i = 0; i < template_count(tmpl); i++) {
		used += snprintf(buf + used, size - used, "%s%s %s", i ? ", " : "",
				 word_of(WORD_PROTO, tmpl[i].proto),
				 word_of(WORD_MODE, tmpl[i].mode));
		if (tmpl[i].src.family || tmpl[i].dst.family)
			used += snprintf(buf + used, size - used, " %s -> %s",
					 addr_text(&tmpl[i].src, src),
					 addr_text(&tmpl[i].dst, dst));
		if (tmpl[i].reqid)
			used += snprintf(buf + used, size - used, " reqid %u", tmpl[i].reqid);
		if (tmpl[i].vrf)
			used += snprintf(buf + used, size - used, " vrf %s",
					 dev_text(tmpl[i].vrf, vrf));
	}
	return buf;
}

/** template_json() - Return: the first template as an object, with the others as its "outer" */
json_t *template_json(const struct template *tmpl)
{
	json_t *all = NULL, *object;
	char vrf[DEV_TEXT_MAX];
	unsigned int n;

	for (n = template_count(tmpl); n--;) {
		object = json_object();
		json_set(object, "proto", json_string(word_of(WORD_PROTO, tmpl[n].proto)));
		json_set(object, "mode", json_string(word_of(WORD_MODE, tmpl[n].mode)));
		if (tmpl[n].src.family)
			json_set(object, "src", json_addr(&tmpl[n].src));
		if (tmpl[n].dst.family)
			json_set(object, "dst", json_addr(&tmpl[n].dst));
		json_set(object, "reqid", json_integer(tmpl[n].reqid));
		if (tmpl[n].vrf)
			json_set(object, "vrf", json_string(dev_text(tmpl[n].vrf, vrf)));
		if (all)
			json_set(object, "outer", all);
		all = object;
	}
	return all;
}
