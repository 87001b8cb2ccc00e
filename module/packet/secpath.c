// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <net/l3mdev.h>
#include <net/rtnetlink.h>
#include "judged.h"
#include "secpath.h"

#if IS_ENABLED(CONFIG_XFRM)

/*
 * Makes an XFRM state for firewall rules to match. The mode is transport, whatever the SA's mode:
 * XFRM drops packets from a tunnel that none of its policies requires, and would call the type of
 * that state, but this state has no type. A state with tunnel_users is of the kind that XFRM
 * makes internally (for IPComp), and satisfies no mandatory template.
 */
static struct xfrm_state *make_state(const struct espah_sa *sa, const struct espah_path *path)
{
	struct xfrm_state *x = xfrm_state_alloc(sa->en->net);

	if (!x)
		return NULL;
	x->km.state = XFRM_STATE_DEAD; /* required when the state is freed */
	atomic_set(&x->tunnel_users, 1);
	x->id.spi = sa->id.spi;
	x->id.proto = sa->id.proto;
	x->km.seq = sa->index; /* for espah_secpath_aside() */
	x->props.mode = XFRM_MODE_TRANSPORT;
	x->props.family = path->family;
	x->props.reqid = READ_ONCE(sa->slot)->id.reqid;
	memcpy(&x->id.daddr, &path->dst, sizeof(x->id.daddr));
	memcpy(&x->props.saddr, &path->src, sizeof(x->props.saddr));
	return x;
}

/* The extension is made on a temporary packet: the kernel exports no other way to allocate it. */
static struct skb_ext *make(const struct espah_sa *sa, const struct espah_path *path)
{
	struct sk_buff *skb = alloc_skb(0, GFP_ATOMIC | __GFP_NOWARN);
	struct sec_path *sp = skb ? secpath_set(skb) : NULL;
	struct xfrm_state *x = sp ? make_state(sa, path) : NULL;
	struct skb_ext *ext = NULL;

	BUILD_BUG_ON(sizeof(path->dst) != sizeof(x->id.daddr));
	if (x) {
		sp->xvec[sp->len++] = x;
		ext = skb->extensions;
		skb->active_extensions = 0;
	}
	kfree_skb(skb);
	return ext;
}

static noinline struct skb_ext *make_once(const struct espah_sa *sa, struct espah_path *path)
{
	struct skb_ext *ext = make(sa, path), *old;

	if (!ext)
		return NULL;
	old = cmpxchg(&path->secpath, NULL, ext);
	if (!old)
		return ext;
	__skb_ext_put(ext); /* another CPU was faster */
	return old;
}

bool espah_secpath_filtered(const struct net_device *dev)
{
	const struct net_device *master = l3mdev_master_dev_rcu(dev);
	struct in_device *in_dev;

	/* routing uses the setting of the VRF that a device belongs to */
	in_dev = __in_dev_get_rcu(master ?: dev);
	return in_dev && IN_DEV_RPFILTER(in_dev);
}

/* XFRM interfaces check packets with a secpath against their own policies. */
static noinline bool is_xfrms(const struct net_device *dev)
{
	return dev->rtnl_link_ops && !strcmp(dev->rtnl_link_ops->kind, "xfrm");
}

static bool attach(const struct espah_sa *sa, struct sk_buff *skb)
{
	struct espah_path *path = espah_sa_path(sa);
	struct skb_ext *ext = READ_ONCE(path->secpath);

	if (unlikely(!ext)) {
		ext = make_once(sa, path);
		if (!ext)
			return false;
	}
	refcount_inc(&ext->refcnt);
	skb->extensions = ext;
	skb->active_extensions = 1 << SKB_EXT_SEC_PATH;
	skb->slow_gro = 1;
	return true;
}

bool espah_secpath_give(struct espah_sa *sa, struct sk_buff *skb)
{
	const struct espah_net *en = sa->en;

	if (!READ_ONCE(en->secpath) &&
	    (skb->protocol != htons(ETH_P_IP) || !espah_secpath_filtered(skb->dev)))
		return true;
	if (unlikely(!espah_secpath_xfrm_idle(en->net)) && is_xfrms(skb->dev))
		return true;
	return attach(sa, skb);
}

void espah_secpath_aside(const struct net *net, struct sk_buff *skb)
{
	/* with other extensions, the packet keeps its secpath, which could not be restored */
	if (skb->active_extensions != 1 << SKB_EXT_SEC_PATH || !espah_secpath_ours(skb) ||
	    !espah_judged_exempt(skb, net) || unlikely(!espah_secpath_xfrm_idle(net)))
		return;
	espah_judged(skb)->sa = skb_sec_path(skb)->xvec[0]->km.seq;
	secpath_reset(skb);
}

void espah_secpath_return(struct espah_net *en, struct sk_buff *skb)
{
	struct espah_judged *judged = espah_judged(skb);
	const struct espah_sa *sa;

	if (!espah_judged_exempt(skb, en->net) || !judged->sa)
		return;
	sa = xa_load(&en->sad.index, judged->sa);
	judged->sa = 0;
	if (likely(sa && sa->id.dir == ESPAH_DIR_IN && !skb->active_extensions))
		attach(sa, skb);
}

#endif /* CONFIG_XFRM */
