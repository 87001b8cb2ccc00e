// SPDX-License-Identifier: GPL-2.0-only
/* The replay window against a list of all numbers that it accepted (RFC 4303 3.4.3, A2). */
#include "replay.h"
#include "fuzz.h"

#define MOST 400

static uint64_t accepted[MOST];
static unsigned int count;

static bool seen(uint64_t seq)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (accepted[i] == seq)
			return true;
	return false;
}

static enum espah_replay_verdict verdict(uint32_t window, uint64_t start, uint64_t top,
					 uint64_t seq)
{
	if (!seq)
		return ESPAH_REPLAY_OLD;
	if (!window || seq > top)
		return ESPAH_REPLAY_OK;
	if (seq + (__int128)window <= top)
		return ESPAH_REPLAY_OLD;
	return seq <= start || seen(seq) ? ESPAH_REPLAY_SEEN : ESPAH_REPLAY_OK;
}

/* the only number with these lower bits in the 2^32 numbers from the window's lower end */
static uint64_t expand(uint64_t top, uint32_t window, uint32_t low)
{
	__int128 bottom = (__int128)top - (window ? window : 1u << 31) + 1, seq;
	__int128 high = (__int128)(top >> 32) - 1;

	for (seq = high * ((__int128)1 << 32) + low; seq < bottom; seq += (__int128)1 << 32)
		;
	return seq < 1 || seq > UINT64_MAX ? 0 : seq;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint32_t window = take_number(&input, 2) % 4097;
	uint64_t start = take_number(&input, 8), top = start, seq;
	struct espah_replay *replay = malloc(espah_replay_size(window));
	enum espah_replay_verdict want;

	espah_replay_init(replay, window, start);
	for (count = 0; input.size && count < MOST;) {
		switch (take_number(&input, 1) % 4) {
		case 0: /* near the top */
			seq = top + (int8_t)take_number(&input, 1);
			break;
		case 1: /* in and around the window */
			seq = top - window + (int16_t)take_number(&input, 2);
			break;
		case 2:
			seq = top + take_number(&input, 4);
			break;
		default:
			seq = take_number(&input, 8);
		}
		want = verdict(window, start, top, seq);
		EXPECT(espah_replay_check(replay, seq) == want);
		EXPECT(espah_replay_advance(replay, seq) == want);
		EXPECT(espah_esn_expand(top, window, seq) == expand(top, window, seq));
		if (want == ESPAH_REPLAY_OK) {
			accepted[count++] = seq;
			top = seq > top ? seq : top;
		}
		EXPECT(replay->top == top);
	}
	free(replay);
	return 0;
}
