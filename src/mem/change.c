/* SPDX-License-Identifier: MIT */
/*
 * Memory that windows stand for, moved under the feet of those who use it.
 *
 * A piece that is about to move is marked; who finds the mark leaves its flight and waits. The
 * mover waits for those in flight, then for the spans lent out. A model may wait for the mover
 * while it holds such a span itself: the mover notices that somebody waits, takes the marks off,
 * and tries again a little later. So neither waits for the other for good.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <time.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/proof.h"
#include "util/lock.h"
#include "util/sys.h"

#define PAGE	  4096ul
#define HUGE_PAGE (2ul << 20)
#define NAP_NS	  50000l
#define NAP_MAX	  10000000l

static void mark(struct mem_piece *list, bool moving)
{
	for (; list; list = list->next)
		atomic_store_explicit(&list->moving, moving, memory_order_release);
}

static void let_go(struct mem_pins *pins, struct mem_piece *list)
{
	mark(list, false);
	atomic_store(&pins->busy, 0);
	sys_call(SYS_futex, &pins->busy, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static bool drain(struct mem_pins *pins, struct mem_piece *list)
{
	for (; list; list = list->next)
		if (!mem_lend_drain(&list->window->lend, &pins->wanted))
			return false;
	return true;
}

/* On return the pieces are marked and nobody uses them. */
static void stop_use(struct mem_pins *pins, struct inflight *inflight, struct mem_piece *list)
{
	struct timespec nap = {.tv_nsec = NAP_NS};

	for (;;) {
		atomic_store(&pins->wanted, 0);
		atomic_store(&pins->busy, 1);
		mark(list, true);
		inflight_wait(inflight);
		if (drain(pins, list))
			return;
		let_go(pins, list);
		sys_call(SYS_nanosleep, &nap, NULL);
		if (nap.tv_nsec < NAP_MAX)
			nap.tv_nsec *= 2;
	}
}

void pins_wait(struct mem_pins *pins)
{
	while (atomic_load(&pins->busy)) {
		atomic_store(&pins->wanted, 1);
		sys_call(SYS_futex, &pins->busy, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	}
}

/*
 * Moves pages, one VMA at a time: where they lie in several, the kernel says EFAULT to the whole.
 * The program's own mapping stays, empty, for its call to deal with, so that nobody else's lands
 * there first. Returns how many bytes it could move, from the start on.
 */
static size_t move_pages(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	size_t half = (len / 2 + PAGE - 1) & ~(PAGE - 1), done;
	long rc = sys_call(SYS_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to);

	if (rc == -EINVAL && flags)
		rc = sys_call(SYS_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (!sys_failed(rc))
		return len;
	if (rc != -EFAULT || len <= PAGE)
		return 0;
	done = move_pages(from, to, half, flags);
	return done < half ? done : half + move_pages(from + half, to + half, len - half, flags);
}

/* Room of `len` bytes, congruent with `like` as far as large pages need it. 0: none. */
static uintptr_t make_room(uintptr_t like, size_t len)
{
	size_t slack = len >= HUGE_PAGE ? HUGE_PAGE : 0, head;
	long at = sys_call(SYS_mmap, NULL, len + slack, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed(at))
		return 0;
	head = slack ? (like - (uintptr_t)at) & (HUGE_PAGE - 1) : 0;
	if (head)
		sys_call(SYS_munmap, at, head);
	if (slack > head)
		sys_call(SYS_munmap, (uintptr_t)at + head + len, slack - head);
	return (uintptr_t)at + head;
}

/* Pages that move together: pieces that touch, from start on. */
struct run {
	struct mem_piece *first, *after;
	uintptr_t start, end, to;
};

static bool next_run(struct mem_piece *list, struct run *run)
{
	if (!list)
		return false;
	run->first = list;
	run->start = piece_host(list);
	run->end = piece_end(list);
	for (list = list->next;
	     list && piece_host(list) >= run->start && piece_host(list) <= run->end;
	     list = list->next)
		if (piece_end(list) > run->end)
			run->end = piece_end(list);
	run->after = list;
	return true;
}

/* All or nothing: memory of a kind that stays where it is, stays there. */
static bool hide_run(struct run *run)
{
	size_t len = run->end - run->start, done;

	run->to = make_room(run->start, len);
	if (!run->to)
		return false;
	done = move_pages(run->start, run->to, len, MREMAP_DONTUNMAP);
	if (done == len)
		return true;
	if (done)
		move_pages(run->to, run->start, done, 0);
	sys_call(SYS_munmap, run->to, len);
	return false;
}

/* Hides the memory of a list; each piece gets to know where it will be. */
static void hide(struct mem_piece *list)
{
	for (struct run run; next_run(list, &run); list = run.after) {
		bool hidden = hide_run(&run);

		for (struct mem_piece *piece = run.first; piece != run.after; piece = piece->next)
			piece->to = hidden ? run.to + (piece_host(piece) - run.start) : 0;
	}
}

/* The program's call failed, so that its memory must be there again. */
static void unhide(struct mem_piece *list)
{
	for (struct run run; next_run(list, &run); list = run.after)
		if (run.first->to)
			move_pages(run.first->to, run.start, run.end - run.start, 0);
}

/* What the program forbade itself there was not forbidden to the device. */
static void open_up(const struct mem_piece *piece)
{
	if (sys_call(SYS_mprotect, piece->to, piece->len, PROT_READ | PROT_WRITE))
		sys_call(SYS_mprotect, piece->to, piece->len, PROT_READ);
}

static void settle(struct mem_pins *pins, struct mem_piece *list, bool hidden)
{
	for (; list; list = list->next) {
		if (!list->to || list->to == piece_host(list))
			continue;
		pins_take_out(pins, list);
		atomic_store_explicit(&list->host, list->to, memory_order_relaxed);
		list->node.tag = hidden;
		if (hidden)
			open_up(list);
		pins_enter(pins, list);
	}
}

/* The call itself, while nobody uses what it concerns. */
static long change_now(struct mem_pins *pins, const struct ioas_memory_change *change,
		       struct mem_piece *gone, struct mem_piece *moved)
{
	uint64_t to = change->moved.start;
	long rc;

	hide(gone);
	rc = change->call(change->arg, &to);
	if (rc < 0) {
		unhide(gone);
		return rc;
	}
	settle(pins, gone, true);
	for (struct mem_piece *piece = moved; piece; piece = piece->next)
		piece->to = piece_host(piece) - change->moved.start + to;
	settle(pins, moved, false);
	return rc;
}

static bool hit(struct mem_pins *pins, const struct ioas_memory_change *change)
{
	const struct ioas_memory_range *range = change->gone;

	for (; range < change->gone + 2; range++)
		if (pins_meet(pins, range->start, range->end))
			return true;
	return pins_meet(pins, change->moved.start, change->moved.end);
}

static long change_locked(struct mem_pins *pins, struct inflight *inflight,
			  const struct ioas_memory_change *change)
{
	struct mem_piece *gone = NULL, **tail = &gone, *moved = NULL, *all;
	const struct ioas_memory_range *range;
	struct mem_split *old = NULL;
	int rc = pins_prepare(pins, change->moved.start, change->moved.end, &old);
	long result;

	lock_must_hold(&pins->lock);
	for (range = change->gone; range < change->gone + 2 && !rc; range++)
		rc = pins_prepare(pins, range->start, range->end, &old);
	for (range = change->gone; range < change->gone + 2 && !rc; range++)
		tail = pins_collect(pins->tree.root, range->start, range->end, false, tail);
	if (!rc)
		pins_collect(pins->tree.root, change->moved.start, change->moved.end, false,
			     &moved);
	*tail = moved;
	all = gone;
	stop_use(pins, inflight, all);
	pins_free_splits(old);
	*tail = NULL;
	result = rc ? rc : change_now(pins, change, gone, moved);
	*tail = moved;
	let_go(pins, all);
	return result;
}

long pins_change(struct mem_pins *pins, struct inflight *inflight,
		 const struct ioas_memory_change *change)
{
	uint64_t to;
	long rc = 0;
	bool meets;

	pthread_mutex_lock(&pins->lock);
	meets = hit(pins, change);
	if (meets) {
		for (const struct ioas_memory_range *r = change->gone; r < change->gone + 2; r++)
			pins_doubt(pins, r->start, r->end);
		pins_doubt(pins, change->moved.start, change->moved.end);
		rc = change_locked(pins, inflight, change);
	} else {
		pins_bound(pins);
	}
	pthread_mutex_unlock(&pins->lock);
	return meets ? rc : change->call(change->arg, &to);
}

bool ioas_memory_pinned(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
	return pins_maybe(mem_map_pins(iommu->mem), start, end);
}

long ioas_memory_change(struct ioas_iommu *iommu, const struct ioas_memory_change *change)
{
	return pins_change(mem_map_pins(iommu->mem), &iommu->inflight, change);
}

bool ioas_memory_held(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
	struct mem_pins *pins = mem_map_pins(iommu->mem);
	bool held;

	if (!pins_maybe(pins, start, end))
		return false;
	pthread_mutex_lock(&pins->lock);
	held = pins_meet(pins, start, end);
	if (!held)
		pins_bound(pins);
	pthread_mutex_unlock(&pins->lock);
	return held;
}
