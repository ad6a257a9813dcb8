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

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct ioas_device;

struct ioas_issuer {
	_Atomic uint64_t seq;	  /* written by the issuing thread only */
	struct ioas_device *dev;  /* constant */
	uint64_t recorded;	  /* the issuing thread's: its newest record, 0: none */
	uint16_t reason;	  /* of that */
	struct ioas_issuer *next; /* (inflight.lock) */
};

struct inflight {
	pthread_mutex_t lock; /* protects the list; held while waiting */
	struct ioas_issuer *list;
	_Atomic uint64_t waits; /* how often anybody waited; its update orders inflight_wait */
};

void inflight_init(struct inflight *inflight);
void inflight_fini(struct inflight *inflight);
void inflight_add(struct inflight *inflight, struct ioas_issuer *issuer);
void inflight_del(struct inflight *inflight, struct ioas_issuer *issuer);

static inline void inflight_enter(struct ioas_issuer *issuer)
{
	uint64_t seq = atomic_load_explicit(&issuer->seq, memory_order_relaxed);

	atomic_exchange_explicit(&issuer->seq, seq + 1, memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__i386__)
	/* Elsewhere an exchange does not keep later plain loads behind its store. */
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void inflight_leave(struct ioas_issuer *issuer)
{
	uint64_t seq = atomic_load_explicit(&issuer->seq, memory_order_relaxed);

	atomic_store_explicit(&issuer->seq, seq + 1, memory_order_release);
}

/*
 * Waits until every issuer that is in flight now has left once. Not to be called in flight. Takes
 * the list's lock, which no issuer takes in flight.
 */
void inflight_wait(struct inflight *inflight);

#endif
