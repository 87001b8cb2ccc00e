/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers, addresses, prefixes, marks, devices and ports: text to value and back. */
#ifndef ESPAH_PARSE_H
#define ESPAH_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/** ADDR_TEXT_MAX - bytes: buffer size for any address or prefix in text */
#define ADDR_TEXT_MAX 56

/**
 * struct addr - an IP address
 * @family: AF_INET, AF_INET6, or AF_UNSPEC if there is none
 * @byte: the address in network order; 4 or 16 bytes
 */
struct addr {
	uint8_t family;
	uint8_t byte[16];
};

/** struct prefix - an address and the length of its prefix, bits; AF_UNSPEC: any address */
struct prefix {
	struct addr addr;
	uint8_t len;
};

/** DEV_TEXT_MAX - bytes: buffer size for the name of a network device */
#define DEV_TEXT_MAX 17

/** struct mark - a packet mark, compared or set in the bits of @mask; @mask 0: any mark */
struct mark {
	uint32_t value;
	uint32_t mask;
};

/** struct ports - a range of ports, if @set */
struct ports {
	bool set;
	uint16_t min;
	uint16_t max;
};

/** addr_size() - Return: bytes of an address of @family, 0 for an unknown family */
static inline size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

bool addr_read(const char *word, struct addr *addr);
const char *addr_text(const struct addr *addr, char buf[ADDR_TEXT_MAX]);
const char *prefix_text(const struct prefix *prefix, char buf[ADDR_TEXT_MAX]);
const char *family_text(uint8_t family);

/** digit_read() - Return: the value of a hexadecimal digit, -1 for anything else */
static inline int digit_read(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' ^ 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool number_read(const char *word, uint64_t *value);
int parse_number(const char *what, const char *word, uint64_t min, uint64_t max, uint64_t *value);
int parse_u32(const char *what, const char *word, uint32_t *value);
int parse_if_id(const char *word, uint32_t *if_id);
int parse_label(const char *word, const char **label);
int parse_spi(const char *what, const char *word, uint32_t *spi);
int parse_addr(const char *what, const char *word, struct addr *addr);
int parse_prefix(const char *what, const char *word, struct prefix *prefix, uint8_t *family);
int parse_proto(const char *word, uint8_t *proto);
int parse_mark(const char *what, const char *word, struct mark *mark);
const char *mark_text(const struct mark *mark, char buf[24]);
void dev_lenient(bool lenient);
int parse_dev(const char *word, uint32_t *index);
int parse_dev_name(const char *word, char name[DEV_TEXT_MAX], uint32_t *index);
void dev_later(bool later);
bool dev_is_there(const char *name);
const char *dev_text(uint32_t index, char buf[DEV_TEXT_MAX]);
bool ports_read(const char *word, struct ports *ports);
int parse_ports(const char *what, const char *word, struct ports *ports);

#endif /* ESPAH_PARSE_H */
