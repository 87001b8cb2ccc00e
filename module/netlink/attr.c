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

/**
 * espah_check_u8 - validate the length of a u8
 * @attr: the attribute
 * @extack: gets a sentence on failure
 *
 * This and the others: Return: 0 or -EINVAL.
 */
int espah_check_u8(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return wrong_length(attr, sizeof(u8), extack);
}

/**
 * espah_check_u16 - validate the length of a u16
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_u16(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return wrong_length(attr, sizeof(u16), extack);
}

/**
 * espah_check_u32 - validate the length of a u32
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_u32(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return wrong_length(attr, sizeof(u32), extack);
}

/**
 * espah_check_u64 - validate the length of a u64
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_u64(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return wrong_length(attr, sizeof(u64), extack);
}

/**
 * espah_check_dummy - validate an interval between dummies
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_dummy(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = espah_check_u32(attr, extack);
	u32 us = err ? 0 : nla_get_u32(attr);

	if (err || !us || (us >= 1000 && us <= 3600000000U))
		return err;
	got(extack, attr, "an interval is 0 (none) or 1000 to 3600000000 microseconds", "%u", us);
	return -EINVAL;
}

/**
 * espah_check_ifindex - validate the index of a device
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_ifindex(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = espah_check_u32(attr, extack);
	u32 index = err ? 0 : nla_get_u32(attr);

	if (err || (index && index <= INT_MAX))
		return err;
	got(extack, attr, "the index of a device is 1 to 2147483647", "%u", index);
	return -EINVAL;
}

/**
 * espah_check_pfp - validate populate-from-packet flags
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_pfp(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = espah_check_u32(attr, extack);
	u32 flags = err ? 0 : nla_get_u32(attr);

	if (err || (flags && !(flags & ~ESPAH_PFP_ALL)))
		return err;
	got(extack, attr, "populate-from-packet flags are of 0x1f", "%#x", flags);
	return -EINVAL;
}

/**
 * espah_check_queue - validate how many packets may wait
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_queue(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = espah_check_u32(attr, extack);
	u32 packets = err ? 0 : nla_get_u32(attr);

	if (err || (packets && packets <= ESPAH_QUEUE_MAX))
		return err;
	got(extack, attr, "a queue is of 1 to 64 packets", "%u", packets);
	return -EINVAL;
}

/**
 * espah_check_flag - validate that a flag is empty
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_flag(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return wrong_length(attr, 0, extack);
}

/**
 * espah_check_name - validate a short string that ends in NUL
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_name(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr);

	if (len > 1 && len <= ESPAH_NAME_MAX && strnlen(nla_data(attr), len) == len - 1)
		return 0;
	got(extack, attr, "a name is 1 to 63 characters and a NUL", "%d bytes", len);
	return -EINVAL;
}

/**
 * espah_check_label - validate a name that can be printed
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
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

/**
 * espah_check_key - validate that a key is not absurdly long
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_key(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) && nla_len(attr) <= ESPAH_KEY_MAX)
		return 0;
	got(extack, attr, "a key is 1 to 128 bytes", "%d", nla_len(attr));
	return -EINVAL;
}

/**
 * espah_check_addr - validate the length of an address
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) || nla_len(attr) == sizeof(struct in6_addr))
		return 0;
	got(extack, attr, "an address is 4 bytes (IPv4) or 16 bytes (IPv6)", "%d", nla_len(attr));
	return -EINVAL;
}

/* Checks a u8 against an inclusive range; as a macro, because the text is one for the format. */
#define check_u8_range(attr, extack, min, max, accepted)		\
({									\
	const struct nlattr *__attr = attr;				\
	int __err = wrong_length(__attr, sizeof(u8), extack);		\
	u8 __value = __err ? 0 : nla_get_u8(__attr);			\
									\
	if (!__err && (__value < (min) || __value > (max))) {		\
		got(extack, __attr, accepted, "%u", __value);		\
		__err = -EINVAL;					\
	}								\
	__err;								\
})

/**
 * espah_check_dir - validate an enum espah_dir
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_dir(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 0, ESPAH_DIR_MAX, "a direction is 0 (in) or 1 (out)");
}

/**
 * espah_check_mode - validate an enum espah_mode
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_mode(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 0, ESPAH_MODE_MAX,
			      "a mode is 0 (transport) or 1 (tunnel)");
}

/**
 * espah_check_action - validate an enum espah_action
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_action(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 0, ESPAH_ACTION_MAX,
			      "an action is 0 (discard), 1 (bypass) or 2 (protect)");
}

/**
 * espah_check_default - validate an enum espah_action that needs no template
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_default(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, ESPAH_ACTION_DISCARD, ESPAH_ACTION_BYPASS,
			      "a default action is 0 (discard) or 1 (bypass)");
}

/**
 * espah_check_bool - validate what is on or off
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_bool(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 0, 1, "the attribute is 0 (off) or 1 (on)");
}

/**
 * espah_check_df - validate an enum espah_df
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_df(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 0, ESPAH_DF_MAX,
			      "DF is 0 (copy), 1 (set) or 2 (clear)");
}

/**
 * espah_check_ipsec - validate an IPsec protocol
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_ipsec(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, IPPROTO_ESP, IPPROTO_AH,
			      "the protocol is 50 (ESP) or 51 (AH)");
}

/**
 * espah_check_family - validate an address family
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_family(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(u8), extack);
	u8 family;

	if (err)
		return err;
	family = nla_get_u8(attr);
	if (family == AF_INET || family == AF_INET6)
		return 0;
	got(extack, attr, "a family is 2 (IPv4) or 10 (IPv6)", "%u", family);
	return -EINVAL;
}

static int check_spi_value(const struct nlattr *attr, u32 spi, struct netlink_ext_ack *extack)
{
	if (spi >= ESPAH_SPI_MIN)
		return 0;
	got(extack, attr, "an SPI is at least 256 (RFC 4303 2.1)", "%u", spi);
	return -EINVAL;
}

/**
 * espah_check_spi - validate an SPI in network order
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_spi(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(__be32), extack);

	return err ?: check_spi_value(attr, be32_to_cpu(nla_get_be32(attr)), extack);
}

/**
 * espah_check_spi_bound - validate an SPI in host order
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_spi_bound(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(u32), extack);

	return err ?: check_spi_value(attr, nla_get_u32(attr), extack);
}

/**
 * espah_check_sa_flags - validate ESPAH_SA_F_*
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_sa_flags(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(u32), extack);
	u32 flags;

	if (err)
		return err;
	flags = nla_get_u32(attr);
	if (!(flags & ~ESPAH_SA_F_ALL))
		return 0;
	got(extack, attr, "flags are 1 (ESN), 2 (no ECN), 4 (DSCP inward), 8 (reuse key)", "%#x",
	    flags);
	return -EINVAL;
}

/**
 * espah_check_dscp - validate a DSCP, or one for each that there is
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
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
 * espah_check_ttl - validate a TTL
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_ttl(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	return check_u8_range(attr, extack, 1, U8_MAX, "a TTL is 1 to 255");
}

/**
 * espah_check_window - validate a replay window
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_window(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(u32), extack);
	u32 window;

	if (err)
		return err;
	window = nla_get_u32(attr);
	if (!window || (window >= ESPAH_WINDOW_MIN && window <= ESPAH_WINDOW_MAX))
		return 0;
	got(extack, attr, "a replay window is 0 (off) or 32 to 32768 packets", "%u", window);
	return -EINVAL;
}

/**
 * espah_check_mss - validate the MSS setting of a policy
 * @attr: the attribute
 * @extack: gets a sentence on failure
 */
int espah_check_mss(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = wrong_length(attr, sizeof(u16), extack);
	u16 mss;

	if (err)
		return err;
	mss = nla_get_u16(attr);
	if (mss == ESPAH_MSS_OFF || mss == ESPAH_MSS_AUTO ||
	    (mss >= ESPAH_MSS_MIN && mss <= ESPAH_MSS_MAX))
		return 0;
	got(extack, attr, "an MSS is 0 (off), 64 to 65495, or 65535 (auto)", "%u", mss);
	return -EINVAL;
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
