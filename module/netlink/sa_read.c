// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/inet_ecn.h>
#include "attr.h"
#include "netlink.h"
#include "packet/algo.h"
#include "packet/key.h"
#include "progress.h"
#include "sa_read.h"

int espah_read_sa_id(struct nlattr **attrs, struct espah_sa_id *id, struct netlink_ext_ack *extack)
{
	int err = espah_need(extack, attrs, ESPAH_SA_DIR) ?:
		  espah_need(extack, attrs, ESPAH_SA_SPI) ?:
		  espah_need(extack, attrs, ESPAH_SA_DST);

	if (err)
		return err;
	memset(id, 0, sizeof(*id));
	id->dir = nla_get_u8(attrs[ESPAH_SA_DIR]);
	id->proto = espah_get_u8(attrs[ESPAH_SA_PROTO], IPPROTO_ESP);
	id->spi = nla_get_be32(attrs[ESPAH_SA_SPI]);
	id->family = espah_get_addr(attrs[ESPAH_SA_DST], &id->dst);
	id->vrf = espah_get_u32(attrs[ESPAH_SA_VRF], 0);
	return 0;
}

/* Reads the replay window; 0 is the default for an SA for any source. */
static int get_window(struct espah_sa *sa, struct nlattr **attrs, u32 *window,
		      struct netlink_ext_ack *extack)
{
	bool any = espah_sa_any(sa);

	*window = espah_get_u32(attrs[ESPAH_SA_WINDOW], any ? 0 : ESPAH_WINDOW_DEFAULT);
	if (sa->id.dir == ESPAH_DIR_IN && any && (*window || espah_sa_esn(sa))) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_WINDOW] ?: attrs[ESPAH_SA_FLAGS],
				    "an SA for any source has neither replay window nor ESN: each sender has its own sequence numbers (RFC 4303 2.2)");
		return -EINVAL;
	}
	if (sa->id.dir == ESPAH_DIR_OUT)
		return espah_refuse(extack, attrs, ESPAH_SA_WINDOW,
				    "is for inbound SAs: outbound SAs have no replay window");
	if (espah_sa_esn(sa) && !*window) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_WINDOW],
				    "ESN needs a replay window of 32 to 32768 packets (RFC 4303 3.3.3)");
		return -EINVAL;
	}
	return 0;
}

#define OUTER_WHY "is for outbound tunnels: other SAs add no outer header"

static int check_outer(const struct espah_sa *sa, struct nlattr **attrs,
		       struct netlink_ext_ack *extack)
{
	if (sa->id.proto != IPPROTO_ESP &&
	    espah_refuse(extack, attrs, ESPAH_SA_TFC,
			 "is for ESP: AH does not encrypt, so padding hides nothing"))
		return -EINVAL;
	if (sa->id.dir == ESPAH_DIR_OUT && sa->mode == ESPAH_MODE_TUNNEL)
		return 0;
	return espah_refuse(extack, attrs, ESPAH_SA_DF, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_TFC, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_DSCP, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_TTL, OUTER_WHY);
}

/* Reads how a tunnel sets TTL, DSCP and ECN. */
static int get_tunnel(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	u8 ecn = sa->flags & ESPAH_SA_F_NOECN ? 0 : INET_ECN_MASK;
	const struct nlattr *dscp = attrs[ESPAH_SA_DSCP];

	sa->ttl = espah_get_u8(attrs[ESPAH_SA_TTL], 0);
	sa->tos_take = ecn;
	sa->tos_keep = ecn | (u8)~INET_ECN_MASK;
	if (sa->flags & ESPAH_SA_F_DSCP_IN) {
		if (sa->id.dir == ESPAH_DIR_OUT || sa->mode != ESPAH_MODE_TUNNEL) {
			NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_FLAGS],
					    "flag 4 (DSCP inward) is for inbound tunnels");
			return -EINVAL;
		}
		sa->tos_take |= (u8)~INET_ECN_MASK;
	}
	if (dscp && nla_len(dscp) == 1) {
		sa->tos_keep = ecn;
		sa->tos_set = nla_get_u8(dscp) << 2;
	} else if (dscp) {
		sa->dscp_map = kmemdup(nla_data(dscp), ESPAH_DSCP_NUM, GFP_KERNEL_ACCOUNT);
		if (!sa->dscp_map)
			return -ENOMEM;
	}
	return 0;
}

static int check_dummy(const struct espah_sa *sa, struct nlattr **attrs,
		       struct netlink_ext_ack *extack)
{
	const struct nlattr *steady = attrs[ESPAH_SA_DUMMY];
	const struct nlattr *random = attrs[ESPAH_SA_DUMMY_RANDOM];

	if (!steady && !random)
		return 0;
	if (!(steady && random) && sa->id.dir == ESPAH_DIR_OUT && sa->id.proto == IPPROTO_ESP &&
	    !espah_sa_any(sa))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, steady ?: random,
			    "dummy packets need an outbound ESP SA with a source; their rate is either steady or random");
	return -EINVAL;
}

/* RFC 4301 4.1: the sender chooses the SA, the receiver accepts all. */
static int check_for_dscp(const struct espah_sa *sa, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	if (sa->id.dir == ESPAH_DIR_IN)
		return espah_refuse(extack, attrs, ESPAH_SA_FOR_DSCP,
				    "is for outbound SAs: the sender chooses the SA, and the receiver accepts packets by each");
	if (sa->foreign)
		return espah_refuse(extack, attrs, ESPAH_SA_FOR_DSCP,
				    "is not for SAs of NETLINK_XFRM, which has no classes");
	return 0;
}

int espah_read_sa_change(struct espah_sa *sa, struct nlattr **attrs,
			 struct espah_sa_change *change, struct netlink_ext_ack *extack)
{
	const struct nlattr *dummy = attrs[ESPAH_SA_DUMMY_RANDOM] ?: attrs[ESPAH_SA_DUMMY];

	memset(change, 0, sizeof(*change));
	change->limited = attrs[ESPAH_SA_SOFT] || attrs[ESPAH_SA_HARD];
	if (sa->life)
		change->limits = sa->life->limits;
	change->dummies = dummy;
	change->random = attrs[ESPAH_SA_DUMMY_RANDOM];
	change->interval = espah_get_u32(dummy, 0);
	change->df = attrs[ESPAH_SA_DF] ? nla_get_u8(attrs[ESPAH_SA_DF]) : ESPAH_AS_IT_IS;
	change->tfc = attrs[ESPAH_SA_TFC] ? nla_get_u16(attrs[ESPAH_SA_TFC]) : ESPAH_AS_IT_IS;
	change->owner = attrs[ESPAH_SA_OWNER] ? nla_get_u8(attrs[ESPAH_SA_OWNER]) : ESPAH_AS_IT_IS;
	change->classed = attrs[ESPAH_SA_FOR_DSCP];
	change->dscps = change->classed ? nla_get_u64(attrs[ESPAH_SA_FOR_DSCP]) : 0;
	change->cpus = attrs[ESPAH_SA_CPUS] ? nla_get_u16(attrs[ESPAH_SA_CPUS]) : ESPAH_AS_IT_IS;
	return check_outer(sa, attrs, extack) ?: check_dummy(sa, attrs, extack) ?:
	       check_for_dscp(sa, attrs, extack) ?:
	       espah_get_limits(attrs, &change->limits, extack) ?:
	       espah_read_progress(sa, attrs, &change->progress, extack);
}

int espah_read_ports(struct nlattr **attrs, u8 proto, __be16 *sport, __be16 *dport,
		     struct netlink_ext_ack *extack)
{
	const struct nlattr *src = attrs[ESPAH_SA_ENCAP_SPORT], *dst = attrs[ESPAH_SA_ENCAP_DPORT];

	if (!src && !dst)
		return 0;
	if (proto == IPPROTO_AH) {
		NL_SET_ERR_MSG_ATTR(extack, src ?: dst,
				    "AH cannot pass a NAT, because a NAT changes addresses that AH protects: only ESP goes in UDP");
		return -EINVAL;
	}
	if (!src || !dst || !nla_get_be16(src) != !nla_get_be16(dst)) {
		NL_SET_ERR_MSG_ATTR(extack, src ?: dst,
				    "ESPAH_SA_ENCAP_SPORT and ESPAH_SA_ENCAP_DPORT are both needed, each from 1 to 65535");
		return -EINVAL;
	}
	*sport = nla_get_be16(src);
	*dport = nla_get_be16(dst);
	return 0;
}

int espah_check_encap(__be16 dport, const union espah_addr *src, const union espah_addr *dst,
		      u8 family, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	if (!dport || !(espah_addr_any(src) || espah_addr_is_group(dst, family)))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_ENCAP_DPORT],
			    "with UDP, each end of an SA must be a host's address");
	return -EINVAL;
}

static const struct espah_algo *get_algo(struct nlattr **attrs, u8 proto,
					 struct netlink_ext_ack *extack)
{
	const char *name = nla_data(attrs[ESPAH_SA_ALG]);
	const struct espah_algo *algo = espah_algo_find(name, proto);
	int len;

	if (!algo && espah_algo_find(name, proto == IPPROTO_AH ? IPPROTO_ESP : IPPROTO_AH)) {
		espah_err_text(extack, attrs[ESPAH_SA_ALG], proto == IPPROTO_AH ?
			       "the algorithm is for ESP; AH takes integrity only, such as sha256" :
			       "the algorithm is for AH; ESP also needs a cipher, such as null in null-sha256");
		return ERR_PTR(-EINVAL);
	}
	if (!algo) {
		espah_err_fmt(extack, attrs[ESPAH_SA_ALG],
			      "unknown algorithm; 'espah algo' lists the known algorithms",
			      "unknown algorithm '%.16s'; 'espah algo' lists the known algorithms",
			      name);
		return ERR_PTR(-EINVAL);
	}
	len = nla_len(attrs[ESPAH_SA_KEY]);
	if (len == espah_algo_key_len(algo))
		return algo;
	if (algo->salt_len)
		espah_err_fmt(extack, attrs[ESPAH_SA_KEY],
			      "the key has the wrong length; 'espah algo' lists the length, salt included",
			      "%s needs a key of %u bytes (%u of key and %u of salt), got %d",
			      algo->name, espah_algo_key_len(algo),
			      algo->enc_key_len + algo->auth_key_len, algo->salt_len, len);
	else
		espah_err_fmt(extack, attrs[ESPAH_SA_KEY],
			      "the key has the wrong length; 'espah algo' lists the length",
			      "%s needs a key of %u bytes (cipher %u, integrity %u), got %d",
			      algo->name, espah_algo_key_len(algo), algo->enc_key_len,
			      algo->auth_key_len, len);
	return ERR_PTR(-EINVAL);
}

static int get_mark(const struct nlattr *mark, const struct nlattr *mask, u32 *value, u32 *bits,
		    struct netlink_ext_ack *extack)
{
	*value = espah_get_u32(mark, 0);
	*bits = espah_get_u32(mask, mark ? ~0U : 0);
	if (mask && !mark) {
		NL_SET_ERR_MSG_ATTR(extack, mask, "a mask needs a mark");
		return -EINVAL;
	}
	if (!(*value & ~*bits))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, mark, "the mark has bits set beyond its mask");
	return -EINVAL;
}

static int get_marks(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	int err = get_mark(attrs[ESPAH_SA_MARK], attrs[ESPAH_SA_MARK_MASK], &sa->mark,
			   &sa->mark_mask, extack) ?:
		  get_mark(attrs[ESPAH_SA_SEL_MARK], attrs[ESPAH_SA_SEL_MARK_MASK],
			   &sa->sel_mark, &sa->sel_mark_mask, extack);

	if (sa->sel_mark_mask)
		sa->watch |= ESPAH_WATCH_MARK;
	return err;
}

int espah_read_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct espah_path *path = espah_sa_path(sa);
	int err = espah_read_sa_id(attrs, &sa->id, extack) ?:
		  espah_need(extack, attrs, ESPAH_SA_SRC) ?:
		  espah_need(extack, attrs, ESPAH_SA_MODE) ?:
		  espah_need(extack, attrs, ESPAH_SA_ALG) ?:
		  espah_need(extack, attrs, ESPAH_SA_KEY) ?:
		  espah_get_endpoints(attrs[ESPAH_SA_SRC], attrs[ESPAH_SA_DST], &path->src,
				      &sa->id.dst, &sa->id.family,
				      nla_get_u8(attrs[ESPAH_SA_MODE]) == ESPAH_MODE_TRANSPORT,
				      extack) ?:
		  espah_known_vrf(sa->en->net, attrs[ESPAH_SA_VRF], extack) ?:
		  espah_read_ports(attrs, sa->id.proto, &path->sport, &path->dport, extack);

	if (err)
		return err;
	err = espah_check_encap(path->dport, &path->src, &sa->id.dst, sa->id.family, attrs, extack);
	if (err)
		return err;
	sa->mode = nla_get_u8(attrs[ESPAH_SA_MODE]);
	sa->flags = espah_get_u32(attrs[ESPAH_SA_FLAGS], 0);
	sa->if_id = espah_get_u32(attrs[ESPAH_SA_IF_ID], 0);
	err = get_marks(sa, attrs, extack);
	if (err)
		return err;
	if (attrs[ESPAH_SA_LABEL]) {
		sa->label = nla_strdup(attrs[ESPAH_SA_LABEL], GFP_KERNEL_ACCOUNT);
		if (!sa->label)
			return -ENOMEM;
	}
	return get_tunnel(sa, attrs, extack);
}

int espah_read_keys(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	const struct espah_algo *algo = get_algo(attrs, sa->id.proto, extack);
	u32 window;
	u64 seq;
	int err;

	if (IS_ERR(algo))
		return PTR_ERR(algo);
	err = get_window(sa, attrs, &window, extack) ?: espah_read_seq(sa, attrs, &seq, extack);
	if (err)
		return err;
	/* these begin at 0: espah_read_progress() reads how far they have come */
	if (attrs[ESPAH_SA_SEEN] || attrs[ESPAH_SA_IV_MASK])
		seq = 0;
	return espah_sa_key(sa, algo, nla_data(attrs[ESPAH_SA_KEY]), window, seq, extack);
}

void espah_forget_keys(const struct nlmsghdr *nlh)
{
	struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, rem)
		if (nla_type(attr) == ESPAH_SA_KEY)
			memzero_explicit(nla_data(attr), nla_len(attr));
}
