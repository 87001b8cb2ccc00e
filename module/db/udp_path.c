// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include "udp_path.h"

static unsigned int place(const struct espah_udp_path *key)
{
	return jhash(key, offsetof(struct espah_udp_path, family), 0) % ESPAH_UDP_PATHS;
}

static bool same_path(const struct espah_udp_path *one, const struct espah_udp_path *other)
{
	return one->family == other->family && time_before(jiffies, one->expires) &&
	       !memcmp(one, other, offsetof(struct espah_udp_path, family));
}

void espah_udp_path_learn(struct espah_udp_paths *paths, const struct espah_flow *quoted, u32 mtu,
			  unsigned long expires)
{
	struct espah_udp_path path = {
		.src = quoted->dst, .dst = quoted->src, .sport = htons(quoted->dport),
		.dport = htons(quoted->sport), .family = quoted->family, .mtu = mtu,
		.expires = expires,
	};
	struct espah_udp_path *kept = &paths->at[place(&path)];

	write_seqlock_bh(&paths->lock);
	if (!same_path(kept, &path) || kept->mtu >= mtu)
		*kept = path;
	write_sequnlock_bh(&paths->lock);
	WRITE_ONCE(paths->learned, true);
}

unsigned int espah_udp_path_mtu(const struct espah_udp_paths *paths, const struct espah_path *path)
{
	struct espah_udp_path key = { .src = path->src, .dst = path->dst, .sport = path->sport,
				      .dport = path->dport, .family = path->family };
	const struct espah_udp_path *kept = &paths->at[place(&key)];
	unsigned int seq, mtu;

	do {
		seq = read_seqbegin(&paths->lock);
		mtu = same_path(kept, &key) ? kept->mtu : UINT_MAX;
	} while (read_seqretry(&paths->lock, seq));
	return mtu;
}
