// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an earlier charon left behind: if it was killed, everything; if it was stopped, its traps
 * and shunts (policy.c). The SAs are deleted at once, because nobody can rekey them. The policies
 * stay for charon.plugins.kernel-espah.takeover, so that nothing leaves in clear until this charon
 * has installed its own. A policy that it installs again is not left over any more.
 */
#include "backend.h"

#include <collections/array.h>
#include <processing/jobs/callback_job.h>
#include <threading/mutex.h>

/* seconds: strongSwan's units load the configuration as soon as charon has started */
#define TAKEOVER 60

/*
 * @mutex: of the policies, so that none is installed again while it is deleted
 * @policies: the IDs of policies, uint32_t
 */
struct leftovers {
	struct nl *nl;
	mutex_t *mutex;
	array_t *policies;
};

struct leftover_sa {
	uint8_t dir, proto;
	uint32_t spi;
	host_t *dst;
};

static void find_sa(const struct nlmsghdr *nlh, void *list)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	struct leftover_sa found;

	attr_table(nlh, sa, ESPAH_SA_MAX);
	found.dst = label_is_ours(sa[ESPAH_SA_LABEL]) ? nl_host(sa[ESPAH_SA_DST], 0) : NULL;
	if (!found.dst)
		return;
	found.dir = attr_u8(sa[ESPAH_SA_DIR], 0);
	found.proto = attr_u8(sa[ESPAH_SA_PROTO], 0);
	found.spi = attr_u32(sa[ESPAH_SA_SPI], 0);
	array_insert(list, ARRAY_TAIL, &found);
}

static void find_policy(const struct nlmsghdr *nlh, void *list)
{
	const struct nlattr *policy[ESPAH_POLICY_MAX + 1];
	uint32_t id;

	attr_table(nlh, policy, ESPAH_POLICY_MAX);
	id = attr_u32(policy[ESPAH_POLICY_ID], 0);
	if (label_is_ours(policy[ESPAH_POLICY_LABEL]))
		array_insert(list, ARRAY_TAIL, &id);
}

static unsigned int delete_sas(struct nl *nl)
{
	array_t *list = array_create(sizeof(struct leftover_sa), 0);
	char buf[NL_REQUEST_MAX];
	struct leftover_sa sa;
	struct nlmsghdr *nlh;
	unsigned int count;

	nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP), find_sa, list, NULL);
	count = array_count(list);
	while (array_remove(list, ARRAY_TAIL, &sa)) {
		nlh = nl_start(nl, buf, ESPAH_CMD_SA_DEL, 0);
		mnl_attr_put_u8(nlh, ESPAH_SA_DIR, sa.dir);
		mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, sa.proto);
		mnl_attr_put_u32(nlh, ESPAH_SA_SPI, sa.spi);
		nl_put_host(nlh, ESPAH_SA_DST, sa.dst);
		nl_ask(nl, nlh, NULL, NULL, NULL);
		sa.dst->destroy(sa.dst);
	}
	array_destroy(list);
	return count;
}

/* Deletes the policies that are still left over. */
static job_requeue_t delete_policies(struct leftovers *this)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	uint32_t id;

	this->mutex->lock(this->mutex);
	if (array_count(this->policies))
		DBG1(DBG_KNL, "kernel-espah: deleting %d policies that an earlier charon left behind",
		     array_count(this->policies));
	while (array_remove(this->policies, ARRAY_TAIL, &id)) {
		nlh = nl_start(this->nl, buf, ESPAH_CMD_POLICY_DEL, 0);
		mnl_attr_put_u32(nlh, ESPAH_POLICY_ID, id);
		nl_ask(this->nl, nlh, NULL, NULL, NULL);
	}
	this->mutex->unlock(this->mutex);
	return JOB_REQUEUE_NONE;
}

bool leftovers_any(struct leftovers *this)
{
	return array_count(this->policies) > 0;
}

void leftovers_taken(struct leftovers *this, uint32_t id)
{
	uint32_t other;
	int i;

	for (i = array_count(this->policies) - 1; i >= 0; i--)
		if (array_get(this->policies, i, &other) && other == id)
			array_remove(this->policies, i, NULL);
}

struct leftovers *leftovers_create(struct nl *nl, mutex_t *mutex)
{
	uint32_t wait = lib->settings->get_time(lib->settings, "%s.plugins.kernel-espah.takeover",
						TAKEOVER, lib->ns);
	unsigned int sas = delete_sas(nl);
	struct leftovers *this;
	char buf[NL_REQUEST_MAX];

	INIT(this,
		.nl = nl,
		.mutex = mutex,
		.policies = array_create(sizeof(uint32_t), 0),
	);
	nl_ask(nl, nl_start(nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_DUMP), find_policy, this->policies,
	       NULL);
	if (sas || array_count(this->policies))
		DBG1(DBG_KNL, "kernel-espah: an earlier charon left %u SAs, which are deleted, and %d "
		     "policies, which stay for %us", sas, array_count(this->policies), wait);
	if (!wait)
		delete_policies(this);
	else if (array_count(this->policies))
		lib->scheduler->schedule_job(lib->scheduler, (job_t *)callback_job_create(
			(callback_job_cb_t)delete_policies, this, NULL, NULL), wait);
	return this;
}

void leftovers_destroy(struct leftovers *this)
{
	array_destroy(this->policies);
	free(this);
}
