/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the harnesses: an input that is read piece by piece, and a way to fail. */
#ifndef ESPAH_FUZZ_H
#define ESPAH_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** struct input - the unread rest of the input; reads after its end return zeros */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline void take(struct input *input, void *to, size_t size)
{
	size_t got = size < input->size ? size : input->size;

	memset(to, 0, size);
	if (got)
		memcpy(to, input->data, got);
	input->data += got;
	input->size -= got;
}

static inline uint64_t take_number(struct input *input, size_t size)
{
	uint64_t value = 0;

	take(input, &value, size);
	return value;
}

#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			__builtin_trap(); \
	} while (0)

#endif /* ESPAH_FUZZ_H */
