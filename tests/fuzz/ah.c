// SPDX-License-Identifier: GPL-2.0-only
/* The bytes that AH covers, against a second implementation of RFC 4302 3.3.3 and appendix A. */
#include "ah_mutable.h"
#include "fuzz.h"

static bool zeroed4(uint8_t type)
{
	return type != 0 && type != 1 && type != 130 && type != 133 && type != 134 &&
	       type != 148 && type != 149;
}

/* Return: whether the header is valid; @want: the covered bytes */
static bool reference4(uint8_t *want, size_t len, bool out)
{
	uint8_t final[4];
	size_t at = 20, size;

	if (len < 20 || (want[0] & 15) * 4u != len || (want[6] & 0x3f) || want[7])
		return false;
	memcpy(final, want + 16, 4);
	want[1] = want[6] = want[8] = want[10] = want[11] = 0;
	while (at < len && want[at] != 0) {
		uint8_t *option = want + at;

		if (*option == 1) {
			at++;
			continue;
		}
		if (at + 1 >= len || option[1] < 2 || at + option[1] > len)
			return false;
		size = option[1];
		if (out && (*option == 131 || *option == 137)) {
			if (size < 3 || (size - 3) % 4 || option[2] < 4 || option[2] % 4)
				return false;
			if (option[2] <= size - 3) /* not all addresses are visited (RFC 791 3.1) */
				memcpy(final, option + size - 4, 4);
		}
		if (zeroed4(*option))
			memset(option, 0, size);
		at += size;
	}
	memcpy(want + 16, final, 4);
	return true;
}

static bool options6(uint8_t *header, size_t size)
{
	size_t at = 2;

	while (at < size) {
		if (header[at] == 0) {
			at++;
			continue;
		}
		if (at + 1 >= size || at + 2 + header[at + 1] > size)
			return false;
		if (header[at] >> 5 & 1)
			memset(header + at + 2, 0, header[at + 1]);
		at += 2 + header[at + 1];
	}
	return true;
}

/* each node on the route swaps its address with the next one (RFC 2460 4.4) */
static bool route6(uint8_t *header, size_t size, uint8_t *dst, bool out)
{
	size_t count = (size - 8) / 16;
	uint8_t old[16];

	if (!header[3])
		return true;
	if (!out || (header[2] != 0 && header[2] != 2) || size % 16 != 8 || header[3] > count)
		return false;
	for (; header[3]; header[3]--) {
		uint8_t *next = header + 8 + 16 * (count - header[3]);

		memcpy(old, dst, 16);
		memcpy(dst, next, 16);
		memcpy(next, old, 16);
	}
	return true;
}

static bool reference6(uint8_t *want, size_t len, bool out)
{
	size_t at = 40, size;
	uint8_t type;

	if (len < 40)
		return false;
	want[0] = 0x60;
	want[1] = want[2] = want[3] = want[7] = 0;
	for (type = want[6]; at < len; type = want[at], at += size) {
		if (at + 8 > len)
			return false;
		size = 8 * (want[at + 1] + 1);
		if (at + size > len)
			return false;
		if (type != 0 && type != 43 && type != 60)
			return false;
		if (type == 43 ? !route6(want + at, size, want + 24, out) :
				 !options6(want + at, size))
			return false;
	}
	return type == 51;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *from, *to, *want;
	bool out, good;
	size_t len;

	if (size < 2)
		return 0;
	out = data[0] & 1;
	len = size - 1;
	from = malloc(len); /* exact size, so that the sanitizer detects overruns */
	to = malloc(len);
	want = malloc(len);
	memcpy(from, data + 1, len);
	memcpy(want, from, len);
	switch (from[0] >> 4) {
	case 4:
		good = reference4(want, len, out);
		break;
	case 6:
		good = reference6(want, len, out);
		break;
	default:
		good = false;
	}
	EXPECT(!espah_ah_covered(to, from, len, out) == good);
	EXPECT(!memcmp(from, data + 1, len));
	EXPECT(!good || !memcmp(to, want, len));
	free(from);
	free(to);
	free(want);
	return 0;
}
