// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
#include "replay.h"

/* half of the 32-bit space: the largest distance at which a guess works in both directions */
#define ESN_HALF BIT(31)

static u32 ring_words(u32 window)
{
	return window ? roundup_pow_of_two(DIV_ROUND_UP(window + 64, 64)) : 0;
}

size_t espah_replay_size(u32 window)
{
	return sizeof(struct espah_replay) + ring_words(window) * sizeof(u64);
}

void espah_replay_init(struct espah_replay *replay, u32 window, u64 top)
{
	u32 words = ring_words(window);

	replay->top = top;
	replay->window = window;
	replay->mask = words ? words - 1 : 0;
	if (!words)
		return;
	/* bits of numbers below 1 are never checked, and are cleared before they are reused */
	memset(replay->bits, 0xff, words * sizeof(replay->bits[0]));
	replay->bits[(top / 64) & replay->mask] = GENMASK_ULL(top % 64, 0);
}

enum espah_replay_verdict espah_replay_check(const struct espah_replay *replay, u64 seq)
{
	u64 top = READ_ONCE(replay->top);

	if (!seq)
		return ESPAH_REPLAY_OLD;
	if (!replay->window || seq > top)
		return ESPAH_REPLAY_OK;
	if (top - seq >= replay->window)
		return ESPAH_REPLAY_OLD;
	/* Read the bits after @top, so that all words up to @top are cleared: with a stale word,
	 * a new number would seem received. Pairs with the barrier in espah_replay_advance().
	 */
	smp_rmb();
	return READ_ONCE(replay->bits[(seq / 64) & replay->mask]) & BIT_ULL(seq % 64) ?
	       ESPAH_REPLAY_SEEN : ESPAH_REPLAY_OK;
}

/* clears the words after that of the old top, up to that of the new top */
static void enter_words(struct espah_replay *replay, u64 seq)
{
	u64 word = replay->top / 64;
	u64 left = min_t(u64, seq / 64 - word, (u64)replay->mask + 1);

	while (left--)
		WRITE_ONCE(replay->bits[++word & replay->mask], 0);
}

static void raise_top(struct espah_replay *replay, u64 seq)
{
	if (replay->window)
		enter_words(replay, seq);
	smp_wmb(); /* pairs with the one in espah_replay_check() */
	WRITE_ONCE(replay->top, seq);
}

enum espah_replay_verdict espah_replay_advance(struct espah_replay *replay, u64 seq)
{
	enum espah_replay_verdict verdict = espah_replay_check(replay, seq);
	u64 *bits;

	if (verdict != ESPAH_REPLAY_OK)
		return verdict;

	if (seq > replay->top)
		raise_top(replay, seq);
	if (replay->window) {
		bits = &replay->bits[(seq / 64) & replay->mask];
		WRITE_ONCE(*bits, *bits | BIT_ULL(seq % 64));
	}
	if (unlikely(READ_ONCE(replay->failures)))
		WRITE_ONCE(replay->failures, 0);
	return ESPAH_REPLAY_OK;
}

/*
 * A bitmap has words of 64 numbers in network order, so that its first bit is that of the top. Such
 * a word touches two words of the ring, which are never the same one: it has 64 bits more than the
 * window.
 */
static u64 *ring_word(struct espah_replay *replay, u64 seq)
{
	return &replay->bits[(seq / 64) & replay->mask];
}

/* The bits of the 64 numbers from @seq down. Below 1 there are no numbers: those count as seen. */
static u64 read_bits(const struct espah_replay *replay, u64 seq)
{
	u32 up = 63 - seq % 64;
	u64 bits = replay->bits[(seq / 64) & replay->mask] << up;

	if (!up)
		return bits;
	if (seq < 64)
		return bits | GENMASK_ULL(up - 1, 0);
	return bits | replay->bits[(seq / 64 - 1) & replay->mask] >> (64 - up);
}

static void add_bits(struct espah_replay *replay, u64 seq, u64 bits)
{
	u32 up = 63 - seq % 64;
	u64 *word = ring_word(replay, seq);

	WRITE_ONCE(*word, *word | bits >> up);
	if (!up || seq < 64)
		return;
	word = ring_word(replay, seq - 64);
	WRITE_ONCE(*word, *word | bits << (64 - up));
}

size_t espah_replay_seen_size(u32 window)
{
	return DIV_ROUND_UP(window, 64) * sizeof(u64);
}

void espah_replay_seen(const struct espah_replay *replay, u8 *seen)
{
	u32 back, rest;
	__be64 word;
	u64 bits;

	for (back = 0; back < replay->window; back += 64, seen += sizeof(word)) {
		rest = replay->window - back;
		bits = back <= replay->top ? read_bits(replay, replay->top - back) : U64_MAX;
		if (rest < 64)
			bits |= GENMASK_ULL(63 - rest, 0);
		word = cpu_to_be64(bits);
		memcpy(seen, &word, sizeof(word));
	}
}

void espah_replay_merge(struct espah_replay *replay, u64 top, const u8 *seen, size_t size)
{
	__be64 word;
	u32 back;

	if (top < replay->top)
		return;
	raise_top(replay, top);
	for (back = 0; back < replay->window && back <= top; back += 64) {
		memset(&word, 0xff, sizeof(word));
		if (back / 8 + sizeof(word) <= size)
			memcpy(&word, seen + back / 8, sizeof(word));
		add_bits(replay, top - back, be64_to_cpu(word));
	}
}

void espah_replay_forget(struct espah_replay *replay, u64 seq)
{
	if (seq && seq <= replay->top && replay->top - seq < replay->window)
		replay->bits[(seq / 64) & replay->mask] &= ~BIT_ULL(seq % 64);
}

u64 espah_esn_expand(u64 top, u32 window, u32 low)
{
	u32 top_low = lower_32_bits(top);
	u32 high = upper_32_bits(top);
	u32 span = (window ?: ESN_HALF) - 1;
	u32 bottom = top_low - span;

	if (top_low >= span) {
		/* case A: the window lies in one subspace; numbers left of it belong to the next */
		if (low < bottom && !++high)
			return 0;
	} else {
		/* case B: the window began in the previous subspace */
		if (low >= bottom && !high--)
			return 0;
	}
	return (u64)high << 32 | low;
}

void espah_esn_failed(struct espah_replay *replay, u32 now)
{
	u32 failures = READ_ONCE(replay->failures);

	if (!failures)
		WRITE_ONCE(replay->failing_since, now);
	WRITE_ONCE(replay->failures, failures + 1 ?: 1);
}

u64 espah_esn_resync(const struct espah_replay *replay, u64 seq, u32 now, u32 random)
{
	u64 steps = random % ESPAH_RESYNC_ODDS;
	u64 ahead = steps < ESPAH_RESYNC_STEPS ? steps << 32 : 0;

	if (now - READ_ONCE(replay->failing_since) < ESPAH_RESYNC_SECONDS || seq + ahead < seq)
		return seq;
	return seq + ahead;
}
