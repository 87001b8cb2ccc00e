// SPDX-License-Identifier: GPL-2.0-only
/* Reading of SAs. */
#include <linux/in.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include "db/account.h"
#include "db/privilege.h"
#include "packet/key.h"
#include "nlx_sa.h"

/* --- what espah can have --- */

static int check_family(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	u16 inner = info->sel.family;
	u8 bits;

	if (info->family != AF_INET && info->family != AF_INET6)
		return NLX_FAIL(rq, -EINVAL, "the family is neither IPv4 nor IPv6");
	if (!inner && !(info->flags & XFRM_STATE_AF_UNSPEC))
		inner = info->family;
	if (!inner)
		return 0;
	if (inner != AF_INET && inner != AF_INET6)
		return NLX_FAIL(rq, -EINVAL, "the selector's family is neither IPv4 nor IPv6");
	bits = inner == AF_INET ? 32 : 128;
	if (info->sel.prefixlen_s > bits || info->sel.prefixlen_d > bits)
		return NLX_FAIL(rq, -EINVAL, "a prefix of the selector is longer than its address");
	return 0;
}

/* Unlike other families, those of a tunnel and of its packets may differ. */
static int check_mode(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	switch (info->mode) {
	case XFRM_MODE_TUNNEL:
		return 0;
	case XFRM_MODE_TRANSPORT:
		if (!info->sel.family || info->sel.family == info->family)
			return 0;
		return NLX_FAIL(rq, -EPROTONOSUPPORT,
				"in transport mode, the selector has the SA's family");
	case XFRM_MODE_ROUTEOPTIMIZATION:
	case XFRM_MODE_BEET:
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has tunnel and transport mode only");
	default:
		return NLX_FAIL(rq, -EINVAL, "espah has tunnel and transport mode only");
	}
}

static int check_ah(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	struct nlattr **attrs = rq->attrs;

	if (!attrs[XFRMA_ALG_AUTH] && !attrs[XFRMA_ALG_AUTH_TRUNC])
		return NLX_FAIL(rq, -EINVAL, "AH needs an integrity algorithm");
	if (attrs[XFRMA_ALG_AEAD] || attrs[XFRMA_ALG_CRYPT] || attrs[XFRMA_ALG_COMP] ||
	    attrs[XFRMA_TFCPAD])
		return NLX_FAIL(rq, -EINVAL,
				"AH has neither cipher nor compression nor TFC padding");
	if (attrs[XFRMA_ENCAP])
		return NLX_FAIL(rq, -EINVAL, "AH cannot go in UDP or TCP");
	return 0;
}

static int check_esp(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	struct nlattr **attrs = rq->attrs;
	bool apart = attrs[XFRMA_ALG_AUTH] || attrs[XFRMA_ALG_AUTH_TRUNC] ||
		     attrs[XFRMA_ALG_CRYPT];

	if (attrs[XFRMA_ALG_COMP])
		return NLX_FAIL(rq, -EINVAL, "ESP does not compress");
	if (!attrs[XFRMA_ALG_AEAD] == !apart)
		return NLX_FAIL(rq, -EINVAL,
				"ESP needs either an AEAD algorithm, or a cipher and an integrity algorithm");
	if (attrs[XFRMA_TFCPAD] && info->mode != XFRM_MODE_TUNNEL)
		return NLX_FAIL(rq, -EINVAL, "TFC padding is for tunnels");
	return 0;
}

static int check_proto(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	switch (info->id.proto) {
	case IPPROTO_AH:
		return check_ah(rq, info);
	case IPPROTO_ESP:
		return check_esp(rq, info);
	case IPPROTO_COMP:
		if (!rq->attrs[XFRMA_ALG_COMP])
			return NLX_FAIL(rq, -EINVAL, "IPcomp needs a compression algorithm");
		fallthrough;
	case IPPROTO_DSTOPTS:
	case IPPROTO_ROUTING:
		return NLX_FAIL(rq, -EPROTONOSUPPORT, "espah has ESP and AH only");
	default:
		return NLX_FAIL(rq, -EINVAL, "espah has ESP and AH only");
	}
}

static int check_encap(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir)
{
	const struct nlattr *attr = rq->attrs[XFRMA_ENCAP];
	const struct xfrm_encap_tmpl *encap;
	union espah_addr src, dst;

	if (rq->attrs[XFRMA_MTIMER_THRESH] && (!attr || dir == NLX_DIR_OUT))
		return NLX_FAIL(rq, -EINVAL,
				"XFRMA_MTIMER_THRESH is for inbound SAs with encapsulation");
	if (!attr)
		return 0;
	encap = nla_data(attr);
	if (encap->encap_type == TCP_ENCAP_ESPINTCP)
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has ESP in UDP, but not in TCP");
	if (encap->encap_type != UDP_ENCAP_ESPINUDP)
		return NLX_FAIL(rq, -EINVAL, "the only encapsulation is espinudp (RFC 3948)");
	if (!encap->encap_sport || !encap->encap_dport)
		return NLX_FAIL(rq, -EINVAL, "ESP in UDP needs both ports, each from 1 to 65535");
	nlx_addr_in(&src, &info->saddr, info->family);
	nlx_addr_in(&dst, &info->id.daddr, info->family);
	if (espah_addr_any(&src) || espah_addr_is_group(&dst, info->family))
		return NLX_FAIL(rq, -EINVAL,
				"with UDP, each end of an SA must be a host's address");
	return 0;
}

/* What an SA that names its direction cannot have. */
static int check_direction(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir)
{
	const struct nlattr *replay = rq->attrs[XFRMA_REPLAY_VAL];
	const struct nlattr *extra = rq->attrs[XFRMA_SA_EXTRA_FLAGS];

	if (dir == NLX_DIR_OUT) {
		if (info->flags & (XFRM_STATE_DECAP_DSCP | XFRM_STATE_ICMP | XFRM_STATE_WILDRECV))
			return NLX_FAIL(rq, -EINVAL,
					"the flags decap-dscp, icmp and wildrecv are for inbound SAs");
		if (info->replay_window)
			return NLX_FAIL(rq, -EINVAL, "an outbound SA has no replay window");
		if (replay) {
			const struct xfrm_replay_state *state = nla_data(replay);

			if (state->seq || state->bitmap)
				return NLX_FAIL(rq, -EINVAL,
						"an outbound SA has no received sequence number");
		}
	} else if (dir == NLX_DIR_IN) {
		if (info->flags & XFRM_STATE_NOPMTUDISC)
			return NLX_FAIL(rq, -EINVAL, "the flag nopmtudisc is for outbound SAs");
		if (extra && nla_get_u32(extra))
			return NLX_FAIL(rq, -EINVAL, "the extra flags are for outbound SAs");
	} else if (rq->attrs[NLX_SA_PCPU]) {
		return NLX_FAIL(rq, -EINVAL, "an SA of a CPU has to name its direction");
	}
	return 0;
}

static int check_cpu(struct nlx_request *rq, int err)
{
	if (rq->attrs[NLX_SA_PCPU] && nla_get_u32(rq->attrs[NLX_SA_PCPU]) >= num_possible_cpus())
		return NLX_FAIL(rq, err, "the host does not have that many CPUs");
	return 0;
}

/* What would change the protection, and espah does not do. */
static int check_unsupported(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	const struct nlattr *extra = rq->attrs[XFRMA_SA_EXTRA_FLAGS];
	const struct nlattr *keepalive = rq->attrs[NLX_NAT_KEEPALIVE_INTERVAL];
	int i;

	if (extra && nla_get_u32(extra) & XFRM_SA_XFLAG_OSEQ_MAY_WRAP)
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"espah's sequence numbers do not wrap (RFC 4303 3.3.3)");
	if (extra && nla_get_u32(extra) & ~XFRM_SA_XFLAG_DONT_ENCAP_DSCP)
		return NLX_FAIL(rq, -EOPNOTSUPP, "an extra flag that espah does not know");
	if (rq->attrs[XFRMA_OFFLOAD_DEV])
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has no offload to devices");
	if (rq->attrs[XFRMA_SEC_CTX])
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has no security contexts");
	if (rq->attrs[XFRMA_COADDR])
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah has no Mobile IPv6");
	if (keepalive && nla_get_u32(keepalive))
		return NLX_FAIL(rq, -EOPNOTSUPP, "espah sends no NAT keepalives: IKE does");
	for (i = NLX_IPTFS_DROP_TIME; i <= NLX_ATTR_MAX; i++)
		if (rq->attrs[i])
			return NLX_FAIL(rq, -EOPNOTSUPP,
					"espah has no IP-TFS, nor other attributes as new");
	return 0;
}

static int check_direction_attr(struct nlx_request *rq, u8 *dir)
{
	*dir = rq->attrs[NLX_SA_DIR] ? nla_get_u8(rq->attrs[NLX_SA_DIR]) : 0;
	if (rq->attrs[NLX_SA_DIR] && *dir != NLX_DIR_IN && *dir != NLX_DIR_OUT)
		return NLX_FAIL(rq, -ERANGE, "a direction is in (1) or out (2)");
	return 0;
}

int nlx_check_sa(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	u8 dir;
	int err = check_direction_attr(rq, &dir) ?: check_family(rq, info) ?:
		  check_proto(rq, info) ?: nlx_check_replay(rq, info, dir) ?:
		  check_mode(rq, info) ?: check_encap(rq, info, dir) ?:
		  check_direction(rq, info, dir) ?: check_cpu(rq, -ERANGE) ?:
		  check_unsupported(rq, info);

	if (!err && !info->id.spi)
		return NLX_FAIL(rq, -EINVAL, "the SPI 0 is reserved (RFC 4303 2.1)");
	return err;
}

int nlx_check_spi(struct nlx_request *rq, const struct xfrm_userspi_info *spi)
{
	u8 dir;

	switch (spi->info.id.proto) {
	case IPPROTO_AH:
	case IPPROTO_ESP:
		break;
	case IPPROTO_COMP:
		if (spi->max < 0x10000)
			return NLX_FAIL(rq, -EPROTONOSUPPORT, "espah has ESP and AH only");
		fallthrough;
	default:
		return NLX_FAIL(rq, -EINVAL, "espah has ESP and AH only");
	}
	if (spi->min > spi->max)
		return NLX_FAIL(rq, -EINVAL, "the lowest SPI is above the highest");
	return check_direction_attr(rq, &dir) ?: check_family(rq, &spi->info) ?:
	       check_mode(rq, &spi->info) ?: check_cpu(rq, -EINVAL) ?:
	       check_unsupported(rq, &spi->info);
}

/* --- an SA --- */

static u64 limit(u64 value, u64 max)
{
	return value > max ? 0 : value;
}

void nlx_read_limits(const struct xfrm_lifetime_cfg *lft, struct espah_limits *limits)
{
	u64 *soft = limits->at[0], *hard = limits->at[1];

	memset(limits, 0, sizeof(*limits));
	soft[ESPAH_LIMIT_BYTES] = limit(lft->soft_byte_limit, XFRM_INF - 1);
	hard[ESPAH_LIMIT_BYTES] = limit(lft->hard_byte_limit, XFRM_INF - 1);
	soft[ESPAH_LIMIT_PACKETS] = limit(lft->soft_packet_limit, XFRM_INF - 1);
	hard[ESPAH_LIMIT_PACKETS] = limit(lft->hard_packet_limit, XFRM_INF - 1);
	/* nothing lasts longer than 136 years */
	soft[ESPAH_LIMIT_TIME] = limit(lft->soft_add_expires_seconds, U32_MAX);
	hard[ESPAH_LIMIT_TIME] = limit(lft->hard_add_expires_seconds, U32_MAX);
	soft[ESPAH_LIMIT_USE] = limit(lft->soft_use_expires_seconds, U32_MAX);
	hard[ESPAH_LIMIT_USE] = limit(lft->hard_use_expires_seconds, U32_MAX);
}

/* seconds since @when; a time to come: 0 */
static u64 age(u64 when, u64 now)
{
	return when < now ? now - when : 0;
}

void nlx_carry(struct espah_sa *sa, const struct espah_sa *partner,
	       const struct xfrm_lifetime_cur *cur)
{
	struct espah_counters sum = espah_counters_sum(sa->counters), other = {};
	u64 now = ktime_get_real_seconds();
	ktime_t boot = ktime_get_boottime();
	struct nlx_sa *nlx = nlx_sa(sa);
	u64 since = cur->add_time ? min_t(u64, age(cur->add_time, now), U32_MAX) : 0;

	if (partner)
		other = espah_counters_sum(partner->counters);
	nlx->bytes = cur->bytes - sum.bytes - other.bytes;
	nlx->packets = cur->packets - sum.packets - other.packets;
	if (sa->life) {
		atomic64_set(&sa->life->carried[ESPAH_LIMIT_BYTES], cur->bytes);
		atomic64_set(&sa->life->carried[ESPAH_LIMIT_PACKETS], cur->packets);
	}
	spin_lock_bh(&sa->en->sad.clock.lock);
	sa->added = now - since;
	sa->born = ktime_sub_ns(boot, since * NSEC_PER_SEC);
	if (cur->use_time) {
		since = min(since, age(cur->use_time, now));
		sa->first_used = ktime_sub_ns(boot, since * NSEC_PER_SEC);
		/* pairs with the readers of @first_used in lifetime.c */
		smp_store_release(&sa->watch, sa->watch & ~ESPAH_WATCH_UNUSED);
	}
	spin_unlock_bh(&sa->en->sad.clock.lock);
}

void nlx_carry_limits(struct espah_sa *sa)
{
	const struct nlx_sa *nlx = nlx_sa(sa);

	if (!sa->life)
		return;
	atomic64_add(nlx->bytes, &sa->life->carried[ESPAH_LIMIT_BYTES]);
	atomic64_add(nlx->packets, &sa->life->carried[ESPAH_LIMIT_PACKETS]);
}

static struct espah_sa *alloc_sa(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	unsigned int present = READ_ONCE(rq->en->sad.count[ESPAH_DIR_IN]) +
			       READ_ONCE(rq->en->sad.count[ESPAH_DIR_OUT]);
	struct espah_account *account;
	struct espah_sa *sa;
	struct nlx_sa *nlx;
	int err = espah_account_charge(&account, rq->en->net, ESPAH_ACCOUNT_SA, present, rq->skb,
				       rq->extack);

	if (err)
		return ERR_PTR(err);
	sa = espah_sa_alloc(rq->en);
	if (!sa) {
		espah_account_uncharge(account, ESPAH_ACCOUNT_SA);
		return ERR_PTR(NLX_FAIL(rq, -ENOMEM, "out of memory for the SA"));
	}
	sa->account = account;
	/* an administrator of a container may not let other CPUs work for an SA */
	sa->cpus = espah_net_foreign(rq->en->net) && !espah_privileged(rq->skb);
	nlx = kzalloc(sizeof(*nlx), GFP_KERNEL_ACCOUNT);
	sa->label = kstrdup(NLX_LABEL, GFP_KERNEL_ACCOUNT);
	sa->foreign = &nlx->foreign;
	if (!nlx || !sa->label) {
		sa->foreign = NULL;
		kfree(nlx);
		espah_sa_put(sa);
		return ERR_PTR(NLX_FAIL(rq, -ENOMEM, "out of memory for the SA"));
	}
	nlx->foreign.owner = THIS_MODULE;
	nlx->info = *info;
	nlx->pcpu = U32_MAX;
	sa->id.spi = info->id.spi;
	sa->id.proto = info->id.proto;
	sa->id.family = info->family;
	nlx_addr_in(&sa->id.dst, &info->id.daddr, info->family);
	nlx_addr_in(&espah_sa_path(sa)->src, &info->saddr, info->family);
	sa->mode = info->mode == XFRM_MODE_TUNNEL ? ESPAH_MODE_TUNNEL : ESPAH_MODE_TRANSPORT;
	return sa;
}

static u32 get_u32(const struct nlx_request *rq, int type, u32 absent)
{
	return rq->attrs[type] ? nla_get_u32(rq->attrs[type]) : absent;
}

/* Reads what is no more than given back, or has the same meaning for each kind of SA. */
static void read_attrs(const struct nlx_request *rq, struct espah_sa *sa)
{
	const struct netns_xfrm *xfrm = &sa->en->net->xfrm;
	struct nlattr **attrs = rq->attrs;
	struct nlx_sa *nlx = nlx_sa(sa);

	nlx->dir = attrs[NLX_SA_DIR] ? nla_get_u8(attrs[NLX_SA_DIR]) : 0;
	nlx->extra_flags = get_u32(rq, XFRMA_SA_EXTRA_FLAGS, 0);
	nlx->tfcpad = get_u32(rq, XFRMA_TFCPAD, 0);
	nlx->mapping = get_u32(rq, XFRMA_MTIMER_THRESH, 0);
	nlx->pcpu = get_u32(rq, NLX_SA_PCPU, U32_MAX);
	nlx->replay_diff = get_u32(rq, XFRMA_REPLAY_THRESH, xfrm->sysctl_aevent_rseqth);
	nlx->replay_age = attrs[XFRMA_ETIMER_THRESH] ?
			  nlx_tenths(nla_get_u32(attrs[XFRMA_ETIMER_THRESH])) :
			  xfrm->sysctl_aevent_etime;
	if (attrs[XFRMA_MARK]) {
		const struct xfrm_mark *mark = nla_data(attrs[XFRMA_MARK]);

		sa->sel_mark = mark->v & mark->m;
		sa->sel_mark_mask = mark->m;
		if (mark->m)
			sa->watch |= ESPAH_WATCH_MARK;
	}
	if (attrs[XFRMA_SET_MARK]) {
		nlx->set_mark.v = nla_get_u32(attrs[XFRMA_SET_MARK]);
		nlx->set_mark.m = get_u32(rq, XFRMA_SET_MARK_MASK, U32_MAX);
	}
	sa->mark_mask = nlx->set_mark.m;
	sa->mark = nlx->set_mark.v & sa->mark_mask;
	sa->if_id = get_u32(rq, XFRMA_IF_ID, 0);
	if (attrs[XFRMA_ENCAP]) {
		struct espah_path *path = espah_sa_path(sa);

		nlx->encap = *(const struct xfrm_encap_tmpl *)nla_data(attrs[XFRMA_ENCAP]);
		path->sport = nlx->encap.encap_sport;
		path->dport = nlx->encap.encap_dport;
	}
}

/* How headers are made. */
static void read_header(struct espah_sa *sa)
{
	struct nlx_sa *nlx = nlx_sa(sa);
	u8 flags = nlx->info.flags;
	bool out = sa->id.dir == ESPAH_DIR_OUT, tunnel = sa->mode == ESPAH_MODE_TUNNEL;
	u8 ecn = flags & XFRM_STATE_NOECN ? 0 : INET_ECN_MASK;

	if (flags & XFRM_STATE_ESN)
		sa->flags |= ESPAH_SA_F_ESN;
	if (flags & XFRM_STATE_NOECN)
		sa->flags |= ESPAH_SA_F_NOECN;
	sa->tos_take = ecn;
	sa->tos_keep = ecn | (u8)~INET_ECN_MASK;
	if (flags & XFRM_STATE_DECAP_DSCP && !out && tunnel) {
		sa->flags |= ESPAH_SA_F_DSCP_IN;
		sa->tos_take |= (u8)~INET_ECN_MASK;
	}
	if (!out || !tunnel)
		return;
	if (nlx->extra_flags & XFRM_SA_XFLAG_DONT_ENCAP_DSCP)
		sa->tos_keep = ecn;
	sa->df = flags & XFRM_STATE_NOPMTUDISC ? ESPAH_DF_CLEAR : ESPAH_DF_COPY;
	sa->tfc = min_t(u32, nlx->tfcpad, U16_MAX);
}

/* Without ALIGN4, XFRM pads AH in IPv4 to a multiple of 8 bytes, unlike RFC 4302 and espah. */
static int check_align(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 icv_len)
{
	if (info->id.proto != IPPROTO_AH || info->family != AF_INET ||
	    info->flags & XFRM_STATE_ALIGN4 || !((sizeof(struct ip_auth_hdr) + icv_len) % 8))
		return 0;
	return NLX_FAIL(rq, -EOPNOTSUPP,
			"AH in IPv4 with an ICV of this length needs the flag align4, at the peer too (RFC 4302 3.3.3.2.1)");
}

static int read_keys(struct nlx_request *rq, const struct xfrm_usersa_info *info,
		     struct espah_sa *sa)
{
	u8 *key = kzalloc(NLX_KEY_MAX, GFP_KERNEL);
	const struct espah_algo *algo;
	u32 window;
	u64 seq;
	int err;

	if (!key)
		return NLX_FAIL(rq, -ENOMEM, "out of memory for the SA");
	err = nlx_read_algo(rq, info->id.proto, nlx_sa(sa), key, &algo) ?:
	      check_align(rq, info, algo->icv_len);
	if (!err) {
		nlx_read_replay(rq, info, sa->id.dir, nlx_sa(sa), &seq, &window);
		err = espah_sa_key(sa, algo, key, window, seq, rq->extack);
	}
	kfree_sensitive(key);
	if (!err)
		nlx_read_bitmap(rq, sa);
	return err;
}

static int read_life(struct nlx_request *rq, const struct xfrm_lifetime_cfg *lft,
		     struct espah_sa *sa)
{
	const struct nlattr *cur = rq->attrs[XFRMA_LTIME_VAL];
	struct espah_sa_change change = {
		.df = ESPAH_AS_IT_IS, .tfc = ESPAH_AS_IT_IS, .cpus = ESPAH_AS_IT_IS,
		.owner = ESPAH_AS_IT_IS,
	};
	int err;

	nlx_read_limits(lft, &change.limits);
	change.limited = memchr_inv(&change.limits, 0, sizeof(change.limits));
	if (!change.limited && !cur)
		return 0;
	err = espah_sa_change_prepare(sa, &change, rq->extack);
	if (err)
		return err;
	mutex_lock(&sa->en->lock);
	espah_sa_change(sa, &change);
	if (cur)
		nlx_carry(sa, NULL, nla_data(cur));
	mutex_unlock(&sa->en->lock);
	return 0;
}

struct espah_sa *nlx_make_sa(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir)
{
	struct espah_sa *sa = alloc_sa(rq, info);
	struct nlx_sa *nlx;
	int err;

	if (IS_ERR(sa))
		return sa;
	sa->id.dir = dir;
	read_attrs(rq, sa);
	nlx = nlx_sa(sa);
	nlx->event = rq->nlh->nlmsg_type;
	/* XFRM shows what its sysctl adds */
	if (info->family == AF_INET && nlx->dir != NLX_DIR_IN &&
	    READ_ONCE(rq->en->net->ipv4.sysctl_ip_no_pmtu_disc))
		nlx->info.flags |= XFRM_STATE_NOPMTUDISC;
	if (!nlx->info.sel.family && !(info->flags & XFRM_STATE_AF_UNSPEC))
		nlx->info.sel.family = info->family;
	read_header(sa);
	err = read_keys(rq, info, sa) ?: read_life(rq, &info->lft, sa);
	if (!err)
		return sa;
	espah_sa_put(sa);
	return ERR_PTR(err);
}

struct espah_sa *nlx_make_larval(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	struct espah_sa *sa = alloc_sa(rq, info);
	struct xfrm_usersa_info *shown;
	u8 bits = info->family == AF_INET ? 32 : 128;
	int err;

	if (IS_ERR(sa))
		return sa;
	sa->id.dir = ESPAH_DIR_IN;
	read_attrs(rq, sa);
	shown = &nlx_sa(sa)->info;
	memset(shown, 0, sizeof(*shown));
	shown->mode = info->mode;
	shown->reqid = info->reqid;
	shown->sel.saddr = info->saddr;
	shown->sel.daddr = info->id.daddr;
	shown->sel.prefixlen_s = bits;
	shown->sel.prefixlen_d = bits;
	shown->lft.soft_byte_limit = XFRM_INF;
	shown->lft.hard_byte_limit = XFRM_INF;
	shown->lft.soft_packet_limit = XFRM_INF;
	shown->lft.hard_packet_limit = XFRM_INF;
	shown->lft.hard_add_expires_seconds = rq->en->net->xfrm.sysctl_acq_expires;
	err = read_life(rq, &shown->lft, sa);
	if (!err)
		return sa;
	espah_sa_put(sa);
	return ERR_PTR(err);
}
