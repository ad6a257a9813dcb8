/* SPDX-License-Identifier: MIT */
/*
 * The worker: looks at what was written, runs queues in turn, sleeps when there is nothing. It has
 * the turn (turn.h) except while it looks for work, or sleeps.
 *
 * Before it sleeps it clears `awake` and looks once more; whoever brings work sets it, and writes
 * the eventfd only if it was clear. The ring tells of ended I/O through the same eventfd, but only
 * while the worker means to sleep.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>
#include "nvme/nvme.h"

#define LOOKS	   64	/* before it sleeps; a few microseconds */
#define LONG_LOOKS 2000 /* the same where doorbells are not told: some 100 microseconds */

static void pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool many_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) > 1;
}

bool nvme_work_waits(struct nvme *nvme)
{
	if (atomic_load(&nvme->attention) || atomic_load(&nvme->db_errors))
		return true;
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		if (atomic_load(&nvme->db_sq[w]) || atomic_load(&nvme->db_cq[w]))
			return true;
	return false;
}

/* Waits for all drive I/O; completions are posted unless `dropping`. */
static void drain(struct nvme *nvme)
{
	while (nvme->io_nr)
		nvme_ring_reap(nvme, true);
}

static void queue_open(struct nvme *nvme)
{
	struct nvme_sq *sq = &nvme->sq[0];
	struct nvme_cq *cq = &nvme->cq[0];

	nvme_watch_set(nvme, 0);
	nvme_watch_set(nvme, 1);
	cq->base = nvme->acq;
	cq->head = 0;
	cq->tail = 0;
	cq->phase = true;
	cq->ien = true;
	cq->vector = 0;
	cq->sq_nr = 1;
	nvme_mask_set(cq->sqs, 0);
	cq->size = (nvme->aqa >> 16 & 0xfff) + 1;
	sq->cq = cq;
	sq->base = nvme->asq;
	sq->head = 0;
	sq->tail = 0;
	sq->size = (nvme->aqa & 0xfff) + 1;
}

/* CC.EN is set: what the program gave must be usable, else the controller fails. */
static void enable(struct nvme *nvme)
{
	uint32_t cc = nvme->cc;
	uint64_t page = 4096ull << NVME_CC_MPS(cc);

	if (NVME_CC_MPS(cc) > NVME_MPS_MAX || NVME_CC_CSS(cc) || NVME_CC_AMS(cc) ||
	    nvme->asq % page || nvme->acq % page || !(nvme->aqa & 0xfff) ||
	    !(nvme->aqa >> 16 & 0xfff)) {
		nvme->failed = true;
		nvme->csts |= NVME_CSTS_CFS;
		return;
	}
	nvme->page_lg2 = 12 + NVME_CC_MPS(cc);
	nvme->enabled = true;
	queue_open(nvme);
	nvme->csts = NVME_CSTS_RDY; /* and a shutdown before this is over */
}

static void disable(struct nvme *nvme)
{
	nvme->dropping = true;
	drain(nvme);
	pthread_mutex_lock(&nvme->lock);
	nvme_clear_locked(nvme);
	pthread_mutex_unlock(&nvme->lock);
	nvme->dropping = false;
}

/* 7.6.2: what was accepted is finished, then the cache goes to stable storage. */
static void shut_down(struct nvme *nvme, bool normal)
{
	drain(nvme);
	nvme_interrupt(nvme);
	if (normal)
		drive_flush(&nvme->drive);
	else
		nvme->unsafe_shutdowns++;
}

/*
 * What the registers and the bus want. Slow steps run without the lock; whatever is written
 * meanwhile raises attention again.
 */
static void attend(struct nvme *nvme)
{
	uint32_t shn;

	pthread_mutex_lock(&nvme->lock);
	if (nvme->reset_wanted || nvme->flr_wanted) {
		pthread_mutex_unlock(&nvme->lock);
		disable(nvme);
		pthread_mutex_lock(&nvme->lock);
		nvme->reset_wanted = false;
		nvme->csts = 0;
		if (nvme->flr_wanted) {
			nvme_registers_reset_locked(nvme);
			pthread_cond_broadcast(&nvme->flr_done);
		}
	}
	if (nvme->cc & NVME_CC_EN && !nvme->enabled && !nvme->failed)
		enable(nvme);
	shn = NVME_CC_SHN(nvme->cc);
	if (shn && !(nvme->csts & NVME_CSTS_SHST_MASK)) {
		nvme->csts |= NVME_CSTS_SHST_BUSY;
		pthread_mutex_unlock(&nvme->lock);
		shut_down(nvme, shn == 1);
		pthread_mutex_lock(&nvme->lock);
		nvme->csts = (nvme->csts & ~NVME_CSTS_SHST_MASK) | NVME_CSTS_SHST_DONE;
	}
	pthread_mutex_unlock(&nvme->lock);
}

static void take_doorbell_errors(struct nvme *nvme)
{
	uint32_t what = atomic_exchange(&nvme->db_errors, 0);

	if (!nvme->enabled)
		return;
	if (what)
		nvme_log_db_error(nvme);
	for (unsigned info = 0; what >> info; info++)
		if (what >> info & 1)
			nvme_event(nvme, NVME_EVENT_ERROR, info);
}

static bool run_queues(struct nvme *nvme)
{
	bool any = false;

	for (unsigned w = 0; w < NVME_MASK_WORDS; w++) {
		uint64_t cqs = atomic_exchange(&nvme->db_cq[w], 0);

		nvme->ready[w] |= atomic_exchange(&nvme->db_sq[w], 0);
		for (; cqs; cqs &= cqs - 1)
			nvme_cq_moved(nvme, &nvme->cq[w * 64 + (unsigned)__builtin_ctzll(cqs)]);
	}
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++) {
		uint64_t ready = nvme->ready[w];

		for (; ready && nvme->enabled && !nvme->failed; ready &= ready - 1)
			any |= nvme_sq_run(nvme,
					   &nvme->sq[w * 64 + (unsigned)__builtin_ctzll(ready)]);
	}
	return any;
}

/* For doorbells that nobody tells of. True: a submission queue has become ready. */
static bool look(struct nvme *nvme)
{
	bool any = nvme_shadow_look(nvme);

	return nvme_watch_look(nvme) || any;
}

/*
 * The next command of a driver that sends one at a time mostly comes within microseconds: looking
 * for it that long is cheaper for both than to sleep and to be woken. Only where the program has
 * another processor to send it from.
 */
static bool work_comes(struct nvme *nvme)
{
	bool watched = nvme->shadow.watched || nvme->watch.state, comes = false;

	for (unsigned i = 0; nvme->spins && i < (watched ? LONG_LOOKS : LOOKS) && !comes; i++) {
		if (nvme_work_waits(nvme) || nvme_ring_waits(nvme))
			return true;
		if (watched && nvme_turn_try(&nvme->turn)) {
			comes = look(nvme);
			nvme_turn_give(&nvme->turn);
		}
		pause_cpu();
	}
	return comes;
}

/* From now on a driver rings. True: it has not had to yet. */
static bool stop_watching(struct nvme *nvme)
{
	bool more = nvme_watch_end(nvme);

	nvme->shadow.watched = false;
	return !(nvme->csts & NVME_CSTS_SHST_MASK) && (nvme_shadow_ask(nvme) || more);
}

static void nap(struct nvme *nvme)
{
	uint64_t count;
	bool more;

	nvme_turn_take(&nvme->turn);
	more = stop_watching(nvme);
	nvme_turn_give(&nvme->turn);
	if (more)
		return;
	nvme_ring_notify(nvme, true);
	atomic_store(&nvme->awake, false);
	if (!nvme_work_waits(nvme) && !nvme_ring_waits(nvme))
		while (read(nvme->eventfd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	atomic_store(&nvme->awake, true);
	nvme_ring_notify(nvme, false);
}

static bool stopping(struct nvme *nvme)
{
	bool stop;

	pthread_mutex_lock(&nvme->lock);
	stop = nvme->stop_wanted;
	pthread_mutex_unlock(&nvme->lock);
	return stop;
}

void *nvme_worker(void *arg)
{
	struct nvme *nvme = arg;

	nvme_ring_open(nvme);
	nvme->spins = many_cpus();
	for (;;) {
		bool any = false;

		nvme_turn_take(&nvme->turn);
		if (atomic_exchange(&nvme->attention, false)) {
			attend(nvme);
			any = true;
			if (stopping(nvme))
				break;
		}
		if (atomic_load(&nvme->db_errors))
			take_doorbell_errors(nvme);
		/* After a shutdown nothing is fetched until the controller is reset. */
		if (!(nvme->csts & NVME_CSTS_SHST_MASK)) {
			nvme->shadow.watched = nvme->shadow.on && nvme->spins;
			if (nvme->watch.wanted)
				nvme_watch_begin(nvme);
			any |= look(nvme);
			if (nvme_watch_is_dear(nvme))
				any |= nvme_watch_end(nvme);
			any |= run_queues(nvme);
		} else
			for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
				nvme->db_sq[w] = nvme->db_cq[w] = 0;
		any |= nvme_ring_reap(nvme, false);
		nvme_interrupt(nvme);
		nvme_turn_give(&nvme->turn);
		if (!any && !work_comes(nvme))
			nap(nvme);
	}
	/* It stays taken. */
	drain(nvme);
	stop_watching(nvme);
	nvme_interrupt(nvme);
	nvme_ring_close(nvme);
	return NULL;
}
