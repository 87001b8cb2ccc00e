// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plugin of iproute2: ip link add NAME type espah if_id N [dev LINK] [carrier on|off]
 *
 * If the device was moved, its LINK is in another network namespace. ip prints "link-netnsid" then,
 * but does not tell us: the name of LINK that we print is that of the same index here.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "link_util.h"

static void help(FILE *file)
{
	fputs("Usage: ... espah if_id N [ dev LINK ] [ carrier { on | off } ]\n"
	      "\n"
	      "Where: N := { 1..4294967295 }, number of the SAs and policies of the device\n"
	      "       LINK := device by which outer packets leave (0: by the route to the peer)\n"
	      "       carrier on: the device has a carrier only while it has an outbound SA\n",
	      file);
}

/* Return: whether @word is a number of at most @max, decimal or 0x and hexadecimal. */
static bool number_read(const char *word, uint32_t max, uint32_t *value)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	const char *digits = hex ? word + 2 : word;
	unsigned long long n;

	if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return false;
	errno = 0;
	n = strtoull(digits, NULL, hex ? 16 : 10);
	*value = n;
	return !errno && n <= max;
}

/* Adds an attribute to the request. Return: 0, or -1 after printing an error. */
static int put(struct nlmsghdr *nlh, uint16_t type, const void *data, size_t size)
{
	struct rtattr *attr = (void *)((char *)nlh + NLMSG_ALIGN(nlh->nlmsg_len));

	if (NLMSG_ALIGN(nlh->nlmsg_len) + RTA_SPACE(size) > LINK_REQUEST_MAX) {
		fputs("Error: the request is too long.\n", stderr);
		return -1;
	}
	memset(attr, 0, RTA_SPACE(size));
	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(attr), data, size);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + RTA_SPACE(size);
	return 0;
}

static int put_if_id(struct nlmsghdr *nlh, const char *word)
{
	uint32_t if_id;

	if (number_read(word, UINT32_MAX, &if_id) && if_id)
		return put(nlh, ESPAH_LINK_IF_ID, &if_id, sizeof(if_id));
	fprintf(stderr,
		"Error: \"if_id\" cannot be \"%s\"; it is a number from 1 to %u, decimal or hexadecimal.\n",
		word, UINT32_MAX);
	return -1;
}

/* A number may be the index of a device in another network namespace, or 0: none. */
static int put_dev(struct nlmsghdr *nlh, const char *word)
{
	uint32_t index = if_nametoindex(word);

	if (index || number_read(word, INT32_MAX, &index))
		return put(nlh, ESPAH_LINK_DEV, &index, sizeof(index));
	fprintf(stderr, "Error: there is no network device \"%s\" in this network namespace.\n",
		word);
	return -1;
}

static int put_carrier(struct nlmsghdr *nlh, const char *word)
{
	uint8_t carrier = !strcmp(word, "on");

	if (carrier || !strcmp(word, "off"))
		return put(nlh, ESPAH_LINK_CARRIER, &carrier, sizeof(carrier));
	fprintf(stderr, "Error: \"carrier\" cannot be \"%s\"; it is on or off.\n", word);
	return -1;
}

static const struct {
	const char *word;
	int (*put)(struct nlmsghdr *nlh, const char *word);
} options[] = {
	{ "if_id", put_if_id }, { "dev", put_dev }, { "carrier", put_carrier },
};

#define OPTIONS (sizeof(options) / sizeof(*options))

static int parse(struct link_util *lu, int argc, char **argv, struct nlmsghdr *nlh)
{
	bool given[OPTIONS] = { false };
	unsigned int i;

	(void)lu;
	for (; argc > 0; argc -= 2, argv += 2) {
		if (!strcmp(*argv, "help")) {
			help(stdout);
			return -1;
		}
		for (i = 0; i < OPTIONS && strcmp(*argv, options[i].word); i++)
			;
		if (i == OPTIONS) {
			fprintf(stderr,
				"Error: \"%s\" is not an option (see \"ip link help espah\").\n",
				*argv);
			return -1;
		}
		if (given[i]) {
			fprintf(stderr, "Error: \"%s\" is given twice.\n", *argv);
			return -1;
		}
		if (argc < 2) {
			fprintf(stderr, "Error: \"%s\" is the last word, but needs a value.\n",
				*argv);
			return -1;
		}
		given[i] = true;
		if (options[i].put(nlh, argv[1]))
			return -1;
	}
	return 0;
}

/* Return: the value of an attribute of @size bytes, 0 if it is absent or has another size */
static uint32_t value(const struct rtattr *attr, size_t size)
{
	uint32_t n = 0;

	if (!attr || RTA_PAYLOAD(attr) != size)
		return 0;
	memcpy(&n, RTA_DATA(attr), size);
	return size == 1 ? *(const uint8_t *)RTA_DATA(attr) : n;
}

static void print(struct link_util *lu, FILE *file, struct rtattr **tb)
{
	bool json = is_json_context && print_color_uint && print_color_string &&
		    print_color_bool && is_json_context();
	uint32_t if_id, dev;
	char name[IF_NAMESIZE];
	bool carrier;

	(void)lu;
	if (!tb)
		return;
	if_id = value(tb[ESPAH_LINK_IF_ID], 4);
	dev = value(tb[ESPAH_LINK_DEV], 4);
	carrier = value(tb[ESPAH_LINK_CARRIER], 1);
	if (dev && !if_indextoname(dev, name))
		snprintf(name, sizeof(name), "%u", dev);
	if (json) {
		print_color_uint(LINK_OUTPUT_JSON, 0, "if_id", NULL, if_id);
		if (dev)
			print_color_string(LINK_OUTPUT_JSON, 0, "dev", NULL, name);
		print_color_bool(LINK_OUTPUT_JSON, 0, "carrier", NULL, carrier);
		return;
	}
	fprintf(file, "if_id %u ", if_id);
	if (dev)
		fprintf(file, "dev %s ", name);
	fprintf(file, "carrier %s ", carrier ? "on" : "off");
}

static void print_help(struct link_util *lu, int argc, char **argv, FILE *file)
{
	(void)lu;
	(void)argc;
	(void)argv;
	help(file);
}

struct link_util espah_link_util = {
	.id = ESPAH_LINK_KIND,
	.maxattr = ESPAH_LINK_MAX,
	.parse_opt = parse,
	.print_opt = print,
	.print_help = print_help,
};
