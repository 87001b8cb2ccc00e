// SPDX-License-Identifier: GPL-2.0-only
/*
 * XFRM's SAs have no direction in their identity, and before Linux 6.10 none at all. Those that may
 * be used in both directions are two of espah.
 */
#include "nlx_sa.h"

static struct espah_sa *other_way(const struct espah_sa *sa)
{
	struct espah_sa_id id = sa->id;

	id.dir = id.dir == ESPAH_DIR_IN ? ESPAH_DIR_OUT : ESPAH_DIR_IN;
	return espah_sad_find(&sa->en->sad, &id);
}

struct espah_sa *nlx_partner(const struct espah_sa *sa)
{
	struct espah_sa *other;

	lockdep_assert_held(&sa->en->lock);
	if (!sa->foreign || !nlx_sa(sa)->both)
		return NULL;
	other = other_way(sa);
	return other && other->foreign && nlx_sa(other)->both ? other : NULL;
}

bool nlx_is_second(const struct espah_sa *sa)
{
	return sa->id.dir == ESPAH_DIR_OUT && nlx_partner(sa);
}

/* Whether a request is for an SA, if that has a mark. */
static bool has_mark(const struct nlx_request *rq, const struct espah_sa *sa)
{
	const struct nlattr *attr = rq->attrs[XFRMA_MARK];
	const struct xfrm_mark *mark = attr ? nla_data(attr) : NULL;

	return espah_sa_for_mark(sa, mark ? mark->v & mark->m : 0);
}

struct espah_sa *nlx_find_sa(const struct nlx_request *rq, const xfrm_address_t *daddr,
			     __be32 spi, u8 proto, u16 family)
{
	struct espah_sa_id id = { .spi = spi, .proto = proto, .family = family };
	struct espah_net *en = rq->en;
	struct espah_sa *in, *out;

	lockdep_assert_held(&en->lock);
	if (family != AF_INET && family != AF_INET6)
		return NULL;
	nlx_addr_in(&id.dst, daddr, family);
	id.dir = ESPAH_DIR_IN;
	in = espah_sad_find(&en->sad, &id);
	id.dir = ESPAH_DIR_OUT;
	out = espah_sad_find(&en->sad, &id);
	if (!in || (!in->foreign && out && out->foreign))
		in = out;
	return in && has_mark(rq, in) ? in : NULL;
}

void nlx_fill_id(struct xfrm_usersa_id *id, const struct espah_sa *sa)
{
	memset(id, 0, sizeof(*id));
	nlx_addr_out(&id->daddr, &sa->id.dst);
	id->spi = sa->id.spi;
	id->family = sa->id.family;
	id->proto = sa->id.proto;
}
