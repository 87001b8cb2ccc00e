// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: policies and SAs that do not fit together, and what was dropped. */
#include <inttypes.h>
#include <stdlib.h>

#include "doctor.h"
#include "network.h"
#include "policy.h"
#include "print.h"
#include "reach.h"
#include "sa.h"
#include "spell.h"
#include "stats.h"
#include "words.h"

/* findings of a kind, so that a fault of all policies does not fill screens */
#define TOLD_MAX 32

/**
 * struct rank - a policy in the order in which policies are asked
 * @reach: its packets, and more
 * @policy: index among the policies
 */
struct rank {
	struct reach reach;
	size_t policy;
};

static int by_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->reach.priority != y->reach.priority)
		return x->reach.priority < y->reach.priority ? -1 : 1;
	return x->policy < y->policy ? -1 : x->policy > y->policy;
}

static struct rank *ranks(const struct things *policies)
{
	struct rank *all = calloc(policies->count + 1, sizeof(*all));
	size_t i;

	for (i = 0; all && i < policies->count; i++) {
		reach_of(policies->at[i].nlh, &all[i].reach);
		all[i].policy = i;
	}
	if (all)
		qsort(all, policies->count, sizeof(*all), by_rank);
	return all;
}

static uint8_t action_of(const struct rule *rule)
{
	return attr_u8(rule->tb[ESPAH_POLICY_ACTION], 0xff);
}

static bool same_effect(const struct rule *a, const struct rule *b)
{
	return action_of(a) == action_of(b) && !memcmp(a->tmpl, b->tmpl, sizeof(a->tmpl));
}

/* --- policies that never apply, or whose age decides --- */

static void tell_covered(struct doctor *doctor, const struct rule *first, const struct rule *never)
{
	char text[SELECTOR_TEXT_MAX], other[SELECTOR_TEXT_MAX];
	bool same = same_effect(first, never);
	json_t *finding;

	finding = find(doctor, same ? SEVERITY_NOTE : SEVERITY_WARNING,
		       "%s never applies, because %s, which %s, matches all its packets%s",
		       rule_text(never, text), rule_text(first, other),
		       attr_u32(first->tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT) ==
		       attr_u32(never->tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT) ?
		       "is older" : "has a lower priority number",
		       same ? " and does the same" : "");
	advise(finding, same ? "delete one of them" :
	       "give it a lower priority number than %u, or delete one of them",
	       attr_u32(first->tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT));
	detail(finding, "policy", json_integer(never->thing->id));
	detail(finding, "by", json_integer(first->thing->id));
}

static void tell_age(struct doctor *doctor, const struct rule *first, const struct rule *second)
{
	char text[SELECTOR_TEXT_MAX], other[SELECTOR_TEXT_MAX];
	json_t *finding;

	finding = find(doctor, SEVERITY_NOTE, "%s (%s) and %s (%s) have packets in common and the same priority, so the first decides because it is older",
		       rule_text(first, text), word_of(WORD_ACTION, action_of(first)),
		       rule_text(second, other), word_of(WORD_ACTION, action_of(second)));
	advise(finding, "give them different priorities");
	detail(finding, "policy", json_integer(second->thing->id));
	detail(finding, "by", json_integer(first->thing->id));
}

/* Compares a policy with one that is asked earlier. Return: whether it never applies */
static bool compare_two(struct doctor *doctor, const struct rank *first, const struct rank *second,
			unsigned int *told)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	static struct rule a, b;

	if (!reach_meets(&first->reach, &second->reach))
		return false;
	if (!reach_covers(&first->reach, &second->reach) &&
	    (first->reach.priority != second->reach.priority ||
	     reach_covers(&second->reach, &first->reach)))
		return false;
	rule_get(&policies->at[first->policy], &a);
	rule_get(&policies->at[second->policy], &b);
	if (selector_covers(&a.sel, &b.sel)) {
		tell_covered(doctor, &a, &b);
		++*told;
		return true;
	}
	if (first->reach.priority == second->reach.priority && action_of(&a) != action_of(&b) &&
	    selector_meets(&a.sel, &b.sel) && !selector_covers(&b.sel, &a.sel)) {
		tell_age(doctor, &a, &b);
		++*told;
	}
	return false;
}

static void look_order(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	struct rank *all = ranks(policies);
	unsigned int told = 0;
	size_t i, j;

	for (i = 0; all && i < policies->count && told < TOLD_MAX; i++)
		for (j = 0; j < i && told < TOLD_MAX; j++)
			if (compare_two(doctor, &all[j], &all[i], &told))
				break;
	free(all);
}

/* --- a way without a way back --- */

static void mirror_reach(const struct reach *from, struct reach *to)
{
	*to = *from;
	to->group ^= (uint64_t)(ESPAH_DIR_IN ^ ESPAH_DIR_OUT) << 40;
	to->src = from->dst;
	to->dst = from->src;
}

/* The command that adds the way back of a policy; freed by the caller */
static char *spell_back(const struct rule *rule)
{
	uint8_t dir = attr_u8(rule->tb[ESPAH_POLICY_DIR], 0) == ESPAH_DIR_OUT ? ESPAH_DIR_IN :
									       ESPAH_DIR_OUT;
	uint32_t if_id = attr_u32(rule->tb[ESPAH_POLICY_IF_ID], 0);
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct template tmpl[ESPAH_BUNDLE_MAX];
	static char buf[NL_REQUEST_MAX];
	static struct selector sel;
	struct nlmsghdr *nlh;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	sel = rule->sel;
	memcpy(tmpl, rule->tmpl, sizeof(tmpl));
	selector_mirror(&sel);
	template_mirror(tmpl);
	nlh = msg_start(buf, 0, 0, 0, ESPAH_CMD_POLICY_NEW);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR, dir);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_ACTION, ESPAH_ACTION_PROTECT);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_PRIORITY,
			 attr_u32(rule->tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT));
	selector_put(nlh, ESPAH_POLICY_SELECTOR, &sel);
	template_put(nlh, ESPAH_POLICY_TEMPLATE, tmpl);
	if (if_id)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_IF_ID, if_id);
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	if (!out)
		return NULL;
	spell_policy(out, tb, SPELL_ALL);
	return fclose(out) ? NULL : text;
}

static void tell_one_way(struct doctor *doctor, const struct rule *rule, bool out)
{
	bool device = rule->tb[ESPAH_POLICY_IF_ID];
	bool discards = doctor->state.value[ESPAH_CONFIG_DEFAULT_OUT] == ESPAH_ACTION_DISCARD;
	char text[SELECTOR_TEXT_MAX], *back = spell_back(rule);
	json_t *finding;

	if (out)
		finding = find(doctor, SEVERITY_FAULT, "%s protects what goes out, but no in policy is for the answers, so those that come by an SA are dropped (reason policy)",
			       rule_text(rule, text));
	else
		finding = find(doctor, SEVERITY_FAULT, "%s protects what comes in, but no out policy is for the answers, so these %s",
			       rule_text(rule, text), device ? "are dropped (device_no_policy)" :
			       discards ? "are dropped (discard_out)" : "leave in the clear");
	if (back)
		cure(finding, "espah policy add%s", back);
	free(back);
	detail(finding, "policy", json_integer(rule->thing->id));
}

/* Whether the answers to packets of a policy meet no policy of the other direction. */
static bool is_one_way(const struct doctor *doctor, const struct rank *all, const struct rank *rank,
		       const struct rule *rule)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	static struct selector back;
	static struct rule other;
	struct reach reach;
	size_t i;

	mirror_reach(&rank->reach, &reach);
	back = rule->sel;
	selector_mirror(&back);
	back.mark.mask = 0;
	*back.dev = '\0';
	back.ifindex = 0;
	list_clear(&back.type); /* an answer has another type */
	list_clear(&back.code);
	for (i = 0; i < policies->count; i++) {
		if (!reach_meets(&all[i].reach, &reach))
			continue;
		rule_get(&policies->at[all[i].policy], &other);
		if (selector_meets(&other.sel, &back))
			return false;
	}
	return true;
}

static void look_ways(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	struct rank *all = ranks(policies);
	unsigned int told = 0;
	static struct rule rule;
	struct flow flow;
	size_t i;

	for (i = 0; all && i < policies->count && told < TOLD_MAX; i++) {
		bool out;

		rule_get(&policies->at[all[i].policy], &rule);
		out = rule_protects(&rule, ESPAH_DIR_OUT);
		flow_get(&rule, &flow);
		/* nothing answers to a group, or is sent by one */
		if ((!out && !rule_protects(&rule, ESPAH_DIR_IN)) || !addr_plain(&flow.dst) ||
		    !is_one_way(doctor, all, &all[i], &rule))
			continue;
		tell_one_way(doctor, &rule, out);
		told++;
	}
	free(all);
}

/* --- what comes in clear --- */

/* policies that are asked about: each costs a request */
#define ASKED_MAX 256

/* A policy that drops packets which other hosts send here in clear, to be protected by @rule. */
static bool look_inward(struct doctor *doctor, const struct rule *rule)
{
	const struct nlattr *tb[ESPAH_EXPLAIN_MAX + 1], *policy[ESPAH_POLICY_MAX + 1];
	const struct net_device *inner = inner_device(doctor, rule);
	char text[SELECTOR_TEXT_MAX], other[SELECTOR_TEXT_MAX];
	struct nlmsghdr *answer = NULL;
	static struct selector sel;
	json_t *finding;
	struct flow flow;
	bool found = false;

	/* on a hub, packets come by another SA */
	if (!inner || same(inner->kind, ESPAH_LINK_KIND) ||
	    inner == outer_device(doctor, rule, true))
		return false;
	flow_get(rule, &flow);
	flow.dir = ESPAH_DIR_IN;
	flow.field[FLOW_DEV] = (struct flow_value){ true, inner->index };
	if (!explain_ask(doctor->cli, &flow, &answer) && answer) {
		attr_table(answer, tb, ESPAH_EXPLAIN_MAX);
		found = tb[ESPAH_EXPLAIN_POLICY] && tb[ESPAH_EXPLAIN_DROP] && !tb[ESPAH_EXPLAIN_EXEMPT];
	}
	if (found) {
		attr_nest(tb[ESPAH_EXPLAIN_POLICY], policy, ESPAH_POLICY_MAX);
		selector_get(policy[ESPAH_POLICY_SELECTOR], &sel);
		finding = find(doctor, SEVERITY_FAULT, "packets for %s that come by %s in clear are dropped (%s) by the in policy %u (%s)",
			       rule_text(rule, text), inner->name,
			       attr_string(tb[ESPAH_EXPLAIN_DROP], "?"),
			       attr_u32(policy[ESPAH_POLICY_ID], 0), selector_text(&sel, other));
		advise(finding, "narrow the in policy, or give it the device of the uplink (dev NAME)");
		detail(finding, "policy", json_integer(attr_u32(policy[ESPAH_POLICY_ID], 0)));
		detail(finding, "device", json_string(inner->name));
	}
	free(answer);
	return found;
}

static void look_inwards(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	unsigned int told = 0, asked = 0;
	static struct rule rule;
	size_t i;

	for (i = 0; i < policies->count && told < TOLD_MAX && asked < ASKED_MAX; i++) {
		rule_get(&policies->at[i], &rule);
		if (!rule_protects(&rule, ESPAH_DIR_OUT) || rule.tmpl->mode != ESPAH_MODE_TUNNEL)
			continue;
		asked++;
		told += look_inward(doctor, &rule);
	}
}

/** check_policies() - policies that never apply or contradict; a way without a way back */
void check_policies(struct doctor *doctor)
{
	look_order(doctor);
	look_ways(doctor);
	look_inwards(doctor);
}

/* --- policies and SAs --- */

static bool addr_fits(const struct addr *wanted, const struct list *selected,
		      const struct addr *has, bool several)
{
	struct list one;

	if (wanted->family)
		return addr_same(wanted, has);
	list_set_addr(&one, has, 8 * addr_size(has->family));
	return several || list_covers(selected, &one) || !addr_plain(has);
}

/* Whether a policy can use an SA for one of its templates. */
static bool sa_fits(const struct rule *rule, const struct template *tmpl, const struct assoc *sa)
{
	bool several = template_count(rule->tmpl) > 1;
	bool any = attr_u8(rule->tb[ESPAH_POLICY_OWNER], 0) == ESPAH_OWNER_XFRM && !tmpl->reqid;

	return sa->dir == attr_u8(rule->tb[ESPAH_POLICY_DIR], 0xff) && sa->mode == tmpl->mode &&
	       sa->proto == tmpl->proto && (any || sa->reqid == tmpl->reqid) &&
	       sa->if_id == attr_u32(rule->tb[ESPAH_POLICY_IF_ID], 0) &&
	       addr_fits(&tmpl->src, &rule->sel.src, &sa->src, several) &&
	       addr_fits(&tmpl->dst, &rule->sel.dst, &sa->dst, several);
}

static void tell_no_sa(struct doctor *doctor, const struct rule *rule, bool sure)
{
	bool out = rule_protects(rule, ESPAH_DIR_OUT);
	char text[SELECTOR_TEXT_MAX], src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	json_t *finding;
	struct flow flow;

	flow_get(rule, &flow);
	finding = find(doctor, sure ? SEVERITY_FAULT : SEVERITY_WARNING,
		       "%s has no SA, and %s, so its packets %s",
		       rule_text(rule, text), sure ? "no IKE daemon listens that would make one" :
		       "no IKE daemon is known that would make one",
		       out ? "are dropped (no_sa)" : "cannot come in");
	advise(finding, "start the IKE daemon, or add an SA; 'espah explain %s %s %s' names an SA that nearly fits",
	       out ? "out" : "in", addr_text(&flow.src, src), addr_text(&flow.dst, dst));
	detail(finding, "policy", json_integer(rule->thing->id));
}

static void tell_no_policy(struct doctor *doctor, const struct thing *thing, struct assoc *sa)
{
	bool in = sa->dir == ESPAH_DIR_IN;
	char line[SA_LINE_MAX];
	json_t *finding;

	sa_line(sa->tb, line, sizeof(line));
	squeeze(line);
	finding = find(doctor, in ? SEVERITY_WARNING : SEVERITY_NOTE, "no policy is for the SA %s%s",
		       line, in ? ", so what comes by it is dropped (reason policy)" : "");
	if (in)
		advise(finding, "add an in policy with its addresses and reqid, or delete the SA");
	detail(finding, "sa", json_integer(thing->id));
}

/* Whether a policy lacks an SA; marks those that it can use. */
static bool lacks_sa(const struct rule *rule, const struct assoc *all, size_t count, bool *used)
{
	bool lacks = false, found;
	unsigned int t;
	size_t i;

	for (t = 0; t < template_count(rule->tmpl); t++) {
		for (found = false, i = 0; i < count; i++)
			if (sa_fits(rule, &rule->tmpl[t], &all[i]))
				found = used[i] = true;
		lacks |= !found;
	}
	/* a policy with pfp has others made for it, which have SAs */
	return lacks && !attr_u32(rule->tb[ESPAH_POLICY_PFP], 0);
}

/**
 * struct pairing - policies and the SAs that they can use
 * @sa: all SAs
 * @used: whether a policy can use the SA
 * @unkeyed: number of policies that lack an SA
 */
struct pairing {
	struct assoc *sa;
	bool *used;
	size_t unkeyed;
};

/* Calls @lacking, unless NULL, for each policy without an SA. The caller frees both arrays. */
static void pair(struct doctor *doctor, struct pairing *pairing,
		 void (*lacking)(struct doctor *doctor, const struct rule *rule, bool sure),
		 bool sure)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	const struct things *sas = &doctor->state.things[THING_SA];
	static struct rule rule;
	size_t i;

	pairing->unkeyed = 0;
	pairing->sa = calloc(sas->count + 1, sizeof(*pairing->sa));
	pairing->used = calloc(sas->count + 1, sizeof(*pairing->used));
	if (!pairing->sa || !pairing->used)
		return;
	for (i = 0; i < sas->count; i++)
		assoc_get(&sas->at[i], &pairing->sa[i]);
	for (i = 0; i < policies->count; i++) {
		rule_get(&policies->at[i], &rule);
		if (!lacks_sa(&rule, pairing->sa, sas->count, pairing->used))
			continue;
		if (pairing->unkeyed++ < TOLD_MAX && lacking)
			lacking(doctor, &rule, sure);
	}
}

/** policies_unkeyed() - Return: the number of policies that lack an SA */
size_t policies_unkeyed(struct doctor *doctor)
{
	struct pairing pairing;

	pair(doctor, &pairing, NULL, false);
	free(pairing.sa);
	free(pairing.used);
	return pairing.unkeyed;
}

/** check_sas() - policies without an SA, SAs without a policy */
void check_sas(struct doctor *doctor)
{
	const struct things *sas = &doctor->state.things[THING_SA];
	struct pairing pairing;
	unsigned int told = 0;
	bool sure, listens = daemon_listens(doctor, &sure);
	size_t i;

	pair(doctor, &pairing, listens ? NULL : tell_no_sa, sure);
	for (i = 0; pairing.sa && pairing.used && i < sas->count; i++)
		if (!pairing.used[i] && told++ < TOLD_MAX)
			tell_no_policy(doctor, &sas->at[i], &pairing.sa[i]);
	free(pairing.sa);
	free(pairing.used);
}

/* --- drops --- */

static void tell_drop(const char *name, uint64_t count, const char *text, void *data)
{
	struct doctor *doctor = data;
	json_t *finding;

	/* always dropped, once they have served their purpose */
	if (!count || same(name, "keepalive") || same(name, "dummy"))
		return;
	finding = find(doctor, SEVERITY_NOTE, "%" PRIu64 " packet%s dropped for the reason %s: %s",
		       count, count == 1 ? " was" : "s were", name, text ? text : "?");
	cure(finding, "espah explain reason %s", name);
	detail(finding, "reason", json_string(name));
	detail(finding, "packets", json_u64(count));
}

static int see_stats(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_STATS_MAX + 1];

	attr_table(nlh, tb, ESPAH_STATS_MAX);
	drops_each(tb[ESPAH_STATS_DROPS], tell_drop, data);
	return 0;
}

/** check_drops() - reasons for which packets were dropped */
void check_drops(struct doctor *doctor)
{
	stats_ask(doctor->cli, "doctor", see_stats, doctor);
}
