// SPDX-License-Identifier: GPL-2.0-only
/* Requests about SAs. */
#include <linux/in.h>
#include <net/xfrm.h>
#include "db/domain.h"
#include "report/event.h"
#include "nlx_sa.h"

#define NOT_OURS "the SA came by espah's own command: delete or change it by that (espah sa)"

/* --- changes --- */

/**
 * struct pair - the SAs that a request makes
 * @sa: by enum espah_dir; NULL: none for this direction
 */
struct pair {
	struct espah_sa *sa[2];
};

static void drop_pair(const struct pair *pair)
{
	int dir;

	for (dir = 0; dir < ARRAY_SIZE(pair->sa); dir++)
		if (pair->sa[dir])
			espah_sa_put(pair->sa[dir]);
}

/* The directions of an SA: that which it names, or those that its addresses leave open. */
static unsigned int directions(const struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	const struct nlattr *named = rq->attrs[NLX_SA_DIR];
	union espah_addr src, dst;
	unsigned int dirs = 0;

	if (named)
		return nla_get_u8(named) == NLX_DIR_IN ? BIT(ESPAH_DIR_IN) : BIT(ESPAH_DIR_OUT);
	nlx_addr_in(&src, &info->saddr, info->family);
	nlx_addr_in(&dst, &info->id.daddr, info->family);
	rcu_read_lock();
	if (espah_domain_has(rq->en->net, &dst, info->family, NULL))
		dirs |= BIT(ESPAH_DIR_IN);
	if (espah_domain_has(rq->en->net, &src, info->family, NULL))
		dirs |= BIT(ESPAH_DIR_OUT);
	rcu_read_unlock();
	return dirs ?: BIT(ESPAH_DIR_IN) | BIT(ESPAH_DIR_OUT);
}

static int make_pair(struct nlx_request *rq, const struct xfrm_usersa_info *info,
		     struct pair *pair)
{
	unsigned int dirs = directions(rq, info);
	int dir;

	memset(pair, 0, sizeof(*pair));
	for (dir = 0; dir < ARRAY_SIZE(pair->sa); dir++) {
		struct espah_sa *sa;

		if (!(dirs & BIT(dir)))
			continue;
		sa = nlx_make_sa(rq, info, dir);
		if (IS_ERR(sa)) {
			drop_pair(pair);
			return PTR_ERR(sa);
		}
		nlx_sa(sa)->both = dirs & ~BIT(dir);
		pair->sa[dir] = sa;
	}
	return 0;
}

/* XFRM lets SAs share a key; generic netlink shows which do. */
static void mark_reuse(struct espah_sa *sa)
{
	if (espah_algo_counts(sa->algo) &&
	    (!memchr_inv(sa->key, 0, sa->algo->enc_key_len) ||
	     espah_key_used(&sa->en->sad.keys, sa)))
		sa->flags |= ESPAH_SA_F_REUSE_KEY;
}

/* Deletes an SA in each of its directions; @tell: XFRM's listeners are told. */
static void del_sa(struct espah_sa *sa, bool tell)
{
	struct espah_sa *partner = nlx_partner(sa);

	nlx_sa(sa)->quiet = !tell;
	espah_sa_del(sa, true);
	if (!partner)
		return;
	nlx_sa(partner)->quiet = true;
	espah_sa_del(partner, true);
}

/* Adds SAs, or drops all of them. The inbound one is last, as it is the one that is told. */
static int add_pair(struct nlx_request *rq, const struct pair *pair)
{
	struct espah_sa *in = pair->sa[ESPAH_DIR_IN], *out = pair->sa[ESPAH_DIR_OUT];
	int err = 0;

	if (out) {
		if (in)
			nlx_sa(out)->event = 0;
		mark_reuse(out);
		err = espah_sa_add(out, nlx_sa(out)->info.reqid, true, rq->extack);
		if (err) {
			drop_pair(pair);
			return err;
		}
	}
	if (in) {
		mark_reuse(in);
		err = espah_sa_add(in, nlx_sa(in)->info.reqid, true, rq->extack);
		if (err) {
			espah_sa_put(in);
			if (out)
				del_sa(out, false);
		}
	}
	return err;
}

static struct espah_sa *find(struct nlx_request *rq, const struct xfrm_usersa_info *info)
{
	return nlx_find_sa(rq, &info->id.daddr, info->id.spi, info->id.proto, info->family);
}

/* Has @run take over the SAs that a request makes; @found: the SA that has their id, or NULL. */
static int with_pair(struct nlx_request *rq,
		     int (*run)(struct nlx_request *rq, struct espah_sa *found,
				const struct pair *pair))
{
	const struct xfrm_usersa_info *info = nlmsg_data(rq->nlh);
	struct pair pair;
	int err = nlx_check_sa(rq, info) ?: make_pair(rq, info, &pair);

	if (err)
		return err;
	mutex_lock(&rq->en->lock);
	err = run(rq, find(rq, info), &pair);
	mutex_unlock(&rq->en->lock);
	return err;
}

static int add_new(struct nlx_request *rq, struct espah_sa *found, const struct pair *pair)
{
	if (!found)
		return add_pair(rq, pair);
	drop_pair(pair);
	return NLX_FAIL(rq, -EEXIST, "an SA with this destination, SPI and protocol exists");
}

int nlx_sa_new(struct nlx_request *rq)
{
	return with_pair(rq, add_new);
}

/* Puts the SAs with keys in the place of a larval one. */
static int give_keys(struct nlx_request *rq, struct espah_sa *larval, const struct pair *pair)
{
	bool replaces = pair->sa[ESPAH_DIR_IN];
	int err = add_pair(rq, pair);

	/* the inbound half takes the place of the larval one; for an outbound SA, it has no use */
	if (!err && !replaces)
		del_sa(larval, false);
	return err;
}

/* Takes over what XFRM lets an update change. */
static int update(struct nlx_request *rq, struct espah_sa *sa, const struct espah_sa *from)
{
	const struct nlx_sa *given = nlx_sa(from);
	struct nlx_sa *nlx = nlx_sa(sa);
	struct espah_sa_change change = {
		.limited = true, .df = ESPAH_AS_IT_IS, .tfc = ESPAH_AS_IT_IS,
		.cpus = ESPAH_AS_IT_IS,
		.owner = ESPAH_AS_IT_IS,
	};
	const struct espah_path *path = espah_sa_path(sa);
	bool fresh = !(sa->watch & ESPAH_WATCH_LIMITED);
	int err;

	nlx_read_limits(&given->info.lft, &change.limits);
	err = espah_sa_change_prepare(sa, &change, rq->extack);
	if (err)
		return err;
	if (given->encap.encap_sport != path->sport || given->encap.encap_dport != path->dport)
		err = espah_sa_move(sa, &path->src, &path->dst, path->family,
				    given->encap.encap_sport, given->encap.encap_dport,
				    rq->extack);
	if (err) {
		espah_sa_change_cancel(&change);
		return err;
	}
	nlx->encap = given->encap;
	espah_sa_change(sa, &change);
	if (fresh)
		nlx_carry_limits(sa);
	nlx->info.lft = given->info.lft;
	nlx->dying = false;
	if (given->set_mark.m | given->set_mark.v) {
		nlx->set_mark = given->set_mark;
		WRITE_ONCE(sa->mark, from->mark);
		WRITE_ONCE(sa->mark_mask, from->mark_mask);
	}
	return 0;
}

/* Changes an SA that has keys, in each of its directions. */
static int change_sa(struct nlx_request *rq, struct espah_sa *sa, const struct pair *pair)
{
	const struct espah_sa *from = pair->sa[ESPAH_DIR_IN] ?: pair->sa[ESPAH_DIR_OUT];
	struct espah_sa *partner = nlx_partner(sa);
	int err;

	if (!nlx_sa(from)->encap.encap_type != !nlx_sa(sa)->encap.encap_type)
		return NLX_FAIL(rq, -EINVAL,
				"an update does not add or remove encapsulation: make a new SA");
	if (from->if_id && from->if_id != sa->if_id)
		return NLX_FAIL(rq, -EOPNOTSUPP,
				"an update does not change the if_id: make a new SA");
	err = update(rq, sa, from);
	if (!err && partner)
		err = update(rq, partner, from);
	if (!err)
		espah_event_sa(rq->en, sa, ESPAH_CMD_SA_SET_NTF);
	return err;
}

static int update_found(struct nlx_request *rq, struct espah_sa *sa, const struct pair *pair)
{
	const struct espah_sa *from = pair->sa[ESPAH_DIR_IN] ?: pair->sa[ESPAH_DIR_OUT];
	u8 dir = nlx_sa(from)->dir;
	int err = -ESRCH;

	if (sa && !sa->foreign) {
		err = NLX_FAIL(rq, -EPERM, NOT_OURS);
	} else if (sa && sa->state == ESPAH_SA_STATE_LARVAL) {
		if (!dir || dir == nlx_sa(sa)->dir)
			return give_keys(rq, sa, pair);
	} else if (sa && dir == nlx_sa(sa)->dir) {
		err = change_sa(rq, sa, pair);
	}
	drop_pair(pair);
	return err;
}

int nlx_sa_update(struct nlx_request *rq)
{
	return with_pair(rq, update_found);
}

/* The SA that a request names, or ERR_PTR(). Context: espah_net.lock. */
static struct espah_sa *get_sa(struct nlx_request *rq, const struct xfrm_usersa_id *id)
{
	const struct nlattr *srcaddr = rq->attrs[XFRMA_SRCADDR];
	union espah_addr src;
	struct espah_sa *sa;

	if (!espah_proto_is_ipsec(id->proto) && !srcaddr)
		return ERR_PTR(id->proto == IPPROTO_COMP ? -ESRCH : -EINVAL);
	sa = nlx_find_sa(rq, &id->daddr, id->spi, id->proto, id->family);
	if (sa && srcaddr) {
		nlx_addr_in(&src, nla_data(srcaddr), id->family);
		if (!espah_addr_equal(&src, &espah_sa_path(sa)->src))
			sa = NULL;
	}
	return sa ?: ERR_PTR(-ESRCH);
}

int nlx_sa_del(struct nlx_request *rq)
{
	struct espah_sa *sa;
	int err = 0;

	mutex_lock(&rq->en->lock);
	sa = get_sa(rq, nlmsg_data(rq->nlh));
	if (IS_ERR(sa))
		err = PTR_ERR(sa);
	else if (!sa->foreign)
		err = NLX_FAIL(rq, -EPERM, NOT_OURS);
	else
		del_sa(sa, true);
	mutex_unlock(&rq->en->lock);
	return err;
}

static void tell_flush(struct espah_net *en, u8 proto)
{
	struct xfrm_usersa_flush *flush;
	struct nlmsghdr *nlh;
	struct sk_buff *skb;

	if (!nlx_listens(en, XFRMNLGRP_SA))
		return;
	skb = nlmsg_new(sizeof(*flush), GFP_KERNEL);
	nlh = skb ? nlmsg_put(skb, 0, 0, XFRM_MSG_FLUSHSA, sizeof(*flush), 0) : NULL;
	if (!nlh) {
		nlmsg_free(skb);
		return;
	}
	flush = nlmsg_data(nlh);
	memset(flush, 0, sizeof(*flush));
	flush->proto = proto;
	nlmsg_end(skb, nlh);
	nlx_tell(en, skb, XFRMNLGRP_SA, GFP_KERNEL);
}

static bool wanted(const struct espah_sa *sa, u8 proto)
{
	return !proto || proto == IPSEC_PROTO_ANY || proto == sa->id.proto;
}

int nlx_sa_flush(struct nlx_request *rq)
{
	const struct xfrm_usersa_flush *flush = nlmsg_data(rq->nlh);
	struct espah_net *en = rq->en;
	unsigned long index;
	struct espah_sa *sa;
	bool any = false;

	mutex_lock(&en->lock);
	xa_for_each(&en->sad.index, index, sa) {
		if (sa->foreign && wanted(sa, flush->proto)) {
			nlx_sa(sa)->quiet = true;
			espah_sa_del(sa, true);
			any = true;
		}
		cond_resched();
	}
	if (any)
		tell_flush(en, flush->proto);
	mutex_unlock(&en->lock);
	return 0;
}

/* --- answers --- */

static int put_got(struct nlx_request *rq, struct sk_buff *skb)
{
	struct espah_sa *sa = get_sa(rq, nlmsg_data(rq->nlh));

	return PTR_ERR_OR_ZERO(sa) ?:
	       nlx_put_sa(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, 0,
			  XFRM_MSG_NEWSA, sa, false);
}

int nlx_sa_get(struct nlx_request *rq)
{
	return nlx_answer(rq, NLX_SA_SIZE, put_got);
}

/* An attribute of a dump's request, which has no fixed part; NULL: absent or too short. */
static const void *dump_attr(const struct netlink_callback *cb, int type, int len)
{
	const struct nlattr *attr = nlmsg_find_attr(cb->nlh, 0, type);

	return attr && nla_len(attr) >= len ? nla_data(attr) : NULL;
}

static bool filtered(const struct netlink_callback *cb, const struct espah_sa *sa)
{
	const struct xfrm_address_filter *filter =
		dump_attr(cb, XFRMA_ADDRESS_FILTER, sizeof(*filter));
	const u8 *proto = dump_attr(cb, XFRMA_PROTO, sizeof(*proto));
	xfrm_address_t src = {}, dst = {};

	if (proto && !wanted(sa, *proto))
		return true;
	if (!filter)
		return false;
	if ((filter->family == AF_INET || filter->family == AF_INET6) &&
	    filter->family != sa->id.family)
		return true;
	nlx_addr_out(&src, &espah_sa_path(sa)->src);
	nlx_addr_out(&dst, &sa->id.dst);
	return !addr_match(&src, &filter->saddr, filter->splen) ||
	       !addr_match(&dst, &filter->daddr, filter->dplen);
}

static int put_entry(struct sk_buff *skb, struct netlink_callback *cb, void *entry)
{
	struct espah_sa *sa = entry;

	if (nlx_is_second(sa) || filtered(cb, sa))
		return 0;
	return nlx_put_sa(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, NLM_F_MULTI,
			  XFRM_MSG_NEWSA, sa, false);
}

int nlx_sa_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct xfrm_address_filter *filter =
		dump_attr(cb, XFRMA_ADDRESS_FILTER, sizeof(*filter));
	struct espah_net *en = espah_pernet(sock_net(skb->sk));

	if (filter && (filter->splen > 128 || filter->dplen > 128))
		return -EINVAL;
	return nlx_dump(skb, cb, &en->sad.index, put_entry);
}

static u32 count(struct espah_net *en)
{
	unsigned long index;
	struct espah_sa *sa;
	u32 n = 0;

	mutex_lock(&en->lock);
	xa_for_each(&en->sad.index, index, sa) {
		n += !nlx_is_second(sa);
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return n;
}

int nlx_sa_count(struct nlx_request *rq)
{
	/* XFRM's limit; that of espah's table is higher */
	struct xfrmu_sadhinfo hash = { .sadhmcnt = 1 << 20 };
	struct rhashtable *sas = &rq->en->sad.sas;
	struct sk_buff *skb = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	struct nlmsghdr *nlh;

	if (!skb)
		return -ENOMEM;
	rcu_read_lock();
	hash.sadhcnt = rht_dereference_rcu(sas->tbl, sas)->size;
	rcu_read_unlock();
	nlh = nlmsg_put(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, XFRM_MSG_NEWSADINFO,
			sizeof(u32), 0);
	if (!nlh || nla_put_u32(skb, XFRMA_SAD_CNT, count(rq->en)) ||
	    nla_put(skb, XFRMA_SAD_HINFO, sizeof(hash), &hash)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	*(u32 *)nlmsg_data(nlh) = *(const u32 *)nlmsg_data(rq->nlh);
	nlmsg_end(skb, nlh);
	return nlx_reply(rq, skb);
}

/* --- SPIs and the end of SAs --- */

/* Finds an SPI that no SA has, in neither direction. */
static int choose_spi(struct espah_sa *sa, u32 min, u32 max)
{
	struct espah_sa_id out;
	int tries, err = -ENOSPC;

	for (tries = 0; tries < 8; tries++) {
		err = espah_sad_alloc_spi(&sa->en->sad, &sa->id, min, max);
		out = sa->id;
		out.dir = ESPAH_DIR_OUT;
		if (err || !espah_sad_find(&sa->en->sad, &out))
			return err;
	}
	return -ENOSPC;
}

static int add_larval(struct nlx_request *rq, struct espah_sa *sa, u32 min, u32 max,
		      struct sk_buff *skb)
{
	int err = choose_spi(sa, min, max);

	if (err) {
		NL_SET_ERR_MSG(rq->extack, "no SPI of the range is free");
		espah_sa_put(sa);
		return -ENOENT;
	}
	err = espah_sa_add(sa, nlx_sa(sa)->info.reqid, true, rq->extack);
	if (err) {
		espah_sa_put(sa);
		return err;
	}
	err = nlx_put_sa(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, 0, XFRM_MSG_NEWSA,
			 sa, false);
	if (err)
		del_sa(sa, false);
	return err;
}

int nlx_sa_alloc_spi(struct nlx_request *rq)
{
	const struct xfrm_userspi_info *spi = nlmsg_data(rq->nlh);
	int err = nlx_check_spi(rq, spi);
	struct sk_buff *skb;
	struct espah_sa *sa;

	if (err)
		return err;
	if (!spi->max)
		return NLX_FAIL(rq, -ENOENT, "the SPI 0 is reserved (RFC 4303 2.1)");
	sa = nlx_make_larval(rq, &spi->info);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	skb = nlmsg_new(NLX_SA_SIZE, GFP_KERNEL);
	if (!skb) {
		espah_sa_put(sa);
		return -ENOMEM;
	}
	mutex_lock(&rq->en->lock);
	err = add_larval(rq, sa, max(spi->min, 1U), spi->max, skb);
	mutex_unlock(&rq->en->lock);
	if (!err)
		return nlx_reply(rq, skb);
	nlmsg_free(skb);
	return err;
}

static void expire_now(struct espah_sa *sa, bool hard)
{
	struct nlx_sa *nlx = nlx_sa(sa);
	bool dying = nlx->dying;

	/* a user is heard each time, and the first real limit after that */
	nlx->dying = false;
	espah_event_expire(sa, ESPAH_LIMIT_TIME, hard);
	nlx->dying = dying;
	if (hard)
		del_sa(sa, false);
}

int nlx_sa_expire(struct nlx_request *rq)
{
	const struct xfrm_user_expire *expire = nlmsg_data(rq->nlh);
	struct espah_sa *sa;
	int err = 0;

	mutex_lock(&rq->en->lock);
	sa = find(rq, &expire->state);
	if (!sa)
		err = -ENOENT;
	else if (!sa->foreign)
		err = NLX_FAIL(rq, -EPERM, NOT_OURS);
	else if (sa->state == ESPAH_SA_STATE_LARVAL)
		err = NLX_FAIL(rq, -EINVAL, "the SA has no keys yet");
	else
		expire_now(sa, expire->hard);
	mutex_unlock(&rq->en->lock);
	return err;
}
