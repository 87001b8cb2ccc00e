/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Outbound packets are gathered while more wait behind them on the CPU. They are prepared fully
 * except for their sequence numbers. When they are run, up to eight at a time are numbered, then
 * encrypted, then sent. From the second packet on, the code of each step is thus in the CPU's
 * caches; and numbers sent meanwhile by another CPU do not push these out of the peer's replay
 * window. A packet that comes alone does not wait.
 *
 * Packets from a card's driver come in lists, of eight by default (net.core.gro_normal_batch). A
 * whole list passes our first hook before any of its packets is forwarded, so the packet that this
 * hook saw last ends the list. That packet runs all gathered ones, because the card's interrupt may
 * move to another CPU, which then brings the next list. If that packet does not come here, because
 * a rule drops it or it is not forwarded, the end of the softirq runs them.
 *
 * PREEMPT_RT prefers a packet that leaves at once to one that costs less. There no packet waits, so
 * that none of another task can overtake it either; see also espah_number_later().
 */
#ifndef _ESPAH_GATHER_H
#define _ESPAH_GATHER_H

#include <linux/netdevice.h>
#include <linux/percpu.h>
#include "compat/netdev.h"
#include "compat/rt.h"
#include "packet/op.h"

/* maximum packets gathered on a CPU */
#define ESPAH_GATHER_MAX 64

/**
 * struct espah_gathering - packets that wait on a CPU; accessed there with BH disabled
 * @ops: the packets
 * @n: number of packets
 * @group: index of the first packet of the last group: up to ESPAH_BATCH packets of one SA, which
 *	share a reference to it
 * @next: index of the first packet that was not run yet
 * @running: the packets are being run
 * @napi: runs them; its poll function is espah_output_poll()
 */
struct espah_gathering {
	struct espah_op *ops[ESPAH_GATHER_MAX];
	unsigned int n;
	unsigned int group;
	unsigned int next;
	bool running;
	struct napi_struct napi;
};

/* @poll: poll function of all NAPI contexts */
int espah_gather_setup(int (*poll)(struct napi_struct *napi, int budget));
/* no packet is in flight */
void espah_gather_teardown(void);

/* whether packets are gathered on this CPU, or more than one was gathered last time */
DECLARE_PER_CPU(bool, espah_gather_busy);
/* the packet that the first hook saw last; only compared, never dereferenced */
DECLARE_PER_CPU(const struct sk_buff *, espah_gather_newest);

/* notes a packet at the first hook; Context: BH disabled */
static inline void espah_gather_note(const struct sk_buff *skb)
{
	if (!espah_bh_yields)
		__this_cpu_write(espah_gather_newest, skb);
}

/* whether a driver's list ends with @skb; Context: BH disabled */
static inline bool espah_gather_ends(const struct sk_buff *skb)
{
	return espah_skb_of_napi(skb) && __this_cpu_read(espah_gather_newest) == skb;
}

/* whether more packets seem to wait behind @skb; if not, don't gather; Context: BH disabled */
static inline bool espah_gather_expects(const struct sk_buff *skb)
{
	if (espah_bh_yields)
		return false;
	return unlikely(__this_cpu_read(espah_gather_busy) ||
			(espah_skb_of_napi(skb) ? !espah_gather_ends(skb) :
						  espah_backlog_len(smp_processor_id())));
}

/* whether a packet for @sa may wait for those behind it; Context: RCU reader, BH disabled */
bool espah_gather_takes(const struct espah_sa *sa, const struct sk_buff *skb);

/**
 * espah_gather - let a packet wait for those behind it
 * @op: wrapped, but without a sequence number
 *
 * Gathered packets are run once the CPU has received its pending packets, or earlier: when
 * ESPAH_GATHER_MAX are gathered, with the last packet of a driver's list, or before a packet that
 * does not wait.
 *
 * Context: RCU reader, BH disabled; espah_gather_takes() was true.
 * Return: whether the gathered packets have to be run now.
 */
bool espah_gather(struct espah_op *op);

/* the packets gathered on this CPU; Context: BH disabled */
struct espah_gathering *espah_gather_here(void);

/* begins a run; Return: false if nothing is gathered, or a run is in progress */
bool espah_gather_begin(struct espah_gathering *gathering);

/**
 * espah_gather_next - take the next packets to run together
 * @gathering: begun with espah_gather_begin()
 * @ops: set to the packets: all of one SA, with one reference to it, and each with one to its
 *	device
 *
 * Return: number of packets, at most ESPAH_BATCH; 0 at the end.
 */
unsigned int espah_gather_next(struct espah_gathering *gathering, struct espah_op ***ops);

/* ends a run */
void espah_gather_end(struct espah_gathering *gathering);

#endif /* _ESPAH_GATHER_H */
