/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Anti-replay and extended sequence numbers (RFC 4303 3.4.3 and appendix A).
 * Pure: no skb, no lock; also compiled into the unit tests. All numbers are 64
 * bits wide here; without ESN the upper half stays 0.
 */
#ifndef _ESPAH_REPLAY_H
#define _ESPAH_REPLAY_H

#include <linux/types.h>

/**
 * struct espah_replay - the receive window of one SA
 * @top: highest sequence number that was authenticated; 0 before the first
 * @window: packets that the window spans; 0: the check is off
 * @mask: number of words of @bits less one; a power of two less one
 * @failures: packets whose ICV was wrong since the last one that was authenticated; ESN only
 * @failing_since: when the first of them came, in seconds
 * @bits: ring of bits, one a number, at (number / 64) & @mask
 *
 * The ring holds at least @window + 64 bits, so that a whole word can be
 * cleared when the window moves without forgetting what is still inside it.
 * Not locked: espah_replay_advance() is called under the lock of the SA,
 * espah_replay_check() is not, and may be overtaken by it.
 */
struct espah_replay {
	u64 top;
	u32 window;
	u32 mask;
	u32 failures;
	u32 failing_since;
	u64 bits[];
};

/* from so many failures on espah_esn_resync() is worth the call */
#define ESPAH_RESYNC_FAILURES 64
/* and for so many seconds nothing must have been authenticated */
#define ESPAH_RESYNC_SECONDS 5
/* so many values of the upper half are tried */
#define ESPAH_RESYNC_STEPS 4
/* and for one of them so many packets out of this many, as chance will have it */
#define ESPAH_RESYNC_ODDS 64

/** enum espah_replay_verdict - what the window says of a number */
enum espah_replay_verdict {
	ESPAH_REPLAY_OK,
	/** @ESPAH_REPLAY_SEEN: within the window and already received */
	ESPAH_REPLAY_SEEN,
	/** @ESPAH_REPLAY_OLD: left of the window, or the number 0 */
	ESPAH_REPLAY_OLD,
};

/* bytes of a struct espah_replay for a window of so many packets */
size_t espah_replay_size(u32 window);

/* prepares zeroed memory of espah_replay_size(); numbers up to @top count as seen */
void espah_replay_init(struct espah_replay *replay, u32 window, u64 top);

/**
 * espah_replay_check - whether a number could be accepted now
 * @replay: the window
 * @seq: the whole 64-bit number
 *
 * Cheap, changes nothing, may run beside espah_replay_advance(). Done before
 * the ICV is verified (RFC 4303 3.4.3).
 */
enum espah_replay_verdict espah_replay_check(const struct espah_replay *replay, u64 seq);

/**
 * espah_replay_advance - accept an authenticated number
 * @replay: the window
 * @seq: the whole 64-bit number
 *
 * Context: the caller holds the SA's lock and has verified the ICV.
 * Return: OK, and the number is recorded; otherwise nothing has changed.
 */
enum espah_replay_verdict espah_replay_advance(struct espah_replay *replay, u64 seq);

/**
 * espah_esn_expand - the 64-bit number that a packet's lower half stands for
 * @top: highest number authenticated so far
 * @window: the window's size in packets, at most 2^31
 * @low: the 32 bits from the wire
 *
 * RFC 4303 appendix A2.2: the higher half is guessed from the position of
 * @low against the window; the ICV, which covers it, proves the guess.
 *
 * Return: the number; 0 when it would lie before the first one, which no window accepts.
 */
u64 espah_esn_expand(u64 top, u32 window, u32 low);

/* counts a packet whose ICV was wrong, at so many seconds; without a lock, as none is worth it */
void espah_esn_failed(struct espah_replay *replay, u32 now);

/**
 * espah_esn_resync - another guess, after so many that were wrong
 * @replay: the window, with at least ESPAH_RESYNC_FAILURES
 * @seq: what espah_esn_expand() said
 * @now: in seconds
 * @random: any number, which who sends the packets does not know
 *
 * RFC 4303 appendix A3: who has missed 2^32 packets or more guesses each upper half too low.
 * Once nothing has been authenticated for a while, packets are now and then taken for one of
 * the subspaces that follow. One guess a packet: forged ones cost no more than before. Between
 * authentic ones that come seldom they may bring it about, but then few of these are lost, and
 * nobody can tell which.
 *
 * Return: @seq, or a number that is a multiple of 2^32 higher.
 */
u64 espah_esn_resync(const struct espah_replay *replay, u64 seq, u32 now, u32 random);

#endif /* _ESPAH_REPLAY_H */
