// SPDX-License-Identifier: GPL-2.0-only
/* Messages about SAs. */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/security.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include "db/replay.h"
#include "nlx_sa.h"

/* --- the fixed part --- */

static void add_current(struct xfrm_lifetime_cur *cur, const struct espah_sa *sa)
{
	struct espah_counters sum = espah_counters_sum(sa->counters);
	u64 used;

	cur->bytes += sum.bytes;
	cur->packets += sum.packets;
	/* pairs with begin_use() in lifetime.c */
	if (smp_load_acquire(&sa->watch) & ESPAH_WATCH_UNUSED)
		return;
	used = sa->added + div_s64(sa->first_used - sa->born, NSEC_PER_SEC);
	if (!cur->use_time || used < cur->use_time)
		cur->use_time = used;
}

void nlx_fill_current(struct xfrm_lifetime_cur *cur, const struct espah_sa *sa)
{
	const struct espah_sa *partner = nlx_partner(sa);
	const struct nlx_sa *nlx = nlx_sa(sa);

	memset(cur, 0, sizeof(*cur));
	cur->add_time = sa->added;
	cur->bytes = nlx ? nlx->bytes : 0;
	cur->packets = nlx ? nlx->packets : 0;
	add_current(cur, sa);
	if (partner)
		add_current(cur, partner);
}

static u32 drops(const struct espah_sa *sa, enum espah_drop reason)
{
	const struct espah_drops *drops = espah_drops_get(&sa->drops);

	return drops ? atomic64_read(&drops->count[reason]) : 0;
}

static u64 shown(u64 limit)
{
	return limit ?: XFRM_INF;
}

static void fill_limits(struct xfrm_lifetime_cfg *lft, const struct espah_life *life)
{
	static const struct espah_limits none;
	const struct espah_limits *limits = life ? &life->limits : &none;
	const u64 *soft = limits->at[0], *hard = limits->at[1];

	lft->soft_byte_limit = shown(soft[ESPAH_LIMIT_BYTES]);
	lft->hard_byte_limit = shown(hard[ESPAH_LIMIT_BYTES]);
	lft->soft_packet_limit = shown(soft[ESPAH_LIMIT_PACKETS]);
	lft->hard_packet_limit = shown(hard[ESPAH_LIMIT_PACKETS]);
	lft->soft_add_expires_seconds = soft[ESPAH_LIMIT_TIME];
	lft->hard_add_expires_seconds = hard[ESPAH_LIMIT_TIME];
	lft->soft_use_expires_seconds = soft[ESPAH_LIMIT_USE];
	lft->hard_use_expires_seconds = hard[ESPAH_LIMIT_USE];
}

/* The fixed part of an SA that came by generic netlink. */
static void fill_native(struct xfrm_usersa_info *info, const struct espah_sa *sa)
{
	memset(info, 0, sizeof(*info));
	info->reqid = sa->slot->id.reqid;
	info->mode = sa->mode == ESPAH_MODE_TUNNEL ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
	info->sel.family = sa->id.family;
	if (espah_sa_esn(sa))
		info->flags |= XFRM_STATE_ESN;
	else if (sa->replay && sa->replay->window <= 32)
		info->replay_window = sa->replay->window;
	if (sa->flags & ESPAH_SA_F_NOECN)
		info->flags |= XFRM_STATE_NOECN;
	if (sa->flags & ESPAH_SA_F_DSCP_IN)
		info->flags |= XFRM_STATE_DECAP_DSCP;
	if (sa->df == ESPAH_DF_CLEAR)
		info->flags |= XFRM_STATE_NOPMTUDISC;
	if (espah_sa_is_ah(sa) && sa->id.family == AF_INET)
		info->flags |= XFRM_STATE_ALIGN4;
	fill_limits(&info->lft, sa->life);
}

static void fill_info(struct xfrm_usersa_info *info, const struct espah_sa *sa)
{
	const struct espah_sa *inbound = sa->id.dir == ESPAH_DIR_IN ? sa : NULL;
	const struct nlx_sa *nlx = nlx_sa(sa);

	if (nlx)
		*info = nlx->info;
	else
		fill_native(info, sa);
	memset(&info->id, 0, sizeof(info->id));
	nlx_addr_out(&info->id.daddr, &sa->id.dst);
	nlx_addr_out(&info->saddr, &espah_sa_path(sa)->src);
	info->id.spi = sa->id.spi;
	info->id.proto = sa->id.proto;
	info->family = sa->id.family;
	info->replay_window = min_t(u8, info->replay_window, 32);
	nlx_fill_current(&info->curlft, sa);
	memset(&info->stats, 0, sizeof(info->stats));
	if (inbound) {
		info->stats.replay_window = drops(inbound, ESPAH_DROP_TOO_OLD);
		info->stats.replay = drops(inbound, ESPAH_DROP_REPLAY);
		info->stats.integrity_failed = drops(inbound, ESPAH_DROP_ICV);
	}
}

/* --- algorithms --- */

/* Reserves an algorithm with a key of @len bytes; @head: bytes before the key. */
static void *reserve_algo(struct sk_buff *skb, int type, unsigned int head, const char *name,
			  unsigned int name_len, unsigned int len)
{
	struct nlattr *attr = nla_reserve(skb, type, head + len);
	struct xfrm_algo *algo;

	if (!attr)
		return NULL;
	algo = nla_data(attr);
	memset(algo, 0, head + len);
	memcpy(algo->alg_name, name, min_t(unsigned int, name_len, sizeof(algo->alg_name) - 1));
	algo->alg_key_len = len * 8;
	return algo;
}

static int put_integrity(struct sk_buff *skb, const struct espah_sa *sa, const char *name,
			 unsigned int name_len, const u8 *key, unsigned int len, bool keys)
{
	struct xfrm_algo_auth *trunc;
	struct xfrm_algo *auth = reserve_algo(skb, XFRMA_ALG_AUTH, sizeof(*auth), name, name_len,
					      len);

	if (!auth)
		return -EMSGSIZE;
	if (keys)
		memcpy(auth->alg_key, key, len);
	trunc = reserve_algo(skb, XFRMA_ALG_AUTH_TRUNC, sizeof(*trunc), name, name_len, len);
	if (!trunc)
		return -EMSGSIZE;
	trunc->alg_trunc_len = sa->icv_len * 8;
	if (keys)
		memcpy(trunc->alg_key, key, len);
	return 0;
}

static int put_combined(struct sk_buff *skb, const struct espah_sa *sa, bool keys)
{
	const struct espah_algo *algo = sa->algo;
	unsigned int len = espah_algo_key_len(algo);
	struct xfrm_algo_aead *aead;

	/* AH with GMAC, which XFRM does not have */
	if (espah_sa_is_ah(sa))
		return put_integrity(skb, sa, algo->aead, strlen(algo->aead), sa->key, len, keys);
	aead = reserve_algo(skb, XFRMA_ALG_AEAD, sizeof(*aead), algo->aead, strlen(algo->aead),
			    len);
	if (!aead)
		return -EMSGSIZE;
	aead->alg_icv_len = sa->icv_len * 8;
	if (keys)
		memcpy(aead->alg_key, sa->key, len);
	return 0;
}

/* Puts the two algorithms of authenc(INTEGRITY,CIPHER). */
static int put_pair(struct sk_buff *skb, const struct espah_sa *sa, bool keys)
{
	const struct espah_algo *algo = sa->algo;
	const char *mac = algo->aead + strlen("authenc(");
	const char *cipher = strchrnul(mac, ',');
	unsigned int crypt_len = algo->enc_key_len + algo->salt_len;
	struct xfrm_algo *crypt;

	if (put_integrity(skb, sa, mac, cipher - mac, sa->key + crypt_len, algo->auth_key_len,
			  keys))
		return -EMSGSIZE;
	if (espah_sa_is_ah(sa) || !*cipher)
		return 0;
	cipher++;
	crypt = reserve_algo(skb, XFRMA_ALG_CRYPT, sizeof(*crypt), cipher, strlen(cipher) - 1,
			     crypt_len);
	if (!crypt)
		return -EMSGSIZE;
	if (keys)
		memcpy(crypt->alg_key, sa->key, crypt_len);
	return 0;
}

static int put_algo(struct sk_buff *skb, const struct espah_sa *sa, bool keys)
{
	if (!sa->algo)
		return 0;
	if (keys && IS_ENABLED(CONFIG_SECURITY))
		keys = !security_locked_down(LOCKDOWN_XFRM_SECRET);
	return sa->algo->auth_key_len ? put_pair(skb, sa, keys) : put_combined(skb, sa, keys);
}

/* --- other attributes --- */

static int put_encap(struct sk_buff *skb, const struct espah_sa *sa)
{
	const struct espah_path *path = espah_sa_path(sa);
	const struct nlx_sa *nlx = nlx_sa(sa);
	struct xfrm_encap_tmpl encap;

	if (!path->dport)
		return 0;
	memset(&encap, 0, sizeof(encap)); /* padding, too */
	encap.encap_type = UDP_ENCAP_ESPINUDP;
	encap.encap_sport = path->sport;
	encap.encap_dport = path->dport;
	if (nlx)
		encap.encap_oa = nlx->encap.encap_oa;
	return nla_put(skb, XFRMA_ENCAP, sizeof(encap), &encap);
}

static int put_last_use(struct sk_buff *skb, const struct espah_sa *sa)
{
	const struct espah_sa *partner = nlx_partner(sa);
	struct espah_counters sum = espah_counters_sum(sa->counters);

	if (partner) {
		struct espah_counters other = espah_counters_sum(partner->counters);

		if (!sum.packets || (other.packets && time_after(other.last, sum.last)))
			sum = other;
	}
	if (!sum.packets)
		return 0;
	return nla_put_u64_64bit(skb, XFRMA_LASTUSED, ktime_get_real_seconds() -
				 jiffies_to_msecs(jiffies - sum.last) / MSEC_PER_SEC, XFRMA_PAD);
}

static int put_mark(struct sk_buff *skb, const struct espah_sa *sa)
{
	const struct xfrm_mark mark = { .v = sa->sel_mark, .m = sa->sel_mark_mask };

	return mark.m ? nla_put(skb, XFRMA_MARK, sizeof(mark), &mark) : 0;
}

static int put_marks(struct sk_buff *skb, const struct espah_sa *sa)
{
	const struct nlx_sa *nlx = nlx_sa(sa);
	struct xfrm_mark set = { .v = sa->mark, .m = sa->mark_mask };

	if (nlx)
		set = nlx->set_mark;
	if (put_mark(skb, sa))
		return -EMSGSIZE;
	if (set.v | set.m)
		return nla_put_u32(skb, XFRMA_SET_MARK, set.v) ?:
		       nla_put_u32(skb, XFRMA_SET_MARK_MASK, set.m);
	return 0;
}

static u8 direction(const struct espah_sa *sa)
{
	if (nlx_sa(sa))
		return nlx_sa(sa)->dir;
	return sa->id.dir == ESPAH_DIR_IN ? NLX_DIR_IN : NLX_DIR_OUT;
}

/* Puts the attributes of a whole SA, in XFRM's order. */
static int put_attrs(struct sk_buff *skb, struct espah_sa *sa, bool keys)
{
	const struct nlx_sa *nlx = nlx_sa(sa);
	u32 extra = nlx ? nlx->extra_flags : 0, tfc = nlx ? nlx->tfcpad : sa->tfc;
	u8 dir = direction(sa);

	if ((extra && nla_put_u32(skb, XFRMA_SA_EXTRA_FLAGS, extra)) ||
	    put_last_use(skb, sa) || put_algo(skb, sa, keys) || put_encap(skb, sa) ||
	    (tfc && nla_put_u32(skb, XFRMA_TFCPAD, tfc)) ||
	    put_marks(skb, sa) || nlx_put_replay(skb, sa) ||
	    (sa->if_id && nla_put_u32(skb, XFRMA_IF_ID, sa->if_id)))
		return -EMSGSIZE;
	if (nlx && ((nlx->mapping && nla_put_u32(skb, XFRMA_MTIMER_THRESH, nlx->mapping)) ||
		    (nlx->pcpu != U32_MAX && nla_put_u32(skb, NLX_SA_PCPU, nlx->pcpu))))
		return -EMSGSIZE;
	return dir ? nla_put_u8(skb, NLX_SA_DIR, dir) : 0;
}

int nlx_put_identity(struct sk_buff *skb, const struct espah_sa *sa)
{
	const struct nlx_sa *nlx = nlx_sa(sa);
	u8 dir = direction(sa);

	if (put_mark(skb, sa) ||
	    (sa->if_id && nla_put_u32(skb, XFRMA_IF_ID, sa->if_id)) ||
	    (nlx && nlx->pcpu != U32_MAX && nla_put_u32(skb, NLX_SA_PCPU, nlx->pcpu)))
		return -EMSGSIZE;
	return dir ? nla_put_u8(skb, NLX_SA_DIR, dir) : 0;
}

/* --- messages --- */

static int put_expire(struct sk_buff *skb, struct nlmsghdr *nlh, const struct espah_sa *sa,
		      const struct xfrm_usersa_info *info, bool hard)
{
	struct xfrm_user_expire *expire = nlmsg_data(nlh);

	memset(expire, 0, sizeof(*expire));
	expire->state = *info;
	expire->hard = hard;
	return nlx_put_identity(skb, sa);
}

int nlx_put_sa(struct sk_buff *skb, u32 portid, u32 seq, u16 flags, u16 type, struct espah_sa *sa,
	       bool hard)
{
	unsigned int len = type == XFRM_MSG_DELSA ? sizeof(struct xfrm_usersa_id) :
			   type == XFRM_MSG_EXPIRE ? sizeof(struct xfrm_user_expire) :
			   sizeof(struct xfrm_usersa_info);
	struct nlmsghdr *nlh = nlmsg_put(skb, portid, seq, type, len, flags);
	struct xfrm_usersa_info info;
	int err = 0;

	lockdep_assert_held(&sa->en->lock);
	if (!nlh)
		return -EMSGSIZE;
	fill_info(&info, sa);
	if (type == XFRM_MSG_EXPIRE) {
		err = put_expire(skb, nlh, sa, &info, hard);
	} else {
		if (type == XFRM_MSG_DELSA) {
			nlx_fill_id(nlmsg_data(nlh), sa);
			err = nla_put(skb, XFRMA_SA, sizeof(info), &info);
		} else {
			memcpy(nlmsg_data(nlh), &info, sizeof(info));
		}
		err = err ?: put_attrs(skb, sa, portid);
	}
	if (err) {
		nlmsg_cancel(skb, nlh);
		return -EMSGSIZE;
	}
	nlmsg_end(skb, nlh);
	return 0;
}

void nlx_tell_sa(struct espah_sa *sa, u16 type, unsigned int group, bool hard)
{
	struct sk_buff *skb;

	if (!nlx_listens(sa->en, group))
		return;
	skb = nlmsg_new(NLX_SA_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (nlx_put_sa(skb, 0, 0, 0, type, sa, hard))
		nlmsg_free(skb);
	else
		nlx_tell(sa->en, skb, group, GFP_KERNEL);
}
