// SPDX-License-Identifier: GPL-2.0-only
/* Answers, dumps and events. */
#include "nlx.h"

unsigned int nlx_net_id;

int nlx_reply(struct nlx_request *rq, struct sk_buff *skb)
{
	return nlmsg_unicast(nlx_net(rq->en)->sock, skb, NETLINK_CB(rq->skb).portid);
}

int nlx_answer(struct nlx_request *rq, size_t size,
	       int (*put)(struct nlx_request *rq, struct sk_buff *skb))
{
	struct sk_buff *skb = nlmsg_new(size, GFP_KERNEL);
	int err;

	if (!skb)
		return -ENOMEM;
	mutex_lock(&rq->en->lock);
	err = put(rq, skb);
	mutex_unlock(&rq->en->lock);
	if (!err)
		return nlx_reply(rq, skb);
	nlmsg_free(skb);
	return err;
}

bool nlx_listens(const struct espah_net *en, unsigned int group)
{
	const struct nlx_net *nn = nlx_net(en);

	return !READ_ONCE(nn->ending) && netlink_has_listeners(nn->sock, group);
}

void nlx_tell(const struct espah_net *en, struct sk_buff *skb, unsigned int group, gfp_t gfp)
{
	nlmsg_multicast(nlx_net(en)->sock, skb, 0, group, gfp);
}

int nlx_echo(struct nlx_request *rq, unsigned int group)
{
	struct sk_buff *skb;
	struct nlmsghdr *nlh;

	if (!nlx_listens(rq->en, group))
		return 0;
	skb = nlmsg_new(nlmsg_len(rq->nlh), GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	nlh = nlmsg_put(skb, 0, 0, rq->nlh->nlmsg_type, nlmsg_len(rq->nlh), 0);
	memcpy(nlmsg_data(nlh), nlmsg_data(rq->nlh), nlmsg_len(rq->nlh));
	nlx_tell(rq->en, skb, group, GFP_KERNEL);
	return 0;
}

/* --- dumps --- */

/* The entries of an xarray at the start of a dump. */
struct ids {
	unsigned int left;
	u32 id[];
};

static struct ids *collect(struct xarray *index)
{
	unsigned long i, n = 0;
	struct ids *ids;
	void *entry;

	xa_for_each(index, i, entry)
		n++;
	ids = kvmalloc(struct_size(ids, id, n), GFP_KERNEL_ACCOUNT);
	if (!ids)
		return NULL;
	ids->left = 0;
	xa_for_each(index, i, entry)
		ids->id[ids->left++] = i;
	return ids;
}

int nlx_dump(struct sk_buff *skb, struct netlink_callback *cb, struct xarray *index,
	     int (*put)(struct sk_buff *skb, struct netlink_callback *cb, void *entry))
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	struct ids *ids;
	void *entry;

	mutex_lock(&en->lock);
	if (!cb->args[0])
		cb->args[0] = (long)collect(index);
	ids = (struct ids *)cb->args[0];
	while (ids && ids->left) {
		entry = xa_load(index, ids->id[ids->left - 1]);
		if (entry && put(skb, cb, entry))
			break;
		ids->left--;
		cb->args[2] = 0;
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return ids ? skb->len : -ENOMEM;
}

int nlx_dump_end(struct netlink_callback *cb)
{
	kvfree((void *)cb->args[0]);
	return 0;
}
