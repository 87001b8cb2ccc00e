// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/sched/signal.h>
#include "change.h"
#include "db/port.h"
#include "path/device.h"
#include "path/dummy.h"
#include "path/flowtable.h"
#include "path/held.h"
#include "path/hooks.h"
#include "report/event.h"

/* --- hooks --- */

static int check_alive(struct espah_net *en, struct netlink_ext_ack *extack)
{
	if (!en->dying)
		return 0;
	NL_SET_ERR_MSG(extack, "the network namespace is going away");
	return -ENODEV;
}

/* Unregisters the hooks if nothing needs them any more. */
static void update_hooks(struct espah_net *en)
{
	u64 now = espah_spd_now(&en->spd);
	bool policies = en->spd.count ||
			espah_spd_default(now, ESPAH_DIR_IN) != ESPAH_ACTION_BYPASS ||
			espah_spd_default(now, ESPAH_DIR_OUT) != ESPAH_ACTION_BYPASS;

	lockdep_assert_held(&en->lock);
	if (en->dying)
		return;
	if (!policies && !en->sad.count[ESPAH_DIR_IN] && !en->sad.count[ESPAH_DIR_OUT])
		espah_hooks_remove(en);
	if (!policies && en->pinned) {
		en->pinned = false;
		module_put(THIS_MODULE);
	}
}

/*
 * Registers the hooks that an addition needs, before packets can meet the addition. If it is then
 * refused for another reason, update_hooks() unregisters them.
 * @policies: the addition is a policy, or a default action other than bypass
 */
static int prepare_hooks(struct espah_net *en, bool policies, struct netlink_ext_ack *extack)
{
	int err;

	lockdep_assert_held(&en->lock);
	if (policies && !en->pinned) {
		/* without the module, packets that a policy protects would leave in clear */
		if (!try_module_get(THIS_MODULE)) {
			NL_SET_ERR_MSG(extack, "the module is being removed");
			return -ENODEV;
		}
		en->pinned = true;
	}
	if (en->hooked)
		return 0;
	err = espah_hooks_register(en);
	if (err) {
		NL_SET_ERR_MSG(extack, "the netfilter hooks could not be registered");
		update_hooks(en);
	}
	return err;
}

/* --- SAs --- */

static int get_port(const struct espah_sa *sa, const struct espah_path *path)
{
	return sa->id.dir == ESPAH_DIR_IN && path->dport ? espah_port_get(sa->en, path->dport) : 0;
}

static void put_port(const struct espah_sa *sa, __be16 dport)
{
	if (sa->id.dir == ESPAH_DIR_IN && dport)
		espah_port_put(sa->en, dport);
}

/* Starts or stops the timers of an SA that was added to or removed from the SAD. */
static void arm(struct espah_sa *sa)
{
	espah_life_arm(sa);
	espah_dummy_arm(sa);
}

/* Finishes the removal of an SA that packets no longer find. */
static void end_sa(struct espah_sa *sa)
{
	espah_foreign_release(sa->foreign);
	put_port(sa, espah_sa_path(sa)->dport);
	arm(sa);
	espah_device_follow(sa);
	espah_sa_retire(sa);
}

int espah_sa_add(struct espah_sa *sa, u32 reqid, bool tell, struct netlink_ext_ack *extack)
{
	struct espah_path *path = espah_sa_path(sa);
	struct espah_net *en = sa->en;
	struct espah_sa *old = espah_sad_find(&en->sad, &sa->id);
	int err = check_alive(en, extack) ?: prepare_hooks(en, false, extack);

	if (err)
		return err;
	if (old && (sa->state == ESPAH_SA_STATE_LARVAL || old->state != ESPAH_SA_STATE_LARVAL)) {
		NL_SET_ERR_MSG(extack,
			       "an SA with this direction, destination, SPI, protocol and VRF exists");
		err = -EEXIST;
		goto err_hooks;
	}
	err = get_port(sa, path);
	if (err)
		goto err_memory;
	err = espah_sad_add(sa, reqid, old);
	if (err)
		goto err_port;
	if (old)
		end_sa(old);
	espah_foreign_hold(sa->foreign);
	espah_held_kick(en);
	arm(sa);
	espah_device_follow(sa);
	if (tell)
		espah_event_sa(en, sa, ESPAH_CMD_SA_NEW_NTF);
	return 0;

err_port:
	put_port(sa, path->dport);
err_memory:
	NL_SET_ERR_MSG(extack, "out of memory for the SA");
err_hooks:
	update_hooks(en);
	return err;
}

int espah_sa_move(struct espah_sa *sa, const union espah_addr *src, const union espah_addr *dst,
		  u8 family, __be16 sport, __be16 dport, struct netlink_ext_ack *extack)
{
	__be16 old_port = espah_sa_path(sa)->dport;
	struct espah_net *en = sa->en;
	struct espah_sa_id id = sa->id;
	struct espah_path *path;
	struct espah_sa *other;

	if (espah_sa_is_ah(sa) && family != id.family) {
		NL_SET_ERR_MSG(extack, "AH cannot move to another IP version: make a new SA");
		return -EINVAL;
	}
	id.dst = *dst;
	id.family = family;
	other = espah_sad_find(&en->sad, &id);
	if (other && other != sa) {
		NL_SET_ERR_MSG(extack, "an SA with this SPI exists at the new destination");
		return -EEXIST;
	}
	path = espah_path_alloc(sa);
	if (!path)
		goto err;
	path->src = *src;
	path->dst = *dst;
	path->family = family;
	path->sport = sport;
	path->dport = dport;
	if (get_port(sa, path))
		goto err_path;
	if (espah_sad_move(sa, path))
		goto err_port;
	put_port(sa, old_port);
	espah_held_kick(en);
	espah_device_follow(sa);
	return 0;

err_port:
	put_port(sa, dport);
err_path:
	espah_path_free(path);
err:
	NL_SET_ERR_MSG(extack, "out of memory for the SA");
	return -ENOMEM;
}

int espah_sa_change_prepare(const struct espah_sa *sa, struct espah_sa_change *change,
			    struct netlink_ext_ack *extack)
{
	change->life = change->limited && !sa->life ? espah_life_alloc() : NULL;
	change->dummy = change->dummies && !sa->dummy ? espah_dummy_alloc() : NULL;
	/* a new SA gets its slot later, and does not fail for want of it */
	change->classes = change->dscps && sa->slot ?
			  kzalloc(sizeof(*change->classes), GFP_KERNEL_ACCOUNT) : NULL;
	if ((change->limited && !sa->life && !change->life) ||
	    (change->dummies && !sa->dummy && !change->dummy) ||
	    (change->dscps && sa->slot && !change->classes)) {
		espah_sa_change_cancel(change);
		NL_SET_ERR_MSG(extack, "out of memory for the SA");
		return -ENOMEM;
	}
	return 0;
}

void espah_sa_change(struct espah_sa *sa, const struct espah_sa_change *change)
{
	if (change->limited)
		espah_life_set(sa, &change->limits, change->life);
	if (change->dummies)
		espah_dummy_set(sa, change->interval, change->random, change->dummy);
	if (change->df != ESPAH_AS_IT_IS)
		WRITE_ONCE(sa->df, change->df);
	if (change->tfc != ESPAH_AS_IT_IS)
		WRITE_ONCE(sa->tfc, change->tfc);
	if (change->cpus != ESPAH_AS_IT_IS)
		WRITE_ONCE(sa->cpus, change->cpus);
	if (change->owner != ESPAH_AS_IT_IS)
		sa->owner = change->owner;
	espah_progress_set(sa, &change->progress);
	if (!change->classed)
		return;
	espah_sad_set_dscps(sa, change->dscps, change->classes);
	if (sa->slot)
		espah_held_kick(sa->en);
}

void espah_sa_change_cancel(struct espah_sa_change *change)
{
	kfree(change->life);
	kfree(change->dummy);
	kfree(change->classes);
}

void espah_sa_del(struct espah_sa *sa, bool tell)
{
	struct espah_net *en = sa->en;

	if (tell)
		espah_event_sa(en, sa, ESPAH_CMD_SA_DEL_NTF);
	espah_sad_del(sa);
	end_sa(sa);
	update_hooks(en);
}

void espah_sa_flush(struct espah_net *en, struct nlattr **attrs,
		    bool (*wanted)(const struct espah_sa *sa, struct nlattr **attrs))
{
	struct espah_sa *sa;
	unsigned long index;

	xa_for_each(&en->sad.index, index, sa) {
		if (wanted(sa, attrs)) {
			espah_sad_del(sa);
			end_sa(sa);
		}
		cond_resched();
	}
	espah_event_sa_flush(en, attrs);
	update_hooks(en);
}

/* --- policies --- */

#define EXISTS "a policy with this direction, selector, priority and if_id exists"

static void end_policy(struct espah_net *en, struct espah_policy *pol)
{
	espah_foreign_release(pol->foreign);
	espah_held_end(en, pol);
	espah_policy_retire(en, pol);
}

/* Removes a policy; packets that it let pass may now match another one, or the default. */
static void del_policy(struct espah_net *en, struct espah_policy *pol)
{
	if (pol->action == ESPAH_ACTION_BYPASS)
		espah_flowtable_stale(en);
	espah_spd_del(en, pol);
	end_policy(en, pol);
}

int espah_policy_put(struct espah_net *en, struct espah_policy *pol, struct espah_policy *old,
		     struct netlink_ext_ack *extack)
{
	int err = check_alive(en, extack) ?: espah_device_admits(en, pol, extack) ?:
		  prepare_hooks(en, true, extack);

	if (err)
		return err;
	espah_spd_bind(en, pol, old);
	err = espah_spd_add(en, pol, old);
	if (err) {
		NL_SET_ERR_MSG(extack, "out of memory for the policy");
		update_hooks(en);
		return err;
	}
	if (old)
		end_policy(en, old);
	espah_foreign_hold(pol->foreign);
	if (pol->action != ESPAH_ACTION_BYPASS)
		espah_flowtable_stale(en);
	espah_event_policy(en, pol, ESPAH_CMD_POLICY_NEW_NTF);
	return 0;
}

int espah_policy_add(struct espah_net *en, struct espah_policy *pol,
		     struct espah_selectors *set, bool replace,
		     struct netlink_ext_ack *extack)
{
	struct espah_policy *old = espah_spd_find(&en->spd, pol->dir, set, pol->priority);

	if (!old || replace)
		return espah_policy_put(en, pol, old, extack);
	NL_SET_ERR_MSG(extack, EXISTS);
	return -EEXIST;
}

void espah_policy_del(struct espah_net *en, struct espah_policy *pol)
{
	espah_event_policy(en, pol, ESPAH_CMD_POLICY_DEL_NTF);
	del_policy(en, pol);
	update_hooks(en);
}

void espah_policy_flush(struct espah_net *en, struct nlattr **attrs,
			bool (*wanted)(const struct espah_policy *pol, struct nlattr **attrs))
{
	struct espah_policy *pol;
	unsigned long id;

	xa_for_each(&en->spd.index, id, pol) {
		if (wanted(pol, attrs))
			del_policy(en, pol);
		cond_resched();
	}
	espah_event_policy_flush(en, attrs);
	update_hooks(en);
}

/* --- policies as a set --- */

static int stage(struct espah_net *en, struct espah_applied *new,
		 struct netlink_ext_ack *extack)
{
	struct espah_policy *pol = new->pol;
	int err = espah_device_admits(en, pol, extack);

	if (err)
		return err;
	if (espah_spd_find(&en->spd, pol->dir, &new->set, pol->priority)) {
		NL_SET_ERR_MSG(extack, EXISTS);
		return -EEXIST;
	}
	espah_spd_bind(en, pol, NULL);
	err = espah_spd_stage(en, pol);
	if (err)
		NL_SET_ERR_MSG(extack, "out of memory for the policy");
	return err;
}

/* Removes the first @n new policies, which no packet has seen. */
static void unstage(struct espah_net *en, struct espah_apply *apply, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < apply->ndel; i++)
		espah_spd_stay(apply->del[i]);
	while (n--) {
		espah_spd_del(en, apply->new[n].pol);
		/* lookups pass by it until a grace period is over */
		espah_policy_retire(en, apply->new[n].pol);
		apply->new[n].pol = NULL;
	}
}

/* What follows from a commit. */
static void applied(struct espah_net *en, struct espah_apply *apply)
{
	unsigned int i;

	for (i = 0; i < apply->nadopt; i++)
		apply->adopt[i]->owner = ESPAH_OWNER_FILE;
	for (i = 0; i < apply->ndel; i++) {
		espah_event_policy(en, apply->del[i], ESPAH_CMD_POLICY_DEL_NTF);
		del_policy(en, apply->del[i]);
		cond_resched();
	}
	for (i = 0; i < apply->nnew; i++) {
		espah_foreign_hold(apply->new[i].pol->foreign);
		espah_event_policy(en, apply->new[i].pol, ESPAH_CMD_POLICY_NEW_NTF);
		apply->new[i].pol = NULL;
		cond_resched();
	}
	espah_flowtable_stale(en);
	update_hooks(en);
}

int espah_policy_apply(struct espah_net *en, struct espah_apply *apply,
		       struct netlink_ext_ack *extack)
{
	bool policies = apply->nnew || apply->in != ESPAH_ACTION_BYPASS ||
			apply->out != ESPAH_ACTION_BYPASS;
	int err = check_alive(en, extack);
	unsigned int i;

	apply->at = apply->nnew;
	if (!err && policies)
		err = prepare_hooks(en, true, extack);
	if (err)
		return err;
	for (i = 0; i < apply->ndel; i++)
		espah_spd_leave(en, apply->del[i]);
	for (apply->at = 0; apply->at < apply->nnew; apply->at++) {
		err = fatal_signal_pending(current) ? -EINTR :
						      stage(en, &apply->new[apply->at], extack);
		if (err) {
			unstage(en, apply, apply->at);
			update_hooks(en);
			return err;
		}
		cond_resched();
	}
	espah_spd_commit(en, apply->in, apply->out);
	applied(en, apply);
	return 0;
}

/* --- names of devices --- */

int espah_policy_rebind(struct espah_net *en)
{
	u64 now = espah_spd_now(&en->spd);
	struct espah_policy *pol;
	unsigned long id;
	int ret, err = 0;
	bool any = false;

	lockdep_assert_held(&en->lock);
	if (en->dying || !en->spd.named)
		return 0;
	xa_for_each(&en->spd.index, id, pol) {
		ret = espah_spd_rebind(en, pol);
		any |= ret > 0;
		err = ret < 0 ? ret : err;
		cond_resched();
	}
	if (any) {
		espah_spd_commit(en, espah_spd_default(now, ESPAH_DIR_IN),
				 espah_spd_default(now, ESPAH_DIR_OUT));
		espah_flowtable_stale(en);
	}
	return err;
}

/* --- settings --- */

int espah_default_set(struct espah_net *en, u8 in, u8 out, struct netlink_ext_ack *extack)
{
	u64 now = espah_spd_now(&en->spd);
	int err = 0;

	if (in != ESPAH_ACTION_BYPASS || out != ESPAH_ACTION_BYPASS)
		err = prepare_hooks(en, true, extack);
	if (err)
		return err;
	if (in != espah_spd_default(now, ESPAH_DIR_IN) ||
	    out != espah_spd_default(now, ESPAH_DIR_OUT))
		espah_flowtable_stale(en);
	espah_spd_set_default(&en->spd, in, out);
	update_hooks(en);
	return 0;
}

void espah_secpath_set(struct espah_net *en, bool secpath)
{
	WRITE_ONCE(en->secpath, secpath);
	espah_hooks_spare(en);
}

/* --- the end of a namespace --- */

void espah_change_stop(struct espah_net *en)
{
	mutex_lock(&en->lock);
	en->dying = true;
	espah_hooks_remove(en);
	mutex_unlock(&en->lock);
}

void espah_change_teardown(struct espah_net *en)
{
	struct espah_policy *pol;
	struct espah_sa *sa;
	unsigned long i;

	mutex_lock(&en->lock);
	xa_for_each(&en->spd.index, i, pol) {
		espah_spd_del(en, pol);
		end_policy(en, pol);
		cond_resched();
	}
	espah_held_teardown(en);
	xa_for_each(&en->sad.index, i, sa) {
		espah_sad_del(sa);
		end_sa(sa);
		cond_resched();
	}
	mutex_unlock(&en->lock);
}
