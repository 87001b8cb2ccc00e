// SPDX-License-Identifier: GPL-2.0-only
#include "compat/netdev.h"
#include "napi.h"

static struct napi_struct *napi_of(const struct espah_napis *napis, int cpu)
{
	return per_cpu_ptr(napis->each, cpu) + napis->offset;
}

void __percpu *espah_napis_make(struct espah_napis *napis, size_t size, size_t align,
				size_t offset, int (*poll)(struct napi_struct *napi, int budget),
				int weight)
{
	struct napi_struct *napi;
	int cpu;

	napis->offset = offset;
	napis->dev = espah_dummy_dev_alloc();
	if (!napis->dev)
		return NULL;
	napis->each = __alloc_percpu(size, align);
	if (!napis->each) {
		espah_dummy_dev_free(napis->dev);
		return NULL;
	}
	for_each_possible_cpu(cpu) {
		napi = napi_of(napis, cpu);
		/* only the softirq polls it */
		set_bit(NAPI_STATE_NO_BUSY_POLL, &napi->state);
		netif_napi_add_weight(napis->dev, napi, poll, weight);
		napi_enable(napi);
	}
	return napis->each;
}

void espah_napis_stop(struct espah_napis *napis)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		napi_disable(napi_of(napis, cpu));
		__netif_napi_del(napi_of(napis, cpu));
	}
	synchronize_net();
}

void espah_napis_free(struct espah_napis *napis)
{
	free_percpu(napis->each);
	espah_dummy_dev_free(napis->dev);
}
