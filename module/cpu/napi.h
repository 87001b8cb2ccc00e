/* SPDX-License-Identifier: GPL-2.0-only */
/* Structs for each CPU, with a NAPI context in each. */
#ifndef _ESPAH_NAPI_H
#define _ESPAH_NAPI_H

#include <linux/netdevice.h>
#include <linux/percpu.h>

/**
 * struct espah_napis - where they are
 * @dev: a device that holds the contexts only
 * @each: the structs
 * @offset: of the context in one
 */
struct espah_napis {
	struct net_device *dev;
	void __percpu *each;
	size_t offset;
};

/**
 * espah_napis_alloc - make such structs, zeroed but for the contexts
 * @napis: gets them
 * @type: of a struct
 * @member: the struct napi_struct in it
 * @poll: its function
 * @weight: so many packets it handles in a row, before others of the CPU have their turn
 *
 * Return: the structs, for this_cpu_ptr(); or NULL.
 */
#define espah_napis_alloc(napis, type, member, poll, weight)					\
	((type __percpu *)espah_napis_make(napis, sizeof(type), __alignof__(type),		\
					   offsetof(type, member), poll, weight))

void __percpu *espah_napis_make(struct espah_napis *napis, size_t size, size_t align,
				size_t offset, int (*poll)(struct napi_struct *napi, int budget),
				int weight);

/* ends the contexts: none of them runs any more */
void espah_napis_stop(struct espah_napis *napis);

/* frees the structs; after espah_napis_stop() */
void espah_napis_free(struct espah_napis *napis);

#endif /* _ESPAH_NAPI_H */
