/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Outbound packets behind which more wait on the CPU are gathered, whole but for their numbers.
 * They are numbered when they are run, eight at a time: the crypto of all first, then they are
 * sent. So the code of each step is in the CPU's caches from the second one on, and the peer's
 * replay window does not miss what another CPU overtakes meanwhile. A packet that comes alone
 * does not wait.
 *
 * What a card's driver brings comes in lists, of eight by default (net.core.gro_normal_batch). A
 * list passes our first hook as a whole before any of its packets is forwarded, so it ends with
 * the packet that this hook has seen last. With that one all are run, as the card's interrupt may
 * move to another CPU, which then brings the next list. If that one does not come here, as a rule
 * drops it or it is for somebody else, they are run at the end of the softirq.
 */
#ifndef _ESPAH_GATHER_H
#define _ESPAH_GATHER_H

#include <linux/netdevice.h>
#include <linux/percpu.h>
#include "compat/netdev.h"
#include "packet/op.h"

/* so many packets are gathered at most */
#define ESPAH_GATHER_MAX 64

/**
 * struct espah_gathering - packets that wait on a CPU; BH disabled on it
 * @ops: the packets
 * @n: how many
 * @group: the first of the last ones that are of one SA, ESPAH_BATCH at most, which they hold
 * @next: the first of those that are not run yet
 * @running: they are being run
 * @napi: runs them; its function is espah_output_poll()
 */
struct espah_gathering {
	struct espah_op *ops[ESPAH_GATHER_MAX];
	unsigned int n;
	unsigned int group;
	unsigned int next;
	bool running;
	struct napi_struct napi;
};

/* @poll: of all NAPI contexts */
int espah_gather_setup(int (*poll)(struct napi_struct *napi, int budget));
/* no packet is in flight */
void espah_gather_teardown(void);

/* whether packets are gathered on this CPU, or more than one was the last time */
DECLARE_PER_CPU(bool, espah_gather_busy);
/* the packet that the first hook has seen last; to compare with only */
DECLARE_PER_CPU(const struct sk_buff *, espah_gather_newest);

/* a packet has come to the first hook; Context: BH disabled */
static inline void espah_gather_note(const struct sk_buff *skb)
{
	__this_cpu_write(espah_gather_newest, skb);
}

/* whether a driver's list ends with @skb; Context: BH disabled */
static inline bool espah_gather_ends(const struct sk_buff *skb)
{
	return espah_skb_of_napi(skb) && __this_cpu_read(espah_gather_newest) == skb;
}

/* whether more packets seem to wait behind @skb; else it is not gathered; Context: BH disabled */
static inline bool espah_gather_expects(const struct sk_buff *skb)
{
	return unlikely(__this_cpu_read(espah_gather_busy) ||
			(espah_skb_of_napi(skb) ? !espah_gather_ends(skb) :
						  espah_backlog_len(smp_processor_id())));
}

/* whether a packet for @sa may wait for those behind it; Context: RCU reader, BH disabled */
bool espah_gather_takes(const struct espah_sa *sa, const struct sk_buff *skb);

/**
 * espah_gather - let a packet wait for those behind it
 * @op: wrapped, but without a number
 *
 * Those that wait are run once the CPU has received what is there, or earlier: when very many are
 * gathered, with the last packet of a driver's list, or ahead of one that does not wait.
 *
 * Context: RCU reader, BH disabled; espah_gather_takes().
 * Return: whether they have to be run now.
 */
bool espah_gather(struct espah_op *op);

/* what waits on this CPU; Context: BH disabled */
struct espah_gathering *espah_gather_here(void);

/* begins to run what waits; Return: false if nothing does, or it is being run */
bool espah_gather_begin(struct espah_gathering *gathering);

/**
 * espah_gather_next - take some packets that are run together
 * @gathering: that was begun
 * @ops: gets them: of one SA, to which they refer once, and each to its device
 *
 * Return: how many, ESPAH_BATCH at most; 0: that was all.
 */
unsigned int espah_gather_next(struct espah_gathering *gathering, struct espah_op ***ops);

/* they have all been run */
void espah_gather_end(struct espah_gathering *gathering);

#endif /* _ESPAH_GATHER_H */
