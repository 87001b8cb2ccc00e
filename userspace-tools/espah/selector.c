// SPDX-License-Identifier: GPL-2.0-only
/* Selectors and templates: from words to attributes, from attributes to text. */
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "cli.h"
#include "print.h"
#include "selector.h"
#include "words.h"

/**
 * selector_check() - see that the parts of a selector fit together
 * @command: such as "policy add", for errors
 * @sel: @family is AF_UNSPEC if no word told it
 *
 * Return: 0, or -1 and told.
 */
int selector_check(const char *command, const struct selector *sel)
{
	const struct addr *src = &sel->src.addr, *dst = &sel->dst.addr;

	if (src->family && dst->family && src->family != dst->family) {
		error("the source is %s, but the destination is %s", family_text(src->family),
		      family_text(dst->family));
		return -1;
	}
	if (!sel->family) {
		error("%s does not say whether IPv4 or IPv6 is meant by 'any any'; add inet or inet6, or write any4 or any6",
		      command);
		return -1;
	}
	if ((src->family && src->family != sel->family) ||
	    (dst->family && dst->family != sel->family)) {
		error("the addresses are %s, but another word says %s",
		      family_text(src->family ? src->family : dst->family),
		      family_text(sel->family));
		return -1;
	}
	return 0;
}

/** selector_mirror() - turn a selector into that of the other direction */
void selector_mirror(struct selector *sel)
{
	struct prefix prefix = sel->src;
	struct ports ports = sel->sport;

	sel->src = sel->dst;
	sel->dst = prefix;
	sel->sport = sel->dport;
	sel->dport = ports;
}

static void put_ports(struct nlmsghdr *nlh, uint16_t min, uint16_t max, const struct ports *ports)
{
	if (!ports->set)
		return;
	mnl_attr_put_u16(nlh, min, ports->min);
	mnl_attr_put_u16(nlh, max, ports->max);
}

/** selector_put() - put a selector as a nest of type @type */
void selector_put(struct nlmsghdr *nlh, uint16_t type, const struct selector *sel)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	if (!sel->src.addr.family && !sel->dst.addr.family)
		mnl_attr_put_u8(nlh, ESPAH_SEL_FAMILY, sel->family);
	if (sel->src.addr.family) {
		put_addr(nlh, ESPAH_SEL_SRC, &sel->src.addr);
		mnl_attr_put_u8(nlh, ESPAH_SEL_SRC_LEN, sel->src.len);
	}
	if (sel->dst.addr.family) {
		put_addr(nlh, ESPAH_SEL_DST, &sel->dst.addr);
		mnl_attr_put_u8(nlh, ESPAH_SEL_DST_LEN, sel->dst.len);
	}
	if (sel->proto)
		mnl_attr_put_u8(nlh, ESPAH_SEL_PROTO, sel->proto);
	put_ports(nlh, ESPAH_SEL_SPORT_MIN, ESPAH_SEL_SPORT_MAX, &sel->sport);
	put_ports(nlh, ESPAH_SEL_DPORT_MIN, ESPAH_SEL_DPORT_MAX, &sel->dport);
	mnl_attr_nest_end(nlh, nest);
}

static void get_prefix(const struct nlattr *addr, const struct nlattr *len, struct prefix *prefix)
{
	if (!attr_addr(addr, &prefix->addr))
		return;
	prefix->len = attr_u8(len, addr_size(prefix->addr.family) * 8);
	/* a prefix of length 0 is all addresses; "any" is how people say that */
	if (!prefix->len)
		prefix->addr.family = AF_UNSPEC;
}

static void get_ports(const struct nlattr *min, const struct nlattr *max, struct ports *ports)
{
	if (!min && !max)
		return;
	ports->set = true;
	ports->min = attr_u16(min, 0);
	ports->max = attr_u16(max, ports->min);
	if (!ports->min && ports->max == UINT16_MAX)
		ports->set = false;
}

/** selector_get() - read a selector; @nest may be NULL */
void selector_get(const struct nlattr *nest, struct selector *sel)
{
	const struct nlattr *tb[ESPAH_SEL_MAX + 1];
	struct addr addr;

	memset(sel, 0, sizeof(*sel));
	attr_nest(nest, tb, ESPAH_SEL_MAX);
	sel->family = attr_u8(tb[ESPAH_SEL_FAMILY], 0);
	if (attr_addr(tb[ESPAH_SEL_SRC], &addr) || attr_addr(tb[ESPAH_SEL_DST], &addr))
		sel->family = addr.family;
	get_prefix(tb[ESPAH_SEL_SRC], tb[ESPAH_SEL_SRC_LEN], &sel->src);
	get_prefix(tb[ESPAH_SEL_DST], tb[ESPAH_SEL_DST_LEN], &sel->dst);
	sel->proto = attr_u8(tb[ESPAH_SEL_PROTO], 0);
	get_ports(tb[ESPAH_SEL_SPORT_MIN], tb[ESPAH_SEL_SPORT_MAX], &sel->sport);
	get_ports(tb[ESPAH_SEL_DPORT_MIN], tb[ESPAH_SEL_DPORT_MAX], &sel->dport);
}

static void ports_text(const struct ports *ports, char buf[16])
{
	if (ports->min == ports->max)
		snprintf(buf, 16, "%u", ports->min);
	else
		snprintf(buf, 16, "%u-%u", ports->min, ports->max);
}

/* "any" alone would not tell the family, and these words can be typed again. */
static const char *side_text(const struct selector *sel, const struct prefix *prefix,
			     char buf[ADDR_TEXT_MAX])
{
	if (prefix->addr.family || sel->src.addr.family || sel->dst.addr.family)
		return prefix_text(prefix, buf);
	return sel->family == AF_INET6 ? "any6" : "any4";
}

/** selector_traffic() - Return: protocol and ports, such as "tcp dport 443", "any" if all */
const char *selector_traffic(const struct selector *sel, char buf[SELECTOR_TEXT_MAX])
{
	char proto[8], ports[16];
	size_t size = SELECTOR_TEXT_MAX;
	int used;

	used = snprintf(buf, size, "%s", word_proto(sel->proto, proto));
	if (sel->sport.set) {
		ports_text(&sel->sport, ports);
		used += snprintf(buf + used, size - used, " sport %s", ports);
	}
	if (sel->dport.set) {
		ports_text(&sel->dport, ports);
		snprintf(buf + used, size - used, " dport %s", ports);
	}
	return buf;
}

/** selector_text() - Return: "SRC -> DST", then protocol and ports unless all match */
const char *selector_text(const struct selector *sel, char buf[SELECTOR_TEXT_MAX])
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], traffic[SELECTOR_TEXT_MAX];
	bool all = !sel->proto && !sel->sport.set && !sel->dport.set;

	snprintf(buf, SELECTOR_TEXT_MAX, "%s -> %s%s%.64s", side_text(sel, &sel->src, src),
		 side_text(sel, &sel->dst, dst), all ? "" : " ",
		 all ? "" : selector_traffic(sel, traffic));
	return buf;
}

static void json_ports(json_t *object, const char *name, const struct ports *ports)
{
	char text[16];

	if (!ports->set)
		return;
	ports_text(ports, text);
	json_set(object, name, ports->min == ports->max ? json_integer(ports->min) :
		 json_string(text));
}

/** selector_json() - add the members of a selector to an object */
void selector_json(const struct selector *sel, json_t *object)
{
	char proto[8];

	json_set(object, "family", json_string(sel->family == AF_INET6 ? "inet6" : "inet"));
	json_set(object, "src", json_prefix(&sel->src));
	json_set(object, "dst", json_prefix(&sel->dst));
	if (sel->proto)
		json_set(object, "proto", json_string(word_proto(sel->proto, proto)));
	json_ports(object, "sport", &sel->sport);
	json_ports(object, "dport", &sel->dport);
}

/** template_mirror() - turn a template into that of the other direction */
void template_mirror(struct template *tmpl)
{
	struct addr addr = tmpl->src;

	tmpl->src = tmpl->dst;
	tmpl->dst = addr;
}

/** template_put() - put a template as a nest of type @type */
void template_put(struct nlmsghdr *nlh, uint16_t type, const struct template *tmpl)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_u8(nlh, ESPAH_TMPL_MODE, tmpl->mode);
	put_addr(nlh, ESPAH_TMPL_SRC, &tmpl->src);
	put_addr(nlh, ESPAH_TMPL_DST, &tmpl->dst);
	if (tmpl->has_reqid)
		mnl_attr_put_u32(nlh, ESPAH_TMPL_REQID, tmpl->reqid);
	mnl_attr_nest_end(nlh, nest);
}

/** template_get() - read a template; @nest may be NULL */
void template_get(const struct nlattr *nest, struct template *tmpl)
{
	const struct nlattr *tb[ESPAH_TMPL_MAX + 1];

	memset(tmpl, 0, sizeof(*tmpl));
	attr_nest(nest, tb, ESPAH_TMPL_MAX);
	tmpl->mode = attr_u8(tb[ESPAH_TMPL_MODE], 0xff);
	attr_addr(tb[ESPAH_TMPL_SRC], &tmpl->src);
	attr_addr(tb[ESPAH_TMPL_DST], &tmpl->dst);
	tmpl->has_reqid = tb[ESPAH_TMPL_REQID];
	tmpl->reqid = attr_u32(tb[ESPAH_TMPL_REQID], 0);
}

/** template_text() - Return: such as "esp tunnel 192.0.2.1 -> 198.51.100.7 reqid 7" */
const char *template_text(const struct template *tmpl, char buf[SELECTOR_TEXT_MAX])
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	size_t size = SELECTOR_TEXT_MAX;
	int used;

	used = snprintf(buf, size, "esp %s", word_of(WORD_MODE, tmpl->mode));
	if (tmpl->src.family || tmpl->dst.family)
		used += snprintf(buf + used, size - used, " %s -> %s", addr_text(&tmpl->src, src),
				 addr_text(&tmpl->dst, dst));
	if (tmpl->reqid)
		snprintf(buf + used, size - used, " reqid %u", tmpl->reqid);
	return buf;
}

/** template_json() - Return: a template as an object */
json_t *template_json(const struct template *tmpl)
{
	json_t *object = json_object();

	json_set(object, "proto", json_string("esp"));
	json_set(object, "mode", json_string(word_of(WORD_MODE, tmpl->mode)));
	if (tmpl->src.family)
		json_set(object, "src", json_addr(&tmpl->src));
	if (tmpl->dst.family)
		json_set(object, "dst", json_addr(&tmpl->dst));
	json_set(object, "reqid", json_integer(tmpl->reqid));
	return object;
}
