/* SPDX-License-Identifier: GPL-2.0-only */
/* The security association database (RFC 4301 4.4.2). */
#ifndef _ESPAH_SAD_H
#define _ESPAH_SAD_H

#include <linux/rhashtable.h>
#include <linux/xarray.h>
#include "generation.h"
#include "key_use.h"
#include "lifetime.h"
#include "sa.h"

struct espah_net;

/**
 * struct espah_sad - the SAD of a network namespace
 * @sas: struct espah_sa by id
 * @slots: struct espah_slot by id
 * @keys: struct espah_sa by cipher key
 * @index: struct espah_sa by number, for dumps
 * @next: where the next number is looked for; only after 2^32 additions does it
 *	wrap, and dumps stop being in the order of addition
 * @generation: changes with each addition and removal, to mark torn dumps; never 0
 * @count: SAs present, by direction, larval ones too
 * @removals: generation of what espah_sad_find_recent() found; ends when an SA leaves
 * @live: SAs whose memory is not freed yet
 * @clock: ends SAs
 */
struct espah_sad {
	struct rhashtable sas;
	struct rhashtable slots;
	struct espah_keys keys;
	struct xarray index;
	u32 next;
	unsigned int generation;
	unsigned int count[2];
	atomic64_t removals;
	atomic_t live;
	struct espah_clock clock;
};

/* @expire: ends SAs whose lifetime is over; espah_sad.clock.work; Return: 0 or -ENOMEM */
int espah_sad_setup(struct espah_sad *sad, work_func_t expire);

/**
 * espah_sad_teardown - free everything
 * @sad: of a network namespace without hooks; all SAs are out of it
 *
 * Waits for packets in flight and a grace period, so that the namespace can be freed.
 * Context: process.
 */
void espah_sad_teardown(struct espah_sad *sad);

/**
 * espah_sa_alloc - memory for an SA that is not in the SAD yet
 *
 * The caller fills @id, @path->src, @mode, @flags and so on, then calls
 * espah_sa_key() and espah_sad_add(), or espah_sa_put() to give it up.
 *
 * Return: the SA with one reference, or NULL.
 */
struct espah_sa *espah_sa_alloc(struct espah_net *en);

/* a path for espah_sad_move(), or NULL; espah_path_free() gives up one that was not used */
struct espah_path *espah_path_alloc(const struct espah_sa *sa);
void espah_path_free(struct espah_path *path);

/**
 * espah_sad_add - make an SA visible to packets
 * @sa: filled, with an id that no other has but @old; its reference passes to the SAD
 * @reqid: for the slot
 * @old: larval SA whose place it takes, and which is out then as after espah_sad_del(); or NULL
 *
 * Context: espah_net.lock.
 * Return: 0 or -errno for want of memory: then the caller keeps its reference.
 */
int espah_sad_add(struct espah_sa *sa, u32 reqid, struct espah_sa *old);

/**
 * espah_sad_move - give an SA another path
 * @sa: in the SAD
 * @path: of espah_path_alloc(), with addresses and ports; no other SA has the id that follows
 *
 * All else stays, and each packet is wrapped for the old or for the new path.
 * Policies that name addresses do not follow.
 *
 * Context: espah_net.lock.
 * Return: 0; -ENOMEM: then the caller keeps @path.
 */
int espah_sad_move(struct espah_sa *sa, struct espah_path *path);

/* takes an SA out; packets of it may still be in flight; Context: espah_net.lock */
void espah_sad_del(struct espah_sa *sa);

/* ends the SAD's reference to an SA that was taken out, after a grace period */
void espah_sa_retire(struct espah_sa *sa);

/**
 * espah_sad_alloc_spi - find a free inbound SPI
 * @sad: the SAD
 * @id: all but @id->spi, which is filled in
 * @min: lowest, host order
 * @max: highest
 *
 * A small range is searched through from a random place, a large one sampled, so that the
 * cost does not depend on how many SAs there are. Context: espah_net.lock.
 * Return: 0 or -ENOSPC.
 */
int espah_sad_alloc_spi(struct espah_sad *sad, struct espah_sa_id *id, u32 min, u32 max);

/* the SA of this id, or NULL; Context: RCU reader or espah_net.lock */
struct espah_sa *espah_sad_find(struct espah_sad *sad, const struct espah_sa_id *id);

/**
 * espah_sad_find_in - the SA of a packet that came in, or of one that it quotes
 * @sad: the SAD
 * @id: with the domain in which the packet came
 *
 * An SA that names the domain comes first; then one that names none, and has its local address
 * in that domain. Context: RCU reader. Return: the SA, or NULL.
 */
struct espah_sa *espah_sad_find_in(struct espah_sad *sad, const struct espah_sa_id *id);

/* the same, of which each CPU remembers the last; Context: RCU reader, BH disabled */
struct espah_sa *espah_sad_find_recent(struct espah_net *en, const struct espah_sa_id *id);

/* drops a reference; the last one frees the SA, zeroing its keys, after a grace period */
void espah_sa_put(struct espah_sa *sa);

/* drops a reference; the last one frees the queue after a grace period */
void espah_queue_put(struct espah_queue *queue);

/* the slot of this id, made if there is none, with one more user; Context: espah_net.lock */
struct espah_slot *espah_slot_get(struct espah_sad *sad, const struct espah_slot_id *id);
/* one user less; Context: espah_net.lock */
void espah_slot_put(struct espah_sad *sad, struct espah_slot *slot);
/* the slot of this id, or NULL; Context: RCU reader */
struct espah_slot *espah_slot_find(struct espah_sad *sad, const struct espah_slot_id *id);

#endif /* _ESPAH_SAD_H */
