/* SPDX-License-Identifier: MIT */
/*
 * The physical map: PA -> window.
 *
 * A PA has 52 bits, or 48 where page tables hold no more: a size class in the highest six of them,
 * and 46 (42) bits below that class k divides into slots of 2^k bytes, one window a slot. A window
 * of up to 2^n bytes takes a slot of class n + 1: half of it is room to move, so that the window
 * can start at an address congruent with its IOVA modulo 2^n. Classes below 13 do not exist, so
 * neither does PA 0.
 *
 * The slots of a class are found through segments of 64, 64, 128, 256 ... entries that never move,
 * so that readers need no lock. An entry is a window, 0, or (odd) a link of the list of free slots.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "util/alloc.h"
#include "util/lock.h"

#define CLASS_BITS  6
#define CLASS_MIN   13u /* 4 KiB and room */
#define CLASS_MAX   46u /* of PAs of 52 bits; of others their bits without the class */
#define CLASS_NR    (CLASS_MAX - CLASS_MIN + 1)
#define LAST_LINK   1u /* ends the list of free slots: odd, and of no slot */
#define SEGMENT_LG2 6  /* entries of the first two segments */
#define SEGMENT_NR  (CLASS_MAX - CLASS_MIN - SEGMENT_LG2 + 1)

struct size_class {
	_Atomic uintptr_t *_Atomic segment[SEGMENT_NR]; /* published once, never moved */
	uint64_t used;					/* (pins lock) slots ever handed out */
	uint64_t free; /* (pins lock) first free slot as free_link(), 0: none */
};

struct mem_map {
	unsigned shift; /* constant once there are windows: where a PA's class begins */
	struct size_class classes[CLASS_NR];
	struct mem_pins pins; /* which memory the windows stand for; its lock is for all of it */
};

static unsigned ceil_lg2(uint64_t len)
{
	return len <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(len - 1);
}

static uintptr_t free_link(uint64_t slot)
{
	return (uintptr_t)(slot + 1) << 1 | 1;
}

/* Segment 0 holds slots 0..63, segment s > 0 slots 2^(s+5) .. 2^(s+6) - 1. */
static unsigned segment_of(uint64_t slot)
{
	return 63 ^ (unsigned)__builtin_clzll(slot >> SEGMENT_LG2 << 1 | 1);
}

static uint64_t segment_first(unsigned segment)
{
	return segment ? 1ull << (segment + SEGMENT_LG2 - 1) : 0;
}

static uint64_t segment_len(unsigned segment)
{
	return segment ? segment_first(segment) : 1ull << SEGMENT_LG2;
}

static _Atomic uintptr_t *entry_at(struct size_class *class, uint64_t slot)
{
	unsigned nr = segment_of(slot);
	_Atomic uintptr_t *segment =
		atomic_load_explicit(&class->segment[nr], memory_order_acquire);

	return segment ? segment + (slot - segment_first(nr)) : NULL;
}

/* Takes one of the class's slots. Locked. -ENOSPC; -EAGAIN: its segment is to be made first. */
static int slot_take(struct size_class *class, uint64_t slot_nr, uint64_t *out)
{
	uintptr_t link;

	if (class->free) {
		*out = (class->free >> 1) - 1;
		link = atomic_load_explicit(entry_at(class, *out), memory_order_relaxed);
		class->free = link == LAST_LINK ? 0 : link;
		return 0;
	}
	if (class->used == slot_nr)
		return -ENOSPC;
	if (!class->segment[segment_of(class->used)])
		return -EAGAIN;
	*out = class->used++;
	return 0;
}

/* Takes the lock, but for the allocation: who waits for it may be inside malloc. */
static int lock_with_slot(struct mem_map *map, unsigned lg2, uint64_t *slot)
{
	struct size_class *class = &map->classes[lg2 - CLASS_MIN];
	uint64_t slot_nr = 1ull << (map->shift - lg2);

	for (;;) {
		_Atomic uintptr_t *segment;
		unsigned nr;
		int rc;

		pthread_mutex_lock(&map->pins.lock);
		rc = slot_take(class, slot_nr, slot);
		if (!rc)
			return 0;
		nr = segment_of(class->used);
		pthread_mutex_unlock(&map->pins.lock);
		if (rc != -EAGAIN)
			return rc;
		segment = alloc_zero(segment_len(nr), sizeof(*segment));
		if (!segment)
			return -ENOMEM;
		pthread_mutex_lock(&map->pins.lock);
		if (!class->segment[nr]) {
			atomic_store_explicit(&class->segment[nr], segment, memory_order_release);
			segment = NULL;
		}
		pthread_mutex_unlock(&map->pins.lock);
		free(segment);
	}
}

/* Locked. */
static void slot_give(struct mem_map *map, const struct mem_window *window)
{
	unsigned lg2 = (unsigned)(window->pa >> map->shift);
	struct size_class *class = &map->classes[lg2 - CLASS_MIN];
	uint64_t slot = (window->pa & ((1ull << map->shift) - 1)) >> lg2;

	atomic_store_explicit(entry_at(class, slot), class->free | LAST_LINK, memory_order_relaxed);
	class->free = free_link(slot);
}

int mem_window_begin(struct mem_map *map, iova_t iova, const struct mem_part *parts, size_t nr,
		     const void *owner, struct mem_window *window)
{
	uint64_t len = 0, slot;
	unsigned lg2;
	int rc;

	for (size_t i = 0; i < nr; i++)
		len += parts[i].len;
	lg2 = ceil_lg2(len) + 1;
	if (lg2 > map->shift)
		return -ENOSPC;
	rc = lock_with_slot(map, lg2, &slot);
	if (rc)
		return rc;
	window->pa = (pa_t)lg2 << map->shift | slot << lg2 | (iova & ((1ull << (lg2 - 1)) - 1));
	window->len = len;
	mem_lend_init(&window->lend);
	if (owner) {
		((struct mem_window_owned *)window)->owner = owner;
		mem_lend_mark(&window->lend);
	}
	rc = pins_add(&map->pins, window, parts, nr);
	if (rc)
		slot_give(map, window);
	else
		atomic_store_explicit(entry_at(&map->classes[lg2 - CLASS_MIN], slot),
				      (uintptr_t)window, memory_order_release);
	pthread_mutex_unlock(&map->pins.lock);
	return rc;
}

int mem_window_new(struct mem_map *map, iova_t iova, void *host, uint64_t len,
		   struct mem_window **out)
{
	struct mem_part part = {.host = host, .len = len};
	struct mem_window *window = alloc_raw(sizeof(*window));
	int rc;

	if (!window)
		return -ENOMEM;
	rc = mem_window_begin(map, iova, &part, 1, NULL, window);
	if (rc)
		free(window);
	else
		*out = window;
	return rc;
}

void mem_window_end(struct mem_map *map, struct mem_window *window)
{
	pthread_mutex_lock(&map->pins.lock);
	slot_give(map, window);
	pins_remove(&map->pins, window);
	pthread_mutex_unlock(&map->pins.lock);
	if (!mem_window_whole(window))
		pins_free_splits(pins_split_of(window));
}

void mem_window_destroy(struct mem_map *map, struct mem_window *window)
{
	mem_window_end(map, window);
	free(window);
}

int mem_window_cut(struct mem_map *map, struct inflight *inflight, struct mem_window *window,
		   uint64_t off)
{
	struct mem_split *old = NULL;
	int rc = pins_cut(&map->pins, window, off, &old);

	if (old)
		inflight_wait(inflight);
	pins_free_splits(old);
	return rc;
}

void mem_window_release(struct mem_map *map, struct mem_window *window, uint64_t start,
			uint64_t end)
{
	pins_release(&map->pins, window, start, end);
}

struct mem_window *mem_window_find(struct mem_map *map, pa_t pa)
{
	uint64_t lg2 = pa >> map->shift;
	_Atomic uintptr_t *entry;
	struct mem_window *window;
	uintptr_t value;

	if (lg2 < CLASS_MIN || lg2 > map->shift)
		return NULL;
	entry = entry_at(&map->classes[lg2 - CLASS_MIN], (pa & ((1ull << map->shift) - 1)) >> lg2);
	value = entry ? atomic_load_explicit(entry, memory_order_acquire) : 0;
	if (!value || value & 1)
		return NULL;
	window = (struct mem_window *)value;
	return pa - window->pa < window->len ? window : NULL;
}

void mem_map_wait(struct mem_map *map)
{
	pins_wait(&map->pins);
}

struct mem_pins *mem_map_pins(struct mem_map *map)
{
	return &map->pins;
}

void mem_window_idle(struct mem_window *window)
{
	mem_lend_idle(&window->lend);
}

static unsigned shift_of(unsigned pa_bits)
{
	return (pa_bits < 52 ? pa_bits : 52) - CLASS_BITS;
}

int mem_map_narrow(struct mem_map *map, unsigned pa_bits)
{
	if (shift_of(pa_bits) >= map->shift)
		return 0;
	for (unsigned i = 0; i < CLASS_NR; i++)
		if (map->classes[i].used)
			return -EBUSY;
	map->shift = shift_of(pa_bits);
	return 0;
}

int mem_map_new(unsigned pa_bits, struct mem_map **out)
{
	struct mem_map *map = alloc_zero(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	map->shift = shift_of(pa_bits);
	pins_init(&map->pins);
	*out = map;
	return 0;
}

void mem_map_destroy(struct mem_map *map)
{
	if (!map)
		return;
	for (unsigned i = 0; i < CLASS_NR; i++)
		for (unsigned j = 0; j < SEGMENT_NR; j++)
			free(map->classes[i].segment[j]);
	pins_fini(&map->pins);
	free(map);
}
