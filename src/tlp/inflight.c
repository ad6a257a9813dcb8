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
	lock_init(&inflight->lock, LOCK_INFLIGHT);
	lock_guards(&inflight->lock, &inflight->list, &inflight->waits);
	inflight->list = NULL;
	atomic_init(&inflight->waits, 0);
}

void inflight_fini(struct inflight *inflight)
{
	pthread_mutex_destroy(&inflight->lock);
}

void inflight_add(struct inflight *inflight, struct inflight_mark *mark)
{
	pthread_mutex_lock(&inflight->lock);
	mark->next = inflight->list;
	inflight->list = mark;
	pthread_mutex_unlock(&inflight->lock);
}

void inflight_del(struct inflight *inflight, struct inflight_mark *mark)
{
	struct inflight_mark **link = &inflight->list;

	pthread_mutex_lock(&inflight->lock);
	while (*link != mark)
		link = &(*link)->next;
	*link = mark->next;
	pthread_mutex_unlock(&inflight->lock);
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

/*
 * The update of `waits` stands between the caller's stores, which unpublish, and the loads of
 * `seq`: with the exchange in inflight_enter, either an issuer's mark is seen here, or that issuer
 * sees what was unpublished. An issuer added later takes the lock after us and sees it, too.
 */
void inflight_wait(struct inflight *inflight)
{
	atomic_fetch_add_explicit(&inflight->waits, 1, memory_order_seq_cst);
	pthread_mutex_lock(&inflight->lock);
	for (struct inflight_mark *mark = inflight->list; mark; mark = mark->next) {
		uint64_t seq = atomic_load_explicit(&mark->seq, memory_order_seq_cst);

		if (!(seq & 1))
			continue;
		lock_not_of(atomic_load_explicit(&mark->self, memory_order_relaxed));
		for (unsigned round = 0;
		     atomic_load_explicit(&mark->seq, memory_order_acquire) == seq; round++)
			pause_before(round);
	}
	pthread_mutex_unlock(&inflight->lock);
}
