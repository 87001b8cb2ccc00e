/* SPDX-License-Identifier: GPL-2.0-only */
/* Per-CPU structs, each with a NAPI context. */
#ifndef _ESPAH_NAPI_H
#define _ESPAH_NAPI_H

#include <linux/netdevice.h>
#include <linux/percpu.h>

/**
 * struct espah_napis - per-CPU structs with NAPI contexts
 * @dev: a device that only holds the contexts
 * @each: the structs
 * @offset: offset of the context in a struct
 */
struct espah_napis {
	struct net_device *dev;
	void __percpu *each;
	size_t offset;
};

/**
 * espah_napis_alloc - allocate such structs, zeroed except for the contexts
 * @napis: filled in
 * @type: type of the structs
 * @member: the struct napi_struct in it
 * @poll: poll function of the contexts
 * @weight: packets that a context handles in a row before other work of the CPU has its turn
 *
 * Return: the structs, for this_cpu_ptr(); or NULL.
 */
#define espah_napis_alloc(napis, type, member, poll, weight)					\
	((type __percpu *)espah_napis_make(napis, sizeof(type), __alignof__(type),		\
					   offsetof(type, member), poll, weight))

void __percpu *espah_napis_make(struct espah_napis *napis, size_t size, size_t align,
				size_t offset, int (*poll)(struct napi_struct *napi, int budget),
				int weight);

/* stops the contexts: on return none of them runs */
void espah_napis_stop(struct espah_napis *napis);

/* frees the structs; after espah_napis_stop() */
void espah_napis_free(struct espah_napis *napis);

#endif /* _ESPAH_NAPI_H */
