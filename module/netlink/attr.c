// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/ctype.h>
#include <linux/in.h>
#include <net/ipv6.h>
#include "attr.h"
#include "db/domain.h"
#include "netlink.h"

/* A sentence that says what is accepted and, where the kernel can, what was given. */
#define got(extack, attr, accepted, fmt, args...) \
	espah_err_fmt(extack, attr, accepted, accepted ", got " fmt, ##args)

static int wrong_length(const struct nlattr *attr, int len, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == len)
		return 0;
	espah_err_fmt(extack, attr, "the attribute's length does not fit its type",
		      "the attribute takes %d bytes, got %d", len, nla_len(attr));
	return -EINVAL;
}

/* The validators; Return: 0, or -EINVAL with a sentence. */
#define CHECK_LENGTH(name, len)								\
int espah_check_##name(const struct nlattr *attr, struct netlink_ext_ack *extack)	\
{											\
	return wrong_length(attr, len, extack);						\
}

CHECK_LENGTH(flag, 0)
CHECK_LENGTH(u8, sizeof(u8))
CHECK_LENGTH(u16, sizeof(u16))
CHECK_LENGTH(u32, sizeof(u32))
CHECK_LENGTH(u64, sizeof(u64))

/* @ok: whether `value' is accepted; a macro, because the text is one for the format */
#define INTEGER(name, type, ok, accepted, fmt)						\
int espah_check_##name(const struct nlattr *attr, struct netlink_ext_ack *extack)	\
{											\
	int err = wrong_length(attr, sizeof(type), extack);				\
	type value = err ? 0 : nla_get_##type(attr);					\
											\
	if (err || (ok))								\
		return err;								\
	got(extack, attr, accepted, fmt, value);					\
	return -EINVAL;									\
}

INTEGER(dir, u8, value <= ESPAH_DIR_MAX, "a direction is 0 (in) or 1 (out)", "%u")
INTEGER(mode, u8, value <= ESPAH_MODE_MAX, "a mode is 0 (transport) or 1 (tunnel)", "%u")
INTEGER(action, u8, value <= ESPAH_ACTION_MAX,
	"an action is 0 (discard), 1 (bypass) or 2 (protect)", "%u")
INTEGER(default, u8, value == ESPAH_ACTION_DISCARD || value == ESPAH_ACTION_BYPASS,
	"a default action is 0 (discard) or 1 (bypass)", "%u")
INTEGER(bool, u8, value <= 1, "the attribute is 0 (off) or 1 (on)", "%u")
INTEGER(df, u8, value <= ESPAH_DF_MAX, "DF is 0 (copy), 1 (set) or 2 (clear)", "%u")
INTEGER(ipsec, u8, espah_proto_is_ipsec(value), "the protocol is 50 (ESP) or 51 (AH)", "%u")
INTEGER(family, u8, value == AF_INET || value == AF_INET6,
	"a family is 2 (IPv4) or 10 (IPv6)", "%u")
INTEGER(ttl, u8, value, "a TTL is 1 to 255", "%u")
INTEGER(mss, u16, value == ESPAH_MSS_OFF || value == ESPAH_MSS_AUTO ||
	(value >= ESPAH_MSS_MIN && value <= ESPAH_MSS_MAX),
	"an MSS is 0 (off), 64 to 65495, or 65535 (auto)", "%u")
INTEGER(dummy, u32, !value || (value >= 1000 && value <= 3600000000U),
	"an interval is 0 (none) or 1000 to 3600000000 microseconds", "%u")
INTEGER(ifindex, u32, value && value <= INT_MAX,
	"the index of a device is 1 to 2147483647", "%u")
INTEGER(pfp, u32, value && !(value & ~ESPAH_PFP_ALL),
	"populate-from-packet flags are of 0x1f", "%#x")
INTEGER(queue, u32, value && value <= ESPAH_QUEUE_MAX, "a queue is of 1 to 64 packets", "%u")
INTEGER(sa_flags, u32, !(value & ~ESPAH_SA_F_ALL),
	"flags are 1 (ESN), 2 (no ECN), 4 (DSCP inward), 8 (reuse key)", "%#x")
INTEGER(window, u32, !value || (value >= ESPAH_WINDOW_MIN && value <= ESPAH_WINDOW_MAX),
	"a replay window is 0 (off) or 32 to 32768 packets", "%u")
/* in host order */
INTEGER(spi_bound, u32, value >= ESPAH_SPI_MIN, "an SPI is at least 256 (RFC 4303 2.1)", "%u")

/* in network order */
int espah_check_spi(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(__be32), extack);
	u32 spi = err ? 0 : be32_to_cpu(nla_get_be32(attr));

	if (err || spi >= ESPAH_SPI_MIN)
		return err;
	got(extack, attr, "an SPI is at least 256 (RFC 4303 2.1)", "%u", spi);
	return -EINVAL;
}

/* ends in NUL */
int espah_check_name(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr);

	if (len > 1 && len <= ESPAH_NAME_MAX && strnlen(nla_data(attr), len) == len - 1)
		return 0;
	got(extack, attr, "a name is 1 to 63 characters and a NUL", "%d bytes", len);
	return -EINVAL;
}

int espah_check_label(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = espah_check_name(attr, extack);
	const char *c;

	if (err)
		return err;
	for (c = nla_data(attr); *c; c++) {
		if (isascii(*c) && isprint(*c))
			continue;
		got(extack, attr, "a label is of printable ASCII", "the byte %#04x", (u8)*c);
		return -EINVAL;
	}
	return 0;
}

int espah_check_key(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) && nla_len(attr) <= ESPAH_KEY_MAX)
		return 0;
	got(extack, attr, "a key is 1 to 128 bytes", "%d", nla_len(attr));
	return -EINVAL;
}

int espah_check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) || nla_len(attr) == sizeof(struct in6_addr))
		return 0;
	got(extack, attr, "an address is 4 bytes (IPv4) or 16 bytes (IPv6)", "%d", nla_len(attr));
	return -EINVAL;
}

/* one for all, or one for each that there is */
int espah_check_dscp(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	const u8 *dscp = nla_data(attr);
	int len = nla_len(attr), i;

	if (len != 1 && len != ESPAH_DSCP_NUM) {
		got(extack, attr, "DSCPs come as 1 byte (for all) or 64 bytes (a map)", "%d", len);
		return -EINVAL;
	}
	for (i = 0; i < len; i++) {
		if (dscp[i] < ESPAH_DSCP_NUM)
			continue;
		got(extack, attr, "a DSCP is 0 to 63", "%u", dscp[i]);
		return -EINVAL;
	}
	return 0;
}

/**
 * espah_attrs_once - refuse attributes that come twice
 * @head: the first of a validated stream of attributes
 * @len: bytes of the stream
 * @extack: gets a sentence on failure
 *
 * Netlink itself would silently take the last one.
 *
 * Return: 0 or -EINVAL.
 */
int espah_attrs_once(const struct nlattr *head, int len, struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u64 seen = 0;
	int rem;

	/* a validated type is below the number of bits: the largest enumeration is an SA's */
	BUILD_BUG_ON(ESPAH_SA_MAX >= 64 || ESPAH_POLICY_MAX >= 64 || ESPAH_SEL_MAX >= 64);
	nla_for_each_attr(attr, head, len, rem) {
		u64 bit = BIT_ULL(nla_type(attr) & 63);

		if (seen & bit) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "the attribute may come only once");
			return -EINVAL;
		}
		seen |= bit;
	}
	return 0;
}

/**
 * espah_get_addr - read an address
 * @attr: validated by espah_check_addr()
 * @addr: is set; what IPv4 does not use is zeroed
 *
 * Return: the family.
 */
u8 espah_get_addr(const struct nlattr *attr, union espah_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	memcpy(addr, nla_data(attr), nla_len(attr));
	return nla_len(attr) == sizeof(struct in_addr) ? AF_INET : AF_INET6;
}

static bool is_broadcast(const union espah_addr *addr, u8 family)
{
	return family == AF_INET && ipv4_is_lbcast(addr->ip4);
}

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
			struct netlink_ext_ack *extack)
{
	u8 src_family = src_attr ? espah_get_addr(src_attr, src) : *family;
	u8 dst_family = dst_attr ? espah_get_addr(dst_attr, dst) : *family;

	*family = src_family;
	if (dst_family != src_family) {
		NL_SET_ERR_MSG_ATTR(extack, dst_attr,
				    "source and destination must both be IPv4 or both be IPv6");
		return -EINVAL;
	}
	if (espah_addr_is_group(src, *family) || is_broadcast(src, *family) ||
	    (espah_addr_any(src) && !loose)) {
		NL_SET_ERR_MSG_ATTR(extack, src_attr,
				    "the source must be a host's address, not multicast or broadcast; 0, for any, is for new SAs and templates in transport mode");
		return -EINVAL;
	}
	if (espah_addr_is_group(dst, *family) && !loose) {
		NL_SET_ERR_MSG_ATTR(extack, dst_attr,
				    "the destination must be a host's address; a multicast group is for transport mode");
		return -EINVAL;
	}
	if (espah_addr_any(dst) || is_broadcast(dst, *family)) {
		NL_SET_ERR_MSG_ATTR(extack, dst_attr,
				    "the destination must be the address of a host or a multicast group, not 0 or broadcast");
		return -EINVAL;
	}
	return 0;
}

/**
 * espah_known_vrf - check that there is a VRF
 * @net: network namespace
 * @attr: its index, or NULL
 * @extack: gets a sentence on failure
 *
 * Return: 0 or -EINVAL.
 */
int espah_known_vrf(struct net *net, const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (!attr || espah_domain_exists(net, nla_get_u32(attr)))
		return 0;
	espah_err_fmt(extack, attr, "no VRF has this index", "no VRF has the index %u",
		      nla_get_u32(attr));
	return -EINVAL;
}
