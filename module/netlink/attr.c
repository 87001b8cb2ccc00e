// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ctype.h>
#include <linux/in.h>
#include <linux/netdevice.h>
#include <net/ipv6.h>
#include "attr.h"
#include "db/domain.h"
#include "netlink.h"

/* Sets a sentence that says what is accepted and, if the kernel can format it, what was given. */
#define got(extack, attr, accepted, fmt, args...) \
	espah_err_fmt(extack, attr, accepted, accepted ", got " fmt, ##args)

/*
 * Each row defines a check: its name, the type of the attribute, which netlink has checked, the
 * condition for a valid value, the format of the given value, and the sentence.
 */
#define INTEGER(name, type, is_right, fmt, accepted)					\
static int check_##name(const struct nlattr *attr, struct netlink_ext_ack *extack)	\
{											\
	type value = nla_get_##type(attr);						\
											\
	if (is_right)									\
		return 0;								\
	got(extack, attr, accepted, fmt, value);					\
	return -EINVAL;									\
}

INTEGER(dir, u8, value <= ESPAH_DIR_MAX, "%u", "a direction is 0 (in) or 1 (out)")
INTEGER(mode, u8, value <= ESPAH_MODE_MAX, "%u", "a mode is 0 (transport) or 1 (tunnel)")
INTEGER(action, u8, value <= ESPAH_ACTION_MAX, "%u",
	"an action is 0 (discard), 1 (bypass) or 2 (protect)")
INTEGER(default, u8, value <= ESPAH_ACTION_BYPASS, "%u",
	"a default action is 0 (discard) or 1 (bypass)")
INTEGER(bool, u8, value <= 1, "%u", "the attribute is 0 (off) or 1 (on)")
INTEGER(owner, u8, value <= ESPAH_OWNER_DAEMON, "%u",
	"an owner is 0 (hand), 1 (file) or 2 (daemon)")
INTEGER(df, u8, value <= ESPAH_DF_MAX, "%u", "DF is 0 (copy), 1 (set) or 2 (clear)")
INTEGER(ipsec, u8, espah_proto_is_ipsec(value), "%u", "the protocol is 50 (ESP) or 51 (AH)")
INTEGER(family, u8, value == AF_INET || value == AF_INET6, "%u",
	"a family is 2 (IPv4) or 10 (IPv6)")
INTEGER(one_dscp, u8, value < ESPAH_DSCP_NUM, "%u", "a DSCP is 0 to 63")
INTEGER(ttl, u8, value, "%u", "a TTL is 1 to 255")
INTEGER(mss, u16, value == ESPAH_MSS_OFF || value == ESPAH_MSS_AUTO ||
	(value >= ESPAH_MSS_MIN && value <= ESPAH_MSS_MAX), "%u",
	"an MSS is 0 (off), 64 to 65495, or 65535 (auto)")
INTEGER(window, u32, !value || (value >= ESPAH_WINDOW_MIN && value <= ESPAH_WINDOW_MAX), "%u",
	"a replay window is 0 (off) or 32 to 32768 packets")
INTEGER(dummy, u32, !value || (value >= 1000 && value <= 3600000000U), "%u",
	"an interval is 0 (none) or 1000 to 3600000000 microseconds")
INTEGER(ifindex, u32, value && value <= INT_MAX, "%u", "the index of a device is 1 to 2147483647")
INTEGER(if_id, u32, value, "%u", "an if_id is 1 to 4294967295")
INTEGER(queue, u32, value && value <= ESPAH_QUEUE_MAX, "%u", "a queue holds 1 to 64 packets")
INTEGER(pfp, u32, value && !(value & ~ESPAH_PFP_ALL), "%#x",
	"populate-from-packet flags are bits of 0x1f")
INTEGER(sa_flags, u32, !(value & ~ESPAH_SA_F_ALL), "%#x",
	"flags are 1 (ESN), 2 (no ECN), 4 (DSCP inward), 8 (reuse key)")

static int check_spi(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	u32 spi = be32_to_cpu(nla_get_be32(attr));

	if (spi >= ESPAH_SPI_MIN)
		return 0;
	got(extack, attr, "an SPI is at least 256 (RFC 4303 2.1)", "%u", spi);
	return -EINVAL;
}

static int check_name(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr);

	if (len > 1 && len <= ESPAH_NAME_MAX && strnlen(nla_data(attr), len) == len - 1)
		return 0;
	got(extack, attr, "a name is 1 to 63 characters and a NUL", "%d bytes", len);
	return -EINVAL;
}

static int check_ifname(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr);

	if (len > 1 && len <= IFNAMSIZ && strnlen(nla_data(attr), len) == len - 1 &&
	    dev_valid_name(nla_data(attr)))
		return 0;
	got(extack, attr, "a device's name is 1 to 15 characters and a NUL",
	    "%d bytes", len);
	return -EINVAL;
}

static int check_label(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int err = check_name(attr, extack);
	const char *c;

	if (err)
		return err;
	for (c = nla_data(attr); *c; c++) {
		if (isascii(*c) && isprint(*c))
			continue;
		got(extack, attr, "a label takes printable ASCII only", "the byte %#04x", (u8)*c);
		return -EINVAL;
	}
	return 0;
}

static int check_key(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) && nla_len(attr) <= ESPAH_KEY_MAX)
		return 0;
	got(extack, attr, "a key is 1 to 128 bytes", "%d", nla_len(attr));
	return -EINVAL;
}

static int check_seen(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr);

	if (len && len % 8 == 0 && len <= ESPAH_WINDOW_MAX / 8)
		return 0;
	got(extack, attr, "the bits of a window are 8 to 4096 bytes, a multiple of 8", "%d", len);
	return -EINVAL;
}

static int check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) || nla_len(attr) == sizeof(struct in6_addr))
		return 0;
	got(extack, attr, "an address is 4 bytes (IPv4) or 16 bytes (IPv6)", "%d", nla_len(attr));
	return -EINVAL;
}

static int check_dscp(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	const u8 *dscp = nla_data(attr);
	int len = nla_len(attr), i;

	if (len != 1 && len != ESPAH_DSCP_NUM) {
		got(extack, attr, "a DSCP is 1 byte (for all packets) or 64 bytes (a map)", "%d",
		    len);
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

/* --- the checks of each attribute --- */

static const espah_check sa_checks[ESPAH_SA_MAX + 1] = {
	[ESPAH_SA_DIR] = check_dir,
	[ESPAH_SA_PROTO] = check_ipsec,
	[ESPAH_SA_MODE] = check_mode,
	[ESPAH_SA_SPI] = check_spi,
	[ESPAH_SA_SRC] = check_addr,
	[ESPAH_SA_DST] = check_addr,
	[ESPAH_SA_ALG] = check_name,
	[ESPAH_SA_KEY] = check_key,
	[ESPAH_SA_FLAGS] = check_sa_flags,
	[ESPAH_SA_WINDOW] = check_window,
	[ESPAH_SA_DF] = check_df,
	[ESPAH_SA_SPI_MIN] = check_spi,
	[ESPAH_SA_SPI_MAX] = check_spi,
	[ESPAH_SA_DSCP] = check_dscp,
	[ESPAH_SA_TTL] = check_ttl,
	[ESPAH_SA_NEW_SRC] = check_addr,
	[ESPAH_SA_NEW_DST] = check_addr,
	[ESPAH_SA_DUMMY] = check_dummy,
	[ESPAH_SA_DUMMY_RANDOM] = check_dummy,
	[ESPAH_SA_LABEL] = check_label,
	[ESPAH_SA_VRF] = check_ifindex,
	[ESPAH_SA_IF_ID] = check_if_id,
	[ESPAH_SA_OWNER] = check_owner,
	[ESPAH_SA_SEEN] = check_seen,
};

const espah_check espah_policy_checks[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_DIR] = check_dir,
	[ESPAH_POLICY_ACTION] = check_action,
	[ESPAH_POLICY_MSS] = check_mss,
	[ESPAH_POLICY_LABEL] = check_label,
	[ESPAH_POLICY_PFP] = check_pfp,
	[ESPAH_POLICY_QUEUE] = check_queue,
	[ESPAH_POLICY_IF_ID] = check_if_id,
	[ESPAH_POLICY_OWNER] = check_owner,
};

const espah_check espah_selector_checks[ESPAH_SEL_MAX + 1] = {
	[ESPAH_SEL_FAMILY] = check_family,
	[ESPAH_SEL_SRC] = check_addr,
	[ESPAH_SEL_DST] = check_addr,
	[ESPAH_SEL_IFINDEX] = check_ifindex,
	[ESPAH_SEL_IFNAME] = check_ifname,
};

const espah_check espah_template_checks[ESPAH_TMPL_MAX + 1] = {
	[ESPAH_TMPL_PROTO] = check_ipsec,
	[ESPAH_TMPL_MODE] = check_mode,
	[ESPAH_TMPL_SRC] = check_addr,
	[ESPAH_TMPL_DST] = check_addr,
	[ESPAH_TMPL_VRF] = check_ifindex,
};

static const espah_check config_checks[ESPAH_CONFIG_MAX + 1] = {
	[ESPAH_CONFIG_DEFAULT_IN] = check_default,
	[ESPAH_CONFIG_DEFAULT_OUT] = check_default,
	[ESPAH_CONFIG_ICMP] = check_default,
	[ESPAH_CONFIG_SECPATH] = check_bool,
	[ESPAH_CONFIG_DIRECT] = check_bool,
	[ESPAH_CONFIG_OWNER] = check_owner,
};

static const espah_check explain_checks[ESPAH_EXPLAIN_MAX + 1] = {
	[ESPAH_EXPLAIN_DIR] = check_dir,
	[ESPAH_EXPLAIN_SRC] = check_addr,
	[ESPAH_EXPLAIN_DST] = check_addr,
	[ESPAH_EXPLAIN_IFINDEX] = check_ifindex,
	[ESPAH_EXPLAIN_DSCP] = check_one_dscp,
};

static const espah_check *checks_of(u8 cmd)
{
	switch (cmd) {
	case ESPAH_CMD_SA_NEW ... ESPAH_CMD_SA_ALLOC_SPI:
		return sa_checks;
	case ESPAH_CMD_POLICY_NEW ... ESPAH_CMD_POLICY_FLUSH:
		return espah_policy_checks;
	case ESPAH_CMD_CONFIG_SET:
		return config_checks;
	case ESPAH_CMD_EXPLAIN:
		return explain_checks;
	}
	return NULL;
}

/**
 * espah_check_attrs - refuse attributes that have a wrong value or appear twice
 * @head: the first of a stream of attributes, whose types netlink has checked
 * @len: bytes of the stream
 * @checks: by type; NULL: none
 * @extack: gets a sentence on failure
 *
 * Netlink itself would silently use the last of two attributes.
 *
 * Return: 0 or -EINVAL.
 */
int espah_check_attrs(const struct nlattr *head, int len, const espah_check *checks,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u64 seen = 0;
	int rem, err;

	/* a validated type is below the number of bits; SA attributes are the largest enum */
	BUILD_BUG_ON(ESPAH_SA_MAX >= 64 || ESPAH_POLICY_MAX >= 64 || ESPAH_SEL_MAX >= 64);
	nla_for_each_attr(attr, head, len, rem) {
		u64 bit = BIT_ULL(nla_type(attr) & 63);

		err = checks && checks[nla_type(attr)] ? checks[nla_type(attr)](attr, extack) : 0;
		if (err)
			return err;
		if (!nla_len(attr)) /* a flag, or padding */
			continue;
		if (seen & bit) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "the attribute is given twice; it is allowed only once");
			return -EINVAL;
		}
		seen |= bit;
	}
	return 0;
}

/**
 * espah_check_message - espah_check_attrs() for all attributes of a request
 * @nlh: the request
 * @extack: gets a sentence on failure
 *
 * Return: 0 or -EINVAL.
 */
int espah_check_message(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	const struct genlmsghdr *genl = nlmsg_data(nlh);

	if (genl->cmd == ESPAH_CMD_POLICY_APPLY) /* it takes several of a type, and checks them */
		return 0;
	return espah_check_attrs(nlmsg_attrdata(nlh, GENL_HDRLEN), nlmsg_attrlen(nlh, GENL_HDRLEN),
				 checks_of(genl->cmd), extack);
}

/**
 * espah_get_addr - read an address
 * @attr: validated by check_addr()
 * @addr: set to the address; bytes that IPv4 does not use are zeroed
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
				    "the source must be a host's address, not multicast or broadcast; only a new SA or a template in transport mode may have source 0 (any)");
		return -EINVAL;
	}
	if (espah_addr_is_group(dst, *family) && !loose) {
		NL_SET_ERR_MSG_ATTR(extack, dst_attr,
				    "the destination must be a host's address; only transport mode takes a multicast group");
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
 * espah_known_vrf - check that a VRF exists
 * @net: network namespace
 * @attr: index of the VRF, or NULL
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
