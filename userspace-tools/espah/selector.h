/* SPDX-License-Identifier: GPL-2.0-only */
/* Selectors and templates: words to attributes, attributes to text. */
#ifndef ESPAH_SELECTOR_H
#define ESPAH_SELECTOR_H

#include <jansson.h>

#include <linux/espah.h>

#include "attr.h"
#include "list.h"

/** SELECTOR_TEXT_MAX - bytes: buffer size for a selector or templates in text */
#define SELECTOR_TEXT_MAX 640

/**
 * struct selector - the packets that a policy matches
 * @family: AF_INET or AF_INET6
 * @src: source
 * @dst: destination
 * @proto: upper-layer protocol, 0: any
 * @sport: source ports; an empty list matches any port
 * @dport: destination ports
 * @type: types of ICMP messages or mobility headers
 * @code: codes of ICMP messages
 * @opaque: match only fragments whose ports are unknown
 * @mark: mark of the packet
 * @dev: name of the outgoing or incoming device; empty: any, or @ifindex
 * @ifindex: its index, if it was given by number; 0: any
 */
struct selector {
	uint8_t family;
	struct list src;
	struct list dst;
	uint8_t proto;
	struct list sport;
	struct list dport;
	struct list type;
	struct list code;
	bool opaque;
	struct mark mark;
	char dev[DEV_TEXT_MAX];
	uint32_t ifindex;
};

/**
 * struct template - the SA that a policy requires
 * In an array of templates, each SA protects the packet of the SA before it.
 * @proto: IPPROTO_ESP or IPPROTO_AH; 0 ends an array that is not full
 * @mode: enum espah_mode
 * @src: outer source address, or none
 * @dst: outer destination address, or none
 * @has_reqid: @reqid was given
 * @reqid: reqid of the SA
 * @vrf: interface index of the VRF of the SA; 0: the VRF of its local address
 */
struct template {
	uint8_t proto;
	uint8_t mode;
	struct addr src;
	struct addr dst;
	bool has_reqid;
	uint32_t reqid;
	uint32_t vrf;
};

void selector_clear(struct selector *sel);
int selector_check(const char *command, const struct selector *sel);
void selector_mirror(struct selector *sel);
bool selector_covers(const struct selector *a, const struct selector *b);
bool selector_meets(const struct selector *a, const struct selector *b);
void selector_put(struct nlmsghdr *nlh, uint16_t type, const struct selector *sel);
void selector_get(const struct nlattr *nest, struct selector *sel);
const char *selector_text(const struct selector *sel, char buf[SELECTOR_TEXT_MAX]);
const char *selector_sides(const struct selector *sel, char buf[SELECTOR_TEXT_MAX]);
const char *selector_traffic(const struct selector *sel, char buf[SELECTOR_TEXT_MAX]);
void selector_fields_write(FILE *out, const struct selector *sel);
bool selector_dev(const struct selector *sel, char buf[DEV_TEXT_MAX]);
void selector_json(const struct selector *sel, json_t *object);

unsigned int template_count(const struct template *tmpl);
void template_mirror(struct template *tmpl);
void template_put(struct nlmsghdr *nlh, uint16_t type, const struct template *tmpl);
void template_get(const struct nlattr *nest, struct template *tmpl);
const char *template_text(const struct template *tmpl, char buf[SELECTOR_TEXT_MAX]);
json_t *template_json(const struct template *tmpl);

#endif /* ESPAH_SELECTOR_H */
