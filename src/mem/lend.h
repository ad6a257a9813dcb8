/* SPDX-License-Identifier: MIT */
/*
 * Counting what is lent out, so that its owner can wait until it is back.
 *
 * Spans that a model keeps after inflight_leave hold the window they lie in and the device they
 * were lent to. The owner stops new lending of what it takes away (clears the entries or the route,
 * then inflight_wait) and waits here for the rest. A window may at the same time be in steady use
 * through another mapping, so that a plain count might never reach zero: there are two counts, new
 * holds go to the current side, and the waiter turns the sides over before it waits for one.
 */
#ifndef MEM_LEND_H
#define MEM_LEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mem_lend {
	_Atomic uint32_t side;	   /* 0 or 1: where new holds are counted */
	_Atomic uint32_t count[2]; /* holds; the top bit: somebody waits for zero */
	_Atomic uint32_t turning;  /* a lock: one waiter at a time turns sides */
};

/* What mem_lend_hold gives: the mem_lend and, in bit 0, the side. */
typedef uintptr_t mem_hold_t;

/* There is no end: when nothing is lent and nobody waits, there is nothing to free. */
void mem_lend_init(struct mem_lend *lend);

/* One more hold. Called in flight. Never fails, never blocks. */
static inline mem_hold_t mem_lend_hold(struct mem_lend *lend)
{
	uint32_t side = atomic_load_explicit(&lend->side, memory_order_relaxed);

	atomic_fetch_add_explicit(&lend->count[side], 1, memory_order_relaxed);
	return (uintptr_t)lend | side;
}

/* What a hold is of. */
static inline struct mem_lend *mem_hold_lend(mem_hold_t hold)
{
	return (struct mem_lend *)(hold & ~(mem_hold_t)1);
}

/* Gives a hold back; what it kept alive may be gone on return. From any thread. */
void mem_lend_release(mem_hold_t hold);

/*
 * Waits until every hold taken before the call is back. To be called after inflight_wait; later
 * holds do not keep it waiting.
 */
void mem_lend_idle(struct mem_lend *lend);
/*
 * The same, but gives up (false) soon after *stop has become non-zero, and also where another
 * waiter holds it up until then.
 */
bool mem_lend_drain(struct mem_lend *lend, _Atomic uint32_t *stop);

#endif
