// SPDX-License-Identifier: GPL-2.0-only
#include "answer.h"
#include "attr.h"
#include "change.h"
#include "netlink.h"
#include "path/flowtable.h"
#include "policy_read.h"
#include "report/put.h"

/* for DEL and GET */
const struct nla_policy espah_policy_get_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_ID] = { .type = NLA_U32 },
	[ESPAH_POLICY_DIR] = { .type = NLA_U8 },
	[ESPAH_POLICY_PRIORITY] = { .type = NLA_U32 },
	[ESPAH_POLICY_SELECTOR] = NLA_POLICY_NESTED(espah_selector_policy),
	[ESPAH_POLICY_IF_ID] = { .type = NLA_U32 },
};

const struct nla_policy espah_policy_flush_policy[ESPAH_POLICY_MAX + 1] = {
	[ESPAH_POLICY_DIR] = { .type = NLA_U8 },
	[ESPAH_POLICY_IF_ID] = { .type = NLA_U32 },
};

/* --- answers --- */

/* @request: the request to answer; @cb: callback of a dump, else NULL */
static int put_message(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
		       struct netlink_callback *cb, struct espah_policy *pol)
{
	void *hdr = espah_answer_begin(skb, portid, request, cb);

	return espah_answer_end(skb, hdr, hdr ? espah_put_policy(skb, pol) : 0);
}

/* --- requests --- */

int espah_cmd_policy_new(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct nlattr **attrs = info->attrs;
	struct espah_selectors set;
	struct sk_buff *answer = NULL;
	struct espah_policy *pol;
	int err, no_room = 0;

	pol = espah_read_policy(en, attrs, skb, READ_ONCE(en->spd.count), &set, info->extack);
	if (IS_ERR(pol))
		return PTR_ERR(pol);
	if (info->nlhdr->nlmsg_flags & NLM_F_ECHO) {
		answer = genlmsg_new(ESPAH_POLICY_SIZE, GFP_KERNEL);
		if (!answer) {
			espah_policy_free(pol);
			espah_selectors_free(&set);
			return -ENOMEM;
		}
	}
	mutex_lock(&en->lock);
	err = espah_policy_add(en, pol, &set, attrs[ESPAH_POLICY_REPLACE], info->extack);
	if (err)
		espah_policy_free(pol);
	else if (answer)
		no_room = put_message(answer, info->snd_portid, info->nlhdr, NULL, pol);
	mutex_unlock(&en->lock);
	espah_selectors_free(&set);
	if (err || no_room) {
		nlmsg_free(answer);
	} else if (answer) {
		espah_flowtable_settle(en, false);
		genlmsg_reply(answer, info); /* a full socket loses it and gets ENOBUFS */
	}
	return err;
}

static struct espah_policy *find_by_id(struct espah_net *en, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	u32 id = nla_get_u32(attrs[ESPAH_POLICY_ID]);
	struct espah_policy *pol;
	int err = espah_refuse(info->extack, attrs, ESPAH_POLICY_DIR,
			       "cannot be combined with ESPAH_POLICY_ID") ?:
		  espah_refuse(info->extack, attrs, ESPAH_POLICY_SELECTOR,
			       "cannot be combined with ESPAH_POLICY_ID") ?:
		  espah_refuse(info->extack, attrs, ESPAH_POLICY_PRIORITY,
			       "cannot be combined with ESPAH_POLICY_ID") ?:
		  espah_refuse(info->extack, attrs, ESPAH_POLICY_IF_ID,
			       "cannot be combined with ESPAH_POLICY_ID");

	if (err)
		return ERR_PTR(err);
	pol = espah_spd_by_id(&en->spd, id);
	if (pol)
		return pol;
	espah_err_fmt(info->extack, attrs[ESPAH_POLICY_ID], "no policy has this id",
		      "no policy has the id %u", id);
	return ERR_PTR(-ENOENT);
}

/* The policy that a request names. Context: espah_net.lock. */
static struct espah_policy *find_policy(struct espah_net *en, struct genl_info *info)
{
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;
	struct espah_selectors set;
	struct espah_policy *pol;
	int err;

	if (attrs[ESPAH_POLICY_ID])
		return find_by_id(en, info);
	err = espah_need(extack, attrs, ESPAH_POLICY_DIR) ?:
	      espah_need(extack, attrs, ESPAH_POLICY_SELECTOR) ?:
	      espah_get_selectors(attrs[ESPAH_POLICY_SELECTOR], attrs[ESPAH_POLICY_IF_ID], &set,
				  extack);
	if (err)
		return ERR_PTR(err);
	pol = espah_spd_find(&en->spd, nla_get_u8(attrs[ESPAH_POLICY_DIR]), &set,
			     espah_get_u32(attrs[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT));
	espah_selectors_free(&set);
	if (pol)
		return pol;
	NL_SET_ERR_MSG(extack, "no policy has this direction, selector, priority and if_id");
	return ERR_PTR(-ENOENT);
}

int espah_cmd_policy_del(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_policy *pol;
	int err = 0;

	mutex_lock(&en->lock);
	pol = find_policy(en, info);
	if (IS_ERR(pol))
		err = PTR_ERR(pol);
	else
		espah_policy_del(en, pol);
	mutex_unlock(&en->lock);
	return err;
}

static int put_found(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	struct espah_policy *pol = find_policy(en, info);

	return IS_ERR(pol) ? PTR_ERR(pol) : espah_put_policy(skb, pol);
}

int espah_cmd_policy_get(struct sk_buff *skb, struct genl_info *info)
{
	return espah_answer(info, ESPAH_POLICY_SIZE, put_found);
}

/* Called from the dump, because Linux 6.1 loses error texts of genl_ops.start. */
static int check_dump(struct netlink_callback *cb, struct nlattr **attrs)
{
	return espah_check_dump(cb) ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_ID, "is not allowed in dumps") ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_PRIORITY, "is not allowed in dumps") ?:
	       espah_refuse(cb->extack, attrs, ESPAH_POLICY_SELECTOR, "is not allowed in dumps");
}

static bool wanted(const struct espah_policy *pol, struct nlattr **attrs)
{
	if (attrs[ESPAH_POLICY_DIR] && nla_get_u8(attrs[ESPAH_POLICY_DIR]) != pol->dir)
		return false;
	return !attrs[ESPAH_POLICY_IF_ID] ||
	       nla_get_u32(attrs[ESPAH_POLICY_IF_ID]) == espah_policy_if_id(pol);
}

int espah_start_policy(struct netlink_callback *cb)
{
	cb->min_dump_alloc = ESPAH_POLICY_SIZE;
	return espah_start_dump(cb);
}

int espah_dump_policy(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	struct nlattr **attrs = espah_dump_attrs(cb);
	unsigned long id = cb->args[0];
	int err = check_dump(cb, attrs);
	struct espah_policy *pol;

	if (err)
		return err;
	mutex_lock(&en->lock);
	cb->seq = en->spd.generation;
	xa_for_each_start(&en->spd.index, id, pol, cb->args[0]) {
		if (wanted(pol, attrs) &&
		    put_message(skb, NETLINK_CB(cb->skb).portid, cb->nlh, cb, pol))
			break;
		cb->args[0] = id + 1;
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return skb->len;
}

int espah_cmd_policy_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));

	mutex_lock(&en->lock);
	espah_policy_flush(en, info->attrs, wanted);
	mutex_unlock(&en->lock);
	return 0;
}
