/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies: words to a request, answer to text. */
#ifndef ESPAH_POLICY_H
#define ESPAH_POLICY_H

#include <jansson.h>

#include "cli.h"
#include "print.h"
#include "selector.h"

/** enum policy_word - bits for the parts of a policy that a command can specify */
enum policy_word {
	POLICY_DIR = 1 << 0,
	POLICY_SRC = 1 << 1,
	POLICY_DST = 1 << 2,
	POLICY_PROTO = 1 << 3,
	POLICY_SPORT = 1 << 4,
	POLICY_DPORT = 1 << 5,
	POLICY_PRIORITY = 1 << 6,
	POLICY_ACTION = 1 << 7,
	POLICY_REQID = 1 << 8,
	POLICY_MSS = 1 << 9,
	POLICY_FAMILY = 1 << 10,
	POLICY_ID = 1 << 11,
	POLICY_TYPE = 1 << 12,
	POLICY_CODE = 1 << 13,
	POLICY_OPAQUE = 1 << 14,
	POLICY_LABEL = 1 << 15,
	POLICY_MARK = 1 << 16,
	POLICY_DEV = 1 << 17,
	POLICY_PFP = 1 << 18,
	POLICY_QUEUE = 1 << 19,
	POLICY_UNREACH = 1 << 20,
	POLICY_VRF = 1 << 21,
	POLICY_IF_ID = 1 << 22,
};

/**
 * struct policy - a policy as described by a command
 * @given: enum policy_word bits
 * @both: configure this outbound policy and its inbound mirror image
 * @replace: replace an equal policy
 * The other members are the values of the ESPAH_POLICY_* attributes of the same names.
 */
struct policy {
	uint32_t given;
	bool both;
	bool replace;
	uint8_t dir;
	uint8_t action;
	uint16_t mss;
	uint32_t pfp;
	uint32_t queue;
	uint32_t id;
	uint32_t priority;
	uint32_t if_id;
	const char *label;
	struct template tmpl[ESPAH_BUNDLE_MAX];
	struct selector sel;
};

/** PFP_WORDS - number of entries of pfp_words */
#define PFP_WORDS 7

/** pfp_words - selector fields that can be taken from the packet; types and codes use port bits */
extern const struct pfp_word {
	const char *word;
	uint32_t bit;
} pfp_words[PFP_WORDS];

/* policy_words.c */
int policy_read(struct args *args, const char *command, bool with_action, struct policy *policy);
void policy_mirror(struct policy *policy);
void policy_put(struct nlmsghdr *nlh, const struct policy *policy);

/* policy_print.c */
void policy_line(const struct nlattr **tb, char *buf, size_t size);
const char *policy_verdict(const struct nlattr **tb, char *buf, size_t size);
json_t *policy_json(const struct nlattr **tb);
/** policy_listing - list of policies */
extern const struct listing_kind policy_listing;

#endif /* ESPAH_POLICY_H */
