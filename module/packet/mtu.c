// SPDX-License-Identifier: GPL-2.0-only
#include <net/dst.h>
#include "db/net.h"
#include "db/sa.h"
#include "mtu.h"
#include "route.h"

/* bytes that an SA adds to each packet regardless of its length: headers, IV, ICV */
static unsigned int fixed_len(const struct espah_sa *sa)
{
	return espah_sa_path(sa)->encap_len + sa->hdr_len +
	       (espah_sa_is_ah(sa) ? 0 : sa->icv_len);
}

/* bytes of the ESP trailer without padding */
static unsigned int trailer_len(const struct espah_sa *sa)
{
	return espah_sa_is_ah(sa) ? 0 : 2;
}

static unsigned int outer_len(const struct espah_sa *sa)
{
	return sa->mode == ESPAH_MODE_TUNNEL ? espah_path_ip_len(espah_sa_path(sa)) : 0;
}

unsigned int espah_sa_overhead(const struct espah_sa *sa)
{
	/* padding is at most one byte less than a block (RFC 4303 2.4) */
	return outer_len(sa) + fixed_len(sa) + trailer_len(sa) + sa->block_len - 1;
}

unsigned int espah_sa_mtu(const struct espah_sa *sa, unsigned int pmtu, unsigned int hdr_len)
{
	unsigned int outer = sa->mode == ESPAH_MODE_TUNNEL ? outer_len(sa) : hdr_len;
	unsigned int fixed = outer + fixed_len(sa);
	unsigned int room;

	if (pmtu < fixed + sa->block_len)
		return 0;
	room = round_down(pmtu - fixed, sa->block_len) - trailer_len(sa);
	return sa->mode == ESPAH_MODE_TUNNEL ? room : hdr_len + room;
}

unsigned int espah_sas_mtu(struct espah_sa *const *sas, unsigned int n, unsigned int pmtu,
			   unsigned int hdr_len)
{
	unsigned int i, inside;

	while (n--) {
		/* after a tunnel, the header that transport mode keeps is the tunnel's */
		for (i = n, inside = 0; i-- && !inside;)
			inside = outer_len(sas[i]);
		pmtu = espah_sa_mtu(sas[n], pmtu, inside ?: hdr_len);
	}
	return pmtu;
}

static unsigned int route_mtu(struct espah_sa *sa, bool learned)
{
	unsigned int mtu = 0;
	struct dst_entry *dst;

	local_bh_disable();
	rcu_read_lock();
	dst = espah_path_route(sa, espah_sa_path(sa));
	if (dst)
		mtu = learned ? espah_sa_dst_mtu(sa, dst) : espah_dst_mtu(dst);
	dst_release(dst);
	rcu_read_unlock();
	local_bh_enable();
	return mtu;
}

unsigned int espah_sa_pmtu(struct espah_sa *sa)
{
	return route_mtu(sa, true);
}

unsigned int espah_sa_link_mtu(struct espah_sa *sa)
{
	return route_mtu(sa, false);
}
