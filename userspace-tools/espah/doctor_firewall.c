// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: rules that drop ESP, AH or IKE, source NAT ahead of policies, flowtables. */
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "doctor.h"
#include "network.h"
#include "ruleset.h"
#include "words.h"

#define IKE_PORT 500
#define NAT_T_PORT 4500

/* hook of espah in PRE_ROUTING, which takes ESP and AH there with "config direct on" */
#define EARLY_PRIORITY -401

static const char *place(const struct judgement *judgement, char buf[512])
{
	const json_t *chain = judgement->chain, *rule = judgement->rule;

	if (rule)
		snprintf(buf, 512, "the rule with handle %lld of the chain %s (table %s %s)",
			 (long long)json_integer_value(json_object_get(rule, "handle")),
			 ruleset_word(rule, "chain"), ruleset_word(rule, "family"),
			 ruleset_word(rule, "table"));
	else
		snprintf(buf, 512, "the policy of the chain %s (table %s %s)",
			 ruleset_word(chain, "name"), ruleset_word(chain, "family"),
			 ruleset_word(chain, "table"));
	return buf;
}

static void detail_place(json_t *finding, const struct judgement *judgement)
{
	const json_t *handle = json_object_get(judgement->rule, "handle");

	detail(finding, "family", json_string(ruleset_word(judgement->chain, "family")));
	detail(finding, "table", json_string(ruleset_word(judgement->chain, "table")));
	detail(finding, "chain", json_string(ruleset_word(judgement->chain, "name")));
	if (handle)
		detail(finding, "handle", json_incref((json_t *)handle));
}

/* --- rules that drop --- */

/**
 * struct outer - packets between this host and a peer
 * @dir: enum espah_dir
 * @proto: IPPROTO_ESP, IPPROTO_AH or IPPROTO_UDP
 * @wish: a policy asks for them, but there is no SA yet
 * @src: source
 * @dst: destination
 * @if_id: of the SA or policy
 * @sport: UDP source port
 * @dport: UDP destination port
 */
struct outer {
	uint8_t dir;
	uint8_t proto;
	bool wish;
	struct addr src;
	struct addr dst;
	uint32_t if_id;
	uint16_t sport;
	uint16_t dport;
};

/**
 * struct cause - a rule or policy of a chain that drops packets
 * @first: the first packets that it drops
 * @judgement: where
 * @unknown: it drops only flows that connection tracking does not know
 * @peers: number of peers
 */
struct cause {
	struct outer first;
	struct judgement judgement;
	bool unknown;
	unsigned int peers;
};

/** CAUSES_MAX - more causes are not told */
#define CAUSES_MAX 32

struct causes {
	struct cause at[CAUSES_MAX];
	unsigned int count;
};

static int by_outer(const void *a, const void *b)
{
	const struct outer *x = a, *y = b;
	int order = x->dir - y->dir;

	if (!order)
		order = memcmp(&x->src, &y->src, sizeof(x->src));
	if (!order)
		order = memcmp(&x->dst, &y->dst, sizeof(x->dst));
	if (!order)
		order = x->wish - y->wish;
	if (!order)
		order = x->proto - y->proto;
	if (!order)
		order = x->sport - y->sport;
	return order ? order : x->dport - y->dport;
}

static bool same_ends(const struct outer *a, const struct outer *b)
{
	return a->dir == b->dir && addr_same(&a->src, &b->src) && addr_same(&a->dst, &b->dst);
}

static void put_sa(const struct thing *thing, struct outer *outer)
{
	struct assoc assoc;

	assoc_get(thing, &assoc);
	outer->dir = assoc.dir;
	outer->proto = assoc.tb[ESPAH_SA_ENCAP_SPORT] ? IPPROTO_UDP : assoc.proto;
	outer->src = assoc.src;
	outer->dst = assoc.dst;
	outer->if_id = assoc.if_id;
	outer->sport = attr_port(assoc.tb[ESPAH_SA_ENCAP_SPORT], 0);
	outer->dport = attr_port(assoc.tb[ESPAH_SA_ENCAP_DPORT], 0);
}

/* Return: whether the policy names the addresses of an SA */
static bool put_wish(const struct thing *thing, struct outer *outer)
{
	static struct rule rule;
	const struct template *last;

	rule_get(thing, &rule);
	if (!rule_protects(&rule, attr_u8(rule.tb[ESPAH_POLICY_DIR], 0)) ||
	    !template_count(rule.tmpl))
		return false;
	last = &rule.tmpl[template_count(rule.tmpl) - 1];
	outer->dir = attr_u8(rule.tb[ESPAH_POLICY_DIR], 0);
	outer->proto = last->proto;
	outer->wish = true;
	outer->src = last->src;
	outer->dst = last->dst;
	outer->if_id = attr_u32(rule.tb[ESPAH_POLICY_IF_ID], 0);
	return addr_plain(&last->src) && addr_plain(&last->dst);
}

/* What SAs and policies need, in order. Return: NULL: no memory */
static struct outer *collect(const struct doctor *doctor, size_t *count)
{
	const struct things *sas = &doctor->state.things[THING_SA];
	const struct things *policies = &doctor->state.things[THING_POLICY];
	struct outer *all = calloc(sas->count + policies->count + 1, sizeof(*all));
	size_t i, n = 0;

	for (i = 0; all && i < sas->count; i++) {
		put_sa(&sas->at[i], &all[n]);
		n += addr_plain(&all[n].src) && addr_plain(&all[n].dst);
	}
	for (i = 0; all && i < policies->count; i++) {
		memset(&all[n], 0, sizeof(all[n]));
		n += put_wish(&policies->at[i], &all[n]);
	}
	*count = n;
	if (all)
		qsort(all, n, sizeof(*all), by_outer);
	return all;
}

static const char *what(const struct outer *outer, char buf[32])
{
	if (outer->proto != IPPROTO_UDP)
		return outer->proto == IPPROTO_AH ? "AH" : "ESP";
	snprintf(buf, 32, outer->sport == IKE_PORT || outer->sport == NAT_T_PORT ?
		 "UDP port %u" : "ESP in UDP port %u", outer->dport);
	return buf;
}

static bool drops_alike(const struct cause *cause, const struct outer *outer,
			const struct judgement *judgement, bool unknown)
{
	return cause->judgement.chain == judgement->chain &&
	       cause->judgement.rule == judgement->rule && cause->unknown == unknown && cause->first.dir == outer->dir &&
	       cause->first.proto == outer->proto && cause->first.dport == outer->dport;
}

static void add_cause(struct causes *causes, const struct outer *outer,
		      const struct judgement *judgement, bool unknown)
{
	unsigned int i;

	for (i = 0; i < causes->count; i++) {
		if (drops_alike(&causes->at[i], outer, judgement, unknown)) {
			causes->at[i].peers++;
			return;
		}
	}
	if (causes->count < CAUSES_MAX)
		causes->at[causes->count++] = (struct cause){ *outer, *judgement, unknown, 1 };
}

/* The device by which packets come from the peer or go to it; NULL: unknown */
static const char *device_of(struct doctor *doctor, const struct outer *outer)
{
	const struct addr *local = outer->dir == ESPAH_DIR_OUT ? &outer->src : &outer->dst;
	struct net_query query = { .dst = outer->dir == ESPAH_DIR_OUT ? outer->dst : outer->src };
	const struct thing *link = link_find(doctor, outer->if_id);
	const struct net_device *device;
	struct net_route route = { 0 };
	uint32_t lower = 0;

	if (link)
		link_of(link, &lower);
	query.oif = lower ? lower : network_vrf(doctor->network, local);
	if (!lower && (network_route(doctor->cli, &query, &route) || route.error))
		return NULL;
	device = network_device(doctor->network, lower ? lower : route.index);
	return device ? device->name : NULL;
}

static void set_probe(const struct outer *outer, const char *device, struct probe *probe)
{
	bool outward = outer->dir == ESPAH_DIR_OUT, ports = outer->proto == IPPROTO_UDP;

	probe->family = outer->dst.family;
	list_set_addr(&probe->src, &outer->src, 8 * addr_size(outer->src.family));
	list_set_addr(&probe->dst, &outer->dst, 8 * addr_size(outer->dst.family));
	probe->proto = outer->proto;
	probe->sport = ports ? outer->sport : -1;
	probe->dport = ports ? outer->dport : -1;
	probe->iif = outward ? "" : device;
	probe->oif = outward ? device : "";
	probe->known = false;
	probe->to_host = !outward;
}

/* Asks the chains of all hooks that see these packets. */
static void judge(struct doctor *doctor, const struct outer *outer, bool known,
		  struct judgement *judgement)
{
	static const struct hooks in[] = {
		{ "ingress", "filter", INT_MAX }, { "prerouting", "filter", INT_MAX },
		{ "input", "filter", INT_MAX },
	}, in_direct[] = {
		{ "ingress", "filter", INT_MAX }, { "prerouting", "filter", EARLY_PRIORITY },
	}, out[] = {
		{ "output", "filter", INT_MAX }, { "postrouting", "filter", INT_MAX },
	};
	bool outward = outer->dir == ESPAH_DIR_OUT, ports = outer->proto == IPPROTO_UDP;
	bool direct = doctor->state.value[ESPAH_CONFIG_DIRECT] &&
		      !(ports && (outer->sport == IKE_PORT || outer->wish));
	const struct hooks *hooks = outward ? out : direct ? in_direct : in;
	unsigned int n = outward ? direct ? 0 : ARRAY_SIZE(out) :
			 direct ? ARRAY_SIZE(in_direct) : ARRAY_SIZE(in), i;
	static struct probe probe;

	memset(judgement, 0, sizeof(*judgement));
	set_probe(outer, device_of(doctor, outer), &probe);
	probe.known = known;
	for (i = 0; i < n && judgement->drop != FOR_ALL; i++) {
		struct judgement one;

		ruleset_judge(doctor->ruleset, &hooks[i], &probe, &one);
		if (one.drop > judgement->drop)
			*judgement = one;
	}
}

static void look_outer(struct doctor *doctor, const struct outer *outer, struct causes *causes)
{
	struct judgement first, known;

	judge(doctor, outer, false, &first);
	if (first.drop == CERTAINLY_NOT)
		return;
	judge(doctor, outer, true, &known);
	if (known.drop != CERTAINLY_NOT)
		add_cause(causes, outer, &first, false);
	else if (first.drop != PERHAPS)
		add_cause(causes, outer, &first, true);
}

static void tell(struct doctor *doctor, const struct cause *cause)
{
	bool outward = cause->first.dir == ESPAH_DIR_OUT, six = cause->first.dst.family == AF_INET6;
	const struct addr *peer = outward ? &cause->first.dst : &cause->first.src;
	bool sure = cause->judgement.drop == FOR_ALL && !cause->unknown;
	const json_t *chain = cause->judgement.chain;
	char where[512], name[32], text[ADDR_TEXT_MAX], more[40] = "", port[32] = "";
	json_t *finding;

	addr_text(peer, text);
	if (cause->peers > 1)
		snprintf(more, sizeof(more), " and %u other peer%s", cause->peers - 1,
			 cause->peers > 2 ? "s" : "");
	finding = find(doctor, sure ? SEVERITY_FAULT : SEVERITY_WARNING, "%s %s %s %s %s%s%s",
		       place(&cause->judgement, where),
		       cause->judgement.drop == FOR_ALL ? "drops" : "may drop",
		       what(&cause->first, name), outward ? "to" : "from", text, more,
		       !cause->unknown ? "" : outward ? ", unless the peer has sent some first" :
		       ", unless this host has sent some first");
	if (cause->first.proto == IPPROTO_UDP)
		snprintf(port, sizeof(port), "udp dport %u", cause->first.dport);
	cure(finding, "nft insert rule %s %s %s %s %s %s %s accept", ruleset_word(chain, "family"),
	     ruleset_word(chain, "table"), ruleset_word(chain, "name"), six ? "ip6" : "ip",
	     outward ? "daddr" : "saddr", text,
	     *port ? port :
	     cause->first.proto == IPPROTO_AH ? "meta l4proto ah" : "meta l4proto esp");
	detail(finding, "peer", json_string(text));
	detail(finding, "peers", json_integer(cause->peers));
	detail_place(finding, &cause->judgement);
}

/* What an IKE daemon sends to the peer, and gets from it. */
static void look_ike(struct doctor *doctor, const struct outer *outer, struct causes *causes)
{
	struct outer ike = *outer;

	ike.proto = IPPROTO_UDP;
	ike.sport = ike.dport = IKE_PORT;
	ike.wish = true;
	look_outer(doctor, &ike, causes);
	ike.sport = ike.dport = NAT_T_PORT;
	if (outer->proto != IPPROTO_UDP)
		look_outer(doctor, &ike, causes);
}

/* The rules of iptables-legacy are where nft does not see them. */
static void look_legacy(struct doctor *doctor)
{
	char table[64];

	if (file_line("/proc/net/ip_tables_names", table, sizeof(table)) &&
	    file_line("/proc/net/ip6_tables_names", table, sizeof(table)))
		return;
	advise(find(doctor, SEVERITY_SKIPPED, "there are rules of iptables-legacy (table %s), at which nobody looked",
		    table),
	       "use iptables-nft, or check with 'iptables-legacy-save' that they accept ESP, AH and UDP ports 500 and 4500");
}

static void look_guard(struct doctor *doctor)
{
	const json_t *chain;
	size_t i;

	if (!doctor->state.things[THING_POLICY].count)
		return;
	json_array_foreach(json_object_get(doctor->ruleset, "chains"), i, chain) {
		if (!same(ruleset_word(chain, "table"), "espah_guard"))
			continue;
		cure(find(doctor, SEVERITY_FAULT, "the guard (table inet espah_guard) is still there, and drops what the policies protect"),
		     "nft delete table inet espah_guard");
		return;
	}
}

/* --- rules that drop what is within --- */

/* Whether the forward chains drop all packets of a policy, or all answers. */
static bool drops_all(struct doctor *doctor, const struct rule *rule, bool back, bool known,
		      struct judgement *judgement)
{
	static const struct hooks hooks = { "forward", "filter", INT_MAX };
	const struct net_device *inner = inner_device(doctor, rule);
	const struct net_device *outer = outer_device(doctor, rule, back);
	const struct selector *sel = &rule->sel;
	static struct probe probe;

	if (!inner || !outer)
		return false;
	probe.family = sel->family;
	probe.src = back ? sel->dst : sel->src;
	probe.dst = back ? sel->src : sel->dst;
	probe.proto = sel->proto;
	probe.sport = probe.dport = -1;
	probe.iif = back ? outer->name : inner->name;
	probe.oif = back ? inner->name : outer->name;
	probe.known = known;
	probe.ipsec = back;
	ruleset_judge(doctor->ruleset, &hooks, &probe, judgement);
	return judgement->drop == FOR_ALL;
}

/*
 * A firewall may let one side open connections only. But some way must be open for new ones, and both
 * for those that are known. Return: whether there is a finding
 */
static bool look_forward(struct doctor *doctor, const struct rule *rule)
{
	char where[512], text[SELECTOR_TEXT_MAX];
	struct judgement judgement;
	const char *which;
	json_t *finding;

	if (drops_all(doctor, rule, false, true, &judgement))
		which = "all packets";
	else if (drops_all(doctor, rule, true, true, &judgement))
		which = "all answers to packets";
	else if (drops_all(doctor, rule, true, false, &judgement) &&
		 drops_all(doctor, rule, false, false, &judgement))
		which = "all new connections, both ways,";
	else
		return false;
	finding = find(doctor, SEVERITY_FAULT, "%s drops %s of %s", place(&judgement, where), which,
		       rule_text(rule, text));
	advise(finding, "accept them there by their addresses; what came by an SA also matches 'meta ipsec exists'");
	detail(finding, "policy", json_integer(rule->thing->id));
	detail_place(finding, &judgement);
	return true;
}

static void look_forwards(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	static struct rule rule;
	size_t i, told = 0;

	for (i = 0; i < policies->count && told < CAUSES_MAX; i++) {
		rule_get(&policies->at[i], &rule);
		if (rule_protects(&rule, ESPAH_DIR_OUT) && rule.tmpl->mode == ESPAH_MODE_TUNNEL)
			told += look_forward(doctor, &rule);
	}
}

/** check_firewall() - rules of nftables do not drop ESP, AH and IKE */
void check_firewall(struct doctor *doctor)
{
	static struct causes causes;
	struct outer *all;
	size_t count, i;
	bool ike;

	if (!doctor_ruleset(doctor))
		return;
	look_legacy(doctor);
	look_guard(doctor);
	look_forwards(doctor);
	ike = ike_runs();
	causes.count = 0;
	all = collect(doctor, &count);
	for (i = 0; i < count; i++) {
		bool again = i && same_ends(&all[i - 1], &all[i]);

		if (again && (all[i].wish || !by_outer(&all[i - 1], &all[i])))
			continue;
		look_outer(doctor, &all[i], &causes);
		if (ike && !again)
			look_ike(doctor, &all[i], &causes);
	}
	free(all);
	for (i = 0; i < causes.count; i++)
		tell(doctor, &causes.at[i]);
}

/* --- source NAT --- */

/* The source that a policy sees after NAT. Return: whether it is known */
static bool translated(const struct doctor *doctor, const struct judgement *judgement,
		       uint8_t family, const char *device, struct addr *addr)
{
	const struct net_device *by = network_named(doctor->network, device);
	const char *to = json_string_value(judgement->to);
	size_t i;

	if (judgement->to)
		return to && addr_read(to, addr) && addr->family == family;
	for (i = 0; by && i < doctor->network->addresses; i++) {
		*addr = doctor->network->address[i].addr;
		if (doctor->network->address[i].index == by->index && addr->family == family)
			return true;
	}
	return false;
}

/* enum espah_action for a packet of @rule from @src, or -1 */
static int action_from(struct doctor *doctor, const struct rule *rule, const struct addr *src,
		       uint32_t link)
{
	const struct nlattr *tb[ESPAH_EXPLAIN_MAX + 1];
	struct nlmsghdr *answer = NULL;
	struct flow flow;
	int action = -1;

	flow_get(rule, &flow);
	flow.src = *src;
	if (link)
		flow.field[FLOW_DEV] = (struct flow_value){ true, link };
	if (!explain_ask(doctor->cli, &flow, &answer) && answer) {
		attr_table(answer, tb, ESPAH_EXPLAIN_MAX);
		action = attr_u8(tb[ESPAH_EXPLAIN_ACTION], 0xff);
	}
	free(answer);
	return action;
}

static void tell_nat(struct doctor *doctor, const struct rule *rule,
		     const struct judgement *judgement, const char *device, int action)
{
	bool sure = judgement->nat != PERHAPS && action >= 0;
	char where[512], text[SELECTOR_TEXT_MAX], dst[LIST_TEXT_MAX];
	const json_t *chain = judgement->chain;
	json_t *finding;

	finding = find(doctor, sure ? SEVERITY_FAULT : SEVERITY_WARNING,
		       "%s %s the source of %spackets of %s that leave by %s, before policies see them, so they %s",
		       place(judgement, where), sure ? "translates" : "may translate",
		       judgement->nat == FOR_SOME ? "some " : "", rule_text(rule, text), device,
		       action == ESPAH_ACTION_BYPASS ? "leave in the clear" :
		       action == ESPAH_ACTION_DISCARD ? "are dropped" : "may match no policy");
	list_text(&rule->sel.dst, dst);
	if (rule->sel.dst.count == 1)
		cure(finding, "nft insert rule %s %s %s %s daddr %s accept",
		     ruleset_word(chain, "family"), ruleset_word(chain, "table"),
		     ruleset_word(chain, "name"), rule->sel.family == AF_INET6 ? "ip6" : "ip", dst);
	else
		advise(finding, "exempt the destinations of the policy by address, in a rule before it");
	detail(finding, "policy", json_integer(rule->thing->id));
	detail(finding, "device", json_string(device));
	detail_place(finding, judgement);
}

/* Return: whether there is a finding */
static bool look_nat(struct doctor *doctor, const struct rule *rule)
{
	static const struct hooks hooks = { "postrouting", "nat", INT_MAX };
	const struct thing *link = link_find(doctor, attr_u32(rule->tb[ESPAH_POLICY_IF_ID], 0));
	const struct net_device *device = outer_device(doctor, rule, false);
	struct judgement judgement;
	static struct probe probe;
	struct addr src;
	int action = -1;

	if (!device)
		return false;
	probe.family = rule->sel.family;
	probe.src = rule->sel.src;
	probe.dst = rule->sel.dst;
	probe.proto = rule->sel.proto;
	probe.sport = probe.dport = -1;
	probe.oif = device->name;
	ruleset_judge(doctor->ruleset, &hooks, &probe, &judgement);
	if (judgement.nat == CERTAINLY_NOT)
		return false;
	if (translated(doctor, &judgement, rule->sel.family, device->name, &src)) {
		action = action_from(doctor, rule, &src, link ? link->id : 0);
		if (action == ESPAH_ACTION_PROTECT)
			return false;
	}
	tell_nat(doctor, rule, &judgement, device->name, action);
	return true;
}

/* ESP and AH packets, whose source the peer expects. Return: whether there is a finding */
static bool look_outer_nat(struct doctor *doctor, const struct outer *outer)
{
	static const struct hooks hooks = { "postrouting", "nat", INT_MAX };
	const char *device = device_of(doctor, outer);
	char where[512], name[32], peer[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	struct judgement judgement;
	static struct probe probe;
	json_t *finding;
	struct addr src;
	bool known;

	set_probe(outer, device, &probe);
	ruleset_judge(doctor->ruleset, &hooks, &probe, &judgement);
	/* what depends on things that nobody knows is told of the packets within */
	if (judgement.nat < FOR_SOME)
		return false;
	known = translated(doctor, &judgement, outer->src.family, device ? device : "", &src);
	if (known && addr_same(&src, &outer->src))
		return false;
	finding = find(doctor, SEVERITY_FAULT, "%s translates the source of %s to %s, from which the peer does not expect them%s%s",
		       place(&judgement, where), what(outer, name), addr_text(&outer->dst, peer),
		       known ? ": " : "", known ? addr_text(&src, to) : "");
	cure(finding, "nft insert rule %s %s %s %s daddr %s meta l4proto %u accept",
	     ruleset_word(judgement.chain, "family"), ruleset_word(judgement.chain, "table"),
	     ruleset_word(judgement.chain, "name"),
	     outer->dst.family == AF_INET6 ? "ip6" : "ip", peer, outer->proto);
	detail(finding, "peer", json_string(peer));
	detail_place(finding, &judgement);
	return true;
}

/* With "config direct on", no NAT sees these packets. */
static void look_outers(struct doctor *doctor)
{
	struct outer *all;
	size_t count, i, told = 0;

	if (doctor->state.value[ESPAH_CONFIG_DIRECT])
		return;
	all = collect(doctor, &count);
	for (i = 0; i < count && told < CAUSES_MAX; i++)
		if (all[i].dir == ESPAH_DIR_OUT && (!i || !same_ends(&all[i - 1], &all[i])))
			told += look_outer_nat(doctor, &all[i]);
	free(all);
}

/** check_nat() - source NAT does not take packets from the policies */
void check_nat(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	static struct rule rule;
	size_t i, told = 0;

	if (!doctor_ruleset(doctor))
		return;
	for (i = 0; i < policies->count && told < CAUSES_MAX; i++) {
		rule_get(&policies->at[i], &rule);
		if (rule_protects(&rule, ESPAH_DIR_OUT))
			told += look_nat(doctor, &rule);
	}
	look_outers(doctor);
}

/* --- flowtables --- */

static bool has_device(const json_t *flowtable, const char *name)
{
	const json_t *dev = json_object_get(flowtable, "dev"), *one;
	size_t i;

	if (json_is_string(dev))
		return same(json_string_value(dev), name);
	json_array_foreach(dev, i, one)
		if (json_is_string(one) && same(json_string_value(one), name))
			return true;
	return false;
}

/** check_flowtables() - which flows stay out of flowtables */
void check_flowtables(struct doctor *doctor)
{
	const struct things *links = &doctor->state.things[THING_LINK];
	const struct things *policies = &doctor->state.things[THING_POLICY];
	const json_t *flowtable, *all;
	static struct rule rule;
	size_t i, j, plain = 0;
	json_t *finding;
	uint32_t lower;

	if (!doctor_ruleset(doctor))
		return;
	for (i = 0; i < policies->count; i++) {
		rule_get(&policies->at[i], &rule);
		plain += rule_protects(&rule, ESPAH_DIR_OUT) && !rule.tb[ESPAH_POLICY_IF_ID];
	}
	all = json_object_get(doctor->ruleset, "flowtables");
	json_array_foreach(all, i, flowtable) {
		const char *family = ruleset_word(flowtable, "family");
		const char *name = ruleset_word(flowtable, "name");
		const char *table = ruleset_word(flowtable, "table");

		for (j = 0; j < links->count; j++) {
			const char *device = link_of(&links->at[j], &lower);

			if (has_device(flowtable, device))
				continue;
			finding = find(doctor, SEVERITY_NOTE, "the flowtable %s (table %s %s) does not have the device %s, so flows through it may stay out",
				       name, family, table, device);
			advise(finding, "add %s to its devices", device);
			detail(finding, "device", json_string(device));
		}
		if (plain)
			advise(find(doctor, SEVERITY_NOTE, "flows of %zu polic%s without if-id stay out of the flowtable %s (table %s %s)",
				    plain, plain == 1 ? "y" : "ies", name, family, table),
			       "to have them in it, route them into a device of kind espah");
	}
}
