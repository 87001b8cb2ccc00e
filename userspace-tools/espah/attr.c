// SPDX-License-Identifier: GPL-2.0-only
/* Conversion between netlink attributes and our types. Received attributes are not trusted. */
#include <arpa/inet.h>
#include <string.h>

#include <linux/espah.h>

#include "attr.h"

/**
 * attr_table() - sort the attributes of a message by type
 * @nlh: a generic-netlink message
 * @tb: result, @max + 1 pointers; NULL: absent. Unknown types are skipped, so
 *      that a newer module may send more attributes than we know.
 * @max: highest type
 */
void attr_table(const struct nlmsghdr *nlh, const struct nlattr **tb, unsigned int max)
{
	const struct nlattr *attr;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
		return;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
}

/** attr_nest() - attr_table() for a nested attribute; @nest may be NULL */
void attr_nest(const struct nlattr *nest, const struct nlattr **tb, unsigned int max)
{
	const struct nlattr *attr;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	if (!nest)
		return;
	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
}

static bool fits(const struct nlattr *attr, size_t size)
{
	return attr && mnl_attr_get_payload_len(attr) == size;
}

/** attr_u8() - Return: the value; @missing if @attr is absent or has another size */
uint8_t attr_u8(const struct nlattr *attr, uint8_t missing)
{
	return fits(attr, 1) ? mnl_attr_get_u8(attr) : missing;
}

/** attr_u16() - as attr_u8() */
uint16_t attr_u16(const struct nlattr *attr, uint16_t missing)
{
	return fits(attr, 2) ? mnl_attr_get_u16(attr) : missing;
}

/** attr_port() - as attr_u8(): a port, in host order */
uint16_t attr_port(const struct nlattr *attr, uint16_t missing)
{
	return fits(attr, 2) ? ntohs(mnl_attr_get_u16(attr)) : missing;
}

/** attr_u32() - as attr_u8() */
uint32_t attr_u32(const struct nlattr *attr, uint32_t missing)
{
	return fits(attr, 4) ? mnl_attr_get_u32(attr) : missing;
}

/** attr_u64() - as attr_u8() */
uint64_t attr_u64(const struct nlattr *attr, uint64_t missing)
{
	return fits(attr, 8) ? mnl_attr_get_u64(attr) : missing;
}

/** attr_string() - Return: the string; @missing if @attr is absent or not terminated */
const char *attr_string(const struct nlattr *attr, const char *missing)
{
	if (!attr || !memchr(mnl_attr_get_payload(attr), '\0', mnl_attr_get_payload_len(attr)))
		return missing;
	return mnl_attr_get_str(attr);
}

/** attr_addr() - Return: whether @attr is an address; *@addr is always set */
bool attr_addr(const struct nlattr *attr, struct addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (fits(attr, 4))
		addr->family = AF_INET;
	else if (fits(attr, 16))
		addr->family = AF_INET6;
	else
		return false;
	memcpy(addr->byte, mnl_attr_get_payload(attr), addr_size(addr->family));
	return true;
}

/**
 * msg_start() - begin a generic-netlink request
 * @buf: buffer for the request
 * @type: ID of the family
 * @flags: NLM_F_* in addition to NLM_F_REQUEST
 * @seq: sequence number of the request and its answers
 * @cmd: command of the family
 *
 * Return: the message, ready for attributes.
 */
struct nlmsghdr *msg_start(void *buf, uint16_t type, uint16_t flags, uint32_t seq, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = type == GENL_ID_CTRL ? 1 : ESPAH_GENL_VERSION;
	return nlh;
}

/** put_port() - add a port attribute; @port is in host order */
void put_port(struct nlmsghdr *nlh, uint16_t type, uint16_t port)
{
	mnl_attr_put_u16(nlh, type, htons(port));
}

/** put_addr() - add an address attribute unless @addr is empty */
void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *addr)
{
	if (addr_size(addr->family))
		mnl_attr_put(nlh, type, addr_size(addr->family), addr->byte);
}

/** put_attr() - add a copy of an attribute; NULL: nothing */
void put_attr(struct nlmsghdr *nlh, const struct nlattr *attr)
{
	if (attr)
		mnl_attr_put(nlh, attr->nla_type, mnl_attr_get_payload_len(attr),
			     mnl_attr_get_payload(attr));
}
