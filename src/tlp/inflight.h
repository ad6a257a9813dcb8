/* SPDX-License-Identifier: MIT */
/*
 * In-flight marks: how UNMAP and DETACH know that nobody uses the old translation any more.
 *
 * An issuer marks itself in flight around each batch of lookups (inflight_enter, inflight_leave);
 * inside, it may follow routes, page tables and physical-map windows without a lock. A writer first
 * unpublishes (clears entries, routes), then calls inflight_wait: on return every issuer that
 * could have seen the old state has left, so what was unpublished can be freed. A span that
 * outlives its batch holds a count on its window (mem_window_hold), which the writer waits for
 * separately (mem_window_idle).
 *
 * `seq` is odd while in flight. Entering is one sequentially consistent exchange: its order
 * against the writer's stores is what the promise rests on.
 */
#ifndef TLP_INFLIGHT_H
#define TLP_INFLIGHT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "util/lock.h"

/* Of one who may be in flight: an issuer's thread, or who looks once. */
struct inflight_mark {
	_Atomic uint64_t seq;	    /* written by that thread only */
	struct inflight_mark *next; /* (turn) */
	const void *_Atomic self;   /* debug builds: whose it is, in flight */
};

/*
 * The turn protects the list, and is held while waiting. It is no mutex, since whoever waits for
 * another's turn may as well do as who waits for a mark: UNMAP has one locked instruction here, and
 * a plain store at the end.
 */
#define INFLIGHT_TURN 1u
#define INFLIGHT_WAIT 2u

struct inflight {
	/*
	 * INFLIGHT_WAIT for each time that anybody waited, INFLIGHT_TURN while somebody has it. Its
	 * update orders inflight_wait. So it is the generation of all that is unpublished, too: who
	 * keeps what he looked up in flight (src/tlp/iotlb.h) may use it under a later mark as long
	 * as this has not changed when that begins, the lowest bit aside.
	 */
	_Atomic uint64_t turns;
	struct inflight_mark *list;
};

void inflight_init(struct inflight *inflight);
void inflight_fini(struct inflight *inflight);
void inflight_add(struct inflight *inflight, struct inflight_mark *mark);
void inflight_del(struct inflight *inflight, struct inflight_mark *mark);

static inline void inflight_enter(struct inflight_mark *mark)
{
	uint64_t seq = atomic_load_explicit(&mark->seq, memory_order_relaxed);

	if (lock_self())
		atomic_store_explicit(&mark->self, lock_self(), memory_order_relaxed);
	atomic_exchange_explicit(&mark->seq, seq + 1, memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__i386__)
	/* Elsewhere an exchange does not keep later plain loads behind its store. */
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* By the mark's own thread: is it in flight? */
static inline bool inflight_entered(const struct inflight_mark *mark)
{
	return atomic_load_explicit(&mark->seq, memory_order_relaxed) & 1;
}

/* In flight: what has been unpublished so far is not seen under this mark. Never 0. */
static inline uint64_t inflight_generation(const struct inflight *inflight)
{
	return atomic_load_explicit(&inflight->turns, memory_order_seq_cst) | INFLIGHT_TURN;
}

static inline void inflight_leave(struct inflight_mark *mark)
{
	uint64_t seq = atomic_load_explicit(&mark->seq, memory_order_relaxed);

	atomic_store_explicit(&mark->seq, seq + 1, memory_order_release);
}

/*
 * Waits until every issuer that is in flight now has left once. Not to be called in flight, which
 * debug builds check. Takes the list's lock, which no issuer takes in flight.
 */
void inflight_wait(struct inflight *inflight);

#endif
