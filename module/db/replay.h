/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Anti-replay and extended sequence numbers (RFC 4303 3.4.3 and appendix A).
 * Pure: no skb, no lock; also compiled into the unit tests. All sequence numbers
 * are 64 bits wide here; without ESN the upper half stays 0.
 */
#ifndef _ESPAH_REPLAY_H
#define _ESPAH_REPLAY_H

#include <linux/types.h>

/**
 * struct espah_replay - the receive window of one SA
 * @top: highest sequence number that was authenticated; 0 before the first
 * @window: size of the window in packets; 0: the check is off
 * @mask: number of words of @bits minus one; a power of two minus one
 * @failures: packets with a wrong ICV since the last authenticated packet; ESN only
 * @failing_since: time of the first of these failures, in seconds
 * @bits: ring of bits, one per number, in word (number / 64) & @mask
 *
 * The ring holds at least @window + 64 bits, so that a whole word can be
 * cleared when the window moves without losing bits that are still inside it.
 * espah_replay_advance() runs under the lock of the SA; espah_replay_check()
 * does not, and may run concurrently.
 */
struct espah_replay {
	u64 top;
	u32 window;
	u32 mask;
	u32 failures;
	u32 failing_since;
	u64 bits[];
};

/* packets: number of failures from which espah_esn_resync() is called */
#define ESPAH_RESYNC_FAILURES 64
/* seconds: time without an authenticated packet before resynchronisation */
#define ESPAH_RESYNC_SECONDS 5
/* values of the upper half that are tried */
#define ESPAH_RESYNC_STEPS 4
/* out of this many packets, on average one is tried for each of these values */
#define ESPAH_RESYNC_ODDS 64

/** enum espah_replay_verdict - result of checking a number against the window */
enum espah_replay_verdict {
	ESPAH_REPLAY_OK,
	/** @ESPAH_REPLAY_SEEN: within the window and already received */
	ESPAH_REPLAY_SEEN,
	/** @ESPAH_REPLAY_OLD: left of the window, or the number 0 */
	ESPAH_REPLAY_OLD,
};

/* bytes of a struct espah_replay for a window of @window packets */
size_t espah_replay_size(u32 window);

/* prepares zeroed memory of espah_replay_size(); numbers up to @top count as seen */
void espah_replay_init(struct espah_replay *replay, u32 window, u64 top);

/**
 * espah_replay_check - whether a number could be accepted now
 * @replay: the window
 * @seq: the whole 64-bit number
 *
 * Cheap, changes nothing, may run concurrently with espah_replay_advance().
 * Called before the ICV is verified (RFC 4303 3.4.3).
 */
enum espah_replay_verdict espah_replay_check(const struct espah_replay *replay, u64 seq);

/**
 * espah_replay_advance - accept an authenticated number
 * @replay: the window
 * @seq: the whole 64-bit number
 *
 * Context: the caller holds the SA's lock and has verified the ICV.
 * Return: ESPAH_REPLAY_OK if the number was recorded; otherwise nothing has changed.
 */
enum espah_replay_verdict espah_replay_advance(struct espah_replay *replay, u64 seq);

/**
 * espah_esn_expand - the 64-bit number for the lower half in a packet
 * @top: highest number authenticated so far
 * @window: the window's size in packets, at most 2^31
 * @low: the 32 bits from the wire
 *
 * RFC 4303 appendix A2.2: the upper half is guessed from the position of @low
 * relative to the window; the ICV, which covers it, verifies the guess.
 *
 * Return: the number; 0, which no window accepts, if it would lie before the first number.
 */
u64 espah_esn_expand(u64 top, u32 window, u32 low);

/* bytes of the bitmap of a window, as ESPAH_SA_SEEN; 0 without a window */
size_t espah_replay_seen_size(u32 window);

/* writes the bitmap of the numbers from @replay->top down; Context: the SA's lock */
void espah_replay_seen(const struct espah_replay *replay, u8 *seen);

/**
 * espah_replay_merge - count as seen what another receiver has seen
 * @replay: the window
 * @top: highest number that the other receiver accepted; below that of @replay: nothing changes
 * @seen: its window, as ESPAH_SA_SEEN; numbers before these count as seen
 * @size: bytes of @seen; 0: all numbers up to @top count as seen
 *
 * No number that was refused before is accepted afterwards. Context: the SA's lock.
 */
void espah_replay_merge(struct espah_replay *replay, u64 top, const u8 *seen, size_t size);

/* has a window accept a number up to @top that counts as seen; Context: before it is used */
void espah_replay_forget(struct espah_replay *replay, u64 seq);

/* counts a packet with a wrong ICV; @now in seconds; no lock, as an approximate count will do */
void espah_esn_failed(struct espah_replay *replay, u32 now);

/**
 * espah_esn_resync - another guess, after many wrong ones
 * @replay: the window, with at least ESPAH_RESYNC_FAILURES failures
 * @seq: result of espah_esn_expand()
 * @now: seconds
 * @random: random number, unknown to the sender of the packets
 *
 * RFC 4303 appendix A3: a receiver that has missed 2^32 packets or more guesses each upper half
 * too low. After some time without an authenticated packet, some packets are therefore assigned to
 * one of the following subspaces. There is one guess per packet, so forged packets cost no more
 * than before. If authentic packets are rare, forged packets between them can trigger such guesses,
 * but then only few authentic packets are lost, and nobody can predict which.
 *
 * Return: @seq, or @seq plus a multiple of 2^32.
 */
u64 espah_esn_resync(const struct espah_replay *replay, u64 seq, u32 now, u32 random);

#endif /* _ESPAH_REPLAY_H */
