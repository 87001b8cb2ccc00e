/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs of NETLINK_XFRM: what the files about them share. */
#ifndef _ESPAH_NLX_SA_H
#define _ESPAH_NLX_SA_H

#include <linux/math64.h>
#include "change.h"
#include "nlx.h"

/* bytes of the longest key: cipher 32, salt 4, integrity 255 */
#define NLX_KEY_MAX 291

/* enum xfrm_sa_dir of newer kernels; 0: the SA does not name its direction */
#define NLX_DIR_IN 1
#define NLX_DIR_OUT 2

/* packets: the largest window of XFRMA_REPLAY_ESN_VAL */
#define NLX_WINDOW_MAX XFRMA_REPLAY_ESN_MAX

/* XFRMA_ETIMER_THRESH: XFRM takes jiffies, but answers tenths of a second */
static inline u32 nlx_tenths(u32 ticks)
{
	return div_u64((u64)ticks * 10, HZ);
}

/* --- identity --- */

/*
 * the SA with this id and the request's mark, or NULL: one that came by NETLINK_XFRM before
 * another one, inbound before outbound; Context: espah_net.lock
 */
struct espah_sa *nlx_find_sa(const struct nlx_request *rq, const xfrm_address_t *daddr,
			     __be32 spi, u8 proto, u16 family);
/* the SA of the other direction, if both are one for NETLINK_XFRM, or NULL; the same context */
struct espah_sa *nlx_partner(const struct espah_sa *sa);
/* whether @sa is told and shown as part of its partner; the same context */
bool nlx_is_second(const struct espah_sa *sa);

/* --- reading --- */

/**
 * nlx_read_algo - the suite and key of an SA
 * @rq: the request
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @nlx: gets a suite that is not in espah_algos
 * @key: gets the key in the order of ESPAH_SA_KEY, NLX_KEY_MAX bytes
 * @algo: set to the suite
 *
 * Return: 0 or -errno.
 */
int nlx_read_algo(struct nlx_request *rq, u8 proto, struct nlx_sa *nlx, u8 *key,
		  const struct espah_algo **algo);

/* whether NEWSA or UPDSA describes an SA that espah can have; Return: 0 or -errno */
int nlx_check_sa(struct nlx_request *rq, const struct xfrm_usersa_info *info);

/* the same for XFRM_MSG_ALLOCSPI */
int nlx_check_spi(struct nlx_request *rq, const struct xfrm_userspi_info *spi);

/**
 * nlx_make_sa - make one direction of an SA
 * @rq: NEWSA or UPDSA that nlx_check_sa() found good
 * @info: its fixed part
 * @dir: enum espah_dir
 *
 * Return: the SA with its keys, for espah_sa_add(), or ERR_PTR().
 */
struct espah_sa *nlx_make_sa(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir);

/* the SA that waits for the keys of an SPI, without SPI; or ERR_PTR() */
struct espah_sa *nlx_make_larval(struct nlx_request *rq, const struct xfrm_usersa_info *info);

/* the limits of an SA */
void nlx_read_limits(const struct xfrm_lifetime_cfg *lft, struct espah_limits *limits);

/**
 * nlx_carry - set what an SA has carried so far
 * @sa: the SA, in the SAD or not yet
 * @partner: nlx_partner(@sa)
 * @cur: the figures
 *
 * Limits count from them. Context: espah_net.lock.
 */
void nlx_carry(struct espah_sa *sa, const struct espah_sa *partner,
	       const struct xfrm_lifetime_cur *cur);

/* has new limits count what the SA had carried before it was added */
void nlx_carry_limits(struct espah_sa *sa);

/* --- sequence numbers and replay window --- */

/* checks XFRMA_REPLAY_ESN_VAL; Return: 0 or -EINVAL */
int nlx_check_replay(struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir);

/* the number to start from, and the replay window */
void nlx_read_replay(const struct nlx_request *rq, const struct xfrm_usersa_info *info, u8 dir,
		     struct nlx_sa *nlx, u64 *seq, u32 *window);

/* has the window accept the numbers up to its top that were not received; Context: as below */
void nlx_read_bitmap(const struct nlx_request *rq, struct espah_sa *sa);

/**
 * nlx_set_replay - change the numbers of an SA in use
 * @rq: XFRM_MSG_NEWAE
 * @sa: the SA; the other direction is not touched
 *
 * Context: espah_net.lock. Return: 0; -EINVAL.
 */
int nlx_set_replay(struct nlx_request *rq, struct espah_sa *sa);

/* puts XFRMA_REPLAY_VAL or XFRMA_REPLAY_ESN_VAL; Return: 0 or -EMSGSIZE */
int nlx_put_replay(struct sk_buff *skb, struct espah_sa *sa);

/* --- answers --- */

/* what an SA has carried; Context: espah_net.lock */
void nlx_fill_current(struct xfrm_lifetime_cur *cur, const struct espah_sa *sa);

/* puts what messages without the whole SA tell as well; Return: 0 or -EMSGSIZE */
int nlx_put_identity(struct sk_buff *skb, const struct espah_sa *sa);

/* tells listeners about an SA; @type, @hard: as nlx_put_sa() */
void nlx_tell_sa(struct espah_sa *sa, u16 type, unsigned int group, bool hard);

#endif /* _ESPAH_NLX_SA_H */
