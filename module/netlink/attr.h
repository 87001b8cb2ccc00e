/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How attributes are checked and read. Each validator below sets a sentence that
 * tells what the attribute takes and what it got. All are NLA_BINARY to the
 * netlink core, because its own integer types write to the kernel log when a
 * length is wrong.
 */
#ifndef _ESPAH_NETLINK_ATTR_H
#define _ESPAH_NETLINK_ATTR_H

#include "compat/netlink.h"
#include "db/sad.h"

#define ESPAH_NLA(check) NLA_POLICY_VALIDATE_FN(NLA_BINARY, espah_check_##check)

int espah_check_u8(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_u16(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_u32(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_u64(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_dummy(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_flag(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_name(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_label(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_key(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_dir(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_mode(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_action(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_bool(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_default(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_pfp(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_queue(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_df(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_ipsec(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_ifindex(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_family(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_spi(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_spi_bound(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_sa_flags(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_dscp(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_ttl(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_window(const struct nlattr *attr, struct netlink_ext_ack *extack);
int espah_check_mss(const struct nlattr *attr, struct netlink_ext_ack *extack);

/* -EINVAL with a sentence if an attribute occurs twice in a stream of them */
int espah_attrs_once(const struct nlattr *head, int len, struct netlink_ext_ack *extack);

/*
 * parses a nest, which the command's policy has validated; its attributes may come once each;
 * Return: 0 or -errno with a sentence
 */
static inline int espah_parse_nest(struct nlattr **attrs, int max, const struct nlattr *nest,
				   struct netlink_ext_ack *extack)
{
	return nla_parse_nested(attrs, max, nest, NULL, extack) ?:
	       espah_attrs_once(nla_data(nest), nla_len(nest), extack);
}

/* the same for the attributes of a whole message */
static inline int espah_message_once(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	return espah_attrs_once(nlmsg_attrdata(nlh, GENL_HDRLEN), nlmsg_attrlen(nlh, GENL_HDRLEN),
				extack);
}

/* -EINVAL with a sentence, unless the attribute is there */
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

/* -EINVAL with a sentence if an attribute is there for which @why holds */
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

/* reads an address, zeroing what it does not use; returns its family */
u8 espah_get_addr(const struct nlattr *attr, union espah_addr *addr);

/**
 * espah_get_endpoints - read the two addresses of an SA or of a template
 * @src_attr: source address
 * @dst_attr: destination address
 * @src: is set; without @src_attr, it stays
 * @dst: is set; without @dst_attr, it stays
 * @family: is set; what it was counts for an address that stays
 * @loose: transport mode: the source may be 0, for any, and the destination a group
 * @extack: gets a sentence on failure
 *
 * Return: 0, or -EINVAL if the families differ or an address is not a host's.
 */
int espah_get_endpoints(const struct nlattr *src_attr, const struct nlattr *dst_attr,
			union espah_addr *src, union espah_addr *dst, u8 *family, bool loose,
			struct netlink_ext_ack *extack);

/* checks that a VRF has the index that an attribute says; 0 or -EINVAL with a sentence */
int espah_known_vrf(struct net *net, const struct nlattr *attr, struct netlink_ext_ack *extack);

#endif /* _ESPAH_NETLINK_ATTR_H */
