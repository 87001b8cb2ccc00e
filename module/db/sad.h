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
struct espah_policy;

/**
 * struct espah_sad - the SAD of a network namespace
 * @sas: struct espah_sa by id
 * @slots: struct espah_slot by id
 * @keys: struct espah_sa by cipher key
 * @index: struct espah_sa by number, for dumps
 * @next: start of the search for the next number; after 2^32 additions it wraps,
 *	and dumps are no longer in the order of addition
 * @generation: changes with each addition and removal, to mark torn dumps; never 0
 * @count: SAs present, by direction, including larval ones
 * @removals: generation of the results of espah_sad_find_recent(); ends when an SA is removed
 * @live: SAs whose memory is not freed yet
 * @clock: timer that expires SAs
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

/* @expire: work function of espah_sad.clock, expires SAs; Return: 0 or -ENOMEM */
int espah_sad_setup(struct espah_sad *sad, work_func_t expire);

/**
 * espah_sad_teardown - free everything
 * @sad: an SAD without SAs, in a network namespace without hooks
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

/* a path for espah_sad_move(), or NULL; espah_path_free() frees an unused path */
struct espah_path *espah_path_alloc(const struct espah_sa *sa);
void espah_path_free(struct espah_path *path);

/**
 * espah_sad_add - make an SA visible to packets
 * @sa: filled, with an id that no SA except @old has; its reference passes to the SAD
 * @reqid: for the slot
 * @old: larval SA to be replaced, then removed as by espah_sad_del(); or NULL
 *
 * Context: espah_net.lock.
 * Return: 0, or -errno without memory: then the caller keeps its reference.
 */
int espah_sad_add(struct espah_sa *sa, u32 reqid, struct espah_sa *old);

/**
 * espah_sad_set_dscps - change the DSCPs that an outbound SA is for
 * @sa: in the SAD, or not yet added
 * @dscps: as espah_sa.dscps
 * @classes: zeroed, from kzalloc(), or NULL if the SA has no slot yet or @dscps is 0; consumed
 *
 * Context: espah_net.lock, unless the SA was not added.
 */
void espah_sad_set_dscps(struct espah_sa *sa, u64 dscps, struct espah_classes *classes);

/**
 * espah_sad_move - give an SA another path
 * @sa: in the SAD
 * @path: from espah_path_alloc(), with addresses and ports; no other SA has the resulting id
 *
 * Nothing else changes. Each packet is wrapped either for the old or for the new path.
 * Policies that name addresses are not changed.
 *
 * Context: espah_net.lock.
 * Return: 0; -ENOMEM: then the caller keeps @path.
 */
int espah_sad_move(struct espah_sa *sa, struct espah_path *path);

/* removes an SA; its packets may still be in flight; Context: espah_net.lock */
void espah_sad_del(struct espah_sa *sa);

/* drops the SAD's reference to a removed SA, after a grace period */
void espah_sa_retire(struct espah_sa *sa);

/**
 * espah_sad_alloc_spi - find a free inbound SPI
 * @sad: the SAD
 * @id: filled except for @id->spi, which is set
 * @min: lowest SPI, host order
 * @max: highest SPI, host order
 *
 * A small range is searched from a random start, a large range is sampled, so that the cost
 * does not depend on the number of SAs. Context: espah_net.lock.
 * Return: 0 or -ENOSPC.
 */
int espah_sad_alloc_spi(struct espah_sad *sad, struct espah_sa_id *id, u32 min, u32 max);

/* the SA with this id, or NULL; Context: RCU reader or espah_net.lock */
struct espah_sa *espah_sad_find(struct espah_sad *sad, const struct espah_sa_id *id);

/**
 * espah_sad_find_in - the SA of a received packet, or of a packet that it quotes
 * @sad: the SAD
 * @id: the id; its VRF is the domain in which the packet arrived
 *
 * An SA that names the domain is preferred to an SA that names none and has its local address
 * in that domain. Context: RCU reader. Return: the SA, or NULL.
 */
struct espah_sa *espah_sad_find_in(struct espah_sad *sad, const struct espah_sa_id *id);

/* the same, with the last result cached per CPU; Context: RCU reader, BH disabled */
struct espah_sa *espah_sad_find_recent(struct espah_net *en, const struct espah_sa_id *id);

/* drops a reference; the last one frees the SA, zeroing its keys, after a grace period */
void espah_sa_put(struct espah_sa *sa);

/* drops a reference; the last one frees the queue after a grace period */
void espah_queue_put(struct espah_queue *queue);

/* the slot with this id, created if needed, with one more user; Context: espah_net.lock */
struct espah_slot *espah_slot_get(struct espah_sad *sad, const struct espah_slot_id *id);
/* removes a user of the slot; Context: espah_net.lock */
void espah_slot_put(struct espah_sad *sad, struct espah_slot *slot);
/*
 * has output use the SA with this SPI while it is there, as @by asks; 0, NULL: the newest; Context:
 * espah_net.lock
 */
void espah_slot_pin(struct espah_slot *slot, __be32 spi, const struct espah_policy *by);
/* the slot with this id, or NULL; Context: RCU reader */
struct espah_slot *espah_slot_find(struct espah_sad *sad, const struct espah_slot_id *id);

/*
 * The SA of a slot that output uses for packets with a DSCP: the newest for this DSCP, or else the
 * newest that is not for certain DSCPs; or NULL. Context: RCU reader.
 */
struct espah_sa *espah_slot_sa(const struct espah_slot *slot, u8 dscp);

/* the newest SA of a slot with keys, for whatever DSCPs, or NULL; Context: RCU reader */
struct espah_sa *espah_slot_newest(const struct espah_slot *slot);

#endif /* _ESPAH_SAD_H */
