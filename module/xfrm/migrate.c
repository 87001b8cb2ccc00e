// SPDX-License-Identifier: GPL-2.0-only
/* XFRM_MSG_MIGRATE: the gateways of a policy get other addresses, and its SAs move with it. */
#include "change.h"
#include "nlx.h"

/* --- SAs --- */

static bool concerns(const struct xfrm_user_migrate *m, const struct espah_sa *sa)
{
	const struct espah_path *path = espah_sa_path(sa);
	union espah_addr src, dst;

	if (!sa->foreign || sa->id.proto != m->proto || path->family != m->old_family ||
	    (sa->mode == ESPAH_MODE_TUNNEL) != (m->mode == XFRM_MODE_TUNNEL) ||
	    (m->reqid && sa->slot->id.reqid != m->reqid))
		return false;
	nlx_addr_in(&src, &m->old_saddr, m->old_family);
	nlx_addr_in(&dst, &m->old_daddr, m->old_family);
	return espah_addr_equal(&src, &path->src) && espah_addr_equal(&dst, &path->dst);
}

static int move(struct nlx_request *rq, struct espah_sa *sa, const struct xfrm_user_migrate *m)
{
	const struct nlattr *attr = rq->attrs[XFRMA_ENCAP];
	const struct xfrm_encap_tmpl *encap = attr ? nla_data(attr) : NULL;
	const struct espah_path *path = espah_sa_path(sa);
	union espah_addr src, dst;

	nlx_addr_in(&src, &m->new_saddr, m->new_family);
	nlx_addr_in(&dst, &m->new_daddr, m->new_family);
	return espah_sa_move(sa, &src, &dst, m->new_family,
			     encap ? encap->encap_sport : path->sport,
			     encap ? encap->encap_dport : path->dport, rq->extack);
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
		if (tmpl->family == m->old_family &&
		    !memcmp(&tmpl->saddr, &m->old_saddr, sizeof(m->old_saddr)) &&
		    !memcmp(&tmpl->id.daddr, &m->old_daddr, sizeof(m->old_daddr))) {
			tmpl->saddr = m->new_saddr;
			tmpl->id.daddr = m->new_daddr;
			tmpl->family = m->new_family;
			n++;
		} else if (!memcmp(&tmpl->saddr, &m->new_saddr, sizeof(m->new_saddr)) &&
			   !memcmp(&tmpl->id.daddr, &m->new_daddr, sizeof(m->new_daddr))) {
			n++;
		}
	}
	return n;
}

/* The policy with other templates. Return: it, or ERR_PTR(). */
static struct espah_policy *copy(struct nlx_request *rq, const struct nlx_face *face,
				 const struct espah_selector *sel)
{
	struct nlattr *tmpl = kzalloc(NLA_HDRLEN + sizeof(face->tmpl), GFP_KERNEL);
	struct nlx_request changed = *rq;
	struct espah_policy *pol;

	if (!tmpl)
		return ERR_PTR(-ENOMEM);
	changed.attrs = kcalloc(NLX_ATTR_MAX + 1, sizeof(*changed.attrs), GFP_KERNEL);
	if (!changed.attrs) {
		kfree(tmpl);
		return ERR_PTR(-ENOMEM);
	}
	tmpl->nla_type = XFRMA_TMPL;
	tmpl->nla_len = nla_attr_size(face->ntmpl * sizeof(*face->tmpl));
	memcpy(nla_data(tmpl), face->tmpl, face->ntmpl * sizeof(*face->tmpl));
	if (face->ntmpl)
		changed.attrs[XFRMA_TMPL] = tmpl;
	changed.attrs[XFRMA_MARK] = rq->attrs[XFRMA_MARK];
	pol = nlx_read_policy(&changed, &face->info, sel);
	kfree(changed.attrs);
	kfree(tmpl);
	return pol;
}

static int check(struct nlx_request *rq, const struct xfrm_user_migrate *m, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if ((m[i].old_family != AF_INET && m[i].old_family != AF_INET6) ||
		    (m[i].new_family != AF_INET && m[i].new_family != AF_INET6) ||
		    (m[i].mode == XFRM_MODE_TRANSPORT && m[i].old_family != m[i].new_family))
			return NLX_FAIL(rq, -EINVAL,
					"an address of a migration has no family, or transport mode would change it");
	return 0;
}

/* Context: espah_net.lock. */
static int migrate(struct nlx_request *rq, const struct espah_selector *sel, u8 dir,
		   const struct xfrm_user_migrate *m, unsigned int n)
{
	struct espah_policy *pol, *old;
	struct nlx_face faces[2];
	unsigned int i, own = nlx_which(dir), found = 0;
	int err;

	old = espah_spd_find_selector(&rq->en->spd, nlx_espah_dir(dir), sel, true);
	if (!old || !nlx_policy(old)->face[own].set)
		return -ENOENT;
	memcpy(faces, nlx_policy(old)->face, sizeof(faces));
	for (i = 0; i < n; i++) {
		found += change(&faces[own], &m[i]);
		change(&faces[!own], &m[i]);
	}
	if (!found)
		return -ENODATA;
	pol = copy(rq, &faces[own], sel);
	if (IS_ERR(pol))
		return PTR_ERR(pol);
	nlx_policy(pol)->mark = nlx_policy(old)->mark;
	nlx_policy(pol)->face[!own] = faces[!own];
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
	err = migrate(rq, &sel, id->dir, m, n);
	mutex_unlock(&rq->en->lock);
	return err ?: nlx_echo(rq, XFRMNLGRP_MIGRATE);
}
