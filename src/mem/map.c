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
	uint64_t used;					/* slots ever handed out (map->lock) */
	uint64_t free; /* first free slot as free_link(), 0: none (map->lock) */
};

struct mem_map {
	unsigned shift;	      /* constant once there are windows: where a PA's class begins */
	pthread_mutex_t lock; /* new and destroy */
	struct size_class classes[CLASS_NR];
	struct mem_pins pins; /* which memory the windows stand for */
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
	return 64 - (unsigned)__builtin_clzll(slot >> SEGMENT_LG2 << 1 | 1) - 1;
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

/* Takes one of the class's slots. Locked. */
static int slot_take(struct size_class *class, uint64_t slot_nr, uint64_t *out)
{
	uintptr_t link;
	unsigned nr;

	if (class->free) {
		*out = (class->free >> 1) - 1;
		link = atomic_load_explicit(entry_at(class, *out), memory_order_relaxed);
		class->free = link == LAST_LINK ? 0 : link;
		return 0;
	}
	if (class->used == slot_nr)
		return -ENOSPC;
	nr = segment_of(class->used);
	if (!class->segment[nr]) {
		_Atomic uintptr_t *segment = alloc_zero(segment_len(nr), sizeof(*segment));

		if (!segment)
			return -ENOMEM;
		atomic_store_explicit(&class->segment[nr], segment, memory_order_release);
	}
	*out = class->used++;
	return 0;
}

/* Makes a window that nobody finds yet, in its slot. */
static int window_place(struct mem_map *map, iova_t iova, uint64_t len, struct mem_window **out,
			_Atomic uintptr_t **entry)
{
	unsigned lg2 = ceil_lg2(len) + 1;
	struct size_class *class;
	struct mem_window *window;
	uint64_t slot;
	int rc;

	if (lg2 > map->shift)
		return -ENOSPC;
	class = &map->classes[lg2 - CLASS_MIN];
	window = alloc_raw(sizeof(*window));
	if (!window)
		return -ENOMEM;
	pthread_mutex_lock(&map->lock);
	rc = slot_take(class, 1ull << (map->shift - lg2), &slot);
	if (!rc)
		*entry = entry_at(class, slot);
	pthread_mutex_unlock(&map->lock);
	if (rc) {
		free(window);
		return rc;
	}
	window->pa = (pa_t)lg2 << map->shift | slot << lg2 | (iova & ((1ull << (lg2 - 1)) - 1));
	window->len = len;
	mem_lend_init(&window->lend);
	*out = window;
	return 0;
}

static void slot_give(struct mem_map *map, struct mem_window *window)
{
	unsigned lg2 = (unsigned)(window->pa >> map->shift);
	struct size_class *class = &map->classes[lg2 - CLASS_MIN];
	uint64_t slot = (window->pa & ((1ull << map->shift) - 1)) >> lg2;

	pthread_mutex_lock(&map->lock);
	atomic_store_explicit(entry_at(class, slot), class->free | LAST_LINK, memory_order_relaxed);
	class->free = free_link(slot);
	pthread_mutex_unlock(&map->lock);
}

int mem_window_join(struct mem_map *map, iova_t iova, const struct mem_part *parts, size_t nr,
		    const void *owner, struct mem_window **out)
{
	_Atomic uintptr_t *entry;
	struct mem_window *window;
	uint64_t len = 0;
	int rc;

	for (size_t i = 0; i < nr; i++)
		len += parts[i].len;
	rc = window_place(map, iova, len, &window, &entry);
	if (rc)
		return rc;
	window->owner = owner ? owner : window;
	window->users = 1;
	rc = pins_add(&map->pins, window, parts, nr);
	if (rc) {
		slot_give(map, window);
		free(window);
		return rc;
	}
	atomic_store_explicit(entry, (uintptr_t)window, memory_order_release);
	*out = window;
	return 0;
}

int mem_window_new(struct mem_map *map, iova_t iova, void *host, uint64_t len,
		   struct mem_window **out)
{
	struct mem_part part = {.host = host, .len = len};

	return mem_window_join(map, iova, &part, 1, NULL, out);
}

void mem_window_destroy(struct mem_map *map, struct mem_window *window)
{
	slot_give(map, window);
	pins_remove(&map->pins, window);
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
	lock_init(&map->lock, LOCK_MAP);
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
	pthread_mutex_destroy(&map->lock);
	free(map);
}
