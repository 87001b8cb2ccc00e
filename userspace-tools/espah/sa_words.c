// SPDX-License-Identifier: GPL-2.0-only
/* Security associations: words to a netlink request. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "conf.h"
#include "sa.h"
#include "words.h"

static const struct {
	const char *word;
	uint64_t bit;
} keywords[] = {
	{ "in", SA_DIR }, { "out", SA_DIR }, { "esp", SA_PROTO }, { "ah", SA_PROTO },
	{ "spi", SA_SPI },
	{ "src", SA_SRC }, { "dst", SA_DST }, { "tunnel", SA_MODE }, { "transport", SA_MODE },
	{ "key-file", SA_KEY }, { "key-stdin", SA_KEY }, { "key", SA_KEY },
	{ "key-present", SA_KEY },
	{ "reqid", SA_REQID }, { "esn", SA_ESN }, { "window", SA_WINDOW }, { "df", SA_DF },
	{ "seq", SA_SEQ }, { "noecn", SA_NOECN }, { "min", SA_MIN }, { "max", SA_MAX },
	{ "--show-keys", SA_SHOW_KEYS }, { "dscp", SA_DSCP }, { "ttl", SA_TTL },
	{ "dscp-in", SA_DSCP_IN }, { "soft", SA_SOFT }, { "hard", SA_HARD },
	{ "encap", SA_ENCAP }, { "new-src", SA_NEW_SRC }, { "new-dst", SA_NEW_DST },
	{ "tfc", SA_TFC }, { "dummy", SA_DUMMY }, { "label", SA_LABEL },
	{ "cpus", SA_CPUS }, { "reuse-key", SA_REUSE_KEY },
	{ "vrf", SA_VRF }, { "if-id", SA_IF_ID }, { "set-mark", SA_MARK },
	{ "mark", SA_SEL_MARK }, { "for-dscp", SA_FOR_DSCP },
	{ "seen", SA_SEEN }, { "iv-mask", SA_IV_MASK }, { "used", SA_USED },
};

/* Names of required words for errors, in the order in which users type them. */
static const struct {
	uint32_t bit;
	const char *text;
} needed[] = {
	{ SA_DIR, "in or out" }, { SA_SPI, "spi" }, { SA_SRC, "src" }, { SA_DST, "dst" },
	{ SA_MODE, "tunnel or transport" },
	{ SA_ALG, "an algorithm after the mode (such as aes256gcm16, for AH sha256; 'espah algo' lists them)" },
	{ SA_KEY, "key-file, key-stdin or key" }, { SA_SEQ, "seq" },
};

static uint64_t takes_now;

static const char *keyword_name(unsigned int i)
{
	unsigned int j;

	for (j = 0; j < ARRAY_SIZE(keywords); j++)
		if ((keywords[j].bit & takes_now) && !i--)
			return keywords[j].word;
	return NULL;
}

static uint64_t keyword(const char *word)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keywords); i++)
		if (same(keywords[i].word, word))
			return keywords[i].bit;
	return 0;
}

static int unknown(const char *word, const char *command, uint64_t takes)
{
	takes_now = takes;
	if (same(word, "id"))
		error("'id' is not a word of %s; an SA is named by in or out, esp or ah, spi and dst, as in 'espah sa list'",
		      command);
	else if (takes & SA_ALG && strpbrk(word, "0123456789") && !suggest(word, keyword_name))
		error("'%s' is not a word of %s; if it is the algorithm, it stands right after tunnel or transport",
		      word, command);
	else
		unknown_word(word, command, keyword_name);
	return -1;
}

static int read_key(struct cli *cli, struct args *args, const char *word, struct sa *sa)
{
	const char *file = "-";
	char *value, *path;
	int ret;

	if (!strcmp(word, "key-present")) {
		if (cli->conf || cli->import)
			return STATUS_OK;
		error("'key-present' is for files: it stands for the key that the SA has already");
		return STATUS_USAGE;
	}

	if (strcmp(word, "key-stdin")) {
		value = args_value(args, word);
		if (!value)
			return STATUS_USAGE;
		if (!strcmp(word, "key")) {
			if (cli->batch_readers)
				warning("the file holds keys and can be read by %s; run chmod 600 on it",
					cli->batch_readers);
			cli->batch_readers = NULL;
			return key_read_word(value, &sa->key, !cli->batch) ? STATUS_USAGE : STATUS_OK;
		}
		file = value;
	}
	if (cli->conf && !strcmp(file, "-")) {
		error("a configuration file cannot have a key from standard input; use key-file");
		return STATUS_USAGE;
	}
	if (cli->batch_stdin && !strcmp(file, "-")) {
		error("standard input holds the batch, so it cannot hold the key, too; use key-file");
		return STATUS_USAGE;
	}
	path = cli->conf ? conf_path(cli->conf, file) : strdup(file);
	if (!path) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	ret = key_read_file(path, &sa->key);
	free(path);
	if (ret && cli->conf)
		cli->conf->unreadable = true;
	return ret ? STATUS_REFUSED : STATUS_OK;
}

static int read_window(const char *value, uint32_t *window)
{
	uint64_t n;

	if (number_read(value, &n) &&
	    (!n || (n >= ESPAH_WINDOW_MIN && n <= ESPAH_WINDOW_MAX))) {
		*window = n;
		return 0;
	}
	error("'window' cannot be '%s'; it is 0 (no replay check) or a number from %u to %u packets",
	      value, ESPAH_WINDOW_MIN, ESPAH_WINDOW_MAX);
	return -1;
}

/* Reads hexadecimal digits of a multiple of 8 bytes, up to @max; they stay text. */
static int read_hex(const char *word, const char *value, unsigned int max, const char **digits)
{
	size_t count;

	*digits = value + (!strncmp(value, "0x", 2) ? 2 : 0);
	for (count = 0; digit_read((*digits)[count]) >= 0; count++)
		;
	if (!(*digits)[count] && count && !(count % 16) && count <= 2 * max)
		return 0;
	if (max == 8)
		error("'%s' cannot be '%.40s'; it is 16 hexadecimal digits", word, value);
	else
		error("'%s' cannot be '%.40s'; it is hexadecimal digits, 16 for each 64 packets of the window",
		      word, value);
	return -1;
}

static int read_ttl(const char *value, uint8_t *ttl)
{
	uint64_t n;

	if (parse_number("ttl", value, 1, UINT8_MAX, &n))
		return -1;
	*ttl = n;
	return 0;
}

static int read_cpus(const char *value, uint16_t *cpus)
{
	uint64_t n = 0;

	if (strcmp(value, "auto") && parse_number("cpus", value, 1, UINT16_MAX, &n))
		return -1;
	*cpus = n;
	return 0;
}

/* Return: 0, or -1 after printing an error. */
static int read_value(const char *word, const char *value, uint64_t bit, struct sa *sa)
{
	switch (bit) {
	case SA_SPI:
		return parse_spi(word, value, &sa->spi);
	case SA_MIN:
		return parse_spi(word, value, &sa->min);
	case SA_MAX:
		return parse_spi(word, value, &sa->max);
	case SA_SRC:
		return parse_addr(word, value, &sa->src);
	case SA_DST:
		return parse_addr(word, value, &sa->dst);
	case SA_NEW_SRC:
		return parse_addr(word, value, &sa->new_src);
	case SA_NEW_DST:
		return parse_addr(word, value, &sa->new_dst);
	case SA_REQID:
		return parse_u32(word, value, &sa->reqid);
	case SA_WINDOW:
		return read_window(value, &sa->window);
	case SA_DF:
		return word_parse(WORD_DF, word, value, &sa->df);
	case SA_TFC:
		return tfc_read(value, &sa->tfc);
	case SA_CPUS:
		return read_cpus(value, &sa->cpus);
	case SA_SEEN:
		return read_hex(word, value, ESPAH_WINDOW_MAX / 8, &sa->seen);
	case SA_IV_MASK:
		return read_hex(word, value, 8, &sa->iv_mask);
	case SA_SEQ:
		return parse_number(word, value, 0, UINT64_MAX, &sa->seq);
	case SA_DSCP:
		return dscp_parse(value, &sa->dscp);
	case SA_TTL:
		return read_ttl(value, &sa->ttl);
	case SA_VRF:
		return parse_dev(value, &sa->vrf);
	case SA_IF_ID:
		return parse_if_id(value, &sa->if_id);
	case SA_MARK:
		return parse_mark(word, value, &sa->mark);
	case SA_SEL_MARK:
		return parse_mark(word, value, &sa->sel_mark);
	case SA_FOR_DSCP:
		return dscp_set_parse(value, &sa->for_dscp);
	case SA_LABEL:
		return parse_label(value, &sa->label);
	}
	return -1;
}

/* Reads "udp SPORT DPORT", or "off" if the command accepts it. */
static int read_encap(struct args *args, uint64_t takes, struct sa *sa)
{
	const char *kind = args_value(args, "encap"), *value;
	bool off = takes & SA_NEW_SRC;
	uint64_t port[2] = { 0, 0 };
	unsigned int i;

	if (!kind)
		return -1;
	if (strcmp(kind, "udp") && !(off && !strcmp(kind, "off"))) {
		error("'encap' cannot be '%s'; it is udp SPORT DPORT%s", kind, off ? ", or off" : "");
		return -1;
	}
	for (i = 0; i < 2 && !strcmp(kind, "udp"); i++) {
		value = args_value(args, "encap udp");
		if (!value || parse_number("encap udp", value, 1, UINT16_MAX, &port[i]))
			return -1;
	}
	sa->sport = port[0];
	sa->dport = port[1];
	return 0;
}

/* Reads the algorithm: the word after the mode, unless it is a keyword. The kernel checks it. */
static int read_alg(struct args *args, struct sa *sa)
{
	const char *next = args_peek(args);

	if (!next || keyword(next))
		return 0;
	if (strlen(next) > 63) {
		error("the algorithm name '%.20s...' is too long; 'espah algo' lists them all",
		      next);
		return -1;
	}
	sa->alg = args_next(args);
	sa->given |= SA_ALG;
	return 0;
}

static int read_one(struct cli *cli, struct args *args, const char *word, uint64_t bit,
		    uint64_t takes, struct sa *sa)
{
	const char *value;

	if (cli->conf && bit & (SA_SEEN | SA_IV_MASK | SA_USED)) {
		error("'%s' is not for configuration files: it says how far an SA has come", word);
		return STATUS_USAGE;
	}
	switch (bit) {
	case SA_DIR:
		return word_parse(WORD_DIR, "direction", word, &sa->dir) ? STATUS_USAGE : 0;
	case SA_MODE:
		if (word_parse(WORD_MODE, "mode", word, &sa->mode))
			return STATUS_USAGE;
		return takes & SA_ALG && read_alg(args, sa) ? STATUS_USAGE : STATUS_OK;
	case SA_KEY:
		return read_key(cli, args, word, sa);
	case SA_SOFT:
		return limits_read(args, word, &sa->soft) ? STATUS_USAGE : STATUS_OK;
	case SA_HARD:
		return limits_read(args, word, &sa->hard) ? STATUS_USAGE : STATUS_OK;
	case SA_USED:
		return limits_read(args, word, &sa->used) ? STATUS_USAGE : STATUS_OK;
	case SA_ENCAP:
		return read_encap(args, takes, sa) ? STATUS_USAGE : STATUS_OK;
	case SA_DUMMY:
		return dummies_read(args, &sa->dummies) ? STATUS_USAGE : STATUS_OK;
	case SA_PROTO:
		return word_value(WORD_PROTO, word, &sa->proto) ? STATUS_OK : STATUS_USAGE;
	case SA_ESN:
	case SA_NOECN:
	case SA_DSCP_IN:
	case SA_REUSE_KEY:
	case SA_SHOW_KEYS:
		return STATUS_OK;
	}
	value = args_value(args, word);
	return !value || read_value(word, value, bit, sa) ? STATUS_USAGE : STATUS_OK;
}

static int check(const char *command, uint64_t needs, const struct sa *sa)
{
	char list[256] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!(needs & ~sa->given & needed[i].bit))
			continue;
		strcat(list, *list ? ", " : "");
		strcat(list, needed[i].text);
	}
	if (*list) {
		error("%s also needs %s", command, list);
		return STATUS_USAGE;
	}
	if (sa->src.family && sa->dst.family && sa->src.family != sa->dst.family) {
		error("src is %s, but dst is %s; both ends of an SA are of one family",
		      family_text(sa->src.family), family_text(sa->dst.family));
		return STATUS_USAGE;
	}
	if (sa->new_src.family && sa->new_dst.family &&
	    sa->new_src.family != sa->new_dst.family) {
		error("new-src is %s, but new-dst is %s; both ends of an SA are of one family",
		      family_text(sa->new_src.family), family_text(sa->new_dst.family));
		return STATUS_USAGE;
	}
	if ((sa->given & SA_MIN) && (sa->given & SA_MAX) && sa->min > sa->max) {
		error("min 0x%x is above max 0x%x", sa->min, sa->max);
		return STATUS_USAGE;
	}
	return limits_check(&sa->soft, &sa->hard) ? STATUS_USAGE : STATUS_OK;
}

/**
 * sa_read() - read the words that describe an SA, in any order
 * @cli: state
 * @args: the words; all are consumed
 * @command: such as "sa add", for errors
 * @takes: enum sa_word bits that the command accepts; "esp" and "ah" are always accepted
 * @needs: enum sa_word bits that the command requires
 * @sa: result; the caller wipes it
 *
 * Return: a STATUS_*.
 */
int sa_read(struct cli *cli, struct args *args, const char *command, uint64_t takes,
	    uint64_t needs, struct sa *sa)
{
	const char *word;
	uint64_t bit;
	int status;

	memset(sa, 0, sizeof(*sa));
	takes |= SA_PROTO;
	while ((word = args_next(args))) {
		bit = keyword(word);
		if (!bit) {
			unknown(word, command, takes);
			return STATUS_USAGE;
		}
		if (!(bit & takes)) {
			error("%s does not take '%s' (see 'espah %s --help')", command, word,
			      command);
			return STATUS_USAGE;
		}
		if (bit & sa->given & ~(SA_SOFT | SA_HARD | SA_USED)) {
			error("'%s' is given twice (or contradicts an earlier word)", word);
			return STATUS_USAGE;
		}
		sa->given |= bit;
		status = read_one(cli, args, word, bit, takes, sa);
		if (status)
			return status;
	}
	return check(command, needs, sa);
}

static void put_mark(struct nlmsghdr *nlh, const struct mark *mark, uint16_t type, uint16_t mask)
{
	mnl_attr_put_u32(nlh, type, mark->value);
	if (mark->mask != UINT32_MAX)
		mnl_attr_put_u32(nlh, mask, mark->mask);
}

static void put_hex(struct nlmsghdr *nlh, uint16_t type, const char *digits)
{
	uint8_t byte[ESPAH_WINDOW_MAX / 8];
	size_t i, size = strlen(digits) / 2;

	for (i = 0; i < size; i++)
		byte[i] = digit_read(digits[2 * i]) << 4 | digit_read(digits[2 * i + 1]);
	mnl_attr_put(nlh, type, size, byte);
}

/** sa_put() - add the given parts of an SA to a request */
void sa_put(struct nlmsghdr *nlh, const struct sa *sa)
{
	uint32_t flags = 0;

	if (sa->given & SA_DIR)
		mnl_attr_put_u8(nlh, ESPAH_SA_DIR, sa->dir);
	if (sa->given & SA_PROTO)
		mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, sa->proto);
	if (sa->given & SA_SPI)
		mnl_attr_put_u32(nlh, ESPAH_SA_SPI, htonl(sa->spi));
	if (sa->given & SA_SRC)
		put_addr(nlh, ESPAH_SA_SRC, &sa->src);
	if (sa->given & SA_DST)
		put_addr(nlh, ESPAH_SA_DST, &sa->dst);
	if (sa->given & SA_MODE)
		mnl_attr_put_u8(nlh, ESPAH_SA_MODE, sa->mode);
	if (sa->given & SA_ALG)
		mnl_attr_put_strz(nlh, ESPAH_SA_ALG, sa->alg);
	if (sa->given & SA_KEY && sa->key.len)
		mnl_attr_put(nlh, ESPAH_SA_KEY, sa->key.len, sa->key.byte);
	if (sa->given & SA_REQID)
		mnl_attr_put_u32(nlh, ESPAH_SA_REQID, sa->reqid);
	if (sa->given & SA_ESN)
		flags |= ESPAH_SA_F_ESN;
	if (sa->given & SA_NOECN)
		flags |= ESPAH_SA_F_NOECN;
	if (sa->given & SA_DSCP_IN)
		flags |= ESPAH_SA_F_DSCP_IN;
	if (sa->given & SA_REUSE_KEY)
		flags |= ESPAH_SA_F_REUSE_KEY;
	if (flags)
		mnl_attr_put_u32(nlh, ESPAH_SA_FLAGS, flags);
	if (sa->given & SA_WINDOW)
		mnl_attr_put_u32(nlh, ESPAH_SA_WINDOW, sa->window);
	if (sa->given & SA_DF)
		mnl_attr_put_u8(nlh, ESPAH_SA_DF, sa->df);
	if (sa->given & SA_SEQ)
		mnl_attr_put_u64(nlh, ESPAH_SA_SEQ, sa->seq);
	if (sa->dscp.len)
		mnl_attr_put(nlh, ESPAH_SA_DSCP, sa->dscp.len, sa->dscp.byte);
	if (sa->given & SA_TTL)
		mnl_attr_put_u8(nlh, ESPAH_SA_TTL, sa->ttl);
	if (sa->given & SA_MIN)
		mnl_attr_put_u32(nlh, ESPAH_SA_SPI_MIN, htonl(sa->min));
	if (sa->given & SA_MAX)
		mnl_attr_put_u32(nlh, ESPAH_SA_SPI_MAX, htonl(sa->max));
	if (sa->given & SA_NEW_SRC)
		put_addr(nlh, ESPAH_SA_NEW_SRC, &sa->new_src);
	if (sa->given & SA_NEW_DST)
		put_addr(nlh, ESPAH_SA_NEW_DST, &sa->new_dst);
	if (sa->given & SA_ENCAP) {
		put_port(nlh, ESPAH_SA_ENCAP_SPORT, sa->sport);
		put_port(nlh, ESPAH_SA_ENCAP_DPORT, sa->dport);
	}
	if (sa->given & SA_LABEL)
		mnl_attr_put_strz(nlh, ESPAH_SA_LABEL, sa->label);
	if (sa->given & SA_SHOW_KEYS)
		mnl_attr_put(nlh, ESPAH_SA_SHOW_KEYS, 0, NULL);
	if (sa->given & SA_TFC)
		mnl_attr_put_u16(nlh, ESPAH_SA_TFC, sa->tfc);
	if (sa->given & SA_CPUS)
		mnl_attr_put_u16(nlh, ESPAH_SA_CPUS, sa->cpus);
	if (sa->given & SA_VRF)
		mnl_attr_put_u32(nlh, ESPAH_SA_VRF, sa->vrf);
	if (sa->given & SA_IF_ID)
		mnl_attr_put_u32(nlh, ESPAH_SA_IF_ID, sa->if_id);
	if (sa->given & SA_MARK)
		put_mark(nlh, &sa->mark, ESPAH_SA_MARK, ESPAH_SA_MARK_MASK);
	if (sa->given & SA_SEL_MARK)
		put_mark(nlh, &sa->sel_mark, ESPAH_SA_SEL_MARK, ESPAH_SA_SEL_MARK_MASK);
	if (sa->given & SA_FOR_DSCP)
		mnl_attr_put_u64(nlh, ESPAH_SA_FOR_DSCP, sa->for_dscp);
	if (sa->given & SA_DUMMY)
		mnl_attr_put_u32(nlh, sa->dummies.random ? ESPAH_SA_DUMMY_RANDOM : ESPAH_SA_DUMMY,
				 sa->dummies.interval);
	if (sa->given & SA_SOFT)
		limits_put(nlh, ESPAH_SA_SOFT, &sa->soft);
	if (sa->given & SA_HARD)
		limits_put(nlh, ESPAH_SA_HARD, &sa->hard);
	if (sa->given & SA_USED)
		limits_put(nlh, ESPAH_SA_USED, &sa->used);
	if (sa->given & SA_SEEN)
		put_hex(nlh, ESPAH_SA_SEEN, sa->seen);
	if (sa->given & SA_IV_MASK)
		put_hex(nlh, ESPAH_SA_IV_MASK, sa->iv_mask);
}

/** sa_wipe() - overwrite the key */
void sa_wipe(struct sa *sa)
{
	key_wipe(&sa->key);
}
