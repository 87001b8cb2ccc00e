// SPDX-License-Identifier: GPL-2.0-only
#include "db/domain.h"
#include "near.h"

static bool fits(const union espah_addr *has, const union espah_addr *wants)
{
	return espah_addr_any(wants) || espah_addr_equal(has, wants);
}

static u32 addresses(const struct espah_slot_id *has, const struct espah_slot_id *wants)
{
	u32 differs = 0;

	/* a transport SA may be for any source (RFC 4552) */
	if (!fits(&has->src, &wants->src) &&
	    !(has->mode == ESPAH_MODE_TRANSPORT && espah_addr_any(&has->src)))
		differs |= ESPAH_DIFFERS_SRC;
	if (!fits(&has->dst, &wants->dst))
		differs |= ESPAH_DIFFERS_DST;
	return differs == (ESPAH_DIFFERS_SRC | ESPAH_DIFFERS_DST) &&
	       espah_addr_equal(&has->src, &wants->dst) &&
	       espah_addr_equal(&has->dst, &wants->src) ? ESPAH_DIFFERS_SWAPPED : differs;
}

/* Whether the VRF that only one of the two names is that of the other's local address. */
static bool same_domain(const struct espah_sa *sa, const struct espah_slot_id *has,
			const struct espah_slot_id *wants)
{
	const union espah_addr *local = has->dir == ESPAH_DIR_OUT ? &has->src : &has->dst;
	u32 domain;

	rcu_read_lock();
	domain = has->vrf ? espah_domain_of(sa->en->net, local, has->family) :
			    espah_path_domain(sa, espah_sa_path(sa));
	rcu_read_unlock();
	return domain == (has->vrf ?: wants->vrf);
}

static u32 differences(const struct espah_sa *sa, const struct espah_slot_id *wants, __be32 spi,
		       u8 dscp)
{
	const struct espah_slot_id *has = &sa->slot->id;
	u32 differs = addresses(has, wants);

	if (has->reqid != wants->reqid && !wants->wild)
		differs |= ESPAH_DIFFERS_REQID;
	if (has->mode != wants->mode)
		differs |= ESPAH_DIFFERS_MODE;
	if (has->proto != wants->proto)
		differs |= ESPAH_DIFFERS_PROTO;
	if (has->if_id != wants->if_id)
		differs |= ESPAH_DIFFERS_IF_ID;
	if (has->vrf != wants->vrf &&
	    ((has->vrf && wants->vrf) || !same_domain(sa, has, wants)))
		differs |= ESPAH_DIFFERS_VRF;
	if (spi && sa->id.spi != spi)
		differs |= ESPAH_DIFFERS_SPI;
	if (sa->dscps && !(sa->dscps & BIT_ULL(dscp)))
		differs |= ESPAH_DIFFERS_DSCP;
	if (sa->state == ESPAH_SA_STATE_LARVAL)
		differs |= ESPAH_DIFFERS_LARVAL;
	return differs;
}

/* Whether the SA may be meant: not one of another peer. */
static bool is_near(u32 differs)
{
	return !(differs & (ESPAH_DIFFERS_SRC | ESPAH_DIFFERS_DST)) || hweight32(differs) == 1;
}

struct espah_sa *espah_near_sa(struct espah_net *en, const struct espah_slot_id *wants,
			       __be32 spi, u8 dscp, u32 *differs)
{
	struct espah_sa *sa, *nearest = NULL;
	unsigned long index;
	u32 why;

	lockdep_assert_held(&en->lock);
	*differs = ~0U;
	xa_for_each(&en->sad.index, index, sa) {
		cond_resched();
		if (sa->id.dir != wants->dir)
			continue;
		why = differences(sa, wants, spi, dscp);
		/* of several that are as near, the newest */
		if (!is_near(why) || hweight32(why) > hweight32(*differs))
			continue;
		nearest = sa;
		*differs = why;
	}
	return nearest;
}

struct espah_sa *espah_opposite_sa(const struct espah_sa *sa)
{
	struct espah_slot_id id = sa->slot->id;
	struct espah_slot *slot;

	swap(id.src, id.dst);
	id.dir = id.dir == ESPAH_DIR_OUT ? ESPAH_DIR_IN : ESPAH_DIR_OUT;
	slot = espah_slot_find(&sa->en->sad, &id);
	return slot ? espah_slot_newest(slot) : NULL;
}
