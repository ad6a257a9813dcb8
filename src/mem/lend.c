/* SPDX-License-Identifier: MIT */
/*
 * Counting what is lent out.
 *
 * Why both sides are waited for: a borrower reads `side`, is delayed, and counts itself on that
 * side after an earlier waiter has found it zero. It is still in flight then, so a later waiter,
 * which called inflight_wait first, finds it on one side or the other, and looks at both.
 */
#include <linux/futex.h>
#include "mem/lend.h"
#include "util/sys.h"

#define WAITED (1u << 31)
#define SPINS  200

void mem_lend_init(struct mem_lend *lend)
{
	atomic_init(&lend->side, 0);
	atomic_init(&lend->count[0], 0);
	atomic_init(&lend->count[1], 0);
	pthread_mutex_init(&lend->lock, NULL);
}

void mem_lend_fini(struct mem_lend *lend)
{
	pthread_mutex_destroy(&lend->lock);
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
		sys_call(SYS_futex, count, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
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
		sys_call(SYS_futex, count, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	}
}

void mem_lend_idle(struct mem_lend *lend)
{
	pthread_mutex_lock(&lend->lock);
	for (int i = 0; i < 2; i++) {
		uint32_t side = atomic_load_explicit(&lend->side, memory_order_relaxed);

		atomic_store_explicit(&lend->side, side ^ 1, memory_order_seq_cst);
		wait_zero(&lend->count[side]);
	}
	pthread_mutex_unlock(&lend->lock);
}
