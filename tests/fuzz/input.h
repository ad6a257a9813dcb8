/* SPDX-License-Identifier: MIT */
/* An input as a stream of choices. When it is used up every further choice is 0. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at, *end;
};

static inline bool input_over(const struct input *in)
{
	return in->at == in->end;
}

static inline uint8_t input_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* 0 .. nr - 1; a byte as long as that does. */
static inline uint32_t input_below(struct input *in, uint32_t nr)
{
	uint32_t value = input_byte(in);

	if (nr > 256)
		value |= (uint32_t)input_byte(in) << 8;
	return value % nr;
}

/* True once in `nr`. */
static inline bool input_rarely(struct input *in, uint32_t nr)
{
	return input_below(in, nr) == nr - 1;
}

static inline uint64_t input_u64(struct input *in)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)input_byte(in) << 8 * i;
	return value;
}

#endif
