// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: reads policies, SAs and small files for the checks. */
#include <netinet/in.h>
#include <stdlib.h>

#include "doctor.h"

/** rule_get() - read a policy */
void rule_get(const struct thing *policy, struct rule *rule)
{
	rule->thing = policy;
	attr_table(policy->nlh, rule->tb, ESPAH_POLICY_MAX);
	selector_get(rule->tb[ESPAH_POLICY_SELECTOR], &rule->sel);
	if (rule->tb[ESPAH_POLICY_TEMPLATE])
		template_get(rule->tb[ESPAH_POLICY_TEMPLATE], rule->tmpl);
	else
		memset(rule->tmpl, 0, sizeof(rule->tmpl));
}

/** rule_protects() - Return: whether a policy protects packets of a direction */
bool rule_protects(const struct rule *rule, uint8_t dir)
{
	return attr_u8(rule->tb[ESPAH_POLICY_DIR], 0xff) == dir &&
	       attr_u8(rule->tb[ESPAH_POLICY_ACTION], 0xff) == ESPAH_ACTION_PROTECT;
}

/** rule_text() - Return: "policy 3 (10.1.0.0/16 -> 10.2.0.0/16)" */
const char *rule_text(const struct rule *rule, char buf[SELECTOR_TEXT_MAX])
{
	char sel[SELECTOR_TEXT_MAX];

	selector_text(&rule->sel, sel);
	snprintf(buf, SELECTOR_TEXT_MAX, "policy %u (%.*s)", rule->thing->id,
		 SELECTOR_TEXT_MAX - 32, sel);
	return buf;
}

/** assoc_get() - read an SA */
void assoc_get(const struct thing *sa, struct assoc *assoc)
{
	memset(assoc, 0, sizeof(*assoc));
	attr_table(sa->nlh, assoc->tb, ESPAH_SA_MAX);
	assoc->dir = attr_u8(assoc->tb[ESPAH_SA_DIR], 0xff);
	assoc->proto = attr_u8(assoc->tb[ESPAH_SA_PROTO], IPPROTO_ESP);
	assoc->mode = attr_u8(assoc->tb[ESPAH_SA_MODE], 0xff);
	attr_addr(assoc->tb[ESPAH_SA_SRC], &assoc->src);
	attr_addr(assoc->tb[ESPAH_SA_DST], &assoc->dst);
	assoc->reqid = attr_u32(assoc->tb[ESPAH_SA_REQID], 0);
	assoc->if_id = attr_u32(assoc->tb[ESPAH_SA_IF_ID], 0);
}

static int by_ends(const void *a, const void *b)
{
	const struct assoc *x = a, *y = b;
	int order = x->dir - y->dir;

	if (!order)
		order = memcmp(&x->src, &y->src, sizeof(x->src));
	if (!order)
		order = memcmp(&x->dst, &y->dst, sizeof(x->dst));
	if (!order)
		order = x->if_id < y->if_id ? -1 : x->if_id > y->if_id;
	return order;
}

/** each_ends() - call @look for one SA of each pair of addresses, direction and device */
void each_ends(struct doctor *doctor,
	       void (*look)(struct doctor *doctor, const struct assoc *assoc))
{
	const struct things *things = &doctor->state.things[THING_SA];
	struct assoc *all = calloc(things->count + 1, sizeof(*all));
	size_t i;

	for (i = 0; all && i < things->count; i++)
		assoc_get(&things->at[i], &all[i]);
	if (all)
		qsort(all, things->count, sizeof(*all), by_ends);
	for (i = 0; all && i < things->count; i++)
		if (!i || by_ends(&all[i - 1], &all[i]))
			look(doctor, &all[i]);
	free(all);
}

static uint32_t if_id_of(const struct thing *link)
{
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	struct device device;

	device_read(link->nlh, &device);
	attr_nest(device.linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	return attr_u32(tb[ESPAH_LINK_IF_ID], 0);
}

/** link_find() - Return: the device of kind espah with a number, or NULL */
const struct thing *link_find(const struct doctor *doctor, uint32_t if_id)
{
	const struct things *links = &doctor->state.things[THING_LINK];
	size_t i;

	for (i = 0; if_id && i < links->count; i++)
		if (if_id_of(&links->at[i]) == if_id)
			return &links->at[i];
	return NULL;
}

/** link_of() - Return: the name of a device of kind espah; @lower: index of the one below, or 0 */
const char *link_of(const struct thing *thing, uint32_t *lower)
{
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	struct device device;

	device_read(thing->nlh, &device);
	attr_nest(device.linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	*lower = attr_u32(tb[ESPAH_LINK_DEV], 0);
	return attr_string(device.attr[IFLA_IFNAME], "?");
}

/* An address of a list, not the first of a network, which may be no host. */
static void pick(const struct list *list, uint8_t family, bool dst, struct addr *addr)
{
	const struct range *range = list->range;
	unsigned int last = addr_size(family) - 1;

	memset(addr, 0, sizeof(*addr));
	addr->family = family;
	if (!list->size) {
		/* RFC 2544 and RFC 5180: addresses for benchmarks */
		memcpy(addr->byte, family == AF_INET ? "\xc6\x12\0" : "\x20\x01\0\x02", 4);
		addr->byte[last] = dst ? 2 : 1;
		return;
	}
	memcpy(addr->byte, range->low, list->size);
	if (!(range->low[last] & 3) && (range->high[last] >= range->low[last] + 3 ||
					memcmp(range->low, range->high, last)))
		addr->byte[last]++;
}

static void set(struct flow *flow, enum flow_field field, const struct list *list)
{
	uint16_t low = 0, high;

	if (!list->size)
		return;
	if (!list_numbers(list, &low, &high))
		low = list->size == 2 ? list->range->low[0] << 8 | list->range->low[1] :
					list->range->low[0];
	flow->field[field] = (struct flow_value){ true, low };
}

/** flow_get() - make a packet that a policy matches */
void flow_get(const struct rule *rule, struct flow *flow)
{
	const struct selector *sel = &rule->sel;

	memset(flow, 0, sizeof(*flow));
	flow->dir = attr_u8(rule->tb[ESPAH_POLICY_DIR], 0);
	pick(&sel->src, sel->family, false, &flow->src);
	pick(&sel->dst, sel->family, true, &flow->dst);
	flow->has_proto = sel->proto;
	flow->proto = sel->proto;
	set(flow, FLOW_SPORT, &sel->sport);
	set(flow, FLOW_DPORT, &sel->dport);
	set(flow, FLOW_TYPE, &sel->type);
	set(flow, FLOW_CODE, &sel->code);
	if (sel->mark.mask)
		flow->field[FLOW_MARK] = (struct flow_value){ true, sel->mark.value };
}

/** addr_same() - Return: whether two addresses are the same */
bool addr_same(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && !memcmp(a->byte, b->byte, addr_size(a->family));
}

/** addr_plain() - Return: whether an address is that of one host, not absent, any or multicast */
bool addr_plain(const struct addr *addr)
{
	static const uint8_t any[16];

	return addr->family && memcmp(addr->byte, any, addr_size(addr->family)) &&
	       (addr->family == AF_INET ? addr->byte[0] < 224 : addr->byte[0] != 0xff);
}

/** file_line() - read the first line of a file into @buf. Return: 0, or -1 */
int file_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	char *got;

	*buf = '\0';
	if (!file)
		return -1;
	got = fgets(buf, size, file);
	fclose(file);
	buf[strcspn(buf, "\n")] = '\0';
	return got ? 0 : -1;
}

/** file_has() - Return: whether a line of a file contains @word */
bool file_has(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) >= 0)
		found = strstr(line, word);
	free(line);
	if (file)
		fclose(file);
	return found;
}
