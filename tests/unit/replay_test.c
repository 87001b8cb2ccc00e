// SPDX-License-Identifier: GPL-2.0-only
/* RFC 4303 3.4.3 and appendix A, against references that keep every number received */
#include <stdio.h>
#include "replay.h"
#include "shim.h"
#include "test.h"

typedef __int128 wide; /* wide enough that no calculation here overflows */

static const u32 windows[] = { 0,  1,	2,    31,   32,	  33,	63,    64,   65,
			       96, 127, 128,  129,  1000, 1024, 1025,  4096, 32767,
			       32768 };

/* --- the reference: a set of numbers, and the RFC's definition of the window --- */

static struct {
	wide top, start;
	u32 window;
	u64 *set; /* open addressing; 0 is free */
	size_t size, used;
} ref;

static u64 *slot(u64 *set, size_t size, u64 seq)
{
	size_t i = (seq * 0x9e3779b97f4a7c15) >> 20;

	while (set[i % size] && set[i % size] != seq)
		i++;
	return &set[i % size];
}

static void ref_begin(u32 window, u64 start)
{
	free(ref.set);
	ref.window = window;
	ref.top = ref.start = start;
	ref.size = 1 << 12;
	ref.used = 0;
	ref.set = calloc(ref.size, sizeof(u64));
}

static void ref_receive(u64 seq)
{
	u64 *bigger;
	size_t i;

	*slot(ref.set, ref.size, seq) = seq;
	if (seq > ref.top)
		ref.top = seq;
	if (++ref.used * 2 < ref.size)
		return;
	bigger = calloc(ref.size * 2, sizeof(u64));
	for (i = 0; i < ref.size; i++)
		if (ref.set[i])
			*slot(bigger, ref.size * 2, ref.set[i]) = ref.set[i];
	free(ref.set);
	ref.set = bigger;
	ref.size *= 2;
}

static enum espah_replay_verdict ref_verdict(u64 seq)
{
	if (seq == 0)
		return ESPAH_REPLAY_OLD;
	if (!ref.window)
		return ESPAH_REPLAY_OK;
	if (seq <= ref.top - ref.window)
		return ESPAH_REPLAY_OLD;
	if (seq <= ref.start || *slot(ref.set, ref.size, seq) == seq)
		return ESPAH_REPLAY_SEEN;
	return ESPAH_REPLAY_OK;
}

/* --- the window under test, beside the reference --- */

static struct espah_replay *replay;

static void begin(u32 window, u64 start)
{
	free(replay);
	replay = calloc(1, espah_replay_size(window));
	espah_replay_init(replay, window, start);
	ref_begin(window, start);
}

static void done(void)
{
	free(replay);
	replay = NULL;
	free(ref.set);
	ref.set = NULL;
}

static void expect_check(u64 seq)
{
	enum espah_replay_verdict is = espah_replay_check(replay, seq), should = ref_verdict(seq);

	CHECK(is == should, "window %u, top %#llx: check of %#llx is %d, not %d", ref.window,
	      (u64)ref.top, seq, is, should);
}

static void receive(u64 seq)
{
	enum espah_replay_verdict is, should = ref_verdict(seq);
	size_t size = espah_replay_size(ref.window);
	static char before[16384];

	expect_check(seq);
	memcpy(before, replay, size);
	is = espah_replay_advance(replay, seq);
	CHECK(is == should, "window %u, top %#llx: advance to %#llx is %d, not %d", ref.window,
	      (u64)ref.top, seq, is, should);
	if (is == ESPAH_REPLAY_OK)
		ref_receive(seq);
	else
		CHECK(!memcmp(before, replay, size), "window %u: refusing %#llx changed it",
		      ref.window, seq);
	CHECK(replay->top == (u64)ref.top, "window %u: top is %#llx after %#llx, not %#llx",
	      ref.window, replay->top, seq, (u64)ref.top);
}

/* checks every number in and around the window */
static void audit(void)
{
	wide seq;

	for (seq = ref.top - ref.window - 130; seq <= ref.top + 130; seq++)
		if (seq >= 0 && seq <= U64_MAX)
			expect_check(seq);
}

static wide candidate(void)
{
	switch (below(12)) {
	case 0:
	case 1:
		return ref.top + 1;
	case 2:
		return ref.top + below(4);
	case 3:
		return ref.top + below(ref.window + 70);
	case 4:
		return ref.top + 64 * below(ref.window / 32 + 4);
	case 5: /* across the whole ring */
		return one_in(20) ? ref.top + below(5 * ref.window + 300) : ref.top + 1;
	case 6:
		return one_in(50) ? ref.top + below(1u << 31) : ref.top + 2;
	case 7: /* the left edge */
		return ref.top - ref.window + below(3) - 1;
	case 8:
		return below(3);
	default:
		return ref.top - below(ref.window + 70);
	}
}

static void walk(u32 window, u64 start, int steps)
{
	wide seq;

	begin(window, start);
	audit();
	while (steps--) {
		seq = candidate();
		if (seq < 0 || seq > U64_MAX)
			continue;
		receive(seq);
		if (!(steps % 500))
			audit();
	}
	audit();
	done();
}

static void random_walks(void)
{
	static const u64 starts[] = { 0, 1, 62, 63, 64, 65, 1000, 0xffff };
	size_t w, s;

	for (w = 0; w < ARRAY_SIZE(windows); w++)
		for (s = 0; s < ARRAY_SIZE(starts); s++)
			walk(windows[w], starts[s], 1500);
}

static void around_32_bits(void)
{
	size_t w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		walk(windows[w], 0xffffffffULL - windows[w] / 2 - 20, 1500);
		walk(windows[w], 0xffffffffULL, 500);
		walk(windows[w], 0x100000000ULL, 500);
		walk(windows[w], 0x7ffffffffULL - 300, 1500);
	}
}

static void around_64_bits(void)
{
	size_t w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		walk(windows[w], U64_MAX - windows[w] - 500, 1500);
		walk(windows[w], U64_MAX - 64, 500);
		walk(windows[w], U64_MAX - 1, 200);
		walk(windows[w], U64_MAX, 200);
	}
}

static void largest_jump(void)
{
	size_t w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		begin(windows[w], 0);
		receive(1);
		receive(U64_MAX);
		audit();
		receive(1);
		done();
	}
}

/* a jump of any width clears a full window, even if the word count overflows a smaller type */
static void powers_of_two(void)
{
	u64 jump;
	u32 seq;
	int k;

	for (k = 0; k < 64; k++) {
		for (jump = (1ULL << k) - !!k; jump <= (1ULL << k) + 1; jump++) {
			begin(128, 0);
			for (seq = 1; seq <= 400; seq++)
				receive(seq);
			receive(400 + jump);
			audit();
			done();
		}
	}
}

static void left_edge(void)
{
	size_t w;
	u32 n;

	for (w = 1; w < ARRAY_SIZE(windows); w++) {
		n = windows[w];
		begin(n, 0);
		receive(100000);
		CHECK(espah_replay_check(replay, 100000 - n) == ESPAH_REPLAY_OLD,
		      "window %u: the number left of it is not too old", n);
		CHECK(espah_replay_check(replay, 100000 - n + 1) ==
			      (n == 1 ? ESPAH_REPLAY_SEEN : ESPAH_REPLAY_OK),
		      "window %u: its lowest number is refused", n);
		receive(100001);
		CHECK(espah_replay_check(replay, 100000 - n + 1) == ESPAH_REPLAY_OLD,
		      "window %u: its left edge did not move", n);
		done();
	}
}

static void duplicates(void)
{
	u32 seq;

	begin(64, 0);
	for (seq = 1; seq < 500; seq++) {
		CHECK(espah_replay_advance(replay, seq) == ESPAH_REPLAY_OK, "%u refused", seq);
		CHECK(espah_replay_check(replay, seq) == ESPAH_REPLAY_SEEN, "%u not seen", seq);
		CHECK(espah_replay_advance(replay, seq) == ESPAH_REPLAY_SEEN, "%u twice", seq);
	}
	done();
}

static void zero(void)
{
	size_t w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		begin(windows[w], 0);
		CHECK(espah_replay_check(replay, 0) == ESPAH_REPLAY_OLD &&
		      espah_replay_advance(replay, 0) == ESPAH_REPLAY_OLD,
		      "window %u: 0 is not too old", windows[w]);
		done();
	}
}

static void off(void)
{
	begin(0, 0);
	CHECK(espah_replay_advance(replay, 7) == ESPAH_REPLAY_OK, "7 refused");
	CHECK(espah_replay_advance(replay, 7) == ESPAH_REPLAY_OK, "7 refused again");
	CHECK(espah_replay_advance(replay, 3) == ESPAH_REPLAY_OK, "3 refused");
	CHECK(replay->top == 7, "top is %llu", replay->top);
	done();
}

/* --- another receiver's window --- */

static struct espah_replay *walked(u32 window, u64 start, int steps)
{
	struct espah_replay *made = calloc(1, espah_replay_size(window));

	espah_replay_init(made, window, start);
	while (steps--) {
		wide seq = (wide)made->top + below(window + 70) - below(window + 70) / 2;

		espah_replay_advance(made, seq < 0 ? 0 : seq);
	}
	return made;
}

static bool accepts(const struct espah_replay *one, u64 seq)
{
	return espah_replay_check(one, seq) == ESPAH_REPLAY_OK;
}

/* what @after accepts is what both accepted, as far as they had come, within its window */
static void expect_both(const struct espah_replay *after, const struct espah_replay *mine,
			const struct espah_replay *other)
{
	wide seq, low = (wide)after->top - 2 * after->window - 200;

	CHECK(after->top == other->top, "top is %llu, not %llu", after->top, other->top);
	for (seq = low < 0 ? 0 : low; seq <= (wide)after->top + 130 && seq <= U64_MAX; seq++) {
		/* a receiver without a window does not know what it has seen */
		bool theirs = other->window ? accepts(other, seq) : seq > other->top;
		bool within = seq > (wide)after->top - after->window && accepts(mine, seq) &&
			      theirs;
		bool should = seq && (!after->window || within);

		CHECK(accepts(after, seq) == should, "window %u into %u, top %llu into %llu: %llu is %d",
		      other->window, mine->window, other->top, mine->top, (u64)seq, !should);
	}
}

static void merge(struct espah_replay *mine, const struct espah_replay *other)
{
	size_t size = espah_replay_seen_size(other->window);
	u8 *seen = malloc(size + 1);

	espah_replay_seen(other, seen);
	espah_replay_merge(mine, other->top, seen, size);
	free(seen);
}

static void merges(void)
{
	static const u64 starts[] = { 0, 1, 40, 1000, 0xffffff80, ~0ULL - 5000000 };
	size_t w, o, s;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		for (s = 0; s < ARRAY_SIZE(starts); s++) {
			/* the same window, or another one */
			u32 theirs = s & 1 ? windows[w] : windows[below(ARRAY_SIZE(windows))];
			int steps = 1 + below(300);
			struct espah_replay *mine = walked(windows[w], starts[s], steps), *before;
			struct espah_replay *other = walked(theirs, starts[s] + below(steps), steps);
			size_t size = espah_replay_size(windows[w]);

			for (o = 0; o < 3; o++) {
				if (other->top < mine->top)
					espah_replay_advance(other, mine->top + below(3));
				before = malloc(size);
				memcpy(before, mine, size);
				merge(mine, other);
				expect_both(mine, before, other);
				memcpy(before, mine, size);
				merge(mine, other);
				CHECK(!memcmp(before, mine, size), "once more changed it");
				free(before);
				espah_replay_advance(mine, mine->top + below(200));
			}
			free(mine);
			free(other);
		}
	}
}

static void copies(void)
{
	struct espah_replay *mine, *other;
	size_t w;
	u32 i;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		for (i = 0; i < 8; i++) {
			other = walked(windows[w], i * 37, i * i);
			mine = walked(windows[w], 0, 0);
			merge(mine, other);
			expect_both(mine, other, other);
			free(mine);
			free(other);
		}
	}
}

static void older_window(void)
{
	struct espah_replay *mine = walked(64, 500, 50), *other = walked(64, 100, 5), *before;

	before = malloc(espah_replay_size(64));
	memcpy(before, mine, espah_replay_size(64));
	merge(mine, other);
	CHECK(!memcmp(before, mine, espah_replay_size(64)), "an older window changed it");
	/* without a bitmap, all numbers count as seen */
	espah_replay_merge(mine, 10000, NULL, 0);
	for (u64 seq = 1; seq <= 10000; seq++)
		CHECK(!accepts(mine, seq), "%llu is accepted", seq);
	CHECK(accepts(mine, 10001), "the next one is refused");
	free(before);
	free(mine);
	free(other);
}

static void bitmap_by_hand(void)
{
	static const u8 wanted[8] = { 0xa4, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff };
	struct espah_replay *mine = walked(32, 100, 0);
	u8 seen[8];

	/* 140 is the first bit, 138 the third, 135 the sixth, 125 the sixteenth, 108 out of the window */
	espah_replay_advance(mine, 125);
	espah_replay_advance(mine, 135);
	espah_replay_advance(mine, 138);
	espah_replay_advance(mine, 140);
	CHECK(espah_replay_seen_size(32) == 8 && !espah_replay_seen_size(0) &&
	      espah_replay_seen_size(65) == 16, "size");
	espah_replay_seen(mine, seen);
	CHECK(!memcmp(seen, wanted, sizeof(seen)),
	      "%02x%02x%02x%02x%02x", seen[0], seen[1], seen[2], seen[3], seen[4]);
	free(mine);
}

/* --- extended sequence numbers --- */

/* The number with these lower 32 bits within the 2^32 numbers that start at the bottom of the
 * window: the range of both cases of appendix A2.1.
 */
static u64 ref_expand(u64 top, u32 window, u32 low)
{
	wide bottom = (wide)top - (window ? window : 1u << 31) + 1, seq;
	int subspace;

	for (subspace = -1; subspace <= 1; subspace++) {
		seq = ((wide)(top >> 32) + subspace) * ((wide)1 << 32) + low;
		if (seq >= bottom && seq < bottom + ((wide)1 << 32))
			return seq < 1 || seq > U64_MAX ? 0 : seq;
	}
	fail("the reference found no number");
}

static void expect_expand(u64 top, u32 window, u32 low)
{
	u64 is = espah_esn_expand(top, window, low), should = ref_expand(top, window, low);

	CHECK(is == should, "top %#llx, window %u: %#x becomes %#llx, not %#llx", top, window, low,
	      is, should);
}

static void esn_by_hand(void)
{
	static const struct {
		u64 top;
		u32 window, low;
		u64 seq;
	} cases[] = {
		/* case A, the window lies within one subspace */
		{ 0x500001000, 64, 0x1000, 0x500001000 },
		{ 0x500001000, 64, 0x1001, 0x500001001 },
		{ 0x500001000, 64, 0xffffffff, 0x5ffffffff },
		{ 0x500001000, 64, 0x1000 - 63, 0x500001000 - 63 },
		{ 0x500001000, 64, 0x1000 - 64, 0x600001000 - 64 },
		{ 0x500001000, 64, 0, 0x600000000 },
		/* on the border between the cases: the window begins with the subspace */
		{ 0x50000003f, 64, 0, 0x500000000 },
		{ 0x50000003f, 64, 0xffffffff, 0x5ffffffff },
		/* case B, the window spans two subspaces */
		{ 0x50000003e, 64, 0xffffffff, 0x4ffffffff },
		{ 0x50000003e, 64, 0xfffffffe, 0x5fffffffe },
		{ 0x500000000, 64, 0xffffffc1, 0x4ffffffc1 },
		{ 0x500000000, 64, 0xffffffc0, 0x5ffffffc0 },
		{ 0x500000000, 64, 0, 0x500000000 },
		{ 0x500000000, 64, 1, 0x500000001 },
		/* nothing received yet */
		{ 0, 64, 1, 1 },
		{ 0, 64, 0, 0 },
		{ 0, 64, 0xffffffc0, 0xffffffc0 },
		{ 0, 64, 0xffffffc1, 0 },
		{ 0, 1, 0xffffffff, 0xffffffff },
		/* transition into the second subspace, and no number after the last one */
		{ 0xffffffff, 64, 0, 0x100000000 },
		{ U64_MAX, 64, 0xffffffff, U64_MAX },
		{ U64_MAX, 64, 0xffffffc0, U64_MAX - 63 },
		{ U64_MAX, 64, 0xffffffbf, 0 },
		{ U64_MAX, 64, 0, 0 },
		/* without a window: the nearest number in either direction */
		{ 0x500000000, 0, 0x80000001, 0x480000001 },
		{ 0x500000000, 0, 0x80000000, 0x580000000 },
		{ 0x5ffffffff, 0, 0x7fffffff, 0x67fffffff },
		{ 0x5ffffffff, 0, 0x80000000, 0x580000000 },
		{ 0, 0, 0x80000000, 0x80000000 },
	};
	size_t i;
	u64 seq;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		seq = espah_esn_expand(cases[i].top, cases[i].window, cases[i].low);
		CHECK(seq == cases[i].seq, "top %#llx, window %u: %#x becomes %#llx, not %#llx",
		      cases[i].top, cases[i].window, cases[i].low, seq, cases[i].seq);
	}
}

static void esn_edges(void)
{
	static const u32 highs[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	static const u32 sizes[] = { 0, 1, 2, 32, 64, 65, 1024, 32768, 1u << 31 };
	u32 window, around[6], near, low;
	size_t h, w, a, b;
	int i, j;
	u64 top;

	for (h = 0; h < ARRAY_SIZE(highs); h++) {
		for (w = 0; w < ARRAY_SIZE(sizes); w++) {
			window = sizes[w] ? sizes[w] : 1u << 31;
			around[0] = 0;
			around[1] = window - 1;
			around[2] = 1u << 31;
			around[3] = -window;
			around[4] = 0x12345678;
			for (a = 0; a < 5; a++) {
				for (i = -3; i <= 3; i++) {
					top = (u64)highs[h] << 32 | (u32)(around[a] + i);
					around[5] = (u32)top - window;
					for (b = 0; b < 6; b++)
						for (j = -3; j <= 3; j++)
							expect_expand(top, sizes[w], around[b] + j);
					near = top;
					for (low = near - 3; low != near + 4; low++)
						expect_expand(top, sizes[w], low);
				}
			}
		}
	}
}

static void esn_random(void)
{
	int i;
	u64 top;

	for (i = 0; i < 500000; i++) {
		top = random64() >> below(64);
		expect_expand(top, windows[below(ARRAY_SIZE(windows))],
			      one_in(2) ? random64() : top + below(200000) - 100000);
	}
}

/* a stream with losses, reordered within the window, expands to the numbers that were sent */
static void esn_stream(void)
{
	static const u32 sizes[] = { 32, 64, 1024, 32768 };
	u64 seq, sent;
	size_t w;
	int i;

	for (w = 0; w < ARRAY_SIZE(sizes); w++) {
		sent = 0xffffffff - 100000;
		begin(sizes[w], sent);
		for (i = 0; i < 100000; i++) {
			sent += 1 + (one_in(100) ? below(1u << 30) : below(3));
			seq = sent - below(sizes[w]);
			if (seq <= replay->top && replay->top - seq >= sizes[w])
				continue;
			CHECK(espah_esn_expand(replay->top, sizes[w], (u32)seq) == seq,
			      "window %u, top %#llx: %#llx is lost", sizes[w], replay->top, seq);
			espah_replay_advance(replay, seq);
		}
		CHECK(replay->top > 1ULL << 38, "the stream crossed few subspaces");
		done();
	}
}

/* what a receiver does: guess, fail, and guess again. Return: the number of tries */
static int tries(u64 sent, u32 seconds)
{
	int try = 0;
	u64 seq;

	for (; try < 1000; try++) {
		seq = espah_esn_expand(replay->top, replay->window, (u32)sent);
		if (replay->failures >= ESPAH_RESYNC_FAILURES)
			seq = espah_esn_resync(replay, seq, 1000 + try * seconds, try);
		if (seq == sent)
			break;
		espah_esn_failed(replay, 1000 + try * seconds);
	}
	return try;
}

static void esn_resync(void)
{
	unsigned int wrong = 0;
	u64 ahead;

	for (ahead = 1; ahead < ESPAH_RESYNC_STEPS; ahead++) {
		begin(64, 1000);
		CHECK(tries((ahead << 32) + 2000, 1) < ESPAH_RESYNC_FAILURES + ESPAH_RESYNC_ODDS,
		      "%llu subspaces ahead: not found", ahead);
		CHECK(espah_replay_advance(replay, (ahead << 32) + 2000) == ESPAH_REPLAY_OK &&
		      !replay->failures, "%llu subspaces ahead: not accepted", ahead);
		CHECK(!tries((ahead << 32) + 2001, 1), "the next number needs a try");
		done();
	}
	begin(64, 1000);
	CHECK(tries((1ULL << 32) + 2000, 0) == 1000, "found in no time");
	done();
	/* after forged packets, all but a few authentic packets must still get the right number */
	begin(64, 1000);
	for (ahead = 0; ahead < ESPAH_RESYNC_FAILURES; ahead++)
		espah_esn_failed(replay, 1000);
	for (ahead = 0; ahead < 64; ahead++)
		wrong += espah_esn_resync(replay, 2000, 2000, ahead) != 2000;
	CHECK(wrong <= 3, "%u of 64 packets are taken for later ones", wrong);
	done();
	/* the last number of all: there is nothing ahead */
	begin(64, ~0ULL - 100);
	for (ahead = 0; ahead < 2 * ESPAH_RESYNC_FAILURES; ahead++) {
		CHECK(espah_esn_resync(replay, ~0ULL - 50, 2000, ahead) == ~0ULL - 50, "it wraps");
		espah_esn_failed(replay, 1000);
	}
	done();
}

static const struct test tests[] = {
	{ "replay: the first packet may not have the number 0 (RFC 4303 3.3.3)", zero },
	{ "replay: a number is accepted once (RFC 4303 3.4.3)", duplicates },
	{ "replay: the window's left edge, exactly (RFC 4303 3.4.3)", left_edge },
	{ "replay: random walks agree with a set of numbers", random_walks },
	{ "replay: around 2^32", around_32_bits },
	{ "replay: around 2^64 - 1", around_64_bits },
	{ "replay: a jump by any power of two forgets what was received", powers_of_two },
	{ "replay: the largest jump there is", largest_jump },
	{ "replay: with the window off, duplicates pass and the top advances", off },
	{ "replay: a window as bits, by hand", bitmap_by_hand },
	{ "replay: after a merge, what either has seen is refused, and nothing else", merges },
	{ "replay: a merge into a new window copies it", copies },
	{ "replay: an older window changes nothing, and without bits all count as seen", older_window },
	{ "replay: ESN by hand, in both cases (RFC 4303 A2.1)", esn_by_hand },
	{ "replay: ESN at every edge agrees with a search (RFC 4303 A2.1)", esn_edges },
	{ "replay: ESN at random agrees with a search (RFC 4303 A2.1)", esn_random },
	{ "replay: ESN follows a stream over many subspaces (RFC 4303 A2.2)", esn_stream },
	{ "replay: the upper half is found again after many failures (RFC 4303 A3)", esn_resync },
};
TEST_MAIN(tests)
