// SPDX-License-Identifier: GPL-2.0-only
#include "answer.h"
#include "attr.h"
#include "db/privilege.h"

void *espah_answer_begin(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
			 struct netlink_callback *cb)
{
	const struct genlmsghdr *genl = nlmsg_data(request);
	void *hdr = espah_put_message(skb, portid, request->nlmsg_seq, cb ? NLM_F_MULTI : 0,
				      genl->cmd);

	if (hdr && cb)
		genl_dump_check_consistent(cb, hdr);
	return hdr;
}

int espah_answer_end(struct sk_buff *skb, void *hdr, int err)
{
	if (!hdr)
		return -EMSGSIZE;
	if (err)
		genlmsg_cancel(skb, hdr);
	else
		genlmsg_end(skb, hdr);
	return err;
}

int espah_answer(struct genl_info *info, size_t size,
		 int (*put)(struct sk_buff *skb, struct espah_net *en, struct genl_info *info))
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);
	int err = -EMSGSIZE;
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = espah_answer_begin(skb, info->snd_portid, info->nlhdr, NULL);
	if (hdr) {
		mutex_lock(&en->lock);
		err = put(skb, en, info);
		mutex_unlock(&en->lock);
	}
	if (err) {
		memzero_explicit(skb->head, skb_end_offset(skb));
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

/* index in cb->args of the error of a refused dump; args[0] is the position of the dump */
#define DUMP_REFUSED 1

/*
 * Only here is the sender of the request known: another process may read the socket later. The
 * error text is set in the dump, because Linux 6.1 loses texts of genl_ops.start.
 */
int espah_start_dump(struct netlink_callback *cb)
{
	cb->args[DUMP_REFUSED] = espah_permitted(cb->skb, NULL);
	return 0;
}

int espah_check_dump(struct netlink_callback *cb)
{
	if (!cb->args[DUMP_REFUSED])
		return espah_check_message(cb->nlh, cb->extack);
	NL_SET_ERR_MSG(cb->extack, ESPAH_UNPRIVILEGED);
	return cb->args[DUMP_REFUSED];
}
