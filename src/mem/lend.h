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

/*
 * The engine has one for each mapping: two words, whose upper bits are not counted. What is left
 * for holds is 2^29, which took 4 GiB of the lists that remember them (struct ioas_dma).
 */
struct mem_lend {
	_Atomic uint32_t count[2]; /* changed by atomic read-modify-write only */
};

#define MEM_LEND_HOLDS	((1u << 29) - 1)
#define MEM_LEND_WAITED (1u << 30) /* somebody waits for no holds (futex) */
/* Of the first word: where new holds are counted. At the top, so that it is one shift away. */
#define MEM_LEND_SIDE (1u << 31)
#define MEM_LEND_MARK (1u << 29) /* likewise: mem_lend_mark */
/* Of the second one, a lock: one waiter at a time turns sides; and others want to (futex). */
#define MEM_LEND_TURNING (1u << 31)
#define MEM_LEND_WANTED	 (1u << 29)

/* What mem_lend_hold gives: the mem_lend and, in bit 0, the side. */
typedef uintptr_t mem_hold_t;

/* There is no end: when nothing is lent and nobody waits, there is nothing to free. */
void mem_lend_init(struct mem_lend *lend);

/* Says of whoever has it what he has no other room for: once, as it begins. */
static inline void mem_lend_mark(struct mem_lend *lend)
{
	atomic_fetch_or_explicit(&lend->count[0], MEM_LEND_MARK, memory_order_relaxed);
}

static inline bool mem_lend_marked(const struct mem_lend *lend)
{
	return atomic_load_explicit(&lend->count[0], memory_order_relaxed) & MEM_LEND_MARK;
}

static inline uint32_t mem_lend_side(const struct mem_lend *lend)
{
	return atomic_load_explicit(&lend->count[0], memory_order_relaxed) / MEM_LEND_SIDE;
}

/* One more hold. Called in flight. Never fails, never blocks. */
static inline mem_hold_t mem_lend_hold(struct mem_lend *lend)
{
	uint32_t side = mem_lend_side(lend);

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

/* Is nothing held? One on a side stays there: no hold of before hides from both looks. */
static inline bool mem_lend_none(const struct mem_lend *lend)
{
	return !((atomic_load_explicit(&lend->count[0], memory_order_acquire) |
		  atomic_load_explicit(&lend->count[1], memory_order_acquire)) &
		 MEM_LEND_HOLDS);
}

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
