// SPDX-License-Identifier: GPL-2.0-only
/* espah algo: the supported algorithms, and the drivers that this kernel has for them. */
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "algorithm.h"
#include "print.h"
#include "queue.h"
#include "words.h"

const char algo_help[] =
	"espah algo [WORD...]\n"
	"\n"
	"Prints the algorithms that 'sa add' takes, or those that all WORDs describe:\n"
	"esp, ah, recommended, or a part of the name such as gcm.\n"
	"  BITS      of the encryption key\n"
	"  BYTES     of key material to supply, salt and integrity key included\n"
	"  ICV       bits of the integrity check value\n"
	"  RFC 8221  what implementations owe it: MUST and SHOULD are recommended, MUST-\n"
	"            will be given up, SHOULD (IoT) is for small devices, MAY is for\n"
	"            special cases; 'no secrecy': it protects against changes, and\n"
	"            encrypts nothing\n"
	"  FAST      yes: a driver for this processor's own instructions; no: portable\n"
	"            code; missing: this kernel lacks a module or option\n"
	"Then the kernel's driver and name of the algorithm, if there is room or WORDs\n"
	"are given.\n"
	"\n"
	"Where aes256gcm16 or aes128gcm16 is fast, take it; elsewhere chacha20poly1305.\n"
	"\n"
	"Example (and a new key for aes256gcm16, which takes 36 bytes):\n"
	"  espah algo recommended\n"
	"  (umask 077; head -c 36 /dev/urandom | od -An -v -tx1 >site-b.out)\n";

/* bits of the encryption key: the key material without salt and integrity key */
static uint32_t key_bits(const struct nlattr **tb)
{
	return 8 * (attr_u32(tb[ESPAH_ALGO_KEY_LEN], 0) - attr_u32(tb[ESPAH_ALGO_SALT_LEN], 0) -
		    attr_u32(tb[ESPAH_ALGO_AUTH_KEY_LEN], 0));
}

static uint8_t proto_of(const struct nlattr **tb)
{
	return attr_u8(tb[ESPAH_ALGO_PROTO], IPPROTO_ESP);
}

static json_t *to_json(const struct nlattr **tb)
{
	static const struct {
		uint8_t attr;
		const char *name;
	} numbers[] = {
		{ ESPAH_ALGO_KEY_LEN, "key_bytes" }, { ESPAH_ALGO_SALT_LEN, "salt_bytes" },
		{ ESPAH_ALGO_AUTH_KEY_LEN, "auth_key_bytes" }, { ESPAH_ALGO_IV_LEN, "iv_bytes" },
		{ ESPAH_ALGO_ICV_LEN, "icv_bytes" }, { ESPAH_ALGO_BLOCK_LEN, "block_bytes" },
	};
	const char *name = attr_string(tb[ESPAH_ALGO_NAME], "?");
	json_t *algo = json_object();
	enum advice advice;
	unsigned int i;

	json_set(algo, "name", json_string(name));
	json_set(algo, "proto", json_string(word_of(WORD_PROTO, proto_of(tb))));
	json_set(algo, "kernel_name", json_string(attr_string(tb[ESPAH_ALGO_KERNEL_NAME], "?")));
	json_set(algo, "key_bits", json_integer(key_bits(tb)));
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		json_set(algo, numbers[i].name, json_integer(attr_u32(tb[numbers[i].attr], 0)));
	if (algorithm_advice(name, proto_of(tb), &advice))
		json_set(algo, "rfc8221", json_string(advice_text(advice)));
	json_set(algo, "encrypts", json_boolean(algorithm_hides(name, proto_of(tb))));
	if (tb[ESPAH_ALGO_DRIVER]) {
		const char *driver = attr_string(tb[ESPAH_ALGO_DRIVER], "?");

		json_set(algo, "driver", json_string(driver));
		json_set(algo, "fast", json_boolean(driver_fast(driver)));
	}
	if (tb[ESPAH_ALGO_MISSING])
		json_set(algo, "missing", json_string(attr_string(tb[ESPAH_ALGO_MISSING], "?")));
	return algo;
}

static void add_row(struct table *table, const struct nlattr **tb)
{
	const char *name = attr_string(tb[ESPAH_ALGO_NAME], "?");
	const char *driver = attr_string(tb[ESPAH_ALGO_DRIVER], NULL);
	uint8_t proto = proto_of(tb);
	enum advice advice;

	table_text(table, name);
	table_text(table, word_of(WORD_PROTO, proto));
	table_cell(table, "%u", key_bits(tb));
	table_cell(table, "%u", attr_u32(tb[ESPAH_ALGO_KEY_LEN], 0));
	table_cell(table, "%u", 8 * attr_u32(tb[ESPAH_ALGO_ICV_LEN], 0));
	table_cell(table, "%s%s",
		   algorithm_advice(name, proto, &advice) ? advice_text(advice) : "-",
		   proto == IPPROTO_ESP && !algorithm_hides(name, proto) ? ", no secrecy" : "");
	table_text(table, !driver ? "missing" : driver_fast(driver) ? "yes" : "no");
	if (driver)
		table_text(table, driver);
	else
		table_cell(table, "not in this kernel; needs %s",
			   attr_string(tb[ESPAH_ALGO_MISSING], "?"));
	table_text(table, attr_string(tb[ESPAH_ALGO_KERNEL_NAME], "?"));
}

/* of all algorithms, and of those that were asked for */
static const char *const headings[] = {
	"ALGORITHM", "PROTO", ">BITS", ">BYTES", ">ICV", "RFC 8221", "FAST", "?DRIVER",
	"?KERNEL NAME", NULL
}, *const full_headings[] = {
	"ALGORITHM", "PROTO", ">BITS", ">BYTES", ">ICV", "RFC 8221", "FAST", "DRIVER",
	"KERNEL NAME", NULL
};

static const struct listing_kind kind = { ESPAH_ALGO_MAX, to_json, add_row, headings };
static const struct listing_kind full_kind = { ESPAH_ALGO_MAX, to_json, add_row, full_headings };

/**
 * struct filter - the algorithms that are asked for
 * @listing: list of those
 * @words: all of which a name has
 * @found: number of algorithms
 */
struct filter {
	struct listing listing;
	const struct args *words;
	unsigned int found;
};

static bool recommended(const char *name, uint8_t proto)
{
	enum advice advice;

	return algorithm_advice(name, proto, &advice) && advice >= ADVICE_SHOULD &&
	       (proto == IPPROTO_AH || algorithm_hides(name, proto));
}

/* Whether an algorithm has all words. */
static bool fits(const struct filter *filter, const struct nlattr **tb)
{
	const char *name = attr_string(tb[ESPAH_ALGO_NAME], "?");
	const struct args *words = filter->words;
	uint8_t proto;
	bool fit = true;
	int i;

	for (i = words->at; fit && i < words->count; i++) {
		if (word_value(WORD_PROTO, words->word[i], &proto))
			fit = proto == proto_of(tb);
		else if (same(words->word[i], "recommended"))
			fit = recommended(name, proto_of(tb));
		else
			fit = strcasestr(name, words->word[i]);
	}
	return fit;
}

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_ALGO_MAX + 1];
	struct filter *filter = data;

	attr_table(nlh, tb, ESPAH_ALGO_MAX);
	if (!fits(filter, tb))
		return 0;
	if (!filter->found++)
		listing_start(&filter->listing, filter->listing.kind, filter->listing.json);
	return listing_add(nlh, &filter->listing);
}

static int none(const struct args *words)
{
	char meant[ALGORITHM_MAX];
	int i;

	for (i = words->at; i < words->count; i++)
		if (algorithm_suggest(words->word[i], IPPROTO_ESP, meant)) {
			error("no algorithm has '%s' in its name; did you mean '%s'?", words->word[i], meant);
			return STATUS_REFUSED;
		}
	error("no algorithm is described by these words; 'espah algo' lists all");
	return STATUS_REFUSED;
}

/** cmd_algo() - espah algo */
int cmd_algo(struct cli *cli, struct args *args)
{
	static struct filter filter;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status;

	if (args_peek(args) && *args_peek(args) == '-')
		return args_end(args, "algo");
	status = queue_ready(cli);
	if (status)
		return status;
	filter.words = args;
	filter.found = 0;
	filter.listing.json = cli->json;
	filter.listing.kind = args_peek(args) ? &full_kind : &kind;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_ALGO_GET, NLM_F_DUMP);
	status = nl_dump(cli->nl, nlh, "algo", 0, take, &filter);
	if (filter.found)
		listing_end(&filter.listing, true);
	return status || filter.found ? status : none(args);
}
