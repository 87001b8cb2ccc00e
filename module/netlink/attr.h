/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checking and reading of attributes. The netlink policies only have the types of attributes, which
 * CTRL_CMD_GETPOLICY shows, so netlink refuses a wrong length. Everything else is checked here: the
 * sentences say which values an attribute accepts and what was given. Netlink's own checks have no
 * such texts, and a validation function in the policy of an integer makes the kernel warn when the
 * policy is dumped.
 */
#ifndef _ESPAH_NETLINK_ATTR_H
#define _ESPAH_NETLINK_ATTR_H

#include "compat/netlink.h"
#include "db/sad.h"

/* checks the value of an attribute; Return: 0 or -EINVAL with a sentence */
typedef int (*espah_check)(const struct nlattr *attr, struct netlink_ext_ack *extack);

extern const espah_check espah_selector_checks[ESPAH_SEL_MAX + 1];
extern const espah_check espah_policy_checks[ESPAH_POLICY_MAX + 1];
extern const espah_check espah_template_checks[ESPAH_TMPL_MAX + 1];

int espah_check_attrs(const struct nlattr *head, int len, const espah_check *checks,
		      struct netlink_ext_ack *extack);
int espah_check_message(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack);

/*
 * parses a nest, of whose attributes netlink has checked the types;
 * Return: 0 or -errno with a sentence
 */
static inline int espah_parse_nest(struct nlattr **attrs, int max, const struct nlattr *nest,
				   const espah_check *checks, struct netlink_ext_ack *extack)
{
	return nla_parse_nested(attrs, max, nest, NULL, extack) ?:
	       espah_check_attrs(nla_data(nest), nla_len(nest), checks, extack);
}

/* -EINVAL with a sentence if a required attribute is missing, else 0 */
#define espah_need(extack, attrs, type)					\
({									\
	bool __missing = !(attrs)[type];				\
									\
	if (__missing) {						\
		NL_SET_ERR_MSG(extack, #type " is missing");		\
		NL_SET_ERR_ATTR_MISS(extack, NULL, type);		\
	}								\
	__missing ? -EINVAL : 0;					\
})

/* -EINVAL with the sentence "attribute @why" if the attribute is present, else 0 */
#define espah_refuse(extack, attrs, type, why)				\
({									\
	bool __present = (attrs)[type];					\
									\
	if (__present)							\
		NL_SET_ERR_MSG_ATTR(extack, (attrs)[type], #type " " why); \
	__present ? -EINVAL : 0;					\
})

/* the value of an optional attribute */
static inline u8 espah_get_u8(const struct nlattr *attr, u8 absent)
{
	return attr ? nla_get_u8(attr) : absent;
}

static inline u32 espah_get_u32(const struct nlattr *attr, u32 absent)
{
	return attr ? nla_get_u32(attr) : absent;
}

/* reads an address and zeroes the bytes that IPv4 does not use; Return: the family */
u8 espah_get_addr(const struct nlattr *attr, union espah_addr *addr);

/**
 * espah_get_endpoints - read the two addresses of an SA or of a template
 * @src_attr: source address
 * @dst_attr: destination address
 * @src: set to the source; unchanged without @src_attr
 * @dst: set to the destination; unchanged without @dst_attr
 * @family: set to the family; on entry, the family of an address that stays unchanged
 * @loose: transport mode: the source may be 0, for any, and the destination a group
 * @extack: gets a sentence on failure
 *
 * Return: 0, or -EINVAL if the families differ or an address is not allowed.
 */
int espah_get_endpoints(const struct nlattr *src_attr, const struct nlattr *dst_attr,
			union espah_addr *src, union espah_addr *dst, u8 *family, bool loose,
			struct netlink_ext_ack *extack);

/* checks that a VRF has the index in an attribute; Return: 0 or -EINVAL with a sentence */
int espah_known_vrf(struct net *net, const struct nlattr *attr, struct netlink_ext_ack *extack);

#endif /* _ESPAH_NETLINK_ATTR_H */
