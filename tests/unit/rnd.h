/* SPDX-License-Identifier: MIT */
/* Numbers for tests that try anything: xorshift, the same each time for one seed, which is not 0.
 */
#ifndef TESTS_UNIT_RND_H
#define TESTS_UNIT_RND_H

#include <stdint.h>

static inline uint64_t rnd_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
