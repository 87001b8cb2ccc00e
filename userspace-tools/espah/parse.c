// SPDX-License-Identifier: GPL-2.0-only
/* Numbers, addresses, prefixes, marks, devices and ports: text to value and back. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>

#include <linux/espah.h>

#include "cli.h"
#include "parse.h"
#include "words.h"

/**
 * number_read() - read a decimal number, or hexadecimal after 0x; no sign, blank or trailing text
 * @word: the word that was typed
 * @value: result
 *
 * Return: whether @word is a number.
 */
bool number_read(const char *word, uint64_t *value)
{
	int base = word[0] == '0' && (word[1] == 'x' || word[1] == 'X') ? 16 : 10;
	const char *at = base == 16 ? word + 2 : word;

	*value = 0;
	do {
		int digit = digit_read(*at);

		if (digit < 0 || digit >= base || __builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value))
			return false;
	} while (*++at);
	return true;
}

/**
 * parse_number() - read a number within bounds
 * @what: the keyword before the number, for the error
 * @word: the word that was typed
 * @min: smallest accepted value
 * @max: largest accepted value
 * @value: result
 *
 * Return: 0, or -1 after printing an error.
 */
int parse_number(const char *what, const char *word, uint64_t min, uint64_t max, uint64_t *value)
{
	if (number_read(word, value) && *value >= min && *value <= max)
		return 0;
	error("'%s' cannot be '%s'; it is a number from %" PRIu64 " to %" PRIu64
	      ", decimal or 0x and hexadecimal", what, word, min, max);
	return -1;
}

/** parse_u32() - parse_number() for any 32-bit number */
int parse_u32(const char *what, const char *word, uint32_t *value)
{
	uint64_t n;

	if (parse_number(what, word, 0, UINT32_MAX, &n))
		return -1;
	*value = n;
	return 0;
}

/** parse_if_id() - read the number of a device. Return: 0, or -1 after printing an error */
int parse_if_id(const char *word, uint32_t *if_id)
{
	uint64_t n;

	if (parse_number("if-id", word, 1, UINT32_MAX, &n))
		return -1;
	*if_id = n;
	return 0;
}

/** parse_label() - check a label: printable ASCII, as the kernel accepts */
int parse_label(const char *word, const char **label)
{
	size_t len = strlen(word), i;

	for (i = 0; i < len && word[i] >= ' ' && word[i] <= '~'; i++)
		;
	if (len && i == len && len < 64) {
		*label = word;
		return 0;
	}
	error("a label is 1 to 63 characters of printable ASCII");
	return -1;
}

/** parse_spi() - read an SPI; refuses those that RFC 4303 2.1 reserves */
int parse_spi(const char *what, const char *word, uint32_t *spi)
{
	uint64_t n;

	if (number_read(word, &n) && n >= ESPAH_SPI_MIN && n <= UINT32_MAX) {
		*spi = n;
		return 0;
	}
	error("'%s' cannot be '%s'; it is a number from %u to 0xffffffff, decimal or 0x and hexadecimal (RFC 4303 reserves lower numbers)",
	      what, word, ESPAH_SPI_MIN);
	return -1;
}

/** addr_read() - Return: whether @word is an IP address; stored in *@addr */
bool addr_read(const char *word, struct addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->family = strchr(word, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(addr->family, word, addr->byte) == 1)
		return true;
	addr->family = AF_UNSPEC;
	return false;
}

/** addr_text() - Return: @addr in text, "any" if it is empty; may point into @buf */
const char *addr_text(const struct addr *addr, char buf[ADDR_TEXT_MAX])
{
	if (!addr_size(addr->family))
		return "any";
	inet_ntop(addr->family, addr->byte, buf, ADDR_TEXT_MAX);
	return buf;
}

/** prefix_text() - Return: @prefix in text; a host address without its length */
const char *prefix_text(const struct prefix *prefix, char buf[ADDR_TEXT_MAX])
{
	size_t used;

	if (!addr_size(prefix->addr.family))
		return "any";
	addr_text(&prefix->addr, buf);
	used = strlen(buf);
	if (prefix->len < addr_size(prefix->addr.family) * 8)
		snprintf(buf + used, ADDR_TEXT_MAX - used, "/%u", prefix->len);
	return buf;
}

/** family_text() - Return: "IPv4", "IPv6" or "?" */
const char *family_text(uint8_t family)
{
	return family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "?";
}

/* Whether a packet can have an address; prints an error if not. */
static bool usable(const char *what, const char *word, const struct addr *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (addr->family != AF_INET6 || memcmp(addr->byte, mapped, sizeof(mapped)))
		return true;
	error("the %s cannot be '%s'; packets do not have addresses of ::ffff:0:0/96: write the IPv4 address",
	      what, word);
	return false;
}

/** parse_addr() - read an address; names are not resolved. Return: 0, or -1 (error printed) */
int parse_addr(const char *what, const char *word, struct addr *addr)
{
	if (addr_read(word, addr))
		return usable(what, word, addr) ? 0 : -1;
	if (strchr(word, '%'))
		error("'%s' cannot be '%s'; no interface may follow the address", what,
		      word);
	else if (strchr(word, '/'))
		error("'%s' cannot be '%s'; it is one address, not a prefix", what, word);
	else
		error("'%s' cannot be '%s'; it is an IPv4 or IPv6 address such as 192.0.2.1 or 2001:db8::1",
		      what, word);
	return -1;
}

/* Clears the bits after the first @len bits. Return: whether any of them was set. */
static bool mask(struct addr *addr, unsigned int len)
{
	uint8_t beyond = 0xff >> len % 8, was_set = 0;
	size_t i;

	for (i = len / 8; i < addr_size(addr->family); i++, beyond = 0xff) {
		was_set |= addr->byte[i] & beyond;
		addr->byte[i] &= ~beyond;
	}
	return was_set;
}

/**
 * parse_prefix() - read ADDR, ADDR/LEN, any, any4 or any6
 * @what: "source" or "destination", for the error
 * @word: the word that was typed
 * @prefix: result; AF_UNSPEC for any, any4 and any6
 * @family: result; unchanged for "any"
 *
 * Return: 0, or -1 after printing an error.
 */
int parse_prefix(const char *what, const char *word, struct prefix *prefix, uint8_t *family)
{
	char text[ADDR_TEXT_MAX], meant[ADDR_TEXT_MAX];
	const char *slash = strchr(word, '/');
	uint64_t len;
	size_t size;

	memset(prefix, 0, sizeof(*prefix));
	if (same(word, "any"))
		return 0;
	if (same(word, "any4") || same(word, "any6")) {
		*family = word[3] == '4' ? AF_INET : AF_INET6;
		return 0;
	}
	size = slash ? (size_t)(slash - word) : strlen(word);
	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, word, size);
	text[size] = '\0';
	if (!addr_read(text, &prefix->addr)) {
		error("the %s cannot be '%s'; it is an address, a prefix such as 10.1.0.0/16 or 2001:db8::/32, or any",
		      what, word);
		return -1;
	}
	if (!usable(what, word, &prefix->addr))
		return -1;
	*family = prefix->addr.family;
	prefix->len = addr_size(*family) * 8;
	if (!slash)
		return 0;
	if (!number_read(slash + 1, &len) || len > prefix->len) {
		error("the %s '%s' has no valid prefix length; for %s it is a number from 0 to %u",
		      what, word, family_text(*family), prefix->len);
		return -1;
	}
	prefix->len = len;
	if (mask(&prefix->addr, len)) {
		error("the %s '%s' has bits set beyond its first %u; probably %s%s was meant",
		      what, word, prefix->len, prefix_text(prefix, meant), len ? "" : " or any");
		return -1;
	}
	return 0;
}

/** parse_proto() - read a protocol name or number. Return: 0, or -1 after printing an error */
int parse_proto(const char *word, uint8_t *proto)
{
	uint64_t n;

	if (*word < '0' || *word > '9')
		return word_parse(WORD_PROTO, "proto", word, proto);
	if (parse_number("proto", word, 0, 255, &n))
		return -1;
	*proto = n;
	return 0;
}

/**
 * parse_mark() - read MARK or MARK/MASK
 * @what: the keyword before the mark, for the error
 * @word: the word that was typed
 * @mark: result
 *
 * Return: 0, or -1 after printing an error.
 */
int parse_mark(const char *what, const char *word, struct mark *mark)
{
	const char *slash = strchr(word, '/');
	uint64_t value = 0, mask = UINT32_MAX;
	size_t size = strcspn(word, "/");
	char first[24] = "";

	if (size < sizeof(first))
		memcpy(first, word, size);
	if (!number_read(first, &value) || value > UINT32_MAX ||
	    (slash && (!number_read(slash + 1, &mask) || mask > UINT32_MAX || !mask))) {
		error("'%s' cannot be '%s'; it is a number such as 7 or 0x20, or with a mask 0x20/0xf0",
		      what, word);
		return -1;
	}
	if (value & ~mask) {
		error("the mark '%s' has bits set beyond its mask", word);
		return -1;
	}
	*mark = (struct mark){ value, mask };
	return 0;
}

/** mark_text() - Return: @buf with MARK or MARK/MASK */
const char *mark_text(const struct mark *mark, char buf[24])
{
	if (mark->mask == UINT32_MAX)
		snprintf(buf, 24, "0x%x", mark->value);
	else
		snprintf(buf, 24, "0x%x/0x%x", mark->value, mark->mask);
	return buf;
}

/*
 * Devices that are not there, while that is no error. Their numbers are above all that parse_dev()
 * takes, and are never sent.
 */
#define ABSENT_FIRST 0x80000000U
#define ABSENT_MAX 4096

static struct {
	bool lenient;
	unsigned int count;
	char name[ABSENT_MAX][IF_NAMESIZE];
} absent;

/** dev_lenient() - whether parse_dev() takes the names of devices that are not there */
void dev_lenient(bool lenient)
{
	absent.lenient = lenient;
}

/* Whether @index stands for such a name. */
static bool is_absent(uint32_t index)
{
	return index >= ABSENT_FIRST && index - ABSENT_FIRST < absent.count;
}

/* Return: the number for the name of such a device, or 0. */
static uint32_t absent_index(const char *name)
{
	unsigned int i;

	if (!absent.lenient || !*name || strlen(name) >= IF_NAMESIZE || strchr(name, '/'))
		return 0;
	for (i = 0; i < absent.count; i++)
		if (same(absent.name[i], name))
			return ABSENT_FIRST + i;
	if (absent.count == ABSENT_MAX)
		return 0;
	strcpy(absent.name[absent.count], name);
	return ABSENT_FIRST + absent.count++;
}

/** parse_dev() - read a device name or index. Return: 0, or -1 after printing an error */
int parse_dev(const char *word, uint32_t *index)
{
	uint64_t n;

	*index = if_nametoindex(word);
	if (*index)
		return 0;
	if (!number_read(word, &n)) {
		*index = absent_index(word);
		if (*index)
			return 0;
		refusal("there is no network device '%s' in this network namespace", word);
		return -1;
	}
	if (parse_number("dev", word, 1, INT32_MAX, &n))
		return -1;
	*index = n;
	return 0;
}

static bool later;

/** dev_later() - whether dev_is_there() is content with devices that are not there */
void dev_later(bool is)
{
	later = is;
}

/** dev_is_there() - Return: whether there is a device of this name; if not, an error was printed */
bool dev_is_there(const char *name)
{
	if (later || if_nametoindex(name))
		return true;
	error("there is no network device '%s' in this network namespace", name);
	return false;
}

/**
 * parse_dev_name() - read a device that may be made, or made anew, under its name
 * @word: the word that was typed
 * @name: result: its name, or empty
 * @index: result: its index, if it was given by number and no device has that name; else 0
 *
 * Return: 0, or -1 after printing an error.
 */
int parse_dev_name(const char *word, char name[DEV_TEXT_MAX], uint32_t *index)
{
	uint64_t n;

	*name = '\0';
	*index = 0;
	if (!if_nametoindex(word) && number_read(word, &n))
		return parse_dev(word, index);
	if (!*word || strlen(word) >= IF_NAMESIZE || strpbrk(word, "/: \t") || same(word, ".") ||
	    same(word, "..")) {
		error("'%s' cannot be the name of a device", word);
		return -1;
	}
	strcpy(name, word);
	return 0;
}

/** dev_text() - Return: @buf with the device name, or its index if the device is gone */
const char *dev_text(uint32_t index, char buf[DEV_TEXT_MAX])
{
	if (is_absent(index))
		snprintf(buf, DEV_TEXT_MAX, "%s", absent.name[index - ABSENT_FIRST]);
	else if (!if_indextoname(index, buf))
		snprintf(buf, DEV_TEXT_MAX, "%u", index);
	return buf;
}

/** ports_read() - read A or A-B. Return: whether the syntax is right; A may exceed B */
bool ports_read(const char *word, struct ports *ports)
{
	const char *dash = strchr(word, '-');
	char first[24];
	uint64_t a, b;
	size_t size = dash ? (size_t)(dash - word) : strlen(word);

	first[0] = '\0';
	if (size < sizeof(first)) {
		memcpy(first, word, size);
		first[size] = '\0';
	}
	if (!number_read(first, &a) || a > UINT16_MAX ||
	    (dash && (!number_read(dash + 1, &b) || b > UINT16_MAX)))
		return false;
	*ports = (struct ports){ .set = true, .min = a, .max = dash ? b : a };
	return true;
}

/** parse_ports() - read A or A-B. Return: 0, or -1 after printing an error */
int parse_ports(const char *what, const char *word, struct ports *ports)
{
	if (!ports_read(word, ports)) {
		const struct servent *service = getservbyname(word, NULL);

		if (service)
			error("'%s' cannot be '%s'; ports are numbers: %s is %u", what, word, word,
			      ntohs(service->s_port));
		else
			error("'%s' cannot be '%s'; it is a port or a range such as 443 or 1024-65535",
			      what, word);
		return -1;
	}
	if (ports->max < ports->min) {
		error("'%s' cannot be '%s'; the lower number comes first, as in %u-%u", what, word,
		      ports->max, ports->min);
		return -1;
	}
	return 0;
}
