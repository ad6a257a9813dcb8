/* SPDX-License-Identifier: MIT */
/*
 * Counting what is lent out.
 *
 * Why both sides are waited for: a borrower reads the side, is delayed, and counts itself on that
 * side after an earlier waiter has found it zero. It is still in flight then, so a later waiter,
 * which called inflight_wait first, finds it on one side or the other, and looks at both.
 *
 * Who sleeps on a word sleeps for one of its bits. That another one changes, or the count, only
 * makes the kernel say so before he is asleep: he looks again. Who wakes, wakes all on the word.
 */
#include <linux/futex.h>
#include <time.h>
#include "mem/lend.h"
#include "util/sys.h"

#define WAITED	MEM_LEND_WAITED
#define HOLDS	MEM_LEND_HOLDS
#define TURNING MEM_LEND_TURNING
#define WANTED	MEM_LEND_WANTED
#define SPINS	200

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	sys_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	sys_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void mem_lend_init(struct mem_lend *lend)
{
	atomic_init(&lend->count[0], 0);
	atomic_init(&lend->count[1], 0);
}

static bool turn_try(struct mem_lend *lend)
{
	return !(atomic_fetch_or(&lend->count[1], TURNING) & TURNING);
}

/* Two bits instead of a mutex: they are in every window, and hardly ever taken by two. */
static void turn_begin(struct mem_lend *lend)
{
	uint32_t was;

	if (turn_try(lend))
		return;
	while ((was = atomic_fetch_or(&lend->count[1], TURNING | WANTED)) & TURNING)
		futex_wait(&lend->count[1], was | WANTED);
}

static void turn_end(struct mem_lend *lend)
{
	if (atomic_fetch_and(&lend->count[1], ~(TURNING | WANTED)) & WANTED)
		futex_wake(&lend->count[1]);
}

/* New holds go to the other side from now on; the one they went to. */
static _Atomic uint32_t *turn(struct mem_lend *lend)
{
	return &lend->count[atomic_fetch_xor(&lend->count[0], MEM_LEND_SIDE) / MEM_LEND_SIDE];
}

static bool is_zero(_Atomic uint32_t *count)
{
	return !(atomic_load_explicit(count, memory_order_acquire) & HOLDS);
}

/*
 * The waker may find the count's memory freed already by the waiter: the kernel uses only its
 * address as a key, so that is at worst a spurious wake-up of somebody else.
 */
void mem_lend_release(mem_hold_t hold)
{
	struct mem_lend *lend = mem_hold_lend(hold);
	_Atomic uint32_t *count = &lend->count[hold & 1];
	uint32_t was = atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel);

	if ((was & (WAITED | HOLDS)) == (WAITED | 1))
		futex_wake(count);
}

/* In the caller's turn: nobody else sets the bit. */
static void wait_zero(_Atomic uint32_t *count)
{
	for (unsigned i = 0; i < SPINS; i++)
		if (is_zero(count))
			return;
	for (;;) {
		uint32_t was = atomic_fetch_or(count, WAITED);

		if (!(was & HOLDS))
			break;
		futex_wait(count, was | WAITED);
	}
	atomic_fetch_and_explicit(count, ~WAITED, memory_order_relaxed);
}

void mem_lend_idle(struct mem_lend *lend)
{
	if (mem_lend_none(lend))
		return;
	turn_begin(lend);
	for (int i = 0; i < 2; i++)
		wait_zero(turn(lend));
	turn_end(lend);
}

static bool nap(_Atomic uint32_t *stop)
{
	struct timespec time = {.tv_nsec = 20000};

	if (atomic_load(stop))
		return false;
	sys_call(SYS_nanosleep, &time, NULL);
	return true;
}

bool mem_lend_drain(struct mem_lend *lend, _Atomic uint32_t *stop)
{
	bool done = true;

	while (!turn_try(lend))
		if (!nap(stop))
			return false;
	for (int i = 0; i < 2 && done; i++) {
		_Atomic uint32_t *count = turn(lend);

		while (done && !is_zero(count))
			done = nap(stop);
	}
	turn_end(lend);
	return done;
}
