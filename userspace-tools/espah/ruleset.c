// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the rules of nftables do to a packet: walks through the chains as the kernel does. A rule
 * that may or may not match is followed and also passed by.
 */
#include <limits.h>
#include <stdlib.h>

#include "cli.h"
#include "ruleset.h"

/* calls of chains within calls; the kernel allows 16 */
#define DEPTH_MAX 16

/* bytes: names of tables, chains and sets have up to 255 */
#define KEY_MAX 640

/* The key of a chain or set: names of nft have no blanks. */
static const char *key_of(const json_t *of, const char *name, char buf[KEY_MAX])
{
	snprintf(buf, KEY_MAX, "%s %s %s", ruleset_word(of, "family"), ruleset_word(of, "table"),
		 name);
	return buf;
}

/** ruleset_part() - Return: an array of @part: "rules" of a chain or "sets", in the table of @of */
const json_t *ruleset_part(const json_t *ruleset, const char *part, const json_t *of,
			   const char *name)
{
	char key[KEY_MAX];

	return json_object_get(json_object_get(ruleset, part), key_of(of, name, key));
}

static void add_rule(json_t *rules, json_t *rule)
{
	char key[KEY_MAX];
	json_t *chain;

	key_of(rule, ruleset_word(rule, "chain"), key);
	chain = json_object_get(rules, key);
	if (!chain) {
		chain = json_array();
		json_object_set_new(rules, key, chain);
	}
	json_array_append(chain, rule);
}

/**
 * ruleset_index() - sort what nft lists
 * @nft: what "nft -j list ruleset" prints
 *
 * Return: an object: "chains" and "flowtables", arrays of those; "rules" by chain and the elements
 * of "sets" and maps, for ruleset_part(). NULL: @nft is something else.
 */
json_t *ruleset_index(const json_t *nft)
{
	json_t *rules, *sets, *chains, *flowtables, *item, *at;
	const json_t *all = json_object_get(nft, "nftables");
	char key[KEY_MAX];
	size_t i;

	if (!json_is_array(all))
		return NULL;
	rules = json_object();
	sets = json_object();
	chains = json_array();
	flowtables = json_array();
	json_array_foreach(all, i, item) {
		if ((at = json_object_get(item, "rule")))
			add_rule(rules, at);
		else if ((at = json_object_get(item, "chain")))
			json_array_append(chains, at);
		else if ((at = json_object_get(item, "flowtable")))
			json_array_append(flowtables, at);
		else if ((at = json_object_get(item, "set")) || (at = json_object_get(item, "map")))
			json_object_set(sets, key_of(at, ruleset_word(at, "name"), key),
					json_object_get(at, "elem"));
	}
	return json_pack("{s:o,s:o,s:o,s:o}", "rules", rules, "sets", sets, "chains", chains,
			 "flowtables", flowtables);
}

/**
 * struct walk - a packet on its way through a base chain
 * @ruleset: from ruleset_index()
 * @probe: the packet
 * @base: the base chain
 * @judgement: result
 */
struct walk {
	const json_t *ruleset;
	const struct probe *probe;
	const json_t *base;
	struct judgement *judgement;
};

/**
 * struct way - what is known of the packets that reach a rule
 * @go_on: certainty that packets pass on to the next rule
 * @returned: certainty that packets return to the calling chain
 */
struct way {
	enum certainty go_on;
	enum certainty returned;
};

static enum certainty walk_chain(struct walk *walk, const json_t *in, const char *name,
				 enum certainty reached, unsigned int depth);

static void dropped(struct walk *walk, enum certainty how, const json_t *rule)
{
	if (how <= walk->judgement->drop)
		return;
	walk->judgement->drop = how;
	walk->judgement->chain = walk->base;
	walk->judgement->rule = rule;
}

static void translated(struct walk *walk, enum certainty how, const json_t *rule, const json_t *to)
{
	if (how <= walk->judgement->nat)
		return;
	walk->judgement->nat = how;
	walk->judgement->chain = walk->base;
	walk->judgement->rule = rule;
	walk->judgement->to = json_object_get(to, "addr");
}

/* Packets that leave the chain by a rule: all of those that match it. */
static void leave(struct way *way, enum certainty match)
{
	if (match == FOR_ALL)
		way->go_on = CERTAINLY_NOT;
	else
		way->go_on = both(way->go_on, match);
}

/* Carries out a verdict for packets of which @match is known. Return: whether it was one */
static bool act(struct walk *walk, const json_t *rule, const json_t *verdict, enum certainty match,
		bool named, struct way *way, unsigned int depth)
{
	enum certainty reached = both(way->go_on, match), rest;
	const json_t *to = json_object_get(verdict, "jump");

	if (json_object_get(verdict, "drop") || json_object_get(verdict, "reject")) {
		/* a rule for all packets that cannot be judged, such as a limit, does not count */
		if (match == PERHAPS && !named)
			return true;
		dropped(walk, reached, rule);
		leave(way, match);
	} else if (json_object_get(verdict, "accept") || json_object_get(verdict, "queue")) {
		leave(way, match);
	} else if (json_object_get(verdict, "return")) {
		way->returned = either(way->returned, reached);
		leave(way, match);
	} else if (json_object_get(verdict, "masquerade")) {
		translated(walk, reached, rule, NULL);
		leave(way, match);
	} else if (json_object_get(verdict, "snat")) {
		translated(walk, reached, rule, json_object_get(verdict, "snat"));
		leave(way, match);
	} else if (to || json_object_get(verdict, "goto")) {
		rest = walk_chain(walk, rule,
				  ruleset_word(to ? to : json_object_get(verdict, "goto"), "target"),
				  reached, depth + 1);
		if (!to) {
			way->returned = either(way->returned, rest);
			leave(way, match);
		} else if (match == FOR_ALL) {
			way->go_on = rest;
		} else if (rest != reached) {
			way->go_on = both(way->go_on, match);
		}
	} else {
		return json_object_get(verdict, "continue");
	}
	return true;
}

/* Statements that neither match nor end anything. */
static bool is_idle(const char *name)
{
	static const char *const idle[] = {
		"counter", "log", "mangle", "notrack", "flow", "ct helper", "ct timeout",
		"ct expectation", "secmark", "dup", "last", "set", "map", "tproxy", "synproxy",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(idle); i++)
		if (same(idle[i], name))
			return true;
	return false;
}

/* A map from values to verdicts: each element is a rule of its own. */
static void act_map(struct walk *walk, const json_t *rule, const json_t *map, enum certainty match,
		    bool named, struct way *way, unsigned int depth)
{
	const json_t *data = match_set(walk->ruleset, rule, json_object_get(map, "data")), *pair;
	size_t i;

	json_array_foreach(data, i, pair) {
		bool about = named;
		enum certainty has = match_element(walk->ruleset, rule, json_object_get(map, "key"),
						   json_array_get(pair, 0), walk->probe, &about);

		if (has != CERTAINLY_NOT && way->go_on != CERTAINLY_NOT)
			act(walk, rule, json_array_get(pair, 1), both(match, has), about, way,
			    depth);
	}
}

static void walk_rule(struct walk *walk, const json_t *rule, struct way *way, unsigned int depth)
{
	enum certainty match = FOR_ALL;
	bool named = false, foreign = false;
	const json_t *statement;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, statement) {
		name = json_object_iter_key(json_object_iter((json_t *)statement));
		if (!name || match == CERTAINLY_NOT)
			return;
		if (same(name, "match"))
			match = both(match, match_expression(walk->ruleset, rule,
							     json_object_get(statement, name),
							     walk->probe, &named));
		else if (same(name, "vmap"))
			act_map(walk, rule, json_object_get(statement, name), match, named, way,
				depth);
		else if (is_idle(name) || act(walk, rule, statement, match, named, way, depth))
			continue;
		else
			match = both(match, PERHAPS);
		foreign |= same(name, "xt");
	}
	/* what iptables says in words of its own may be a target */
	if (foreign && match != CERTAINLY_NOT && same(ruleset_word(walk->base, "type"), "nat"))
		translated(walk, both(way->go_on, PERHAPS), rule, NULL);
}

/* Return: the certainty that packets leave the chain at its end, or return */
static enum certainty walk_chain(struct walk *walk, const json_t *in, const char *name,
				 enum certainty reached, unsigned int depth)
{
	struct way way = { .go_on = reached };
	const json_t *rule;
	size_t i;

	if (depth > DEPTH_MAX || reached == CERTAINLY_NOT)
		return reached;
	json_array_foreach(ruleset_part(walk->ruleset, "rules", in, name), i, rule) {
		walk_rule(walk, rule, &way, depth);
		if (way.go_on == CERTAINLY_NOT)
			break;
	}
	return either(way.go_on, way.returned);
}

/* Whether a chain of the netdev family sees packets of a device. nft 1.0.6 does not list its devices. */
static enum certainty sees_device(const json_t *chain, const char *name)
{
	const json_t *dev = json_object_get(chain, "dev"), *one;
	size_t i;

	if (!dev || !name)
		return PERHAPS;
	if (json_is_string(dev))
		return same(json_string_value(dev), name) ? FOR_ALL : CERTAINLY_NOT;
	json_array_foreach(dev, i, one)
		if (json_is_string(one) && same(json_string_value(one), name))
			return FOR_ALL;
	return CERTAINLY_NOT;
}

/* Whether a base chain sees the packets. */
static enum certainty sees(const json_t *chain, const struct hooks *hooks, const struct probe *probe)
{
	const char *family = ruleset_word(chain, "family"), *hook = ruleset_word(chain, "hook");

	if (!same(hook, hooks->hook) ||
	    same(ruleset_word(chain, "type"), "nat") != same(hooks->type, "nat") ||
	    json_integer_value(json_object_get(chain, "prio")) >= hooks->before)
		return CERTAINLY_NOT;
	if (same(hook, "ingress"))
		return sees_device(chain, probe->iif);
	return same(family, "inet") || same(family, probe->family == AF_INET6 ? "ip6" : "ip") ?
	       FOR_ALL : CERTAINLY_NOT;
}

static int by_priority(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "prio"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "prio"));

	return x < y ? -1 : x > y;
}

/**
 * ruleset_judge() - what the base chains of a hook do to packets
 * @ruleset: from ruleset_index()
 * @hooks: which chains
 * @probe: the packets
 * @judgement: result
 */
void ruleset_judge(const json_t *ruleset, const struct hooks *hooks, const struct probe *probe,
		   struct judgement *judgement)
{
	struct walk walk = { .ruleset = ruleset, .probe = probe, .judgement = judgement };
	const json_t *all = json_object_get(ruleset, "chains"), *chain, **chains;
	size_t i, n = 0;

	memset(judgement, 0, sizeof(*judgement));
	chains = calloc(json_array_size(all) + 1, sizeof(*chains));
	if (!chains)
		return;
	json_array_foreach(all, i, chain)
		if (sees(chain, hooks, probe) != CERTAINLY_NOT)
			chains[n++] = chain;
	qsort(chains, n, sizeof(*chains), by_priority);
	for (i = 0; i < n && judgement->drop != FOR_ALL && judgement->nat != FOR_ALL; i++) {
		enum certainty end;

		walk.base = chains[i];
		end = walk_chain(&walk, chains[i], ruleset_word(chains[i], "name"),
				 sees(chains[i], hooks, probe), 0);
		if (same(ruleset_word(chains[i], "policy"), "drop"))
			dropped(&walk, end, NULL);
	}
	free(chains);
}
