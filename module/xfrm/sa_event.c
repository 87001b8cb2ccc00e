// SPDX-License-Identifier: GPL-2.0-only
/* What listeners are told about SAs. */
#include "nlx_sa.h"

void nlx_event_sa(struct espah_sa *sa, u8 cmd)
{
	struct nlx_sa *nlx = nlx_sa(sa);
	u16 type = XFRM_MSG_UPDSA;

	/* XFRM tells nothing about an SPI that waits for its keys */
	if (cmd == ESPAH_CMD_SA_NEW_NTF && sa->state == ESPAH_SA_STATE_LARVAL)
		return;
	if (cmd == ESPAH_CMD_SA_NEW_NTF)
		type = nlx ? nlx->event : XFRM_MSG_NEWSA;
	else if (cmd == ESPAH_CMD_SA_DEL_NTF)
		type = nlx && nlx->quiet ? 0 : XFRM_MSG_DELSA;
	if (type && !nlx_is_second(sa))
		nlx_tell_sa(sa, type, XFRMNLGRP_SA, false);
}

void nlx_event_expire(struct espah_sa *sa, enum espah_limit limit, bool hard)
{
	struct espah_sa *partner = nlx_partner(sa);
	struct nlx_sa *nlx = nlx_sa(sa);

	/* XFRM reports the first soft limit only */
	if (nlx && !hard && nlx->dying)
		return;
	nlx_tell_sa(partner && sa->id.dir == ESPAH_DIR_OUT ? partner : sa, XFRM_MSG_EXPIRE,
		    XFRMNLGRP_EXPIRE, hard);
	if (!nlx)
		return;
	nlx->dying = true;
	if (partner)
		nlx_sa(partner)->dying = true;
	if (!hard)
		return;
	/* XFRM does not report the deletion, too */
	nlx->quiet = true;
	if (partner)
		espah_sa_del(partner, false);
}

void nlx_event_mapping(struct espah_sa *sa, const union espah_addr *src, __be16 sport)
{
	const struct espah_path *path = espah_sa_path(sa);
	struct xfrm_user_mapping *mapping;
	struct nlmsghdr *nlh;
	struct sk_buff *skb;

	if (!nlx_listens(sa->en, XFRMNLGRP_MAPPING))
		return;
	skb = nlmsg_new(sizeof(*mapping), GFP_ATOMIC);
	if (!skb)
		return;
	nlh = nlmsg_put(skb, 0, 0, XFRM_MSG_MAPPING, sizeof(*mapping), 0);
	if (!nlh) {
		nlmsg_free(skb);
		return;
	}
	mapping = nlmsg_data(nlh);
	memset(mapping, 0, sizeof(*mapping));
	nlx_fill_id(&mapping->id, sa);
	mapping->reqid = READ_ONCE(sa->slot)->id.reqid;
	nlx_addr_out(&mapping->old_saddr, &path->src);
	nlx_addr_out(&mapping->new_saddr, src);
	mapping->old_sport = path->sport;
	mapping->new_sport = sport;
	nlmsg_end(skb, nlh);
	nlx_tell(sa->en, skb, XFRMNLGRP_MAPPING, GFP_ATOMIC);
}
