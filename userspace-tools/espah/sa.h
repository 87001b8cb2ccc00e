/* SPDX-License-Identifier: GPL-2.0-only */
/* Security associations: words to a request, answer to text. */
#ifndef ESPAH_SA_H
#define ESPAH_SA_H

#include <jansson.h>

#include "attr.h"
#include "cli.h"
#include "dscp.h"
#include "key.h"
#include "limit.h"
#include "print.h"
#include "tfc.h"

/** enum sa_word - bits for the parts of an SA that a command can specify */
enum sa_word {
	SA_DIR = 1 << 0,
	SA_SPI = 1 << 1,
	SA_SRC = 1 << 2,
	SA_DST = 1 << 3,
	SA_MODE = 1 << 4,
	SA_ALG = 1 << 5,
	SA_KEY = 1 << 6,
	SA_REQID = 1 << 7,
	SA_ESN = 1 << 8,
	SA_WINDOW = 1 << 9,
	SA_DF = 1 << 10,
	SA_SEQ = 1 << 11,
	SA_NOECN = 1 << 12,
	SA_MIN = 1 << 13,
	SA_MAX = 1 << 14,
	SA_SHOW_KEYS = 1 << 15,
	SA_PROTO = 1 << 16,
	SA_DSCP = 1 << 17,
	SA_TTL = 1 << 18,
	SA_DSCP_IN = 1 << 19,
	SA_SOFT = 1 << 20,
	SA_HARD = 1 << 21,
	SA_ENCAP = 1 << 24,
	SA_NEW_SRC = 1 << 25,
	SA_NEW_DST = 1 << 26,
	SA_TFC = 1 << 22,
	SA_DUMMY = 1 << 23,
	SA_LABEL = 1 << 27,
	SA_CPUS = 1 << 28,
	SA_REUSE_KEY = 1 << 29,
	SA_VRF = 1 << 30,
	SA_IF_ID = 1ull << 31,
	SA_MARK = 1ull << 32,
	SA_SEL_MARK = 1ull << 33,
	SA_FOR_DSCP = 1ull << 34,
	SA_SEEN = 1ull << 35,
	SA_IV_MASK = 1ull << 36,
	SA_USED = 1ull << 37,
};

/** SA_ADD_NEEDS - what each SA must have */
#define SA_ADD_NEEDS (SA_DIR | SA_SPI | SA_DST | SA_SRC | SA_MODE | SA_ALG | SA_KEY)
/** SA_PROGRESS - how far an SA has come */
#define SA_PROGRESS (SA_SEQ | SA_SEEN | SA_IV_MASK | SA_USED)
/** SA_ADD_TAKES - what an SA may have */
#define SA_ADD_TAKES (SA_ADD_NEEDS | SA_PROGRESS | SA_REQID | SA_ESN | SA_WINDOW | SA_DF | \
		      SA_NOECN | SA_DSCP | SA_DSCP_IN | SA_TTL | SA_SOFT | SA_HARD | SA_ENCAP | SA_TFC | \
		      SA_DUMMY | SA_LABEL | SA_CPUS | SA_REUSE_KEY | SA_VRF | SA_IF_ID | SA_MARK | \
		      SA_SEL_MARK | SA_FOR_DSCP)

/**
 * struct sa - an SA as described by a command; its owner calls sa_wipe() after use
 * @given: enum sa_word bits
 * @sport: UDP source port of SA_ENCAP; 0: no UDP encapsulation
 * @dport: UDP destination port of SA_ENCAP
 * @seen: hexadecimal digits of ESPAH_SA_SEEN
 * @iv_mask: hexadecimal digits of ESPAH_SA_IV_MASK
 * The other members are the values of the ESPAH_SA_* attributes of the same names.
 * SPIs are in host order.
 */
struct sa {
	uint64_t given;
	uint8_t dir;
	uint8_t proto;
	uint8_t mode;
	uint8_t df;
	uint8_t ttl;
	uint32_t spi;
	uint32_t reqid;
	uint32_t window;
	uint32_t min;
	uint32_t max;
	uint64_t seq;
	uint64_t for_dscp;
	struct dscp dscp;
	struct addr src;
	struct addr dst;
	struct addr new_src;
	struct addr new_dst;
	uint16_t sport;
	uint16_t dport;
	const char *alg;
	const char *label;
	struct key key;
	struct limits soft;
	struct limits hard;
	struct limits used;
	const char *seen;
	const char *iv_mask;
	uint16_t tfc;
	uint16_t cpus;
	uint32_t vrf;
	uint32_t if_id;
	struct mark mark;
	struct mark sel_mark;
	struct dummies dummies;
};

/* sa_words.c */
int sa_read(struct cli *cli, struct args *args, const char *command, uint64_t takes,
	    uint64_t needs, struct sa *sa);
void sa_put(struct nlmsghdr *nlh, const struct sa *sa);
void sa_wipe(struct sa *sa);

/** SA_LINE_MAX - bytes: buffer size for the line of sa_line() */
#define SA_LINE_MAX 640

/* sa_print.c */
void sa_print(const struct nlattr **tb);
void sa_line(const struct nlattr **tb, char *buf, size_t size);
void squeeze(char *text);
json_t *sa_json(const struct nlattr **tb);
/** sa_listing - list of SAs, one line each */
extern const struct listing_kind sa_listing;

#endif /* ESPAH_SA_H */
