// SPDX-License-Identifier: GPL-2.0-only
/* espah export: SAs in the formats of other programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/espah.h>

#include "export.h"
#include "file.h"
#include "queue.h"
#include "sa.h"

const char export_help[] =
	"espah export wireshark FILE --show-keys [in|out] [spi SPI] [src ADDR]\n"
	"    [dst ADDR] [reqid N] [if-id N]\n"
	"\n"
	"Writes SAs with their keys as the table with which Wireshark decrypts a capture\n"
	"of the wire. FILE is 'esp_sa' in a configuration folder of Wireshark\n"
	"(~/.config/wireshark), and is made readable for its owner alone; '-' is standard\n"
	"output. SAs that Wireshark cannot decrypt are left out and named on standard\n"
	"error. Decryption also has to be turned on, by the preference 'Attempt to\n"
	"detect/decode encrypted ESP payloads' or by -o, see below.\n"
	"\n"
	"Example:\n"
	"  espah export wireshark ~/.config/wireshark/esp_sa --show-keys\n"
	"  tshark -o esp.enable_encryption_decode:TRUE -r wire.pcap\n";

#define NULL_CIPHER "NULL"
#define NO_CHECK_96 "ANY 96 bit authentication [no checking]"

/**
 * struct cipher - Wireshark's name for the part of a keyword before the dash, or the whole keyword
 * @name: keyword, with N for the length of the key
 * @wireshark: Wireshark's name; NULL: Wireshark does not know this cipher
 */
struct cipher {
	const char *name;
	const char *wireshark;
};

static const struct cipher ciphers[] = {
	{ "aesNgcm8", "AES-GCM with 8 octet ICV [RFC4106]" },
	{ "aesNgcm12", "AES-GCM with 12 octet ICV [RFC4106]" },
	{ "aesNgcm16", "AES-GCM with 16 octet ICV [RFC4106]" },
	{ "aesN", "AES-CBC [RFC3602]" },
	{ "aesNctr", "AES-CTR [RFC3686]" },
	{ "null", NULL_CIPHER },
};

/**
 * struct integrity - Wireshark's name for the part of a keyword after the dash
 * @name: keyword
 * @wireshark: Wireshark's name
 * @key_len: bytes of the integrity key, at the end of the key material
 */
struct integrity {
	const char *name;
	const char *wireshark;
	unsigned int key_len;
};

static const struct integrity integrities[] = {
	{ "sha1", "HMAC-SHA-1-96 [RFC2404]", 20 },
	{ "sha256", "HMAC-SHA-256-128 [RFC4868]", 32 },
	{ "sha384", "HMAC-SHA-384-192 [RFC4868]", 48 },
	{ "sha512", "HMAC-SHA-512-256 [RFC4868]", 64 },
	{ "aesxcbc", NO_CHECK_96, 16 },
	{ "aescmac", NO_CHECK_96, 16 },
};

/* "N" in a pattern stands for digits. */
static bool matches(const char *pattern, const char *word, size_t len)
{
	size_t digits;

	for (; *pattern; pattern++) {
		digits = *pattern == 'N' ? strspn(word, "0123456789") : word[0] == *pattern;
		if (!digits || digits > len)
			return false;
		word += digits;
		len -= digits;
	}
	return !len;
}

static const struct cipher *find_cipher(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (matches(ciphers[i].name, name, len))
			return &ciphers[i];
	return NULL;
}

static const struct integrity *find_integrity(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(integrities); i++)
		if (!strcmp(integrities[i].name, name))
			return &integrities[i];
	return NULL;
}

static const char *hex(const uint8_t *byte, unsigned int len, char buf[2 * ESPAH_KEY_MAX + 3])
{
	unsigned int i;

	snprintf(buf, 3, len ? "0x" : "");
	for (i = 0; i < len; i++)
		snprintf(buf + 2 + 2 * i, 3, "%02x", byte[i]);
	return buf;
}

/**
 * wireshark_line() - format an SA as a line of Wireshark's table "esp_sa"
 * @tb: attributes of the SA
 * @buf: result; it contains the key, so the caller wipes it
 * @size: of @buf, at least WIRESHARK_LINE_MAX
 *
 * Return: NULL, or the reason why there is no line.
 */
const char *wireshark_line(const struct nlattr **tb, char *buf, size_t size)
{
	const char *alg = attr_string(tb[ESPAH_SA_ALG], ""), *dash = strchr(alg, '-');
	const struct cipher *cipher = find_cipher(alg, dash ? (size_t)(dash - alg) : strlen(alg));
	const struct integrity *integrity = dash ? find_integrity(dash + 1) : NULL;
	char src_text[ADDR_TEXT_MAX], dst_text[ADDR_TEXT_MAX];
	char cipher_hex[2 * ESPAH_KEY_MAX + 3], integrity_hex[2 * ESPAH_KEY_MAX + 3];
	unsigned int len, cut;
	struct addr src, dst;
	const uint8_t *key;

	if (attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP) != IPPROTO_ESP)
		return "it encrypts nothing";
	if (!tb[ESPAH_SA_KEY] || !*alg)
		return "it has no keys yet";
	if (!cipher || (dash && !integrity))
		return "Wireshark does not know its algorithm";
	key = mnl_attr_get_payload(tb[ESPAH_SA_KEY]);
	len = mnl_attr_get_payload_len(tb[ESPAH_SA_KEY]);
	cut = integrity ? integrity->key_len : 0;
	if (len > ESPAH_KEY_MAX || len < cut || !attr_addr(tb[ESPAH_SA_SRC], &src) ||
	    !attr_addr(tb[ESPAH_SA_DST], &dst))
		return "the module's description of it cannot be understood";
	snprintf(buf, size, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"%s\",\"%s\",\"%s\"\n",
		 family_text(src.family), addr_text(&src, src_text), addr_text(&dst, dst_text),
		 ntohl(attr_u32(tb[ESPAH_SA_SPI], 0)), cipher->wireshark,
		 hex(key, len - cut, cipher_hex), integrity ? integrity->wireshark : NULL_CIPHER,
		 hex(key + len - cut, cut, integrity_hex));
	explicit_bzero(cipher_hex, sizeof(cipher_hex));
	explicit_bzero(integrity_hex, sizeof(integrity_hex));
	return NULL;
}

/* The output stream of the table, and the number of lines written. */
struct table_file {
	FILE *stream;
	unsigned int lines;
};

static int write_line(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	char line[WIRESHARK_LINE_MAX], name[SA_LINE_MAX];
	struct table_file *file = data;
	const char *why;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	sa_line(tb, name, sizeof(name));
	why = wireshark_line(tb, line, sizeof(line));
	if (why) {
		warning("%s is left out: %s", name, why);
		fprintf(file->stream, "# left out: %s\n", name);
		return 0;
	}
	if (attr_u32(tb[ESPAH_SA_FLAGS], 0) & ESPAH_SA_F_ESN)
		warning("%s: Wireshark can decrypt it, but cannot verify its ICVs, because it does not support ESN",
			name);
	fputs(line, file->stream);
	explicit_bzero(line, sizeof(line));
	file->lines++;
	return ferror(file->stream) ? STATUS_REFUSED : 0;
}

/* The connection, and the SAs that were asked for. */
struct request {
	struct cli *cli;
	const struct sa *sa;
};

static int write_table(FILE *stream, void *data)
{
	struct table_file file = { .stream = stream };
	const struct request *request = data;
	struct nl *nl = request->cli->nl;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status;

	fputs("# Wireshark's table of ESP SAs, by espah: it holds keys\n", stream);
	nlh = nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP);
	sa_put(nlh, request->sa);
	status = nl_dump(nl, nlh, "export", ESPAH_SA_ID, write_line, &file);
	if (!status && !file.lines)
		warning("the table is empty: there is no SA that Wireshark could decrypt");
	return status;
}

/** cmd_export() - espah export */
int cmd_export(struct cli *cli, struct args *args)
{
	struct request request;
	const char *file;
	struct sa sa;
	int status;

	if (!args_take(args, "wireshark")) {
		error("export needs a format: 'espah export wireshark FILE --show-keys'");
		return STATUS_USAGE;
	}
	file = args_value(args, "wireshark");
	if (!file)
		return STATUS_USAGE;
	if (file[0] == '-' && file[1]) {
		error("'%s' is not a file; a file name comes right after 'wireshark' ('-' is standard output)",
		      file);
		return STATUS_USAGE;
	}
	status = sa_read(cli, args, "export", SA_DIR | SA_SPI | SA_SRC | SA_DST | SA_REQID |
			 SA_IF_ID | SA_SHOW_KEYS, 0, &sa);
	if (status)
		return status;
	if (!(sa.given & SA_SHOW_KEYS)) {
		error("the table holds keys, and anybody who has it can read the traffic; add --show-keys to write it");
		return STATUS_USAGE;
	}
	status = queue_ready(cli);
	if (status)
		return status;
	request.cli = cli;
	request.sa = &sa;
	return file_write_secret(file, write_table, &request);
}
