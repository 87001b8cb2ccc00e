// SPDX-License-Identifier: GPL-2.0-only
/* espah algo: the supported algorithms, and the drivers that this kernel has for them. */
#include <netinet/in.h>

#include <linux/espah.h>

#include "print.h"
#include "queue.h"
#include "words.h"

const char algo_help[] =
	"espah algo\n"
	"\n"
	"Prints the algorithms that 'sa add' takes: for ESP or AH, bits of the encryption key,\n"
	"bytes of key material to supply (salt and integrity key included), bits of the ICV, and\n"
	"the kernel's driver or the module or option that this kernel lacks.\n"
	"\n"
	"Example (a new key for aes256gcm16, which takes 36 bytes):\n"
	"  espah algo\n"
	"  (umask 077; head -c 36 /dev/urandom | od -An -v -tx1 >site-b.out)\n";

/* bits of the encryption key: the key material without salt and integrity key */
static uint32_t key_bits(const struct nlattr **tb)
{
	return 8 * (attr_u32(tb[ESPAH_ALGO_KEY_LEN], 0) - attr_u32(tb[ESPAH_ALGO_SALT_LEN], 0) -
		    attr_u32(tb[ESPAH_ALGO_AUTH_KEY_LEN], 0));
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
	json_t *algo = json_object();
	unsigned int i;

	json_set(algo, "name", json_string(attr_string(tb[ESPAH_ALGO_NAME], "?")));
	json_set(algo, "proto", json_string(word_of(WORD_PROTO,
		 attr_u8(tb[ESPAH_ALGO_PROTO], IPPROTO_ESP))));
	json_set(algo, "kernel_name", json_string(attr_string(tb[ESPAH_ALGO_KERNEL_NAME], "?")));
	json_set(algo, "key_bits", json_integer(key_bits(tb)));
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		json_set(algo, numbers[i].name, json_integer(attr_u32(tb[numbers[i].attr], 0)));
	if (tb[ESPAH_ALGO_DRIVER])
		json_set(algo, "driver", json_string(attr_string(tb[ESPAH_ALGO_DRIVER], "?")));
	if (tb[ESPAH_ALGO_MISSING])
		json_set(algo, "missing", json_string(attr_string(tb[ESPAH_ALGO_MISSING], "?")));
	return algo;
}

static void add_row(struct table *table, const struct nlattr **tb)
{
	table_text(table, attr_string(tb[ESPAH_ALGO_NAME], "?"));
	table_text(table, word_of(WORD_PROTO, attr_u8(tb[ESPAH_ALGO_PROTO], IPPROTO_ESP)));
	table_cell(table, "%u", key_bits(tb));
	table_cell(table, "%u", attr_u32(tb[ESPAH_ALGO_KEY_LEN], 0));
	table_cell(table, "%u", 8 * attr_u32(tb[ESPAH_ALGO_ICV_LEN], 0));
	table_text(table, attr_string(tb[ESPAH_ALGO_KERNEL_NAME], "?"));
	if (tb[ESPAH_ALGO_DRIVER])
		table_text(table, attr_string(tb[ESPAH_ALGO_DRIVER], "?"));
	else
		table_cell(table, "not in this kernel; needs %s",
			   attr_string(tb[ESPAH_ALGO_MISSING], "?"));
}

static const char *const headings[] = {
	"ALGORITHM", "PROTO", ">KEY BITS", ">KEY BYTES", ">ICV BITS", "KERNEL NAME", "DRIVER", NULL
};

static const struct listing_kind kind = { ESPAH_ALGO_MAX, to_json, add_row, headings };

/** cmd_algo() - espah algo */
int cmd_algo(struct cli *cli, struct args *args)
{
	static struct listing listing;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status = args_end(args, "algo");

	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_ALGO_GET, NLM_F_DUMP);
	listing_start(&listing, &kind, cli->json);
	status = nl_dump(cli->nl, nlh, "algo", 0, listing_add, &listing);
	listing_end(&listing, true);
	return status;
}
