// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies that IKE daemons set on their sockets (IP_XFRM_POLICY), so that IKE passes in clear.
 * XFRM keeps them; espah looks at them, too: packet/ike.h.
 */
#include <net/xfrm.h>
#include "nlx.h"

static int refuse_acquire(struct xfrm_state *x, struct xfrm_tmpl *t, struct xfrm_policy *xp)
{
	return -EINVAL;
}

/* Return: the policy, with its direction in @dir, or NULL with an error in @dir */
static struct xfrm_policy *compile(struct sock *sk, int opt, u8 *data, int len, int *dir)
{
	const struct xfrm_userpolicy_info *info = (const struct xfrm_userpolicy_info *)data;
	bool ip4 = sk->sk_family == AF_INET;
	struct xfrm_policy *xp;

	*dir = -EOPNOTSUPP;
	if (!(ip4 && opt == IP_XFRM_POLICY) &&
	    !(sk->sk_family == AF_INET6 &&
	      (opt == IPV6_XFRM_POLICY || opt == IP_XFRM_POLICY)))
		return NULL;
	*dir = -EINVAL;
	if (len < (int)sizeof(*info) || info->dir > XFRM_POLICY_OUT ||
	    info->action > XFRM_POLICY_BLOCK || info->share > XFRM_SHARE_UNIQUE ||
	    info->sel.prefixlen_s > 128 || info->sel.prefixlen_d > 128 ||
	    (info->sel.family != AF_INET && info->sel.family != AF_INET6) ||
	    (info->sel.family == AF_INET &&
	     (info->sel.prefixlen_s > 32 || info->sel.prefixlen_d > 32)))
		return NULL;
	*dir = -EOPNOTSUPP;
	if (len >= (int)(sizeof(*info) + sizeof(struct xfrm_user_tmpl)) ||
	    info->action != XFRM_POLICY_ALLOW)
		return NULL; /* espah applies SAs to packets, not to sockets */
	*dir = -ENOBUFS;
	xp = xfrm_policy_alloc(sock_net(sk), GFP_ATOMIC);
	if (!xp)
		return NULL;
	xp->priority = info->priority;
	xp->index = info->index;
	xp->selector = info->sel;
	xp->family = info->sel.family;
	xp->action = info->action;
	xp->flags = info->flags;
	xp->lft.soft_byte_limit = XFRM_INF;
	xp->lft.hard_byte_limit = XFRM_INF;
	xp->lft.soft_packet_limit = XFRM_INF;
	xp->lft.hard_packet_limit = XFRM_INF;
	xp->type = XFRM_POLICY_TYPE_MAIN;
	*dir = info->dir;
	return xp;
}

static struct xfrm_mgr manager = {
	.acquire = refuse_acquire,
	.compile_policy = compile,
};

int nlx_socket_setup(void)
{
	xfrm_register_km(&manager);
	return 0;
}

void nlx_socket_teardown(void)
{
	xfrm_unregister_km(&manager);
}
