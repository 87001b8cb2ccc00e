// SPDX-License-Identifier: GPL-2.0-only
/* Devices of kind "espah": words to a request of rtnetlink. */
#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include <linux/espah.h>

#include "link.h"

/* bytes: IPv4 needs at least MTU_MIN, and no packet is longer than MTU_MAX */
#define MTU_MIN 68
#define MTU_MAX 65535

static const struct {
	const char *word;
	uint32_t bit;
	bool to_add;
	bool to_set;
} keywords[] = {
	{ "if-id", LINK_IF_ID, true, false },
	{ "dev", LINK_DEV, true, true }, { "nodev", LINK_DEV, false, true },
	{ "mtu", LINK_MTU, true, true },
	{ "carrier", LINK_CARRIER, true, true }, { "nocarrier", LINK_CARRIER, false, true },
	{ "up", LINK_UP, true, true }, { "down", LINK_UP, false, true },
};

static bool is_new;

static const char *keyword_name(unsigned int i)
{
	unsigned int j;

	for (j = 0; j < ARRAY_SIZE(keywords); j++)
		if ((is_new ? keywords[j].to_add : keywords[j].to_set) && !i--)
			return keywords[j].word;
	return NULL;
}

static uint32_t keyword(const char *word, bool new)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keywords); i++)
		if (same(keywords[i].word, word))
			return (new ? keywords[i].to_add : keywords[i].to_set) ?
			       keywords[i].bit : 0;
	return 0;
}

static void unknown(const char *word, const char *command, bool new)
{
	is_new = new;
	unknown_word(word, command, keyword_name);
}

/* As the kernel's dev_valid_name(), and without %: the kernel would put a number in its place. */
static bool valid(const char *name)
{
	const char *at;

	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (at = name; *at; at++)
		if (strchr("/:%", *at) || isspace((unsigned char)*at))
			return false;
	return true;
}

/** link_name() - read the name of a device. Return: 0, or -1 after printing an error */
int link_name(struct args *args, const char *command, const char **name)
{
	*name = args_next(args);
	if (!*name) {
		error("%s also needs the name of a device, such as ipsec0", command);
		return -1;
	}
	if (valid(*name))
		return 0;
	error("'%s' cannot be the name of a device; it has 1 to %u characters, without blanks, '/', ':' and '%%'",
	      *name, IFNAMSIZ - 1);
	return -1;
}

/* Return: 0, or -1 after printing an error. */
static int read_one(struct args *args, const char *word, uint32_t bit, struct link *link)
{
	const char *value;
	uint64_t n;

	if (bit == LINK_CARRIER || bit == LINK_UP) {
		*(bit == LINK_UP ? &link->up : &link->carrier) = strcmp(word, "down") &&
								 strcmp(word, "nocarrier");
		return 0;
	}
	if (!strcmp(word, "nodev")) {
		link->dev = 0;
		return 0;
	}
	value = args_value(args, word);
	if (!value)
		return -1;
	if (bit == LINK_DEV)
		return parse_dev(value, &link->dev);
	if (bit == LINK_IF_ID)
		return parse_if_id(value, &link->if_id);
	if (parse_number(word, value, MTU_MIN, MTU_MAX, &n))
		return -1;
	link->mtu = n;
	return 0;
}

/**
 * link_read() - read the name of a device, and the words that describe it, in any order
 * @args: the words; all are consumed
 * @command: "link add" or "link set", for errors
 * @new: the command makes a device, so it needs a number
 * @link: result
 *
 * Return: STATUS_OK or STATUS_USAGE.
 */
int link_read(struct args *args, const char *command, bool new, struct link *link)
{
	const char *word;
	uint32_t bit;

	memset(link, 0, sizeof(*link));
	if (link_name(args, command, &link->name))
		return STATUS_USAGE;
	while ((word = args_next(args))) {
		bit = keyword(word, new);
		if (!bit) {
			unknown(word, command, new);
			return STATUS_USAGE;
		}
		if (bit & link->given) {
			error("'%s' is given twice (or contradicts an earlier word)", word);
			return STATUS_USAGE;
		}
		link->given |= bit;
		if (read_one(args, word, bit, link))
			return STATUS_USAGE;
	}
	if (new && !(link->given & LINK_IF_ID)) {
		error("%s also needs if-id", command);
		return STATUS_USAGE;
	}
	if (!link->given) {
		error("%s also needs an option to change (see 'espah %s --help')", command,
		      command);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/** link_info() - add the given flags to the header of a request */
void link_info(const struct link *link, struct ifinfomsg *info)
{
	if (!(link->given & LINK_UP))
		return;
	info->ifi_change = IFF_UP;
	info->ifi_flags = link->up ? IFF_UP : 0;
}

/**
 * link_put() - add the given parts of a device to a request, except its name and flags
 * @nlh: the request
 * @link: the device
 * @file: it belongs to a configuration file
 */
void link_put(struct nlmsghdr *nlh, const struct link *link, bool file)
{
	struct nlattr *linkinfo, *data;

	if (link->given & LINK_MTU)
		mnl_attr_put_u32(nlh, IFLA_MTU, link->mtu);
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ESPAH_LINK_KIND);
	if (link->given & (LINK_IF_ID | LINK_DEV | LINK_CARRIER) || file) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		if (link->given & LINK_IF_ID)
			mnl_attr_put_u32(nlh, ESPAH_LINK_IF_ID, link->if_id);
		if (link->given & LINK_DEV)
			mnl_attr_put_u32(nlh, ESPAH_LINK_DEV, link->dev);
		if (link->given & LINK_CARRIER)
			mnl_attr_put_u8(nlh, ESPAH_LINK_CARRIER, link->carrier);
		if (file)
			mnl_attr_put_u8(nlh, ESPAH_LINK_OWNER, ESPAH_OWNER_FILE);
		if (file && link->given & LINK_MTU)
			mnl_attr_put_u8(nlh, ESPAH_LINK_MTU_SET, 1);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, linkinfo);
}
