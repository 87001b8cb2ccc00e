// SPDX-License-Identifier: GPL-2.0-only
/* XFRM's "asynchronous events": sequence numbers and counters of SAs, read and set. */
#include "nlx_sa.h"

static int put_ae(struct sk_buff *skb, u32 portid, u32 seq, u32 flags, struct espah_sa *sa)
{
	struct nlmsghdr *nlh = nlmsg_put(skb, portid, seq, XFRM_MSG_NEWAE,
					 sizeof(struct xfrm_aevent_id), 0);
	const struct nlx_sa *nlx = nlx_sa(sa);
	const struct netns_xfrm *xfrm = &sa->en->net->xfrm;
	u32 diff = nlx ? nlx->replay_diff : xfrm->sysctl_aevent_rseqth;
	u32 age = nlx ? nlx->replay_age : xfrm->sysctl_aevent_etime;
	struct xfrm_lifetime_cur cur;
	struct xfrm_aevent_id *id;

	if (!nlh)
		return -EMSGSIZE;
	id = nlmsg_data(nlh);
	memset(id, 0, sizeof(*id));
	nlx_fill_id(&id->sa_id, sa);
	nlx_addr_out(&id->saddr, &espah_sa_path(sa)->src);
	id->reqid = sa->slot->id.reqid;
	id->flags = flags;
	nlx_fill_current(&cur, sa);
	if (nlx_put_replay(skb, sa) ||
	    nla_put_64bit(skb, XFRMA_LTIME_VAL, sizeof(cur), &cur, XFRMA_PAD) ||
	    (flags & XFRM_AE_RTHR && nla_put_u32(skb, XFRMA_REPLAY_THRESH, diff)) ||
	    (flags & XFRM_AE_ETHR && nla_put_u32(skb, XFRMA_ETIMER_THRESH, age)) ||
	    nlx_put_identity(skb, sa))
		return -EMSGSIZE;
	nlmsg_end(skb, nlh);
	return 0;
}

static struct espah_sa *find(struct nlx_request *rq)
{
	const struct xfrm_aevent_id *ae = nlmsg_data(rq->nlh);
	const struct xfrm_usersa_id *id = &ae->sa_id;

	return nlx_find_sa(rq, &id->daddr, id->spi, id->proto, id->family);
}

static int put_found(struct nlx_request *rq, struct sk_buff *skb)
{
	const struct xfrm_aevent_id *ae = nlmsg_data(rq->nlh);
	struct espah_sa *sa = find(rq);

	return sa ? put_ae(skb, NETLINK_CB(rq->skb).portid, rq->nlh->nlmsg_seq, ae->flags, sa) :
		    -ESRCH;
}

int nlx_ae_get(struct nlx_request *rq)
{
	return nlx_answer(rq, NLX_SA_SIZE, put_found);
}

static void tell(struct espah_sa *sa)
{
	struct sk_buff *skb;

	if (!nlx_listens(sa->en, XFRMNLGRP_AEVENTS))
		return;
	skb = nlmsg_new(NLX_SA_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (put_ae(skb, 0, 0, XFRM_AE_CU, sa))
		nlmsg_free(skb);
	else
		nlx_tell(sa->en, skb, XFRMNLGRP_AEVENTS, GFP_KERNEL);
}

/* The window of an SA keeps its size. */
static int check_window(struct nlx_request *rq, const struct nlx_sa *nlx)
{
	const struct nlattr *attr = rq->attrs[XFRMA_REPLAY_ESN_VAL];
	const struct xfrm_replay_state_esn *esn;

	if (!attr || !nlx->esn_val)
		return 0;
	esn = nla_data(attr);
	if (esn->bmp_len != nlx->bmp_len || esn->replay_window != nlx->window ||
	    nla_len(attr) < struct_size(esn, bmp, esn->bmp_len))
		return NLX_FAIL(rq, -EINVAL, "the replay window of an SA keeps its size");
	return 0;
}

/* Has the timer of an SA follow its times. */
static int rearm(struct nlx_request *rq, struct espah_sa *sa)
{
	struct espah_sa_change change = {
		.df = ESPAH_AS_IT_IS, .tfc = ESPAH_AS_IT_IS, .cpus = ESPAH_AS_IT_IS,
		.owner = ESPAH_AS_IT_IS,
	};
	int err;

	if (!sa->life)
		return 0;
	change.limited = true;
	change.limits = sa->life->limits;
	err = espah_sa_change_prepare(sa, &change, rq->extack);
	if (!err)
		espah_sa_change(sa, &change);
	return err;
}

static int set(struct nlx_request *rq, struct espah_sa *sa, const struct espah_sa *partner)
{
	const struct nlattr *cur = rq->attrs[XFRMA_LTIME_VAL];
	const struct nlattr *diff = rq->attrs[XFRMA_REPLAY_THRESH];
	const struct nlattr *age = rq->attrs[XFRMA_ETIMER_THRESH];
	struct nlx_sa *nlx = nlx_sa(sa);
	int err = nlx_set_replay(rq, sa);

	if (err)
		return err;
	if (diff)
		nlx->replay_diff = nla_get_u32(diff);
	if (age)
		nlx->replay_age = nlx_tenths(nla_get_u32(age));
	if (!cur)
		return 0;
	nlx_carry(sa, partner, nla_data(cur));
	return rearm(rq, sa);
}

static int set_found(struct nlx_request *rq, struct espah_sa *sa)
{
	struct espah_sa *partner;
	int err;

	if (!sa)
		return -ESRCH;
	if (!sa->foreign)
		return NLX_FAIL(rq, -EPERM, "the SA came by espah's own command");
	if (sa->state == ESPAH_SA_STATE_LARVAL)
		return NLX_FAIL(rq, -EINVAL, "the SA has no keys yet");
	partner = nlx_partner(sa);
	err = check_window(rq, nlx_sa(sa)) ?: set(rq, sa, partner) ?:
	      (partner ? set(rq, partner, sa) : 0);
	if (!err)
		tell(sa);
	return err;
}

int nlx_ae_new(struct nlx_request *rq)
{
	struct nlattr **attrs = rq->attrs;
	int err;

	if (!attrs[XFRMA_LTIME_VAL] && !attrs[XFRMA_REPLAY_VAL] && !attrs[XFRMA_REPLAY_ESN_VAL] &&
	    !attrs[XFRMA_ETIMER_THRESH] && !attrs[XFRMA_REPLAY_THRESH])
		return NLX_FAIL(rq, -EINVAL, "there is nothing to set");
	if (!(rq->nlh->nlmsg_flags & NLM_F_REPLACE))
		return NLX_FAIL(rq, -EINVAL, "the message needs NLM_F_REPLACE");
	mutex_lock(&rq->en->lock);
	err = set_found(rq, find(rq));
	mutex_unlock(&rq->en->lock);
	return err;
}
