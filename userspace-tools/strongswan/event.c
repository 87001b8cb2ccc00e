// SPDX-License-Identifier: GPL-2.0-only
/* Passes events of the module to charon. */
#include "backend.h"

#include <errno.h>
#include <processing/jobs/callback_job.h>
#include <processing/watcher.h>

/*
 * Milliseconds from a loss until SAs are compared. While events come faster than charon reads them,
 * each loss would begin a comparison of all SAs otherwise, and charon would become even slower.
 */
#define CATCH_UP 500

/*
 * @requests: the connection for requests
 * @lost: how often events were lost
 * @due: whether a comparison is scheduled that will see the effect of all losses so far
 */
struct events {
	struct nl *nl, *requests;
	struct installed *installed;
	unsigned int lost;
	bool due;
};

static void acquire(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[ESPAH_ACQUIRE_MAX + 1], *tmpl[ESPAH_TMPL_MAX + 1];
	kernel_acquire_data_t data = {};
	uint32_t reqid;

	attr_table(nlh, tb, ESPAH_ACQUIRE_MAX);
	attr_nest(tb[ESPAH_ACQUIRE_TEMPLATE], tmpl, ESPAH_TMPL_MAX);
	reqid = attr_u32(tmpl[ESPAH_TMPL_REQID], 0);
	data.src = selector_side(tb[ESPAH_ACQUIRE_FLOW], TRUE);
	data.dst = selector_side(tb[ESPAH_ACQUIRE_FLOW], FALSE);
	if (data.src && data.dst)
		charon->kernel->acquire(charon->kernel, reqid, &data);
	DESTROY_IF(data.src);
	DESTROY_IF(data.dst);
}

static void expire(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[ESPAH_EXPIRE_MAX + 1], *sa[ESPAH_SA_MAX + 1];
	host_t *dst;

	attr_table(nlh, tb, ESPAH_EXPIRE_MAX);
	attr_nest(tb[ESPAH_EXPIRE_SA], sa, ESPAH_SA_MAX);
	dst = nl_host(sa[ESPAH_SA_DST], 0);
	/* charon has no SA for a reserved SPI that never got keys */
	if (dst && attr_u8(sa[ESPAH_SA_STATE], 0) == ESPAH_SA_STATE_VALID)
		charon->kernel->expire(charon->kernel, attr_u8(sa[ESPAH_SA_PROTO], 0),
				       attr_u32(sa[ESPAH_SA_SPI], 0), dst,
				       attr_u8(tb[ESPAH_EXPIRE_HARD], 0));
	DESTROY_IF(dst);
}

static void mapping(const struct nlmsghdr *nlh)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	host_t *dst, *peer;

	attr_table(nlh, sa, ESPAH_SA_MAX);
	dst = nl_host(sa[ESPAH_SA_DST], attr_port(sa[ESPAH_SA_ENCAP_DPORT], 0));
	peer = nl_host(sa[ESPAH_SA_NEW_SRC], attr_port(sa[ESPAH_SA_NEW_SPORT], 0));
	if (dst && peer)
		charon->kernel->mapping(charon->kernel, attr_u8(sa[ESPAH_SA_PROTO], 0),
					attr_u32(sa[ESPAH_SA_SPI], 0), dst, peer);
	DESTROY_IF(dst);
	DESTROY_IF(peer);
}

static void tell(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	switch (genl->cmd) {
	case ESPAH_CMD_ACQUIRE:
		acquire(nlh);
		break;
	case ESPAH_CMD_EXPIRE:
		expire(nlh);
		break;
	case ESPAH_CMD_MAPPING:
		mapping(nlh);
		break;
	}
}

static job_requeue_t catch_up(struct events *this)
{
	cas_bool(&this->due, TRUE, FALSE); /* first, so that a loss from now on schedules another one */
	installed_compare(this->installed, this->requests);
	return JOB_REQUEUE_NONE;
}

CALLBACK(readable, bool, struct events *this, int fd, watcher_event_t event)
{
	int error = nl_events(this->nl, tell, NULL);

	if (error == ENOBUFS) {
		this->lost++;
		if (!cas_bool(&this->due, FALSE, TRUE))
			return TRUE;
		DBG1(DBG_KNL, "kernel-espah: charon was too slow, and events of the module are lost, %u times "
		     "so far; comparing SAs with the module's", this->lost);
		lib->scheduler->schedule_job_ms(lib->scheduler, (job_t *)callback_job_create(
			(callback_job_cb_t)catch_up, this, NULL, NULL), CATCH_UP);
	} else if (error) {
		DBG1(DBG_KNL, "kernel-espah: no event can be read: %s", strerror(error));
	}
	return TRUE;
}

struct events *events_create(struct nl *requests, struct installed *installed, char *why,
			     size_t size)
{
	static const char *const groups[] = {
		ESPAH_MCGRP_ACQUIRE, ESPAH_MCGRP_EXPIRE, ESPAH_MCGRP_MAPPING
	};
	struct nl *nl = nl_open(why, size);
	struct events *this;
	unsigned int i;
	int error;

	if (!nl)
		return NULL;
	for (i = 0; i < countof(groups); i++) {
		error = nl_join(nl, groups[i]);
		if (error) {
			snprintf(why, size, "the events '%s' cannot be received: %s", groups[i],
				 strerror(error));
			nl_close(nl);
			return NULL;
		}
	}
	nl_room(nl, lib->settings->get_int(lib->settings,
					   "%s.plugins.kernel-espah.receive_buffer_size",
					   2 * NL_ROOM, lib->ns));
	INIT(this,
		.nl = nl,
		.requests = requests,
		.installed = installed,
	);
	lib->watcher->add(lib->watcher, nl_fd(nl), WATCHER_READ, (watcher_cb_t)readable, this);
	return this;
}

void events_destroy(struct events *this)
{
	lib->watcher->remove(lib->watcher, nl_fd(this->nl));
	nl_close(this->nl);
	free(this);
}
