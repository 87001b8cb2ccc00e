// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies. A new CHILD_SA uses the same policies as the one that it replaces: charon adds them
 * again before it deletes the old ones. So each policy has a list of users, and the module gets
 * what the newest user wants. Policies of another priority (traps, fallbacks) are separate.
 */
#include "backend.h"

#include <collections/hashtable.h>
#include <collections/linked_list.h>
#include <net/if.h>
#include <threading/mutex.h>

/* distance between priority classes; priorities set by hand are on the same scale */
#define PRIORITY_STEP 200000

/*
 * @leaving: charon stops, and its traps and shunts stay in force
 * @kept: number of policies that stay
 */
struct policies {
	struct nl *nl;
	mutex_t *mutex;
	hashtable_t *table;
	struct routes *routes;
	struct leftovers *leftovers;
	bool leaving;
	unsigned int kept;
};

/* A CHILD_SA, trap or shunt that uses a policy. */
struct user {
	policy_type_t type;
	ipsec_mode_t mode;
	uint32_t reqid;
	uint8_t proto;
	host_t *src, *dst;
	struct route *route;
};

/*
 * @key: what identifies the policy, in the format of the request, and the name of its device
 * @ifindex: the device with that name when the policy was installed, or 0
 */
struct policy {
	chunk_t key;
	uint32_t ifindex;
	linked_list_t *users;
};

static u_int hash(const void *key)
{
	return chunk_hash(*(const chunk_t *)key);
}

static bool equals(const void *a, const void *b)
{
	return chunk_equals(*(const chunk_t *)a, *(const chunk_t *)b);
}

static uint32_t priority(kernel_ipsec_policy_id_t *id, kernel_ipsec_manage_policy_t *data)
{
	uint32_t class = data->prio == POLICY_PRIORITY_PASS ? 1 :
			 data->prio == POLICY_PRIORITY_FALLBACK ? 3 : 2;

	if (data->manual_prio)
		return data->manual_prio;
	/* narrow selectors first; an installed CHILD_SA before the trap with the same selector */
	return class * PRIORITY_STEP - selector_weight(id) * 2 -
	       (data->prio != POLICY_PRIORITY_ROUTED);
}

/* Begins a request with the attributes that identify a policy. */
static struct nlmsghdr *start(struct policies *this, void *buf, uint8_t cmd,
			      kernel_ipsec_policy_id_t *id, kernel_ipsec_manage_policy_t *data,
			      uint32_t ifindex)
{
	struct nlmsghdr *nlh = nl_start(this->nl, buf, cmd, 0);

	mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR,
			id->dir == POLICY_OUT ? ESPAH_DIR_OUT : ESPAH_DIR_IN);
	mnl_attr_put_u32(nlh, ESPAH_POLICY_PRIORITY, priority(id, data));
	selector_put(nlh, ESPAH_POLICY_SELECTOR, id, ifindex);
	if (id->if_id)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_IF_ID, id->if_id);
	return nlh;
}

/* The name stands for the device, whose index changes if the device is made again. */
static chunk_t key_of(struct policies *this, kernel_ipsec_policy_id_t *id,
		      kernel_ipsec_manage_policy_t *data)
{
	char buf[NL_REQUEST_MAX], *name = id->interface ?: "";
	struct nlmsghdr *nlh = start(this, buf, ESPAH_CMD_POLICY_NEW, id, data, 0);

	return chunk_cat("cc", chunk_create((u_char *)nlh, nlh->nlmsg_len), chunk_from_str(name));
}

static void put_template(struct nlmsghdr *nlh, const struct user *user)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, ESPAH_POLICY_TEMPLATE);

	mnl_attr_put_u8(nlh, ESPAH_TMPL_MODE, user->mode == MODE_TUNNEL ? ESPAH_MODE_TUNNEL :
					      ESPAH_MODE_TRANSPORT);
	mnl_attr_put_u8(nlh, ESPAH_TMPL_PROTO, user->proto);
	mnl_attr_put_u32(nlh, ESPAH_TMPL_REQID, user->reqid);
	if (user->mode == MODE_TUNNEL) {
		nl_put_host(nlh, ESPAH_TMPL_SRC, user->src);
		nl_put_host(nlh, ESPAH_TMPL_DST, user->dst);
	}
	mnl_attr_nest_end(nlh, nest);
}

static void take_id(const struct nlmsghdr *nlh, void *leftovers)
{
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1];

	attr_table(nlh, policy, ESPAH_POLICY_MAX);
	leftovers_taken(leftovers, attr_u32(policy[ESPAH_POLICY_ID], 0));
}

/* Replaces the policy in the module with the version that @user wants. */
static status_t install(struct policies *this, kernel_ipsec_policy_id_t *id,
			kernel_ipsec_manage_policy_t *data, uint32_t ifindex,
			const struct user *user)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	struct nlmsghdr *nlh = start(this, buf, ESPAH_CMD_POLICY_NEW, id, data, ifindex);

	mnl_attr_put(nlh, ESPAH_POLICY_REPLACE, 0, NULL);
	label_put(nlh, ESPAH_POLICY_LABEL);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_OWNER, ESPAH_OWNER_DAEMON);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_ACTION,
			user->type == POLICY_IPSEC ? ESPAH_ACTION_PROTECT :
			user->type == POLICY_PASS ? ESPAH_ACTION_BYPASS : ESPAH_ACTION_DISCARD);
	if (user->type == POLICY_IPSEC)
		put_template(nlh, user);
	if (leftovers_any(this->leftovers))
		nlh->nlmsg_flags |= NLM_F_ECHO; /* the answer has the ID, which a replaced one keeps */
	if (!nl_ask(this->nl, nlh, take_id, this->leftovers, &why))
		return SUCCESS;
	DBG1(DBG_KNL, "kernel-espah: unable to add policy %R === %R %N: %s", id->src_ts,
	     id->dst_ts, policy_dir_names, id->dir, why);
	free(why);
	return FAILED;
}

/* Traps and shunts: what start_action = trap installs, not the policies of a CHILD_SA. */
static bool outlives_charon(const kernel_ipsec_manage_policy_t *data)
{
	return data->type != POLICY_IPSEC || data->prio == POLICY_PRIORITY_ROUTED;
}

static status_t uninstall(struct policies *this, kernel_ipsec_policy_id_t *id,
			  kernel_ipsec_manage_policy_t *data, uint32_t ifindex)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	struct nlmsghdr *nlh;

	if (this->leaving && outlives_charon(data)) {
		this->kept++;
		return SUCCESS;
	}
	nlh = start(this, buf, ESPAH_CMD_POLICY_DEL, id, data, ifindex);
	if (!nl_ask(this->nl, nlh, NULL, NULL, &why))
		return SUCCESS;
	DBG1(DBG_KNL, "kernel-espah: unable to delete policy %R === %R %N: %s", id->src_ts,
	     id->dst_ts, policy_dir_names, id->dir, why);
	free(why);
	return FAILED;
}

static struct user *user_create(kernel_ipsec_manage_policy_t *data)
{
	struct user *user;

	INIT(user,
		.type = data->type,
		.mode = data->sa->mode,
		.reqid = data->sa->reqid,
		.proto = data->sa->ah.use ? IPPROTO_AH : IPPROTO_ESP,
		.src = data->src->clone(data->src),
		.dst = data->dst->clone(data->dst),
	);
	return user;
}

static void user_destroy(struct policies *this, struct user *user)
{
	route_put(this->routes, user->route);
	user->src->destroy(user->src);
	user->dst->destroy(user->dst);
	free(user);
}

static bool same(const struct user *a, const struct user *b)
{
	return a->type == b->type && a->mode == b->mode && a->reqid == b->reqid &&
	       a->proto == b->proto && a->src->ip_equals(a->src, b->src) &&
	       a->dst->ip_equals(a->dst, b->dst);
}

static struct user *first(struct policy *policy)
{
	struct user *user = NULL;

	policy->users->get_first(policy->users, (void **)&user);
	return user;
}

static void policy_destroy(struct policies *this, struct policy *policy)
{
	this->table->remove(this->table, &policy->key);
	policy->users->destroy(policy->users);
	chunk_free(&policy->key);
	free(policy);
}

/* Finds or creates a policy. A new policy has no users yet. */
static struct policy *find(struct policies *this, kernel_ipsec_policy_id_t *id,
			   kernel_ipsec_manage_policy_t *data, bool create)
{
	chunk_t key = key_of(this, id, data);
	struct policy *policy;

	policy = this->table->get(this->table, &key);
	if (policy || !create) {
		chunk_free(&key);
		return policy;
	}
	INIT(policy,
		.key = key,
		.users = linked_list_create(),
	);
	this->table->put(this->table, &policy->key, policy);
	return policy;
}

/* Lets the module have what the newest user wants. */
static status_t update(struct policies *this, struct policy *policy, kernel_ipsec_policy_id_t *id,
		       kernel_ipsec_manage_policy_t *data, uint32_t ifindex,
		       const struct user *before, const struct user *user)
{
	bool moved = before && policy->ifindex != ifindex;
	status_t status;

	if (before && !moved && same(before, user))
		return SUCCESS;
	status = install(this, id, data, ifindex, user);
	if (status != SUCCESS)
		return status;
	if (moved)
		uninstall(this, id, data, policy->ifindex);
	policy->ifindex = ifindex;
	return SUCCESS;
}

status_t policy_add(struct policies *this, kernel_ipsec_policy_id_t *id,
		    kernel_ipsec_manage_policy_t *data)
{
	uint32_t ifindex = id->interface ? if_nametoindex(id->interface) : 0;
	struct user *user, *before;
	struct policy *policy;
	status_t status;

	if (id->dir == POLICY_FWD)
		return SUCCESS; /* the inbound policy covers forwarded packets */
	if (id->label || (id->if_id && id->interface)) {
		DBG1(DBG_KNL, "kernel-espah: policies with %s are not supported",
		     id->label ? "security labels" : "both an if_id and an interface");
		return NOT_SUPPORTED;
	}
	if (id->interface && !ifindex) {
		/* without the device the policy would be for all devices */
		DBG1(DBG_KNL, "kernel-espah: unable to add policy %R === %R %N: there is no device '%s'",
		     id->src_ts, id->dst_ts, policy_dir_names, id->dir, id->interface);
		return FAILED;
	}
	user = user_create(data);
	this->mutex->lock(this->mutex);
	policy = find(this, id, data, TRUE);
	before = first(policy);
	status = update(this, policy, id, data, ifindex, before, user);
	if (status == SUCCESS) {
		user->route = route_get(this->routes, id, data);
		policy->users->insert_first(policy->users, user);
	} else {
		user_destroy(this, user);
		if (!before)
			policy_destroy(this, policy);
	}
	this->mutex->unlock(this->mutex);
	return status;
}

/* Removes one user that equals @like from the list. */
static struct user *take_user(struct policy *policy, const struct user *like)
{
	struct user *user, *found = NULL;
	enumerator_t *users = policy->users->create_enumerator(policy->users);

	while (!found && users->enumerate(users, &user)) {
		if (same(user, like)) {
			policy->users->remove_at(policy->users, users);
			found = user;
		}
	}
	users->destroy(users);
	return found;
}

status_t policy_del(struct policies *this, kernel_ipsec_policy_id_t *id,
		    kernel_ipsec_manage_policy_t *data)
{
	struct user *like, *before, *gone = NULL;
	status_t status = SUCCESS;
	struct policy *policy;

	if (id->dir == POLICY_FWD)
		return SUCCESS;
	like = user_create(data);
	this->mutex->lock(this->mutex);
	policy = find(this, id, data, FALSE);
	before = policy ? first(policy) : NULL;
	gone = policy ? take_user(policy, like) : NULL;
	if (!gone) {
		status = NOT_FOUND;
	} else if (!first(policy)) {
		status = uninstall(this, id, data, policy->ifindex);
		policy_destroy(this, policy);
	} else if (gone == before && !same(gone, first(policy))) {
		status = install(this, id, data, policy->ifindex, first(policy));
	}
	if (gone)
		user_destroy(this, gone);
	this->mutex->unlock(this->mutex);
	user_destroy(this, like);
	return status;
}

struct policies *policies_create(struct nl *nl)
{
	struct policies *this;

	INIT(this,
		.nl = nl,
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
		.table = hashtable_create(hash, equals, 64),
		.routes = routes_create(),
	);
	this->leftovers = leftovers_create(nl, this->mutex);
	return this;
}

void policies_leave(struct policies *this)
{
	this->mutex->lock(this->mutex);
	this->leaving = lib->settings->get_bool(lib->settings,
						"%s.plugins.kernel-espah.keep_traps", TRUE,
						lib->ns);
	this->mutex->unlock(this->mutex);
}

void policies_destroy(struct policies *this)
{
	enumerator_t *policies = this->table->create_enumerator(this->table);
	struct policy *policy;
	struct user *user;
	void *key;

	if (this->kept)
		DBG1(DBG_KNL, "kernel-espah: %u policies of traps and shunts stay in force for the next "
		     "charon; 'espah flush label charon*' deletes them", this->kept);
	while (policies->enumerate(policies, &key, &policy)) {
		while (policy->users->remove_first(policy->users, (void **)&user) == SUCCESS)
			user_destroy(this, user);
		policy->users->destroy(policy->users);
		chunk_free(&policy->key);
		free(policy);
	}
	policies->destroy(policies);
	this->table->destroy(this->table);
	routes_destroy(this->routes);
	leftovers_destroy(this->leftovers);
	this->mutex->destroy(this->mutex);
	free(this);
}
