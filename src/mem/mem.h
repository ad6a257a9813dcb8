/* SPDX-License-Identifier: MIT */
/*
 * Where bytes are: the instance's physical map, and touching memory that may not be there.
 *
 * A *window* is a contiguous piece of the physical map that stands for host memory. Its first
 * address is congruent with the IOVA it is first mapped at, modulo a power of two not below its
 * length, so that page tables can use the largest leaves wherever malloc put the memory.
 * A window's address encodes its size class and slot: finding it from a PA is constant-time and
 * lock-free (under an in-flight mark).
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <errno.h>
#include <stdatomic.h>
#include <ioas/types.h>
#include "mem/lend.h"
#include "mem/pins.h"

struct inflight;
struct ioas_caller;
struct mem_map;

struct mem_window {
	pa_t pa;      /* constant, never 0 */
	uint64_t len; /* constant */
	/* Where this process sees its first byte; or, odd, a struct mem_split + MEM_SPLIT. */
	_Atomic uintptr_t host;
	union {				  /* (pins lock) */
		struct mem_piece *pieces; /* those not released */
		uintptr_t shown;	  /* odd: it is one, in `hosts`, of which that is known */
	};
	struct mem_lend lend; /* spans lent out; marked: it is a mem_window_owned */
};

/* One that counts as a pin of a page together with others, see owners.c. */
struct mem_window_owned {
	struct mem_window window;
	const void *owner; /* constant */
};

#define MEM_SPLIT ((uintptr_t)1)

/*
 * Keeps the map to PAs of that many bits. 0; -EBUSY there were windows already. Not while another
 * call runs.
 */
int mem_map_narrow(struct mem_map *map, unsigned pa_bits);

/* Is it in `hosts`? Else it has pieces. With the pins' lock. */
static inline bool mem_window_is_one(const struct mem_window *window)
{
	return window->shown & MEM_SHOWN;
}

/* What a new window shows: memory of this process, or what another window stands for just now. */
struct mem_part {
	struct mem_window *from; /* NULL: `host` */
	uint64_t start;		 /* in `from` */
	void *host;
	uint64_t len; /* > 0, whole pages */
};
/*
 * Makes a window, in the caller's memory, for several parts one after the other, whose PA is
 * congruent with iova, a multiple of 4096. Windows with one `owner` count as one pin of a page; it
 * is the window itself (NULL), or `window` is a mem_window_owned's. An address, nothing else.
 * What another window has hidden from the program stays hidden, and stays until both end. 0;
 * -ENOMEM; -ENOSPC the physical map is full, or it is more than 32 TiB (2 TiB where page tables
 * hold PAs of 48 bits only). Takes the pins' lock.
 */
int mem_window_begin(struct mem_map *map, iova_t iova, const struct mem_part *parts, size_t nr,
		     const void *owner, struct mem_window *window);
/*
 * Ends a window. Nobody can be in flight through it and nothing of it is lent. Takes the pins'
 * lock. Never fails.
 */
void mem_window_end(struct mem_map *map, struct mem_window *window);
/*
 * The same for len bytes (> 0, a multiple of 4096) of host memory, with memory of its own for the
 * window.
 */
int mem_window_new(struct mem_map *map, iova_t iova, void *host, uint64_t len,
		   struct mem_window **out);
void mem_window_destroy(struct mem_map *map, struct mem_window *window);

/*
 * Makes `off`, a multiple of 4096, an end of what mem_window_release can release. 0; -ENOMEM. Waits
 * for those in flight where the memory has been moved.
 */
int mem_window_cut(struct mem_map *map, struct inflight *inflight, struct mem_window *window,
		   uint64_t off);
/*
 * Nobody uses start .. end - 1 of a window any more, or will: it stands for nothing there. Both
 * ends are the window's own or were cut. Nothing of it was released before, and something stays.
 * Never fails.
 */
void mem_window_release(struct mem_map *map, struct mem_window *window, uint64_t start,
			uint64_t end);

/* The window that holds `pa`, or NULL. Lock-free; in flight only. */
struct mem_window *mem_window_find(struct mem_map *map, pa_t pa);

/* The same as mem_window_at for a window in several pieces. */
void *mem_window_piece(struct mem_window *window, uint64_t off, uint64_t *len);

/*
 * Where this process sees byte `off` of a window; *len shrinks to what follows there in one piece.
 * In flight only. NULL: it is being moved, leave and call mem_map_wait.
 */
static inline void *mem_window_at(struct mem_window *window, uint64_t off, uint64_t *len)
{
	uintptr_t host = atomic_load_explicit(&window->host, memory_order_acquire);

	if (__builtin_expect(host & MEM_SPLIT, 0))
		return mem_window_piece(window, off, len);
	if (*len > window->len - off)
		*len = window->len - off;
	return (void *)(host + off);
}

/* Is all of it in one piece, as mem_window_at has just found? In flight only. */
static inline bool mem_window_whole(const struct mem_window *window)
{
	return !(atomic_load_explicit(&window->host, memory_order_relaxed) & MEM_SPLIT);
}

/* Waits while memory is moving. Not in flight. */
void mem_map_wait(struct mem_map *map);
/* What the windows of a map stand for. */
struct mem_pins *mem_map_pins(struct mem_map *map);

/* Keeps a window's spans usable after inflight_leave, until released. Called in flight. */
static inline mem_hold_t mem_window_hold(struct mem_window *window)
{
	return mem_lend_hold(&window->lend);
}
/* Waits until every span lent out before the call is back. After inflight_wait. */
void mem_window_idle(struct mem_window *window);

/*
 * Copies that survive memory that is not there: they return the number of bytes copied, less than
 * `len` when an access faulted. Either side may be bad. With the fast path on (a door has installed
 * a SIGSEGV/SIGBUS handler that calls ioas_guard_fixup) this is a plain copy; else the kernel
 * copies and checks. With the fast path, copies of 1, 2, 4 and 8 bytes are one load and one store.
 */
size_t mem_guard_copy(void *dst, const void *src, size_t len);
/* The same of bits: sets those of `src` in `dst`, not atomically. Bytes or-ed; they lie in a row.
 */
size_t mem_guard_or(void *dst, const void *src, size_t len);
/* One aligned store of 1, 2, 4 or 8 bytes with release order. 0 or -EFAULT. */
int mem_guard_store(void *dst, uint64_t value, unsigned size);
/* The same for `nr` words of 8 bytes, one after the other: how many there was room for. */
size_t mem_guard_words(void *dst, const uint64_t *words, size_t nr);
/*
 * Puts `value` in the place of `old`, 8 aligned bytes, at once. 0; -EAGAIN it is another; -EFAULT.
 * Without the fast path the kernel does it, bit by bit: if another changes the word meanwhile, bits
 * that differ between `old` and `value` may be changed in what it wrote.
 */
int mem_guard_exchange(void *at, uint64_t old, uint64_t value);
/*
 * Copies to pinned memory `at` of this process, or (`write` false) from it, though the program may
 * have forbidden itself to: where a guarded copy has failed. Slow. They return what guarded ones
 * do; memory that is not there is not there for these either. Never for what a caller points at.
 */
size_t mem_force_copy(void *at, void *buf, size_t len, bool write);
int mem_force_store(void *at, uint64_t value, unsigned size);
/*
 * A guarded copy to pinned memory `at`, or from it, and where that fails one past protections, if
 * the instance would know of other memory there (`told`: its config's memory_told).
 */
static inline size_t mem_pinned_copy(void *at, void *buf, size_t len, bool write, bool told)
{
	size_t done = write ? mem_guard_copy(at, buf, len) : mem_guard_copy(buf, at, len);

	if (__builtin_expect(done == len, 1) || !told)
		return done;
	return done + mem_force_copy((char *)at + done, (char *)buf + done, len - done, write);
}
/* The same; what the program may not touch it does not change meanwhile. */
static inline int mem_pinned_exchange(void *at, uint64_t old, uint64_t value, bool told)
{
	uint64_t found;
	int rc = mem_guard_exchange(at, old, value);

	if (__builtin_expect(rc != -EFAULT, 1) || !told)
		return rc;
	if (mem_force_copy(at, &found, sizeof(found), false) != sizeof(found))
		return -EFAULT;
	return found == old ? mem_force_store(at, value, sizeof(value)) : -EAGAIN;
}
/* The same for one aligned store with release order. 0 or -EFAULT. */
static inline int mem_pinned_store(void *at, uint64_t value, unsigned size, bool told)
{
	if (__builtin_expect(!mem_guard_store(at, value, size), 1))
		return 0;
	return told ? mem_force_store(at, value, size) : -EFAULT;
}
/* And for words: how many were stored. */
static inline size_t mem_pinned_words(void *at, const uint64_t *words, size_t nr, bool told)
{
	size_t done = mem_guard_words(at, words, nr);

	while (__builtin_expect(done < nr, 0) && told &&
	       !mem_force_store((uint64_t *)at + done, words[done], 8))
		done++;
	return done;
}
/* Reads (and for `write` atomically rewrites) a byte of every page of a range. 0 or -EFAULT. */
int mem_guard_touch(void *addr, size_t len, bool write);
/* The same by one system call where the kernel can, for long ranges. 0, -EFAULT or -ENOMEM. */
int mem_guard_populate(void *addr, size_t len, bool write);

/*
 * The caller that is this process itself, for programs that use the library without a door: its
 * memory is ours, it has no descriptors of ours. Constant; belongs to nobody.
 */
struct ioas_caller *mem_self_caller(void);

#endif
