/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rules of nftables do to a packet, judged from their JSON. */
#ifndef ESPAH_RULESET_H
#define ESPAH_RULESET_H

#include <jansson.h>

#include "list.h"

/** enum certainty - which of the packets that are judged a statement is about; the order counts */
enum certainty {
	/** @CERTAINLY_NOT: none */
	CERTAINLY_NOT,
	/** @PERHAPS: it depends on what cannot be judged */
	PERHAPS,
	/** @FOR_SOME: certainly some of them */
	FOR_SOME,
	/** @FOR_ALL: all */
	FOR_ALL,
};

/**
 * struct probe - the packets that are judged: one packet, or all that a selector matches
 * @family: AF_INET or AF_INET6
 * @src: sources
 * @dst: destinations
 * @proto: upper-layer protocol; 0: any
 * @sport: source port; -1: any, or it has none
 * @dport: destination port
 * @iif: device by which it came; NULL: unknown; empty: none
 * @oif: device by which it leaves
 * @known: connection tracking knows its flow; otherwise the packet is the first of its flow
 * @to_host: it is for this host
 * @ipsec: it came by an SA
 */
struct probe {
	uint8_t family;
	struct list src;
	struct list dst;
	uint8_t proto;
	int sport;
	int dport;
	const char *iif;
	const char *oif;
	bool known;
	bool to_host;
	bool ipsec;
};

/**
 * struct judgement - what happens to the packets of a probe
 * @drop: whether they are dropped
 * @nat: whether their source is translated
 * @chain: the base chain that drops or translates, an object of nft; it stays owned by the ruleset
 * @rule: the rule in it, or in a chain that it calls; NULL: the policy of the chain
 * @to: the translated source, as nft writes it; NULL: that of the device, or several
 */
struct judgement {
	enum certainty drop;
	enum certainty nat;
	const json_t *chain;
	const json_t *rule;
	const json_t *to;
};

/**
 * struct hooks - the base chains that are asked
 * @hook: name of the hook, such as "input"
 * @type: "filter" (also for chains of type route) or "nat"
 * @before: only chains with a lower priority
 */
struct hooks {
	const char *hook;
	const char *type;
	int before;
};

json_t *ruleset_index(const json_t *nft);
const json_t *ruleset_part(const json_t *ruleset, const char *part, const json_t *of,
			   const char *name);
void ruleset_judge(const json_t *ruleset, const struct hooks *hooks, const struct probe *probe,
		   struct judgement *judgement);
const char *ruleset_word(const json_t *object, const char *member);

/* ruleset_match.c; @named: set to whether the expression is about the probe's own values */
enum certainty match_expression(const json_t *ruleset, const json_t *rule, const json_t *match,
				const struct probe *probe, bool *named);
enum certainty match_element(const json_t *ruleset, const json_t *rule, const json_t *key,
			     const json_t *element, const struct probe *probe, bool *named);
const json_t *match_set(const json_t *ruleset, const json_t *rule, const json_t *value);

/** both() - Return: the certainty that two independent statements hold */
static inline enum certainty both(enum certainty a, enum certainty b)
{
	return a < b ? a : b;
}

/** either() - Return: the certainty that one of two statements holds */
static inline enum certainty either(enum certainty a, enum certainty b)
{
	return a > b ? a : b;
}

#endif /* ESPAH_RULESET_H */
