/* SPDX-License-Identifier: MIT */
/*
 * Counting what is lent out.
 *
 * Why both sides are waited for: a borrower reads `side`, is delayed, and counts itself on that
 * side after an earlier waiter has found it zero. It is still in flight then, so a later waiter,
 * which called inflight_wait first, finds it on one side or the other, and looks at both.
 */
#include <linux/futex.h>
#include <time.h>
#include "mem/lend.h"
#include "util/sys.h"

#define WAITED (1u << 31)
#define SPINS  200

enum { FREE, TAKEN, WANTED };

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	sys_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int32_t nr)
{
	sys_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
}

void mem_lend_init(struct mem_lend *lend)
{
	atomic_init(&lend->side, 0);
	atomic_init(&lend->count[0], 0);
	atomic_init(&lend->count[1], 0);
	atomic_init(&lend->turning, FREE);
}

/* A word instead of a mutex: there is one in every window, hardly ever taken by two. */
static void turn_begin(struct mem_lend *lend)
{
	uint32_t is = FREE;

	if (atomic_compare_exchange_strong(&lend->turning, &is, TAKEN))
		return;
	while (atomic_exchange(&lend->turning, WANTED) != FREE)
		futex_wait(&lend->turning, WANTED);
}

static void turn_end(struct mem_lend *lend)
{
	if (atomic_exchange(&lend->turning, FREE) == WANTED)
		futex_wake(&lend->turning, 1);
}

/*
 * The waker may find the count's memory freed already by the waiter: the kernel uses only its
 * address as a key, so that is at worst a spurious wake-up of somebody else.
 */
void mem_lend_release(mem_hold_t hold)
{
	struct mem_lend *lend = mem_hold_lend(hold);
	_Atomic uint32_t *count = &lend->count[hold & 1];

	if (atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel) == (WAITED | 1))
		futex_wake(count, INT32_MAX);
}

static void wait_zero(_Atomic uint32_t *count)
{
	for (unsigned i = 0;; i++) {
		uint32_t value = atomic_load_explicit(count, memory_order_acquire);

		if (!(value & ~WAITED)) {
			atomic_fetch_and_explicit(count, ~WAITED, memory_order_relaxed);
			return;
		}
		if (i < SPINS)
			continue;
		if (!(value & WAITED)) {
			if (!atomic_compare_exchange_strong(count, &value, value | WAITED))
				continue;
			value |= WAITED;
		}
		futex_wait(count, value);
	}
}

/* A hold stays on the side where it was taken: no hold of before hides from both looks. */
static bool none_held(const struct mem_lend *lend)
{
	return !((atomic_load_explicit(&lend->count[0], memory_order_acquire) |
		  atomic_load_explicit(&lend->count[1], memory_order_acquire)) &
		 ~WAITED);
}

void mem_lend_idle(struct mem_lend *lend)
{
	if (none_held(lend))
		return;
	turn_begin(lend);
	for (int i = 0; i < 2; i++) {
		uint32_t side = atomic_load_explicit(&lend->side, memory_order_relaxed);

		atomic_store_explicit(&lend->side, side ^ 1, memory_order_seq_cst);
		wait_zero(&lend->count[side]);
	}
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
	uint32_t is = FREE;
	bool done = true;

	for (; !atomic_compare_exchange_strong(&lend->turning, &is, TAKEN); is = FREE)
		if (!nap(stop))
			return false;
	for (int i = 0; i < 2 && done; i++) {
		uint32_t side = atomic_load_explicit(&lend->side, memory_order_relaxed);

		atomic_store_explicit(&lend->side, side ^ 1, memory_order_seq_cst);
		while (done && atomic_load_explicit(&lend->count[side], memory_order_acquire))
			done = nap(stop);
	}
	turn_end(lend);
	return done;
}
