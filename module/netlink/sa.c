// SPDX-License-Identifier: GPL-2.0-only
#include <crypto/aead.h>
#include <linux/in.h>
#include <linux/security.h>
#include <net/inet_ecn.h>
#include "answer.h"
#include "attr.h"
#include "change.h"
#include "db/account.h"
#include "db/privilege.h"
#include "netlink.h"
#include "packet/algo.h"
#include "packet/key.h"
#include "packet/mtu.h"
#include "path/dummy.h"
#include "report/event.h"
#include "report/put.h"

/* SPIs of SA_ALLOC_SPI lie here unless it says otherwise: away from small ones that people type */
#define ALLOC_SPI_MIN 0xc0000000
#define ALLOC_SPI_MAX 0xcfffffff
/* seconds that a reserved SPI waits for its keys */
#define LARVAL_LIFETIME 60

#define IDENTITY_POLICY						\
	[ESPAH_SA_DIR] = { .type = NLA_U8 },			\
	[ESPAH_SA_PROTO] = { .type = NLA_U8 },			\
	[ESPAH_SA_SPI] = { .type = NLA_U32 },			\
	[ESPAH_SA_DST] = { .type = NLA_BINARY },			\
	[ESPAH_SA_VRF] = { .type = NLA_U32 }

/* what SA_SET changes too */
#define SETTABLE_POLICY						\
	[ESPAH_SA_DF] = { .type = NLA_U8 },				\
	[ESPAH_SA_SOFT] = NLA_POLICY_NESTED(espah_limit_policy), \
	[ESPAH_SA_HARD] = NLA_POLICY_NESTED(espah_limit_policy), \
	[ESPAH_SA_ENCAP_SPORT] = { .type = NLA_U16 },		\
	[ESPAH_SA_ENCAP_DPORT] = { .type = NLA_U16 },		\
	[ESPAH_SA_TFC] = { .type = NLA_U16 },			\
	[ESPAH_SA_CPUS] = { .type = NLA_U16 },			\
	[ESPAH_SA_DUMMY] = { .type = NLA_U32 },			\
	[ESPAH_SA_DUMMY_RANDOM] = { .type = NLA_U32 }

const struct nla_policy espah_sa_new_policy[ESPAH_SA_MAX + 1] = {
	IDENTITY_POLICY,
	[ESPAH_SA_MODE] = { .type = NLA_U8 },
	[ESPAH_SA_SRC] = { .type = NLA_BINARY },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_ALG] = { .type = NLA_NUL_STRING },
	[ESPAH_SA_KEY] = { .type = NLA_BINARY },
	[ESPAH_SA_FLAGS] = { .type = NLA_U32 },
	[ESPAH_SA_WINDOW] = { .type = NLA_U32 },
	[ESPAH_SA_SEQ] = { .type = NLA_U64 },
	[ESPAH_SA_DSCP] = { .type = NLA_BINARY },
	[ESPAH_SA_TTL] = { .type = NLA_U8 },
	[ESPAH_SA_LABEL] = { .type = NLA_NUL_STRING },
	SETTABLE_POLICY,
	/* so that what SA_GET answers is taken; nobody reads them */
	[ESPAH_SA_ID] = { .type = NLA_U32 },
	[ESPAH_SA_STATE] = { .type = NLA_U8 },
	[ESPAH_SA_DRIVER] = { .type = NLA_NUL_STRING },
	[ESPAH_SA_PMTU] = { .type = NLA_U32 },
	[ESPAH_SA_PACKETS] = { .type = NLA_U64 },
	[ESPAH_SA_BYTES] = { .type = NLA_U64 },
	[ESPAH_SA_ADDED] = { .type = NLA_U64 },
	[ESPAH_SA_DROPS] = { .type = NLA_NESTED },
	[ESPAH_SA_PAD] = { .type = NLA_FLAG },
	[ESPAH_SA_ECN_ODD] = { .type = NLA_U64 },
	[ESPAH_SA_USED] = NLA_POLICY_NESTED(espah_limit_policy),
	[ESPAH_SA_FIRST_USED] = { .type = NLA_U64 },
	[ESPAH_SA_LAST_USED] = { .type = NLA_U64 },
	[ESPAH_SA_DUMMIES] = { .type = NLA_U64 },
	[ESPAH_SA_IV_MASK] = NLA_POLICY_EXACT_LEN(sizeof(u64)),
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
};

const struct nla_policy espah_sa_flush_policy[ESPAH_SA_MAX + 1] = {
	[ESPAH_SA_DIR] = { .type = NLA_U8 },
	[ESPAH_SA_PROTO] = { .type = NLA_U8 },
	[ESPAH_SA_REQID] = { .type = NLA_U32 },
	[ESPAH_SA_VRF] = { .type = NLA_U32 },
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
};

/* --- answers --- */

/* @request: that is answered; @cb: if it is one for a dump, else NULL */
static int put_message(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request,
		       struct netlink_callback *cb, struct espah_sa *sa, bool keys)
{
	void *hdr = espah_answer_begin(skb, portid, request, cb);

	return espah_answer_end(skb, hdr, hdr ? espah_put_sa(skb, sa, keys) : 0);
}

/* --- requests --- */

static int get_id(struct nlattr **attrs, struct espah_sa_id *id, struct netlink_ext_ack *extack)
{
	int err = espah_need(extack, attrs, ESPAH_SA_DIR) ?:
		  espah_need(extack, attrs, ESPAH_SA_SPI) ?:
		  espah_need(extack, attrs, ESPAH_SA_DST);

	if (err)
		return err;
	memset(id, 0, sizeof(*id));
	id->dir = nla_get_u8(attrs[ESPAH_SA_DIR]);
	id->proto = espah_get_u8(attrs[ESPAH_SA_PROTO], IPPROTO_ESP);
	id->spi = nla_get_be32(attrs[ESPAH_SA_SPI]);
	id->family = espah_get_addr(attrs[ESPAH_SA_DST], &id->dst);
	id->vrf = espah_get_u32(attrs[ESPAH_SA_VRF], 0);
	return 0;
}

/* The SA that a request names. Context: espah_net.lock. */
static struct espah_sa *find_sa(struct espah_net *en, struct genl_info *info)
{
	struct espah_sa_id id;
	struct espah_sa *sa;
	int err = get_id(info->attrs, &id, info->extack);

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

/* Refuses a key that others have or can guess, unless that is asked for. Larval SAs have none. */
static int check_key_use(struct espah_sa *sa, const struct nlattr *key,
			 struct netlink_ext_ack *extack)
{
	const struct espah_sa *other = espah_sad_find(&sa->en->sad, &sa->id);
	bool implicit;

	/* espah_sa_add() refuses an id that is taken, and says so */
	if (!sa->algo || !espah_algo_counts(sa->algo) ||
	    (other && other->state != ESPAH_SA_STATE_LARVAL))
		return 0;
	implicit = sa->algo->iv == ESPAH_IV_IMPLICIT;
	if (sa->flags & ESPAH_SA_F_REUSE_KEY && !implicit)
		return 0;
	if (!memchr_inv(sa->key, 0, sa->algo->enc_key_len))
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "the cipher key is all zero, which anybody can guess");
	else if (!espah_key_used(&sa->en->sad.keys, sa))
		return 0;
	else if (implicit)
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "another SA has this key and salt; with implicit IVs (RFC 8750) that exposes plaintext");
	else
		NL_SET_ERR_MSG_ATTR(extack, key,
				    "another SA has this key and salt: each SA needs its own; the flag 8 (reuse-key) allows it");
	return -EKEYREJECTED;
}

/* Makes an SA effective, or gives it up; under espah_net.lock. */
static int add_sa(struct espah_sa *sa, struct nlattr **attrs, bool tell,
		  struct netlink_ext_ack *extack)
{
	int err = check_key_use(sa, attrs[ESPAH_SA_KEY], extack) ?:
		  espah_sa_add(sa, espah_get_u32(attrs[ESPAH_SA_REQID], 0), tell, extack);

	if (err)
		espah_sa_put(sa);
	return err;
}

/* Memory for an SA that a request is to have. Return: it or ERR_PTR(). */
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
	/* what others may not ask for is not done for them unasked either; see check_cpus() */
	sa->cpus = espah_net_foreign(en->net) && !espah_privileged(skb);
	return sa;
}

/* Only the machine's administrator lets other CPUs work for an SA. */
static int check_cpus(const struct sk_buff *skb, struct nlattr **attrs,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *cpus = attrs[ESPAH_SA_CPUS];

	if (!cpus || nla_get_u16(cpus) == 1 || espah_privileged(skb))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, cpus,
			    "for SAs of a user namespace, no other CPUs work: ESPAH_SA_CPUS takes 1");
	return -EPERM;
}

static int get_window(struct espah_sa *sa, struct nlattr **attrs, u32 *window,
		      struct netlink_ext_ack *extack)
{
	bool any = espah_sa_any(sa);

	*window = espah_get_u32(attrs[ESPAH_SA_WINDOW], any ? 0 : ESPAH_WINDOW_DEFAULT);
	if (sa->id.dir == ESPAH_DIR_IN && any && (*window || espah_sa_esn(sa))) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_WINDOW] ?: attrs[ESPAH_SA_FLAGS],
				    "an SA for any source has neither replay window nor ESN: each sender counts for itself (RFC 4303 2.2)");
		return -EINVAL;
	}
	if (sa->id.dir == ESPAH_DIR_OUT)
		return espah_refuse(extack, attrs, ESPAH_SA_WINDOW,
				    "is for inbound SAs: there is no replay window for outbound ones");
	if (espah_sa_esn(sa) && !*window) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_WINDOW],
				    "ESN needs a replay window, of 32 to 32768 packets (RFC 4303 3.3.3)");
		return -EINVAL;
	}
	return 0;
}

static int get_seq(struct espah_sa *sa, struct nlattr **attrs, u64 *seq,
		   struct netlink_ext_ack *extack)
{
	*seq = attrs[ESPAH_SA_SEQ] ? nla_get_u64(attrs[ESPAH_SA_SEQ]) : 0;
	if (*seq <= U32_MAX || espah_sa_esn(sa))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_SEQ],
			    "ESPAH_SA_SEQ goes up to 4294967295 without ESN");
	return -ERANGE;
}

/**
 * struct change - what SA_SET, or SA_NEW, is about to change, with the memory that it takes
 * @limits: all limits, with those that are named
 * @limited: some are named
 * @life: for the SA's first limits
 * @dummy: for its first dummies
 */
struct change {
	struct espah_limits limits;
	bool limited;
	struct espah_life *life;
	struct espah_dummy *dummy;
};

#define OUTER_WHY "is for outbound tunnels: other SAs make no outer header"

static int check_outer(const struct espah_sa *sa, struct nlattr **attrs,
		       struct netlink_ext_ack *extack)
{
	if (sa->id.proto != IPPROTO_ESP &&
	    espah_refuse(extack, attrs, ESPAH_SA_TFC, "is for ESP: AH hides nothing"))
		return -EINVAL;
	if (sa->id.dir == ESPAH_DIR_OUT && sa->mode == ESPAH_MODE_TUNNEL)
		return 0;
	return espah_refuse(extack, attrs, ESPAH_SA_DF, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_TFC, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_DSCP, OUTER_WHY) ?:
	       espah_refuse(extack, attrs, ESPAH_SA_TTL, OUTER_WHY);
}

/* Reads what a tunnel does to the fields that routers look at. */
static int get_tunnel(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	u8 ecn = sa->flags & ESPAH_SA_F_NOECN ? 0 : INET_ECN_MASK;
	const struct nlattr *dscp = attrs[ESPAH_SA_DSCP];

	sa->ttl = espah_get_u8(attrs[ESPAH_SA_TTL], 0);
	sa->tos_take = ecn;
	sa->tos_keep = ecn | (u8)~INET_ECN_MASK;
	if (sa->flags & ESPAH_SA_F_DSCP_IN) {
		if (sa->id.dir == ESPAH_DIR_OUT || sa->mode != ESPAH_MODE_TUNNEL) {
			NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_FLAGS],
					    "the flag 4 (DSCP inward) is for inbound tunnels");
			return -EINVAL;
		}
		sa->tos_take |= (u8)~INET_ECN_MASK;
	}
	if (dscp && nla_len(dscp) == 1) {
		sa->tos_keep = ecn;
		sa->tos_set = nla_get_u8(dscp) << 2;
	} else if (dscp) {
		sa->dscp_map = kmemdup(nla_data(dscp), ESPAH_DSCP_NUM, GFP_KERNEL_ACCOUNT);
		if (!sa->dscp_map)
			return -ENOMEM;
	}
	return 0;
}

static int check_dummy(const struct espah_sa *sa, struct nlattr **attrs,
		       struct netlink_ext_ack *extack)
{
	const struct nlattr *steady = attrs[ESPAH_SA_DUMMY];
	const struct nlattr *random = attrs[ESPAH_SA_DUMMY_RANDOM];

	if (!steady && !random)
		return 0;
	if (!(steady && random) && sa->id.dir == ESPAH_DIR_OUT && sa->id.proto == IPPROTO_ESP &&
	    !espah_sa_any(sa))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, steady ?: random,
			    "dummies are for outbound ESP with a source, and either steady or random");
	return -EINVAL;
}

static const struct nlattr *dummy_attr(struct nlattr **attrs)
{
	return attrs[ESPAH_SA_DUMMY_RANDOM] ?: attrs[ESPAH_SA_DUMMY];
}

static void cancel_change(struct change *change)
{
	kfree(change->life);
	kfree(change->dummy);
}

/*
 * Checks what can be changed later, and allocates what set_sa() needs, so that it cannot fail.
 * Nothing is to be undone if this does. @sa: in the SAD, under espah_net.lock, or not yet
 */
static int prepare_change(const struct espah_sa *sa, struct nlattr **attrs, struct change *change,
			  struct netlink_ext_ack *extack)
{
	int err;

	memset(change, 0, sizeof(*change));
	change->limited = attrs[ESPAH_SA_SOFT] || attrs[ESPAH_SA_HARD];
	if (sa->life)
		change->limits = sa->life->limits;
	err = check_outer(sa, attrs, extack) ?: check_dummy(sa, attrs, extack) ?:
	      espah_get_limits(attrs, &change->limits, extack);
	if (err)
		return err;
	if (change->limited && !sa->life) {
		change->life = espah_life_alloc();
		if (!change->life)
			goto no_memory;
	}
	if (dummy_attr(attrs) && !sa->dummy) {
		change->dummy = espah_dummy_alloc();
		if (!change->dummy)
			goto no_memory;
	}
	return 0;
no_memory:
	cancel_change(change);
	NL_SET_ERR_MSG(extack, "out of memory for the SA");
	return -ENOMEM;
}

/* Makes a change that was prepared. @sa: in the SAD, under espah_net.lock, or not yet */
static void set_sa(struct espah_sa *sa, struct nlattr **attrs, const struct change *change)
{
	const struct nlattr *dummy = dummy_attr(attrs);

	if (change->limited)
		espah_life_set(sa, &change->limits, change->life);
	if (dummy)
		espah_dummy_set(sa, nla_get_u32(dummy), attrs[ESPAH_SA_DUMMY_RANDOM],
				change->dummy);
	if (attrs[ESPAH_SA_DF])
		WRITE_ONCE(sa->df, nla_get_u8(attrs[ESPAH_SA_DF]));
	if (attrs[ESPAH_SA_TFC])
		WRITE_ONCE(sa->tfc, nla_get_u16(attrs[ESPAH_SA_TFC]));
	if (attrs[ESPAH_SA_CPUS])
		WRITE_ONCE(sa->cpus, nla_get_u16(attrs[ESPAH_SA_CPUS]));
}

/* Reads the ports of UDP encapsulation; none are left as they are. */
static int get_ports(struct nlattr **attrs, u8 proto, __be16 *sport, __be16 *dport,
		     struct netlink_ext_ack *extack)
{
	const struct nlattr *src = attrs[ESPAH_SA_ENCAP_SPORT], *dst = attrs[ESPAH_SA_ENCAP_DPORT];

	if (!src && !dst)
		return 0;
	if (proto == IPPROTO_AH) {
		NL_SET_ERR_MSG_ATTR(extack, src ?: dst,
				    "AH does not pass a NAT, which changes what it covers: only ESP goes in UDP");
		return -EINVAL;
	}
	if (!src || !dst || !nla_get_be16(src) != !nla_get_be16(dst)) {
		NL_SET_ERR_MSG_ATTR(extack, src ?: dst,
				    "ESPAH_SA_ENCAP_SPORT and _DPORT come together, as ports from 1 to 65535");
		return -EINVAL;
	}
	*sport = nla_get_be16(src);
	*dport = nla_get_be16(dst);
	return 0;
}

/* UDP has one peer's port. */
static int check_encap(__be16 dport, const union espah_addr *src, const union espah_addr *dst,
		       u8 family, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	if (!dport || !(espah_addr_any(src) || espah_addr_is_group(dst, family)))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_ENCAP_DPORT],
			    "with UDP, each end of an SA must be a host's address");
	return -EINVAL;
}

static const struct espah_algo *get_algo(struct nlattr **attrs, u8 proto,
					 struct netlink_ext_ack *extack)
{
	const char *name = nla_data(attrs[ESPAH_SA_ALG]);
	const struct espah_algo *algo = espah_algo_find(name, proto);
	int len;

	if (!algo && espah_algo_find(name, proto == IPPROTO_AH ? IPPROTO_ESP : IPPROTO_AH)) {
		espah_err_text(extack, attrs[ESPAH_SA_ALG], proto == IPPROTO_AH ?
			       "the algorithm is for ESP; AH takes integrity, such as sha256" :
			       "the algorithm is for AH; ESP takes a cipher too, such as null-sha256");
		return ERR_PTR(-EINVAL);
	}
	if (!algo) {
		espah_err_fmt(extack, attrs[ESPAH_SA_ALG],
			      "unknown algorithm; `espah algo' lists those that there are",
			      "unknown algorithm '%.16s'; `espah algo' lists those that there are",
			      name);
		return ERR_PTR(-EINVAL);
	}
	len = nla_len(attrs[ESPAH_SA_KEY]);
	if (len == espah_algo_key_len(algo))
		return algo;
	if (algo->salt_len)
		espah_err_fmt(extack, attrs[ESPAH_SA_KEY],
			      "the key has not the length that `espah algo' tells, salt included",
			      "%s needs a key of %u bytes (%u of key and %u of salt), got %d",
			      algo->name, espah_algo_key_len(algo),
			      algo->enc_key_len + algo->auth_key_len, algo->salt_len, len);
	else
		espah_err_fmt(extack, attrs[ESPAH_SA_KEY],
			      "the key has not the length that `espah algo' tells",
			      "%s needs a key of %u bytes (cipher %u, integrity %u), got %d",
			      algo->name, espah_algo_key_len(algo), algo->enc_key_len,
			      algo->auth_key_len, len);
	return ERR_PTR(-EINVAL);
}

/* Reads all of SA_NEW but the keys. */
static int get_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct espah_path *path = espah_sa_path(sa);
	int err = get_id(attrs, &sa->id, extack) ?:
		  espah_need(extack, attrs, ESPAH_SA_SRC) ?:
		  espah_need(extack, attrs, ESPAH_SA_MODE) ?:
		  espah_need(extack, attrs, ESPAH_SA_ALG) ?:
		  espah_need(extack, attrs, ESPAH_SA_KEY) ?:
		  espah_get_endpoints(attrs[ESPAH_SA_SRC], attrs[ESPAH_SA_DST], &path->src,
				      &sa->id.dst, &sa->id.family,
				      nla_get_u8(attrs[ESPAH_SA_MODE]) == ESPAH_MODE_TRANSPORT,
				      extack) ?:
		  espah_known_vrf(sa->en->net, attrs[ESPAH_SA_VRF], extack) ?:
		  get_ports(attrs, sa->id.proto, &path->sport, &path->dport, extack);

	if (err)
		return err;
	err = check_encap(path->dport, &path->src, &sa->id.dst, sa->id.family, attrs, extack);
	if (err)
		return err;
	sa->mode = nla_get_u8(attrs[ESPAH_SA_MODE]);
	sa->flags = espah_get_u32(attrs[ESPAH_SA_FLAGS], 0);
	if (attrs[ESPAH_SA_LABEL]) {
		sa->label = nla_strdup(attrs[ESPAH_SA_LABEL], GFP_KERNEL_ACCOUNT);
		if (!sa->label)
			return -ENOMEM;
	}
	return get_tunnel(sa, attrs, extack);
}

static int get_keys(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	const struct espah_algo *algo = get_algo(attrs, sa->id.proto, extack);
	u32 window;
	u64 seq;
	int err;

	if (IS_ERR(algo))
		return PTR_ERR(algo);
	err = get_window(sa, attrs, &window, extack) ?: get_seq(sa, attrs, &seq, extack);
	if (err)
		return err;
	return espah_sa_key(sa, algo, nla_data(attrs[ESPAH_SA_KEY]), window, seq, extack);
}

/**
 * espah_forget_keys - zero the keys that a request holds
 * @nlh: SA_NEW; each SA_KEY in it is overwritten
 *
 * The request's memory is freed without being zeroed, and copied into a refusal. What the netlink
 * core refuses by the policies of attributes never comes here.
 */
void espah_forget_keys(const struct nlmsghdr *nlh)
{
	struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, rem)
		if (nla_type(attr) == ESPAH_SA_KEY)
			memzero_explicit(nla_data(attr), nla_len(attr));
}

int espah_cmd_sa_new(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;
	struct espah_sa *sa = alloc_sa(en, skb, extack);
	struct change change;
	int err;

	if (IS_ERR(sa)) {
		err = PTR_ERR(sa);
		goto out;
	}
	err = check_cpus(skb, attrs, extack) ?: get_sa(sa, attrs, extack) ?:
	      get_keys(sa, attrs, extack) ?: prepare_change(sa, attrs, &change, extack);
	if (err) {
		espah_sa_put(sa);
		goto out;
	}
	set_sa(sa, attrs, &change);
	mutex_lock(&en->lock);
	err = add_sa(sa, attrs, true, extack);
	mutex_unlock(&en->lock);
out:
	espah_forget_keys(info->nlhdr);
	return err;
}

/* Gives an SA the addresses and ports that a request names. Context: espah_net.lock. */
static int move_sa(struct espah_sa *sa, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct nlattr *src_attr = attrs[ESPAH_SA_NEW_SRC], *dst_attr = attrs[ESPAH_SA_NEW_DST];
	const struct espah_path *path = espah_sa_path(sa);
	__be16 sport = path->sport, dport = path->dport;
	union espah_addr src = path->src, dst = path->dst;
	u8 family = path->family;
	int err = get_ports(attrs, sa->id.proto, &sport, &dport, extack) ?:
		  espah_get_endpoints(src_attr, dst_attr, &src, &dst, &family,
				      !src_attr && sa->mode == ESPAH_MODE_TRANSPORT, extack);

	err = err ?: check_encap(dport, &src, &dst, family, attrs, extack);
	if (err || !(src_attr || dst_attr || attrs[ESPAH_SA_ENCAP_SPORT]))
		return err;
	return espah_sa_move(sa, &src, &dst, family, sport, dport, extack);
}

int espah_cmd_sa_set(struct sk_buff *skb, struct genl_info *info)
{
	struct espah_net *en = espah_pernet(genl_info_net(info));
	struct change change;
	struct espah_sa *sa;
	int err = 0;

	mutex_lock(&en->lock);
	sa = find_sa(en, info);
	if (IS_ERR(sa)) {
		err = PTR_ERR(sa);
		goto out;
	}
	err = check_cpus(skb, info->attrs, info->extack) ?:
	      prepare_change(sa, info->attrs, &change, info->extack);
	if (err)
		goto out;
	/* all that can fail first, since a move is not taken back */
	err = move_sa(sa, info->attrs, info->extack);
	if (err) {
		cancel_change(&change);
		goto out;
	}
	set_sa(sa, info->attrs, &change);
	espah_event_sa(en, sa, ESPAH_CMD_SA_SET_NTF);
out:
	mutex_unlock(&en->lock);
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

/* Whether keys are asked for, and may be shown to anybody. Return: 1, 0 or -EPERM */
static int want_keys(struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	if (!attrs[ESPAH_SA_SHOW_KEYS])
		return 0;
	if (!security_locked_down(LOCKDOWN_XFRM_SECRET))
		return 1;
	NL_SET_ERR_MSG_ATTR(extack, attrs[ESPAH_SA_SHOW_KEYS],
			    "the kernel is locked down: keys are not shown (kernel_lockdown(7), confidentiality)");
	return -EPERM;
}

static int put_found(struct sk_buff *skb, struct espah_net *en, struct genl_info *info)
{
	int keys = want_keys(info->attrs, info->extack), err;
	struct espah_sa *sa;

	if (keys < 0)
		return keys;
	err = espah_refuse(info->extack, info->attrs, ESPAH_SA_SRC, "is for dumps only") ?:
	      espah_refuse(info->extack, info->attrs, ESPAH_SA_REQID, "is for dumps only");
	if (err)
		return err;
	sa = find_sa(en, info);
	return IS_ERR(sa) ? PTR_ERR(sa) : espah_put_sa(skb, sa, keys);
}

int espah_cmd_sa_get(struct sk_buff *skb, struct genl_info *info)
{
	return espah_answer(info, ESPAH_MSG_SIZE, put_found);
}

static u32 get_spi(const struct nlattr *attr, u32 absent)
{
	return attr ? ntohl(nla_get_be32(attr)) : absent;
}

/* Answers SA_ALLOC_SPI, or takes the SA back. Context: espah_net.lock. */
static int tell_spi(struct espah_sa *sa, struct sk_buff *answer, struct genl_info *info)
{
	int err = put_message(answer, info->snd_portid, info->nlhdr, NULL, sa, false);

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

/* --- many SAs at once --- */

/* Whether an SA is among those that a dump or flush is about. */
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
	if (attrs[ESPAH_SA_SRC] && (espah_get_addr(attrs[ESPAH_SA_SRC], &addr) != sa->id.family ||
				    !espah_addr_equal(&addr, &espah_sa_path(sa)->src)))
		return false;
	if (attrs[ESPAH_SA_DST] && (espah_get_addr(attrs[ESPAH_SA_DST], &addr) != sa->id.family ||
				    !espah_addr_equal(&addr, &sa->id.dst)))
		return false;
	return true;
}

int espah_dump_sa(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espah_net *en = espah_pernet(sock_net(skb->sk));
	struct nlattr **attrs = espah_dump_attrs(cb);
	unsigned long index = cb->args[0];
	int err = espah_check_dump(cb), keys;
	struct espah_sa *sa;

	if (err)
		return err;
	keys = want_keys(attrs, cb->extack);
	if (keys < 0)
		return keys;
	mutex_lock(&en->lock);
	cb->seq = en->sad.generation;
	xa_for_each_start(&en->sad.index, index, sa, cb->args[0]) {
		if (wanted(sa, attrs) &&
		    put_message(skb, NETLINK_CB(cb->skb).portid, cb->nlh, cb, sa, keys))
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
