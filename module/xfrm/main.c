// SPDX-License-Identifier: GPL-2.0-only
/* Load, unload, the sockets of namespaces, and the way from a request to its handler. */
#include <linux/compat.h>
#include <linux/module.h>
#include <net/net_namespace.h>
#include "compat/export.h"
#include "db/privilege.h"
#include "db/version.h"
#include "nlx.h"
#include "path/flowtable.h"
#include "report/face.h"

/* --- requests --- */

#define LEN(type) .len = sizeof(struct type)

static const struct nla_policy attr_policy[NLX_ATTR_MAX + 1] = {
	[XFRMA_SA] = { LEN(xfrm_usersa_info) },
	[XFRMA_POLICY] = { LEN(xfrm_userpolicy_info) },
	[XFRMA_LASTUSED] = { .type = NLA_U64 },
	[XFRMA_ALG_AUTH_TRUNC] = { LEN(xfrm_algo_auth) },
	[XFRMA_ALG_AEAD] = { LEN(xfrm_algo_aead) },
	[XFRMA_ALG_AUTH] = { LEN(xfrm_algo) },
	[XFRMA_ALG_CRYPT] = { LEN(xfrm_algo) },
	[XFRMA_ALG_COMP] = { LEN(xfrm_algo) },
	[XFRMA_ENCAP] = { LEN(xfrm_encap_tmpl) },
	[XFRMA_TMPL] = { LEN(xfrm_user_tmpl) },
	[XFRMA_SEC_CTX] = { LEN(xfrm_user_sec_ctx) },
	[XFRMA_LTIME_VAL] = { LEN(xfrm_lifetime_cur) },
	[XFRMA_REPLAY_VAL] = { LEN(xfrm_replay_state) },
	[XFRMA_REPLAY_THRESH] = { .type = NLA_U32 },
	[XFRMA_ETIMER_THRESH] = { .type = NLA_U32 },
	[XFRMA_SRCADDR] = { .len = sizeof(xfrm_address_t) },
	[XFRMA_COADDR] = { .len = sizeof(xfrm_address_t) },
	[XFRMA_POLICY_TYPE] = { LEN(xfrm_userpolicy_type) },
	[XFRMA_MIGRATE] = { LEN(xfrm_user_migrate) },
	[XFRMA_KMADDRESS] = { LEN(xfrm_user_kmaddress) },
	[XFRMA_MARK] = { LEN(xfrm_mark) },
	[XFRMA_TFCPAD] = { .type = NLA_U32 },
	[XFRMA_REPLAY_ESN_VAL] = { LEN(xfrm_replay_state_esn) },
	[XFRMA_SA_EXTRA_FLAGS] = { .type = NLA_U32 },
	[XFRMA_PROTO] = { .type = NLA_U8 },
	[XFRMA_ADDRESS_FILTER] = { LEN(xfrm_address_filter) },
	[XFRMA_OFFLOAD_DEV] = { LEN(xfrm_user_offload) },
	[XFRMA_SET_MARK] = { .type = NLA_U32 },
	[XFRMA_SET_MARK_MASK] = { .type = NLA_U32 },
	[XFRMA_IF_ID] = { .type = NLA_U32 },
	[XFRMA_MTIMER_THRESH] = { .type = NLA_U32 },
	[NLX_SA_DIR] = { .type = NLA_U8 },
	[NLX_NAT_KEEPALIVE_INTERVAL] = { .type = NLA_U32 },
	[NLX_SA_PCPU] = { .type = NLA_U32 },
};

/**
 * struct handler - what is done with a type of message
 * @len: bytes of its fixed part
 * @own: it has attributes of its own kind, which @run reads
 * @run: see nlx.h
 * @dump: the same, for NLM_F_DUMP
 */
struct handler {
	u16 len;
	bool own;
	int (*run)(struct nlx_request *rq);
	int (*dump)(struct sk_buff *skb, struct netlink_callback *cb);
};

#define ON(message, type, function) \
	[XFRM_MSG_##message - XFRM_MSG_BASE] = { .len = sizeof(type), .run = function }

static const struct handler handlers[] = {
	ON(NEWSA, struct xfrm_usersa_info, nlx_sa_new),
	ON(DELSA, struct xfrm_usersa_id, nlx_sa_del),
	[XFRM_MSG_GETSA - XFRM_MSG_BASE] = { LEN(xfrm_usersa_id), .run = nlx_sa_get,
					     .dump = nlx_sa_dump },
	ON(NEWPOLICY, struct xfrm_userpolicy_info, nlx_policy_new),
	ON(DELPOLICY, struct xfrm_userpolicy_id, nlx_policy_del),
	[XFRM_MSG_GETPOLICY - XFRM_MSG_BASE] = { LEN(xfrm_userpolicy_id), .run = nlx_policy_get,
						 .dump = nlx_policy_dump },
	ON(ALLOCSPI, struct xfrm_userspi_info, nlx_sa_alloc_spi),
	ON(ACQUIRE, struct xfrm_user_acquire, nlx_acquire_echo),
	ON(EXPIRE, struct xfrm_user_expire, nlx_sa_expire),
	ON(UPDPOLICY, struct xfrm_userpolicy_info, nlx_policy_new),
	ON(UPDSA, struct xfrm_usersa_info, nlx_sa_update),
	ON(POLEXPIRE, struct xfrm_user_polexpire, nlx_policy_expire),
	ON(FLUSHSA, struct xfrm_usersa_flush, nlx_sa_flush),
	[XFRM_MSG_FLUSHPOLICY - XFRM_MSG_BASE] = { .run = nlx_policy_flush },
	ON(NEWAE, struct xfrm_aevent_id, nlx_ae_new),
	ON(GETAE, struct xfrm_aevent_id, nlx_ae_get),
	ON(MIGRATE, struct xfrm_userpolicy_id, nlx_migrate),
	ON(GETSADINFO, u32, nlx_sa_count),
	ON(GETSPDINFO, u32, nlx_policy_count),
	[XFRM_MSG_NEWSPDINFO - XFRM_MSG_BASE] = { .len = sizeof(u32), .own = true,
						  .run = nlx_policy_thresholds },
	ON(SETDEFAULT, struct xfrm_userpolicy_default, nlx_default_set),
	ON(GETDEFAULT, struct xfrm_userpolicy_default, nlx_default_get),
};

static int start_dump(struct sk_buff *skb, const struct nlmsghdr *nlh, const struct handler *on)
{
	struct nlx_net *nn = nlx_net(espah_pernet(sock_net(skb->sk)));
	struct netlink_dump_control control = {
		.dump = on->dump,
		.done = nlx_dump_end,
		.min_dump_alloc = max(NLX_SA_SIZE, NLX_POLICY_SIZE),
	};

	return netlink_dump_start(nn->sock, skb, nlh, &control);
}

static int handle(struct sk_buff *skb, const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	unsigned int type = nlh->nlmsg_type - XFRM_MSG_BASE;
	struct nlx_request rq = { .skb = skb, .nlh = nlh, .en = en, .extack = extack };
	const struct handler *on;
	bool more;
	int err;

	if (in_compat_syscall())
		return NLX_FAIL(&rq, -EOPNOTSUPP,
				"32-bit programs have other messages, which espah_xfrm does not read");
	if (nlh->nlmsg_type < XFRM_MSG_BASE || type >= ARRAY_SIZE(handlers) || !handlers[type].run)
		return -EINVAL;
	if (!netlink_net_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	err = espah_permitted(skb, extack);
	if (err)
		return err;
	on = &handlers[type];
	if (on->dump && nlh->nlmsg_flags & NLM_F_DUMP)
		return start_dump(skb, nlh, on);
	if (nlmsg_len(nlh) < on->len)
		return -EINVAL;
	if (on->own)
		return on->run(&rq);
	rq.attrs = kcalloc(NLX_ATTR_MAX + 1, sizeof(*rq.attrs), GFP_KERNEL);
	if (!rq.attrs)
		return -ENOMEM;
	err = nlmsg_parse_deprecated(nlh, on->len, rq.attrs, NLX_ATTR_MAX, attr_policy, extack);
	if (!err)
		err = on->run(&rq);
	kfree(rq.attrs);
	/* ends offloaded connections that the request made stale, before it is answered */
	more = !(nlh->nlmsg_flags & NLM_F_ACK) &&
	       skb->len >= NLMSG_ALIGN(nlh->nlmsg_len) + NLMSG_HDRLEN;
	espah_flowtable_settle(en, more);
	return err;
}

static int receive(struct sk_buff *skb, struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	int err = handle(skb, nlh, extack);

	if (nlh->nlmsg_type == XFRM_MSG_NEWSA || nlh->nlmsg_type == XFRM_MSG_UPDSA)
		nlx_forget_keys(nlh);
	return err;
}

static void receive_all(struct sk_buff *skb)
{
	netlink_rcv_skb(skb, receive);
}

/* --- load and unload --- */

static int __net_init net_init(struct net *net)
{
	struct netlink_kernel_cfg cfg = { .groups = XFRMNLGRP_MAX, .input = receive_all };
	struct nlx_net *nn = nlx_net(espah_pernet(net));
	int i;

	for (i = 0; i < XFRM_POLICY_MAX; i++)
		if (net->xfrm.policy_count[i])
			break;
	if (i < XFRM_POLICY_MAX || net->xfrm.state_num) {
		pr_err("espah_xfrm: XFRM has policies or SAs in a network namespace: delete them first (ip xfrm policy flush; ip xfrm state flush)\n");
		return -EBUSY;
	}
	nn->thresholds[0] = (struct xfrmu_spdhthresh){ 32, 32 };
	nn->thresholds[1] = (struct xfrmu_spdhthresh){ 128, 128 };
	nn->sock = netlink_kernel_create(net, NETLINK_XFRM, &cfg);
	if (nn->sock)
		return 0;
	pr_err("espah_xfrm: NETLINK_XFRM is taken: xfrm_user is loaded or built in; remove it first (rmmod xfrm_user)\n");
	return -EBUSY;
}

/*
 * After this and a grace period, no event uses the socket any more. SAs of the namespace can expire
 * until espah's own exit, which comes after this module's.
 */
static void __net_exit net_pre_exit(struct net *net)
{
	struct espah_net *en = espah_pernet(net);

	mutex_lock(&en->lock);
	WRITE_ONCE(nlx_net(en)->ending, true);
	mutex_unlock(&en->lock);
}

static void __net_exit net_exit(struct net *net)
{
	struct nlx_net *nn = nlx_net(espah_pernet(net));

	netlink_kernel_release(nn->sock);
	if (nn->default_held)
		module_put(THIS_MODULE);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit = net_exit,
	.id = &nlx_net_id,
	.size = sizeof(struct nlx_net),
};

static const struct espah_face face = {
	.sa = nlx_event_sa,
	.expire = nlx_event_expire,
	.policy = nlx_event_policy,
	.acquire = nlx_event_acquire,
	.mapping = nlx_event_mapping,
};

static int __init nlx_init(void)
{
	int err = nlx_device_setup();

	if (err)
		return err;
	err = register_pernet_subsys(&net_ops);
	if (err)
		goto device;
	err = nlx_socket_setup();
	if (err)
		goto pernet;
	espah_face_set(&face);
	return 0;
pernet:
	unregister_pernet_subsys(&net_ops);
device:
	nlx_device_teardown();
	return err;
}

static void __exit nlx_exit(void)
{
	espah_face_set(NULL);
	nlx_socket_teardown();
	unregister_pernet_subsys(&net_ops);
	nlx_device_teardown();
}

module_init(nlx_init);
module_exit(nlx_exit);

MODULE_DESCRIPTION("NETLINK_XFRM for espah: ip xfrm and IKE daemons as they are");
MODULE_AUTHOR("the espah authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(ESPAH_VERSION);
ESPAH_IMPORT();
