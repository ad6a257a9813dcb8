/* SPDX-License-Identifier: MIT */
/* In-flight marks: waiting for those who may still see what was unpublished. */
#include <sched.h>
#include <stddef.h>
#include <time.h>
#include "tlp/inflight.h"
#include "util/lock.h"
#include "util/sys.h"

#define SPINS  256
#define YIELDS 16

void inflight_init(struct inflight *inflight)
{
	atomic_init(&inflight->turns, 0);
	inflight->list = NULL;
}

void inflight_fini(struct inflight *inflight)
{
}

/*
 * In flight is short (one batch, 256 KiB of copying at most), unless its thread lost the CPU or
 * its memory is being paged in: then sleep rather than take the CPU it needs.
 */
static void pause_before(unsigned round)
{
	struct timespec nap = {.tv_nsec = 50000};

	if (round < SPINS)
		return;
	if (round < SPINS + YIELDS)
		sched_yield();
	else
		sys_call(SYS_nanosleep, &nap, NULL);
}

/* Adds `what` and takes the turn in one step, whose order inflight_wait rests on. */
static void turn_take(struct inflight *inflight, uint64_t what)
{
	uint64_t turns = atomic_load_explicit(&inflight->turns, memory_order_relaxed);
	unsigned round = 0;

	lock_enter(LOCK_INFLIGHT);
	for (;;) {
		turns &= ~(uint64_t)INFLIGHT_TURN;
		if (atomic_compare_exchange_weak_explicit(
			    &inflight->turns, &turns, turns + what + INFLIGHT_TURN,
			    memory_order_seq_cst, memory_order_relaxed))
			return;
		if (turns & INFLIGHT_TURN)
			pause_before(round++);
	}
}

/* By who has it: nobody else writes the word. */
static void turn_give(struct inflight *inflight)
{
	uint64_t turns = atomic_load_explicit(&inflight->turns, memory_order_relaxed);

	lock_leave(LOCK_INFLIGHT);
	atomic_store_explicit(&inflight->turns, turns - INFLIGHT_TURN, memory_order_release);
}

void inflight_add(struct inflight *inflight, struct inflight_mark *mark)
{
	turn_take(inflight, 0);
	mark->next = inflight->list;
	inflight->list = mark;
	turn_give(inflight);
}

void inflight_del(struct inflight *inflight, struct inflight_mark *mark)
{
	struct inflight_mark **link = &inflight->list;

	turn_take(inflight, 0);
	while (*link != mark)
		link = &(*link)->next;
	*link = mark->next;
	turn_give(inflight);
}

/*
 * Taking the turn stands between the caller's stores, which unpublish, and the loads of `seq`: with
 * the exchange in inflight_enter, either an issuer's mark is seen here, or that issuer sees what
 * was unpublished. An issuer added later has the turn after us and sees it, too.
 */
void inflight_wait(struct inflight *inflight)
{
	turn_take(inflight, INFLIGHT_WAIT);
	for (struct inflight_mark *mark = inflight->list; mark; mark = mark->next) {
		uint64_t seq = atomic_load_explicit(&mark->seq, memory_order_seq_cst);

		if (!(seq & 1))
			continue;
		lock_not_of(atomic_load_explicit(&mark->self, memory_order_relaxed));
		for (unsigned round = 0;
		     atomic_load_explicit(&mark->seq, memory_order_acquire) == seq; round++)
			pause_before(round);
	}
	turn_give(inflight);
}
