// SPDX-License-Identifier: GPL-2.0-only
#include <pthread.h>
#include "shim.h"

long shim_fail_after = -1;
bool shim_fail_once;
long shim_allocations;
long shim_live;
u64 shim_hashes, shim_reader_steps, shim_writer_steps;
void (*shim_on_reader_step)(void);
void (*shim_on_publish)(void);
void (*shim_on_wait)(void);

u32 jhash2(const u32 *words, u32 count, u32 seed)
{
	u32 hash = seed ^ 0x811c9dc5;

	shim_hashes++;
	while (count--) {
		hash = (hash ^ *words++) * 0x85ebca6b;
		hash ^= hash >> 15;
	}
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

u32 get_random_u32(void)
{
	static u32 state = 1;

	state = state * 1664525 + 1013904223;
	return state ^ state >> 16;
}

/* --- memory --- */

void *shim_alloc(size_t size)
{
	void *p;

	shim_allocations++;
	if (shim_fail_after >= 0 && shim_fail_after-- == 0) {
		if (!shim_fail_once)
			shim_fail_after = 0;
		return NULL;
	}
	p = calloc(1, size);
	if (!p)
		abort();
	shim_live++;
	return p;
}

void shim_free(const void *p)
{
	if (!p)
		return;
	shim_live--;
	free((void *)p);
}

/* --- RCU ---
 * One counter of active readers is enough: the tests have one reader at a time, and it wakes a
 * waiting writer when it leaves.
 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static unsigned int readers;
static unsigned long periods = 1; /* grace periods completed, and one */
static struct rcu_head *pending;

void rcu_read_lock(void)
{
	pthread_mutex_lock(&lock);
	readers++;
	pthread_mutex_unlock(&lock);
}

void rcu_read_unlock(void)
{
	pthread_mutex_lock(&lock);
	if (!--readers) {
		periods++;
		pthread_cond_broadcast(&left);
	}
	pthread_mutex_unlock(&lock);
}

void synchronize_rcu(void)
{
	pthread_mutex_lock(&lock);
	if (readers && shim_on_wait) {
		pthread_mutex_unlock(&lock);
		shim_on_wait();
		pthread_mutex_lock(&lock);
	}
	while (readers)
		pthread_cond_wait(&left, &lock);
	periods++;
	pthread_mutex_unlock(&lock);
}

unsigned long get_state_synchronize_rcu(void)
{
	return periods + 1;
}

unsigned long get_completed_synchronize_rcu(void)
{
	return 0;
}

void cond_synchronize_rcu(unsigned long state)
{
	if (periods < state)
		synchronize_rcu();
}

void shim_free_later(struct rcu_head *head, void *memory)
{
	head->memory = memory;
	head->next = pending;
	pending = head;
}

void rcu_barrier(void)
{
	struct rcu_head *head;

	synchronize_rcu();
	while (pending) {
		head = pending;
		pending = head->next;
		shim_free(head->memory);
	}
}

void shim_reader_step(void)
{
	shim_reader_steps++;
	if (shim_on_reader_step)
		shim_on_reader_step();
}

void shim_published(void)
{
	if (shim_on_publish)
		shim_on_publish();
}

void shim_writer_step(void)
{
	shim_writer_steps++;
}
