// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/security.h>
#include "answer.h"
#include "attr.h"
#include "db/account.h"
#include "db/privilege.h"
#include "netlink.h"
#include "packet/algo.h"
#include "progress.h"
#include "report/event.h"
#include "report/put.h"
#include "sa_read.h"

/* default SPI range of SA_ALLOC_SPI, away from the small SPIs of manual configurations */
#define ALLOC_SPI_MIN 0xc0000000
#define ALLOC_SPI_MAX 0xcfffffff
/* seconds: how long a reserved SPI waits for its keys */
#define LARVAL_LIFETIME 60

#define IDENTITY_POLICY						\
	[ESPAH_SA_DIR] = { .type = NLA_U8 },			\
	[ESPAH_SA_PROTO] = { .type = NLA_U8 },			\
	[ESPAH_SA_SPI] = { .type = NLA_U32 },			\
	[ESPAH_SA_DST] = { .type = NLA_BINARY },			\
	[ESPAH_SA_VRF] = { .type = NLA_U32 }

/* attributes that SA_SET can change, too */
#define SETTABLE_POLICY						\
	[ESPAH_SA_DF] = { .type = NLA_U8 },				\
	[ESPAH_SA_SOFT] = NLA_POLICY_NESTED(espah_limit_policy), \
	[ESPAH_SA_HARD] = NLA_POLICY_NESTED(espah_limit_policy), \
	[ESPAH_SA_ENCAP_SPORT] = { .type = NLA_U16 },		\
	[ESPAH_SA_ENCAP_DPORT] = { .type = NLA_U16 },		\
	[ESPAH_SA_TFC] = { .type = NLA_U16 },			\
	[ESPAH_SA_CPUS] = { .type = NLA_U16 },			\
	[ESPAH_SA_DUMMY] = { .type = NLA_U32 },			\
	[ESPAH_SA_DUMMY_RANDOM] = { .type = NLA_U32 },		\
	[ESPAH_SA_OWNER] = { .type = NLA_U8 },			\
	[ESPAH_SA_FOR_DSCP] = { .type = NLA_U64 },			\
	[ESPAH_SA_KEY] = { .type = NLA_BINARY },			\
	[ESPAH_SA_SEQ] = { .type = NLA_U64 },			\
	[ESPAH_SA_SEEN] = { .type = NLA_BINARY },		\
	[ESPAH_SA_IV_MASK] = NLA_POLICY_EXACT_LEN(sizeof(u64)), \
	[ESPAH_SA_USED] = NLA_POLICY_NESTED(espah_limit_policy), \
	[ESPAH_SA_PAD] = { .type = NLA_FLAG }

const struct nla_policy espah_sa_new_policy[ESPAH_SA_MAX + 1] = {
	IDENTITY_POLICY,
	[ESPAH_SA_MODE] = { .type = NLA_U8 },
	[ESPAH_SA_SRC] = { .type = NLA_BINARY },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_ALG] = { .type = NLA_NUL_STRING },
	[ESPAH_SA_FLAGS] = { .type = NLA_U32 },
	[ESPAH_SA_WINDOW] = { .type = NLA_U32 },
	[ESPAH_SA_DSCP] = { .type = NLA_BINARY },
	[ESPAH_SA_TTL] = { .type = NLA_U8 },
	[ESPAH_SA_LABEL] = { .type = NLA_NUL_STRING },
	[ESPAH_SA_IF_ID] = { .type = NLA_U32 },
	[ESPAH_SA_MARK] = { .type = NLA_U32 },
	[ESPAH_SA_MARK_MASK] = { .type = NLA_U32 },
	[ESPAH_SA_SEL_MARK] = { .type = NLA_U32 },
	[ESPAH_SA_SEL_MARK_MASK] = { .type = NLA_U32 },
	SETTABLE_POLICY,
	/* ignored; SA_NEW accepts an answer of SA_GET */
	[ESPAH_SA_ID] = { .type = NLA_U32 },
	[ESPAH_SA_STATE] = { .type = NLA_U8 },
	[ESPAH_SA_DRIVER] = { .type = NLA_NUL_STRING },
	[ESPAH_SA_PMTU] = { .type = NLA_U32 },
	[ESPAH_SA_PACKETS] = { .type = NLA_U64 },
	[ESPAH_SA_BYTES] = { .type = NLA_U64 },
	[ESPAH_SA_ADDED] = { .type = NLA_U64 },
	[ESPAH_SA_DROPS] = { .type = NLA_NESTED },
	[ESPAH_SA_ECN_ODD] = { .type = NLA_U64 },
	[ESPAH_SA_FIRST_USED] = { .type = NLA_U64 },
	[ESPAH_SA_LAST_USED] = { .type = NLA_U64 },
	[ESPAH_SA_DUMMIES] = { .type = NLA_U64 },
};

const struct nla_policy espah_sa_set_policy[ESPAH_SA_MAX + 1] = {
	IDENTITY_POLICY,
	SETTABLE_POLICY,
	[ESPAH_SA_NEW_SRC] = { .type = NLA_BINARY },
	[ESPAH_SA_NEW_DST] = { .type = NLA_BINARY },
};

const struct nla_policy espah_sa_del_policy[ESPAH_SA_MAX + 1] = {
	IDENTITY_POLICY,
};

const struct nla_policy espah_sa_get_policy[ESPAH_SA_MAX + 1] = {
	IDENTITY_POLICY,
	[ESPAH_SA_SRC] = { .type = NLA_BINARY },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_SHOW_KEYS] = { .type = NLA_FLAG },
	[ESPAH_SA_SHOW_STATE] = { .type = NLA_FLAG },
	[ESPAH_SA_IF_ID] = { .type = NLA_U32 },
};

const struct nla_policy espah_sa_flush_policy[ESPAH_SA_MAX + 1] = {
	[ESPAH_SA_DIR] = { .type = NLA_U8 },
	[ESPAH_SA_PROTO] = { .type = NLA_U8 },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_VRF] = { .type = NLA_U32 },
	[ESPAH_SA_IF_ID] = { .type = NLA_U32 },
};

const struct nla_policy espah_sa_alloc_spi_policy[ESPAH_SA_MAX + 1] = {
	[ESPAH_SA_PROTO] = { .type = NLA_U8 },
	[ESPAH_SA_MODE] = { .type = NLA_U8 },
	[ESPAH_SA_SRC] = { .type = NLA_BINARY },
	[ESPAH_SA_DST] = { .type = NLA_BINARY },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_SPI_MIN] = { .type = NLA_U32 },
	[ESPAH_SA_SPI_MAX] = { .type = NLA_U32 },
	[ESPAH_SA_VRF] = { .type = NLA_U32 },
	[ESPAH_SA_IF_ID] = { .type = NLA_U32 },
};

/* --- answers --- */

/* @request: the request to answer; @cb: callback of a dump, else NULL */
static int put_message(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
		       struct netlink_callback *cb, struct espah_sa *sa, u8 with)
{
	void *hdr = espah_answer_begin(skb, portid, request, cb);

	return espah_answer_end(skb, hdr, hdr ? espah_put_sa(skb, sa, with) : 0);
}

/* --- requests --- */

static struct espah_sa *find_sa(struct espah_net *en, struct genl_info *info)
{
	struct espah_sa_id id;
	struct espah_sa *sa;
	int err = espah_read_sa_id(info->attrs, &id, info->extack);

	if (err)
		return ERR_PTR(err);
	sa = espah_sad_find(&en->sad, &id);
	if (sa)
		return sa;
	espah_err_fmt(info->extack, info->attrs[ESPAH_SA_SPI],
		      "no SA has this direction, SPI, destination, protocol and VRF",
		      "no %s SA has SPI %#x, this destination, protocol and VRF",
		      id.dir == ESPAH_DIR_IN ? "inbound" : "outbound", be32_to_cpu(id.spi));
	return ERR_PTR(-ENOENT);
}

/* Refuses a reused or all-zero key, unless the request allows it. Larval SAs have no key. */
static int check_key_use(struct espah_sa *sa, const struct nlattr *key,
			 struct netlink_ext_ack *extack)
{
	const struct espah_sa *other = espah_sad_find(&sa->en->sad, &sa->id);
	bool implicit;

	/* espah_sa_add() refuses an id that is in use, with its own sentence */
	if (!sa->algo || !espah_algo_counts(sa->algo) ||
	    (other && other->state != ESPAH_SA_STATE_LARVAL))
		return 0;
	implicit = sa->algo->iv == ESPAH_IV_IMPLICIT;
	if (sa->flags & ESPAH_SA_F_REUSE_KEY && !implicit)
		return 0;
	if (!memchr_inv(sa->key, 0, sa->algo->enc_key_len))
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "the cipher key is all zeros, so anybody can guess it");
	else if (!espah_key_used(&sa->en->sad.keys, sa))
		return 0;
	else if (implicit)
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "another SA has this key and salt; with implicit IVs (RFC 8750) the reuse exposes plaintext");
	else
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "another SA has this key and salt: each SA needs its own; flag 8 (reuse-key) allows the reuse");
	return -EKEYREJECTED;
}

/* Adds an SA to the SAD, or drops it on failure. Context: espah_net.lock. */
static int add_sa(struct espah_sa *sa, struct nlattr **attrs, bool tell,
		  struct netlink_ext_ack *extack)
{
	int err = check_key_use(sa, attrs[ESPAH_SA_KEY], extack) ?:
		  espah_sa_add(sa, espah_get_u32(attrs[ESPAH_SA_REQID], 0), tell, extack);

	if (err)
		espah_sa_put(sa);
	return err;
}

/* Charges and allocates an SA for a request. Return: the SA or ERR_PTR(). */
static struct espah_sa *alloc_sa(struct espah_net *en, const struct sk_buff *skb,
				 struct netlink_ext_ack *extack)
{
	unsigned int present = READ_ONCE(en->sad.count[ESPAH_DIR_IN]) +
			       READ_ONCE(en->sad.count[ESPAH_DIR_OUT]);
	struct espah_account *account;
	struct espah_sa *sa;
	int err = espah_account_charge(&account, en->net, ESPAH_ACCOUNT_SA, present, skb, extack);

	if (err)
		return ERR_PTR(err);
	sa = espah_sa_alloc(en);
	if (!sa) {
		espah_account_uncharge(account, ESPAH_ACCOUNT_SA);
		NL_SET_ERR_MSG(extack, "out of memory for the SA");
		return ERR_PTR(-ENOMEM);
	}
	sa->account = account;
	/* 1 for unprivileged users, who may not set another value; see check_cpus() */
	sa->cpus = espah_net_foreign(en->net) && !espah_privileged(skb);
	return sa;
}

/* Only an administrator of the host may let other CPUs work for an SA. */
static int check_cpus(const struct sk_buff *skb, struct nlattr **attrs,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *cpus = attrs[ESPAH_SA_CPUS];

	if (!cpus || nla_get_u16(cpus) == 1 || espah_privileged(skb))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, cpus,
			    "SAs of a user namespace cannot use other CPUs: ESPAH_SA_CPUS must be 1");
	return -EPERM;
}

int espah_cmd_sa_new(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;
	struct espah_sa *sa = alloc_sa(en, skb, extack);
	struct espah_sa_change change;
	int err;

	if (IS_ERR(sa)) {
		err = PTR_ERR(sa);
		goto out;
	}
	err = check_cpus(skb, attrs, extack) ?: espah_read_sa(sa, attrs, extack) ?:
	      espah_read_keys(sa, attrs, extack) ?:
	      espah_read_sa_change(sa, attrs, &change, extack) ?:
	      espah_sa_change_prepare(sa, &change, extack);
	if (err) {
		espah_sa_put(sa);
		goto out;
	}
	espah_sa_change(sa, &change);
	mutex_lock(&en->lock);
	err = add_sa(sa, attrs, true, extack);
	mutex_unlock(&en->lock);
out:
	espah_forget_keys(info->nlhdr);
	return err;
}

/* Moves an SA to the addresses and ports in a request. Context: espah_net.lock. */
static int move_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct nlattr *src_attr = attrs[ESPAH_SA_NEW_SRC], *dst_attr = attrs[ESPAH_SA_NEW_DST];
	const struct espah_path *path = espah_sa_path(sa);
	__be16 sport = path->sport, dport = path->dport;
	union espah_addr src = path->src, dst = path->dst;
	u8 family = path->family;
	int err = espah_read_ports(attrs, sa->id.proto, &sport, &dport, extack) ?:
		  espah_get_endpoints(src_attr, dst_attr, &src, &dst, &family,
				      !src_attr && sa->mode == ESPAH_MODE_TRANSPORT, extack);

	err = err ?: espah_check_encap(dport, &src, &dst, family, attrs, extack);
	if (err || !(src_attr || dst_attr || attrs[ESPAH_SA_ENCAP_SPORT]))
		return err;
	return espah_sa_move(sa, &src, &dst, family, sport, dport, extack);
}

int espah_cmd_sa_set(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_sa_change change;
	struct espah_sa *sa;
	int err = 0;

	mutex_lock(&en->lock);
	sa = find_sa(en, info);
	if (IS_ERR(sa)) {
		err = PTR_ERR(sa);
		goto out;
	}
	err = check_cpus(skb, info->attrs, info->extack) ?:
	      espah_check_same_key(sa, info->attrs[ESPAH_SA_KEY], info->extack) ?:
	      espah_read_sa_change(sa, info->attrs, &change, info->extack) ?:
	      espah_sa_change_prepare(sa, &change, info->extack);
	if (err)
		goto out;
	/* everything else that can fail is done: a move cannot be undone */
	err = move_sa(sa, info->attrs, info->extack);
	if (err) {
		espah_sa_change_cancel(&change);
		goto out;
	}
	espah_sa_change(sa, &change);
	espah_event_sa(en, sa, ESPAH_CMD_SA_SET_NTF);
out:
	mutex_unlock(&en->lock);
	espah_forget_keys(info->nlhdr);
	return err;
}

int espah_cmd_sa_del(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct espah_sa *sa;
	int err = 0;

	mutex_lock(&en->lock);
	sa = find_sa(en, info);
	if (IS_ERR(sa))
		err = PTR_ERR(sa);
	else
		espah_sa_del(sa, true);
	mutex_unlock(&en->lock);
	return err;
}

/* What else is requested; kernel lockdown may forbid keys. Return: ESPAH_PUT_* or -EPERM */
static int want_more(struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	u8 with = attrs[ESPAH_SA_SHOW_STATE] ? ESPAH_PUT_STATE : 0;

	if (!attrs[ESPAH_SA_SHOW_KEYS])
		return with;
	if (!security_locked_down(LOCKDOWN_XFRM_SECRET))
		return with | ESPAH_PUT_KEYS;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_SHOW_KEYS],
			    "the kernel is locked down: keys are not shown (kernel_lockdown(7), confidentiality)");
	return -EPERM;
}

static int put_found(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	int with = want_more(info->attrs, info->extack), err;
	struct espah_sa *sa;

	if (with < 0)
		return with;
	err = espah_refuse(info->extack, info->attrs, ESPAH_SA_SRC, "is for dumps only") ?:
	      espah_refuse(info->extack, info->attrs, ESPAH_SA_REQID, "is for dumps only") ?:
	      espah_refuse(info->extack, info->attrs, ESPAH_SA_IF_ID, "is for dumps only");
	if (err)
		return err;
	sa = find_sa(en, info);
	return IS_ERR(sa) ? PTR_ERR(sa) : espah_put_sa(skb, sa, with);
}

int espah_cmd_sa_get(struct sk_buff *skb, struct genl_info *info)
{
	bool state = info->attrs[ESPAH_SA_SHOW_STATE];

	return espah_answer(info, state ? ESPAH_STATE_SIZE : ESPAH_MSG_SIZE, put_found);
}

static u32 get_spi(const struct nlattr *attr, u32 absent)
{
	return attr ? ntohl(nla_get_be32(attr)) : absent;
}

/* Answers SA_ALLOC_SPI, or deletes the SA on failure. Context: espah_net.lock. */
static int tell_spi(struct espah_sa *sa, struct sk_buff *answer, struct genl_info *info)
{
	int err = put_message(answer, info->snd_portid, info->nlhdr, NULL, sa, 0);

	if (err)
		nlmsg_free(answer);
	else
		err = genlmsg_reply(answer, info);
	if (err)
		espah_sa_del(sa, false);
	else
		espah_event_sa(sa->en, sa, ESPAH_CMD_SA_NEW_NTF);
	return err;
}

int espah_cmd_sa_alloc_spi(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct netlink_ext_ack *extack = info->extack;
	const struct espah_limits limits = { .at[1][ESPAH_LIMIT_TIME] = LARVAL_LIFETIME };
	struct espah_life *life;
	struct nlattr **attrs = info->attrs;
	u32 min = get_spi(attrs[ESPAH_SA_SPI_MIN], ALLOC_SPI_MIN);
	u32 max = get_spi(attrs[ESPAH_SA_SPI_MAX], max(min, ALLOC_SPI_MAX));
	struct sk_buff *answer;
	struct espah_sa *sa;
	int err = espah_need(extack, attrs, ESPAH_SA_SRC) ?:
		  espah_need(extack, attrs, ESPAH_SA_DST) ?:
		  espah_need(extack, attrs, ESPAH_SA_MODE);

	if (err)
		return err;
	if (!attrs[ESPAH_SA_SPI_MIN] && max < min)
		min = ESPAH_SPI_MIN;
	if (min > max) {
		espah_err_fmt(extack, attrs[ESPAH_SA_SPI_MIN],
			      "ESPAH_SA_SPI_MIN is above ESPAH_SA_SPI_MAX",
			      "ESPAH_SA_SPI_MIN (%u) is above ESPAH_SA_SPI_MAX (%u)", min, max);
		return -EINVAL;
	}
	sa = alloc_sa(en, skb, extack);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	err = espah_get_endpoints(attrs[ESPAH_SA_SRC], attrs[ESPAH_SA_DST],
				  &espah_sa_path(sa)->src, &sa->id.dst, &sa->id.family,
				  nla_get_u8(attrs[ESPAH_SA_MODE]) == ESPAH_MODE_TRANSPORT,
				  extack) ?:
	      espah_known_vrf(en->net, attrs[ESPAH_SA_VRF], extack);
	if (err)
		goto err_sa;
	sa->id.vrf = espah_get_u32(attrs[ESPAH_SA_VRF], 0);
	sa->if_id = espah_get_u32(attrs[ESPAH_SA_IF_ID], 0);
	sa->id.dir = ESPAH_DIR_IN;
	sa->id.proto = espah_get_u8(attrs[ESPAH_SA_PROTO], IPPROTO_ESP);
	sa->mode = nla_get_u8(attrs[ESPAH_SA_MODE]);
	answer = genlmsg_new(ESPAH_MSG_SIZE, GFP_KERNEL);
	life = espah_life_alloc();
	if (!answer || !life) {
		kfree(life);
		nlmsg_free(answer);
		err = -ENOMEM;
		goto err_sa;
	}
	espah_life_set(sa, &limits, life);

	mutex_lock(&en->lock);
	err = espah_sad_alloc_spi(&en->sad, &sa->id, min, max);
	if (err) {
		NL_SET_ERR_MSG(extack, "no free SPI was found; ask for a wider range");
		espah_sa_put(sa);
	} else {
		err = add_sa(sa, attrs, false, extack);
	}
	if (!err)
		err = tell_spi(sa, answer, info);
	else
		nlmsg_free(answer);
	mutex_unlock(&en->lock);
	return err;

err_sa:
	espah_sa_put(sa);
	return err;
}

/* --- dump and flush --- */

/* Whether an SA matches the filter attributes of a dump or flush. */
static bool wanted(const struct espah_sa *sa, struct nlattr **attrs)
{
	union espah_addr addr;

	if (attrs[ESPAH_SA_DIR] && nla_get_u8(attrs[ESPAH_SA_DIR]) != sa->id.dir)
		return false;
	if (attrs[ESPAH_SA_PROTO] && nla_get_u8(attrs[ESPAH_SA_PROTO]) != sa->id.proto)
		return false;
	if (attrs[ESPAH_SA_SPI] && nla_get_be32(attrs[ESPAH_SA_SPI]) != sa->id.spi)
		return false;
	if (attrs[ESPAH_SA_REQID] && nla_get_u32(attrs[ESPAH_SA_REQID]) != sa->slot->id.reqid)
		return false;
	if (attrs[ESPAH_SA_VRF] && nla_get_u32(attrs[ESPAH_SA_VRF]) != sa->id.vrf)
		return false;
	if (attrs[ESPAH_SA_IF_ID] && nla_get_u32(attrs[ESPAH_SA_IF_ID]) != sa->if_id)
		return false;
	if (attrs[ESPAH_SA_SRC] && (espah_get_addr(attrs[ESPAH_SA_SRC], &addr) != sa->id.family ||
				    !espah_addr_equal(&addr, &espah_sa_path(sa)->src)))
		return false;
	if (attrs[ESPAH_SA_DST] && (espah_get_addr(attrs[ESPAH_SA_DST], &addr) != sa->id.family ||
				    !espah_addr_equal(&addr, &sa->id.dst)))
		return false;
	return true;
}

int espah_start_sa(struct netlink_callback *cb)
{
	if (espah_dump_attrs(cb)[ESPAH_SA_SHOW_STATE])
		cb->min_dump_alloc = ESPAH_STATE_SIZE;
	return espah_start_dump(cb);
}

int espah_dump_sa(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	struct nlattr **attrs = espah_dump_attrs(cb);
	unsigned long index = cb->args[0];
	int err = espah_check_dump(cb), with;
	struct espah_sa *sa;

	if (err)
		return err;
	with = want_more(attrs, cb->extack);
	if (with < 0)
		return with;
	mutex_lock(&en->lock);
	cb->seq = en->sad.generation;
	xa_for_each_start(&en->sad.index, index, sa, cb->args[0]) {
		if (wanted(sa, attrs) &&
		    put_message(skb, NETLINK_CB(cb->skb).portid, cb->nlh, cb, sa, with))
			break;
		cb->args[0] = index + 1;
		cond_resched();
	}
	mutex_unlock(&en->lock);
	return skb->len;
}

int espah_cmd_sa_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));

	mutex_lock(&en->lock);
	espah_sa_flush(en, info->attrs, wanted);
	mutex_unlock(&en->lock);
	return 0;
}
