/* SPDX-License-Identifier: MIT */
/*
 * The one seam for faults on purpose. Every allocation of the engine (alloc.h), every lookup of an
 * object, every pin, every charge and every page table that is filled asks inject() first, and
 * fails as it would for want of what it asks for.
 *
 * The count is the calling thread's own, as Linux's fail-nth is a task's: the sweep of one test
 * must not meet what other threads do. It is the one variable of the engine that belongs to no
 * instance. Off, which it is unless a test arms it, a point costs one load and one branch.
 */
#ifndef UTIL_INJECT_H
#define UTIL_INJECT_H

#include <stdbool.h>

extern __thread unsigned inject_left __attribute__((tls_model("initial-exec")));

/* True: fail here. The nth call after inject_arm(n) is; the ones before and after it are not. */
static inline bool inject(void)
{
	return __builtin_expect(inject_left, 0) && !--inject_left;
}

/* Arms this thread; 0 disarms. */
static inline void inject_arm(unsigned nth)
{
	inject_left = nth;
}

/* How many points are left until the one that fails; 0: it did, or none is armed. */
static inline unsigned inject_remaining(void)
{
	return inject_left;
}

#endif
