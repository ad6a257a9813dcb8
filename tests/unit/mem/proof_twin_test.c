/* SPDX-License-Identifier: MIT */
/*
 * Description: what is shown of memory, cut, given up and doubted in any order, is known to be
 * held, and proves that it is there, when and only when a table says so: the kernel is asked
 * otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/mem.h"
#include "mem/proof.h"
#include "tests/unit/rnd.h"

#define PAGE	4096ull
#define PAGES	24
#define SHARED	18 /* from here on others can change it: that is never proven */
#define WINDOWS 12

/* A piece of a window, in pages of the memory. */
struct shown {
	unsigned start, end;
	bool is, proven, proven_write, unprovable;
};

static struct {
	struct mem_window window;
	unsigned first, nr; /* 0: there is none */
	struct shown piece[PAGES];
	unsigned piece_nr;
} shows[WINDOWS];

static struct ioas_iommu *iommu;
static struct ioas_caller_ops ops;
static struct ioas_caller caller = {.ops = &ops};
static char *mem;
static unsigned asked;
static uint64_t seed = 5;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static int pin(struct ioas_caller *self, uint64_t va, uint64_t len, bool write, void **out)
{
	asked++;
	*out = (void *)(uintptr_t)va;
	return 0;
}

static void *host(struct ioas_caller *self, uint64_t va)
{
	return (void *)(uintptr_t)va;
}

static struct shown *next(struct shown *at, unsigned *i)
{
	while (*i < WINDOWS) {
		at = at ? at + 1 : shows[*i].piece;
		for (; shows[*i].nr && at < shows[*i].piece + shows[*i].piece_nr; at++)
			if (at->is)
				return at;
		at = NULL;
		(*i)++;
	}
	return NULL;
}

#define EACH(at)                                        \
	for (unsigned of = 0, once = 1; once; once = 0) \
		for (struct shown *at = next(NULL, &of); at; at = next(at, &of))

static bool within(const struct shown *at, unsigned start, unsigned end)
{
	return at->start >= start && at->end <= end;
}

/* Up to where those that count lie one behind or over the other, from `start` on. */
static unsigned reach(unsigned start, unsigned end, bool proofs, bool write)
{
	unsigned to = start;

	for (bool more = true; more;) {
		more = false;
		EACH(at)
		{
			bool counts = proofs ? at->proven && (at->proven_write || !write)
					     : within(at, start, end) && !at->unprovable;

			if (counts && at->start <= to && at->end > to) {
				to = at->end;
				more = true;
			}
		}
	}
	return to;
}

static void ask(void)
{
	unsigned start = rnd(PAGES), end = start + 1 + rnd(PAGES - start);
	bool write = rnd(2), proven = reach(start, end, true, write) >= end;
	bool covered = reach(start, end, false, write) >= end;
	unsigned before = asked;
	void *out;

	assert_int_equal(mem_proof_pin(iommu, &caller, (uintptr_t)mem + start * PAGE,
				       (end - start) * PAGE, write, &out),
			 0);
	assert_ptr_equal(out, mem + start * PAGE);
	assert_int_equal(asked - before, !proven);
	if (proven || !covered)
		return;
	EACH(at)
	{
		if (at->end <= start || at->start >= end)
			continue;
		if (end > SHARED) {
			at->unprovable = true;
		} else if (within(at, start, end)) {
			at->proven_write = write || (at->proven && at->proven_write);
			at->proven = true;
		}
	}
}

static void begin(unsigned w)
{
	unsigned nr = 1 + rnd(rnd(2) ? 3 : 8), first = rnd(PAGES - nr + 1);
	struct mem_part part = {.host = mem + first * PAGE, .len = nr * PAGE};

	memset(&shows[w], 0, sizeof(shows[w]));
	assert_int_equal(mem_window_begin(iommu->mem, 0, &part, 1, NULL, &shows[w].window), 0);
	shows[w].first = first;
	shows[w].nr = nr;
	shows[w].piece_nr = 1;
	shows[w].piece[0] = (struct shown){.start = first, .end = first + nr, .is = true};
}

/* The part behind the cut has no proof yet. */
static void cut(unsigned w)
{
	unsigned at = 1 + rnd(shows[w].nr), i = 0;
	struct shown *piece = shows[w].piece;

	while (i < shows[w].piece_nr && piece[i].end <= shows[w].first + at)
		i++;
	if (i == shows[w].piece_nr || !piece[i].is || piece[i].start >= shows[w].first + at)
		return;
	assert_int_equal(mem_window_cut(iommu->mem, &iommu->inflight, &shows[w].window, at * PAGE),
			 0);
	memmove(&piece[i + 2], &piece[i + 1], (shows[w].piece_nr++ - i - 1) * sizeof(*piece));
	piece[i + 1] =
		(struct shown){.start = shows[w].first + at, .end = piece[i].end, .is = true};
	piece[i].end = shows[w].first + at;
}

static void release(unsigned w)
{
	unsigned left = 0, i = rnd(shows[w].piece_nr);
	struct shown *piece = &shows[w].piece[i];

	for (unsigned k = 0; k < shows[w].piece_nr; k++)
		left += k != i && shows[w].piece[k].is;
	if (!left || !piece->is)
		return;
	mem_window_release(iommu->mem, &shows[w].window, (piece->start - shows[w].first) * PAGE,
			   (piece->end - shows[w].first) * PAGE);
	piece->is = false;
}

static void doubt(void)
{
	uintptr_t start = (uintptr_t)mem + rnd((unsigned)(PAGES * PAGE)),
		  end = start + rnd(3 * PAGE);

	ioas_memory_protected(iommu, start, end);
	EACH(at)
	{
		if ((uintptr_t)mem + at->end * PAGE > start &&
		    (uintptr_t)mem + at->start * PAGE < end)
			at->proven = false;
	}
}

/* Whether any is held is exact; whether any is pinned where all lies above it, or has lain below.
 */
static void check_held(void)
{
	uintptr_t start = (uintptr_t)mem + rnd((unsigned)(PAGES * PAGE)),
		  end = start + 1 + rnd(2 * PAGE);
	uintptr_t low = UINTPTR_MAX, high = 0;
	bool held = false;

	if (!rnd(3))
		start &= ~(PAGE - 1);
	if (!rnd(3))
		end = (end + PAGE - 1) & ~(PAGE - 1);
	EACH(at)
	{
		uintptr_t from = (uintptr_t)mem + at->start * PAGE;
		uintptr_t to = (uintptr_t)mem + at->end * PAGE;

		held |= to > start && from < end;
		low = from < low ? from : low;
		high = to > high ? to : high;
	}
	if (held || start >= high)
		assert_int_equal(ioas_memory_pinned(iommu, start, end), held);
	assert_int_equal(ioas_memory_held(iommu, start, end), held);
	if (end <= low)
		assert_false(ioas_memory_pinned(iommu, start, end));
}

static void step(void)
{
	unsigned w = rnd(WINDOWS);

	if (!rnd(5)) {
		doubt();
	} else if (rnd(2)) {
		ask();
	} else if (!shows[w].nr) {
		begin(w);
	} else if (rnd(3)) {
		cut(w);
	} else if (rnd(2)) {
		release(w);
	} else {
		mem_window_end(iommu->mem, &shows[w].window);
		shows[w].nr = 0;
	}
}

static void any_order_is_what_a_table_says(void **state)
{
	struct ioas_iommu_config config = {.memory_told = true};
	struct account_payer self;

	ops = *mem_self_caller()->ops;
	ops.pin = pin;
	ops.host = host;
	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	/* From now on this process is known. */
	assert_int_equal(
		account_payer_init(iommu->account, ACCOUNT_UNLIMITED, mem_self_caller(), &self), 0);
	account_payer_fini(&self);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_ptr_not_equal(mmap(mem + SHARED * PAGE, (PAGES - SHARED) * PAGE,
				  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0),
			     MAP_FAILED);
	for (unsigned i = 0; i < 20000; i++) {
		step();
		check_held();
	}
	for (unsigned w = 0; w < WINDOWS; w++)
		if (shows[w].nr)
			mem_window_end(iommu->mem, &shows[w].window);
	ioas_iommu_destroy(iommu);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_is_what_a_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
