/* SPDX-License-Identifier: MIT */
/*
 * Watched doorbells (ioas/pci.h): while they come quickly, a driver stores them into memory, where
 * the worker looks; else each is a fault of the driver's thread, which does the work by itself.
 *
 * A doorbell can come both ways at a time: what goes by pwrite, or was a fault already as watching
 * began, is a call of bar_write. Such a call writes the word, too. A word that has changed counts
 * if the queue's pointer is what the worker knows of it; else the call has set the pointer, and
 * the word follows.
 *
 *   begin: SETTLING, a fence on all processors, words := pointers, ON, the mapping is opened
 *   end: the mapping is shut, OFF, the last look
 *   a call: pointer := value, then, unless it is OFF, word := value
 *   while it is ON: word := value, and if it is still ON, that is all
 *
 * It pays while the worker has a processor of its own. Where others want that too, the driver waits
 * for the worker's turn to come, which takes longer than a fault: then it ends, and rests, each
 * time twice as long.
 */
#include <linux/membarrier.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "nvme/nvme.h"

#define QUICK_NS 100000 /* from doorbell to doorbell, with the faults that they are */
#define QUICK_NR 8	/* so many of them, and the worker had better look */

#define WORTH_NR 64	  /* doorbells found, or watching was in vain */
#define LOOK_NR	 256	  /* so often is asked whether the worker was preempted, */
#define TAKEN_NR 2	  /* and that is how often it may have been */
#define REST_MIN 10000000 /* ns */
#define REST_MAX 1000000000

#define WORDS (4096 / 4)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool nvme_is_quick(struct nvme *nvme)
{
	struct nvme_watch *watch = &nvme->watch;
	bool shadow = nvme->shadow.on;
	uint64_t now;

	/* What costs least comes first: mostly it is the end. */
	if (!nvme->spins || (shadow ? nvme->shadow.watched : watch->state))
		return false;
	if (!shadow && (!watch->allowed || !ioas_pci_can_watch(nvme->pci)))
		return false;
	now = now_ns();
	if (!shadow && now < watch->rests_until)
		return false;
	watch->quick = now - watch->rung < QUICK_NS ? watch->quick + 1 : 0;
	watch->rung = now;
	if (watch->quick < QUICK_NR)
		return false;
	watch->quick = 0;
	watch->wanted = !shadow;
	return true;
}

/* The pointer of a queue, of which there is one if *size. */
static _Atomic uint32_t *pointer(struct nvme *nvme, unsigned index, uint32_t *size)
{
	struct nvme_sq *sq = &nvme->sq[index / 2];
	struct nvme_cq *cq = &nvme->cq[index / 2];

	*size = atomic_load(index % 2 ? &cq->size : &sq->size);
	return index % 2 ? &cq->head : &sq->tail;
}

void nvme_watch_set(struct nvme *nvme, unsigned index)
{
	struct nvme_watch *watch = &nvme->watch;

	watch->last[index] = watch->known[index] = 0;
	if (watch->word)
		atomic_store(&watch->word[index], 0);
}

static void settle(struct nvme *nvme, unsigned index)
{
	struct nvme_watch *watch = &nvme->watch;
	uint32_t size, value;
	_Atomic uint32_t *at = pointer(nvme, index, &size);

	do {
		value = size ? atomic_load(at) : 0;
		atomic_store(&watch->word[index], value);
	} while (size && atomic_load(at) != value);
	watch->last[index] = watch->known[index] = value;
}

/* How often this thread has lost its processor to another one. */
static long times_preempted(void)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static void rest(struct nvme_watch *watch)
{
	watch->rest = watch->rest ? 2 * watch->rest : REST_MIN;
	if (watch->rest > REST_MAX)
		watch->rest = REST_MAX;
	watch->rests_until = now_ns() + watch->rest;
}

bool nvme_watch_is_dear(struct nvme *nvme)
{
	struct nvme_watch *watch = &nvme->watch;
	long before = watch->preempted;

	if (!watch->state || watch->found < watch->ask_at)
		return false;
	watch->ask_at = watch->found + LOOK_NR;
	watch->preempted = times_preempted();
	if (watch->preempted - before < TAKEN_NR) {
		watch->rest = 0;
		return false;
	}
	rest(watch);
	return true;
}

/*
 * A fence on each processor that runs a thread of this process, so that doorbells need none between
 * what they store and their look at `state`: whoever has looked before has stored by now.
 */
static bool fence_all(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) &&
	       !syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void nvme_watch_begin(struct nvme *nvme)
{
	struct nvme_watch *watch = &nvme->watch;
	void *page;

	watch->wanted = false;
	if (watch->state || !nvme->enabled ||
	    ioas_pci_watch_page(nvme->pci, 0, NVME_REG_DOORBELLS, &page))
		return;
	watch->word = page;
	for (unsigned i = NVME_DOORBELLS; i < WORDS; i++)
		atomic_store_explicit(&watch->word[i], 0, memory_order_relaxed);
	atomic_store(&watch->state, NVME_WATCH_SETTLING);
	if (!fence_all()) {
		watch->allowed = false;
		atomic_store(&watch->state, NVME_WATCH_OFF);
		return;
	}
	for (unsigned i = 0; i < NVME_DOORBELLS; i++)
		settle(nvme, i);
	atomic_store(&watch->state, NVME_WATCH_ON);
	watch->found = 0;
	watch->ask_at = LOOK_NR;
	watch->preempted = times_preempted();
	if (ioas_pci_watch(nvme->pci))
		nvme_watch_end(nvme);
}

/* One doorbell that has changed. True: a submission queue has become ready. */
static bool take(struct nvme *nvme, unsigned index, uint32_t value)
{
	struct nvme_watch *watch = &nvme->watch;
	uint32_t *known = &watch->known[index], size;
	_Atomic uint32_t *at = pointer(nvme, index, &size);
	unsigned id = index / 2;
	bool moved;

	watch->last[index] = value;
	if (!size)
		return false;
	if (index % 2)
		moved = nvme_cq_head(nvme, &nvme->cq[id], value, known);
	else
		moved = nvme_sq_tail(nvme, &nvme->sq[id], value, known);
	*known = atomic_load(at);
	if (!moved || index % 2)
		return false;
	nvme_mask_set(nvme->ready, id);
	return true;
}

static bool look_at(struct nvme *nvme, unsigned id)
{
	struct nvme_watch *watch = &nvme->watch;
	bool any = false;

	for (unsigned index = 2 * id; index < 2 * id + 2; index++) {
		uint32_t value = atomic_load_explicit(&watch->word[index], memory_order_acquire);

		if (value != watch->last[index])
			any |= take(nvme, index, value);
	}
	return any;
}

static bool look(struct nvme *nvme)
{
	bool any = look_at(nvme, 0);

	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		for (uint64_t ids = nvme->shadow.ids[w]; ids; ids &= ids - 1)
			any |= look_at(nvme, w * 64 + (unsigned)__builtin_ctzll(ids));
	return any;
}

bool nvme_watch_look(struct nvme *nvme)
{
	bool any = nvme->watch.state && look(nvme);

	nvme->watch.found += any;
	return any;
}

/* What was stored where there is no doorbell: told late, since nobody looks there before. */
static void report_strays(struct nvme *nvme)
{
	uint32_t size;

	for (unsigned i = 0; i < WORDS; i++) {
		if (!atomic_load_explicit(&nvme->watch.word[i], memory_order_relaxed))
			continue;
		if (i < NVME_DOORBELLS)
			pointer(nvme, i, &size);
		if (i >= NVME_DOORBELLS || !size) {
			atomic_store(&nvme->watch.word[i], 0);
			nvme_bad_doorbell(nvme, NVME_EVENT_ERROR_DB_REGISTER);
		}
	}
}

bool nvme_watch_end(struct nvme *nvme)
{
	bool any;

	if (!nvme->watch.state)
		return false;
	ioas_pci_unwatch(nvme->pci);
	atomic_store(&nvme->watch.state, NVME_WATCH_OFF);
	if (nvme->watch.found < WORTH_NR)
		rest(&nvme->watch);
	any = look(nvme);
	if (nvme->csts & NVME_CSTS_RDY)
		report_strays(nvme);
	return any;
}

bool nvme_watch_takes_it(struct nvme *nvme, unsigned index, uint32_t value)
{
	atomic_store(&nvme->watch.word[index], value);
	if (atomic_load(&nvme->watch.state) != NVME_WATCH_ON)
		return false;
	nvme_kick(nvme);
	return true;
}

void nvme_watch_follow_it(struct nvme *nvme, unsigned index, uint32_t value)
{
	atomic_store(&nvme->watch.word[index], value);
}
