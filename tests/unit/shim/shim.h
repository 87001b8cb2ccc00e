/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the kernel's interface that the pure parts of the module use, for
 * user space. The headers in linux/ and asm/ only include this one.
 *
 * Memory passed to kfree_rcu() stays until rcu_barrier(), which frees it, so that
 * the address sanitizer detects later uses.
 */
#ifndef _ESPAH_SHIM_H
#define _ESPAH_SHIM_H

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- types, with the same size as in the kernel --- */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u64 __be64;

#define __force
#define __rcu
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((__noinline__))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define cond_resched() do { } while (0)

/* --- arithmetic --- */

#define U64_MAX UINT64_MAX
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK_ULL(high, low) ((~0ULL >> (63 - (high))) & (~0ULL << (low)))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define lower_32_bits(n) ((u32)(n))
#define cpu_to_be64(n) htobe64(n)
#define be64_to_cpu(n) be64toh(n)
#define upper_32_bits(n) ((u32)((u64)(n) >> 32))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define struct_size(p, member, n) (sizeof(*(p)) + sizeof((p)->member[0]) * (size_t)(n))

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << (64 - __builtin_clzl(n - 1));
}

/* Not Jenkins' hash: any hash works. Called once for each table that a lookup visits. */
u32 jhash2(const u32 *words, u32 count, u32 seed);
u32 get_random_u32(void);

/* --- memory --- */

typedef unsigned int gfp_t;
#define GFP_KERNEL 0u
#define GFP_KERNEL_ACCOUNT 0u
#define __GFP_NOWARN 0u

void *shim_alloc(size_t size);
void shim_free(const void *p);
#define kzalloc(size, gfp) ((void)(gfp), shim_alloc(size))
#define kvzalloc(size, gfp) ((void)(gfp), shim_alloc(size))
#define kfree(p) shim_free(p)
#define kvfree(p) shim_free(p)

/* --- RCU: real read sections of threads, see shim.c --- */

struct rcu_head {
	struct rcu_head *next;
	void *memory;
};

void shim_free_later(struct rcu_head *head, void *memory);
#define kfree_rcu(p, member)                              \
	do {                                              \
		__typeof__(p) _p = (p);                   \
		shim_free_later(&_p->member, (void *)_p); \
	} while (0)
#define kvfree_rcu(p, member) kfree_rcu(p, member)

void rcu_read_lock(void);
void rcu_read_unlock(void);
void synchronize_rcu(void);
void rcu_barrier(void);
unsigned long get_state_synchronize_rcu(void);
unsigned long get_completed_synchronize_rcu(void);
void cond_synchronize_rcu(unsigned long state);

/* Called after a reader has fetched a pointer: here a test can make changes */
void shim_reader_step(void);
void shim_writer_step(void);

/* Called after a writer has changed something that readers see */
void shim_published(void);

#define rcu_dereference(p)                                            \
	({                                                            \
		__typeof__(p) _d = __atomic_load_n(&(p), __ATOMIC_ACQUIRE); \
		shim_reader_step();                                   \
		_d;                                                   \
	})
#define rcu_dereference_protected(p, c) (shim_writer_step(), (void)(c), (p))
#define rcu_access_pointer(p) (p)
#define rcu_assign_pointer(p, v)                             \
	({                                                   \
		__atomic_store_n(&(p), (v), __ATOMIC_RELEASE); \
		shim_published();                            \
	})
#define RCU_INIT_POINTER(p, v) ((p) = (v))

/* --- lists --- */

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
	return READ_ONCE(list->next) == list;
}

static inline void list_add_rcu(struct list_head *item, struct list_head *after)
{
	item->next = after->next;
	item->prev = after;
	after->next->prev = item;
	rcu_assign_pointer(after->next, item);
}

/* keeps @item->next, which a reader may be about to follow */
static inline void list_del_rcu(struct list_head *item)
{
	item->next->prev = item->prev;
	WRITE_ONCE(item->prev->next, item->next);
	item->prev = NULL;
	shim_published();
}

static inline void list_replace_rcu(struct list_head *old, struct list_head *item)
{
	item->next = old->next;
	item->prev = old->prev;
	rcu_assign_pointer(item->prev->next, item);
	item->next->prev = item;
	old->prev = NULL;
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_for_each_entry(pos, list, member)                                       \
	for (pos = list_entry((list)->next, __typeof__(*pos), member);               \
	     shim_writer_step(), &pos->member != (list);                             \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_continue(pos, head, member)			\
	for (pos = list_entry((pos)->member.next, __typeof__(*pos), member);	\
	     &pos->member != (head);						\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_reverse(pos, list, member)                               \
	for (pos = list_entry((list)->prev, __typeof__(*pos), member);               \
	     shim_writer_step(), &pos->member != (list);                             \
	     pos = list_entry(pos->member.prev, __typeof__(*pos), member))
#define list_for_each_entry_rcu(pos, list, member)                                   \
	for (pos = list_entry(rcu_dereference((list)->next), __typeof__(*pos), member); \
	     &pos->member != (list);                                                 \
	     pos = list_entry(rcu_dereference(pos->member.next), __typeof__(*pos), member))

/* --- variables that tests set and read --- */

extern long shim_fail_after; /* allocations that succeed before all fail; < 0: none fails */
extern bool shim_fail_once; /* only the first of them fails */
extern long shim_allocations; /* number of allocations so far, including failed ones */
extern long shim_live; /* number of allocations not freed yet */
extern u64 shim_hashes, shim_reader_steps, shim_writer_steps;
extern void (*shim_on_reader_step)(void);
extern void (*shim_on_publish)(void);
extern void (*shim_on_wait)(void); /* a writer is about to wait for readers */

#endif /* _ESPAH_SHIM_H */
