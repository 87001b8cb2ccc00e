// SPDX-License-Identifier: GPL-2.0-only
/* XFRM_MSG_MIGRATE: the gateways of a policy get other addresses, and its SAs move with it. */
#include <linux/in.h>
#include <linux/udp.h>
#include <net/xfrm.h>
#include "change.h"
#include "nlx.h"

/* --- SAs --- */

static bool concerns(const struct xfrm_user_migrate *m, const struct espah_sa *sa)
{
	const struct espah_path *path = espah_sa_path(sa);
	u8 mode = m->mode == XFRM_MODE_TUNNEL ? ESPAH_MODE_TUNNEL : ESPAH_MODE_TRANSPORT;
	union espah_addr src, dst;

	if (!sa->foreign || sa->id.proto != m->proto || path->family != m->old_family ||
	    sa->mode != mode || (m->reqid && sa->slot->id.reqid != m->reqid))
		return false;
	nlx_addr_in(&src, &m->old_saddr, m->old_family);
	nlx_addr_in(&dst, &m->old_daddr, m->old_family);
	return espah_addr_equal(&src, &path->src) && espah_addr_equal(&dst, &path->dst);
}

static const struct xfrm_encap_tmpl *encap(const struct nlx_request *rq)
{
	return rq->attrs[XFRMA_ENCAP] ? nla_data(rq->attrs[XFRMA_ENCAP]) : NULL;
}

static int move(struct nlx_request *rq, struct espah_sa *sa, const struct xfrm_user_migrate *m)
{
	const struct espah_path *path = espah_sa_path(sa);
	union espah_addr src, dst;

	nlx_addr_in(&src, &m->new_saddr, m->new_family);
	nlx_addr_in(&dst, &m->new_daddr, m->new_family);
	return espah_sa_move(sa, &src, &dst, m->new_family,
			     encap(rq) ? encap(rq)->encap_sport : path->sport,
			     encap(rq) ? encap(rq)->encap_dport : path->dport, rq->extack);
}

/* Whether an SA can move, as far as can be known before the policy changes. */
static int check_move(struct nlx_request *rq, struct espah_sa *sa,
		      const struct xfrm_user_migrate *m)
{
	bool udp = encap(rq) || espah_sa_path(sa)->dport;
	struct espah_sa_id id = sa->id;
	struct espah_sa *other;
	union espah_addr src;

	nlx_addr_in(&src, &m->new_saddr, m->new_family);
	nlx_addr_in(&id.dst, &m->new_daddr, m->new_family);
	id.family = m->new_family;
	if (udp && (espah_addr_any(&src) || espah_addr_is_group(&id.dst, id.family)))
		return NLX_FAIL(rq, -EINVAL,
				"with UDP, each end of an SA must be a host's address");
	if (espah_sa_is_ah(sa) && m->new_family != m->old_family)
		return NLX_FAIL(rq, -EINVAL,
				"AH cannot move to another IP version: make a new SA");
	other = espah_sad_find(&rq->en->sad, &id);
	if (other && other != sa)
		return NLX_FAIL(rq, -EEXIST, "an SA with this SPI exists at the new destination");
	return 0;
}

static int check_moves(struct nlx_request *rq, const struct xfrm_user_migrate *m, unsigned int n)
{
	unsigned long index;
	struct espah_sa *sa;
	unsigned int i;
	int err;

	xa_for_each(&rq->en->sad.index, index, sa) {
		for (i = 0; i < n; i++) {
			err = concerns(&m[i], sa) ? check_move(rq, sa, &m[i]) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

/* Moves the SAs of one entry. On failure, those that have moved stay where they are. */
static int move_all(struct nlx_request *rq, const struct xfrm_user_migrate *m)
{
	unsigned long index;
	struct espah_sa *sa;
	int err;

	xa_for_each(&rq->en->sad.index, index, sa) {
		err = concerns(m, sa) ? move(rq, sa, m) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* --- the policy --- */

static bool has_ends(const struct xfrm_user_tmpl *tmpl, const xfrm_address_t *src,
		     const xfrm_address_t *dst, u16 family)
{
	return tmpl->family == family && xfrm_addr_equal(&tmpl->saddr, src, family) &&
	       xfrm_addr_equal(&tmpl->id.daddr, dst, family);
}

/* Changes the templates of one entry. Return: how many it changes, or has changed before */
static unsigned int change(struct nlx_face *face, const struct xfrm_user_migrate *m)
{
	unsigned int i, n = 0;

	for (i = 0; i < face->ntmpl; i++) {
		struct xfrm_user_tmpl *tmpl = &face->tmpl[i];

		if (tmpl->id.proto != m->proto || tmpl->mode != m->mode ||
		    (m->reqid && tmpl->reqid != m->reqid))
			continue;
		if (m->mode == XFRM_MODE_TRANSPORT) {
			n++;
			continue;
		}
		if (has_ends(tmpl, &m->old_saddr, &m->old_daddr, m->old_family)) {
			tmpl->saddr = m->new_saddr;
			tmpl->id.daddr = m->new_daddr;
			tmpl->family = m->new_family;
			n++;
		} else if (has_ends(tmpl, &m->new_saddr, &m->new_daddr, m->new_family)) {
			n++;
		}
	}
	return n;
}

static int check(struct nlx_request *rq, const struct xfrm_user_migrate *m, unsigned int n)
{
	unsigned int i;

	if (encap(rq) && encap(rq)->encap_type != UDP_ENCAP_ESPINUDP)
		return NLX_FAIL(rq, -EOPNOTSUPP, "the only encapsulation is espinudp (RFC 3948)");
	if (encap(rq) && (!encap(rq)->encap_sport || !encap(rq)->encap_dport))
		return NLX_FAIL(rq, -EINVAL, "ESP in UDP needs both ports, each from 1 to 65535");
	for (i = 0; i < n; i++) {
		if (encap(rq) && m[i].proto != IPPROTO_ESP)
			return NLX_FAIL(rq, -EINVAL, "AH cannot go in UDP");
		if (m[i].mode != XFRM_MODE_TRANSPORT && m[i].mode != XFRM_MODE_TUNNEL)
			return NLX_FAIL(rq, -EINVAL, "espah's modes are transport and tunnel");
		if ((m[i].old_family != AF_INET && m[i].old_family != AF_INET6) ||
		    (m[i].new_family != AF_INET && m[i].new_family != AF_INET6) ||
		    (m[i].mode == XFRM_MODE_TRANSPORT && m[i].old_family != m[i].new_family))
			return NLX_FAIL(rq, -EINVAL,
					"an address of a migration has no family, or transport mode would change it");
	}
	return 0;
}

/* Context: espah_net.lock. */
static int migrate(struct nlx_request *rq, const struct espah_selector *sel,
		   const struct xfrm_user_migrate *m, unsigned int n)
{
	const struct xfrm_userpolicy_id *id = nlmsg_data(rq->nlh);
	struct espah_policy *pol, *old;
	struct nlx_face faces[2];
	unsigned int i, own = nlx_which(id->dir), found = 0;
	int err;

	old = nlx_policy_find(rq->en, id->dir, sel, &id->sel);
	if (!old || !nlx_policy(old)->face[own].set)
		return -ENOENT;
	memcpy(faces, nlx_policy(old)->face, sizeof(faces));
	for (i = 0; i < n; i++) {
		found += change(&faces[own], &m[i]);
		change(&faces[!own], &m[i]);
	}
	if (!found)
		return -ENODATA;
	err = check_moves(rq, m, n);
	if (err)
		return err;
	pol = nlx_policy_of(rq, faces, own, nlx_policy(old), sel);
	if (IS_ERR(pol))
		return PTR_ERR(pol);
	err = nlx_policy_add(rq, pol, old);
	if (err) {
		espah_policy_free(pol);
		return err;
	}
	nlx_policy(pol)->event = XFRM_MSG_DELPOLICY;
	for (i = 0; i < n && !err; i++)
		err = move_all(rq, &m[i]);
	return err;
}

int nlx_migrate(struct nlx_request *rq)
{
	const struct xfrm_userpolicy_id *id = nlmsg_data(rq->nlh);
	const struct nlattr *attr = rq->attrs[XFRMA_MIGRATE];
	const struct xfrm_user_migrate *m;
	struct espah_selector sel;
	unsigned int n;
	int err;

	if (!attr)
		return NLX_FAIL(rq, -EINVAL, "a migration names the addresses to change");
	if (id->dir > XFRM_POLICY_FWD)
		return NLX_FAIL(rq, -EINVAL, "a policy's direction is in, out or fwd");
	m = nla_data(attr);
	n = nla_len(attr) / sizeof(*m);
	if (n > XFRM_MAX_DEPTH)
		return NLX_FAIL(rq, -EINVAL, "too many addresses to change");
	err = check(rq, m, n) ?: nlx_read_selector(rq, &id->sel, &sel);
	if (err)
		return err;
	mutex_lock(&rq->en->lock);
	err = migrate(rq, &sel, m, n);
	mutex_unlock(&rq->en->lock);
	return err ?: nlx_echo(rq, XFRMNLGRP_MIGRATE);
}
