/* SPDX-License-Identifier: MIT */
/*
 * What is mapped of our files, sorted by address: BARs, and memory that the engine lent.
 *
 * Where a BAR is, the kernel has nothing but an inaccessible mapping of the stand-in; every access
 * faults and is looked up here. Lent memory is mapped for what it is; all that is needed is to know
 * when it goes. The bounds of all maps are kept aside, so that munmap, mprotect and faults of
 * other memory cost two loads.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "map.h"
#include "preload.h"
#include "real.h"

static struct door_map *maps; /* (lock) */
static size_t maps_nr, maps_cap;
static struct door_map *cut; /* (lock) gone, but for their references and the engine's count */
static size_t cut_nr, cut_cap;
static _Atomic uintptr_t low = UINTPTR_MAX, high;

bool map_maybe(uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&high, memory_order_relaxed) &&
	       end > atomic_load_explicit(&low, memory_order_relaxed);
}

static void bounds(void)
{
	atomic_store(&low, maps_nr ? maps[0].start : UINTPTR_MAX);
	atomic_store(&high, maps_nr ? maps[maps_nr - 1].end : 0);
}

/* The first map that ends after addr. */
static size_t lower(uintptr_t addr)
{
	size_t first = 0, end = maps_nr;

	while (first < end) {
		size_t mid = first + (end - first) / 2;

		if (maps[mid].end > addr)
			end = mid;
		else
			first = mid + 1;
	}
	return first;
}

/* Pages, not malloc: the program may be inside malloc when it unmaps. */
static int grow(void **array, size_t *cap, size_t want, size_t item)
{
	size_t len = *cap ? *cap * item * 2 : 4096;
	void *next;

	if (want <= *cap)
		return 0;
	while (len < want * item)
		len *= 2;
	next = real.mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (next == MAP_FAILED)
		return -ENOMEM;
	if (*cap) {
		memcpy(next, *array, *cap * item);
		real.munmap(*array, *cap * item);
	}
	*array = next;
	*cap = len / item;
	return 0;
}

/* Whatever is mapped can be cut: as much room for references as for maps. */
int map_reserve(size_t nr)
{
	int rc = grow((void **)&maps, &maps_cap, maps_nr + nr, sizeof(*maps));

	return rc ? rc : grow((void **)&cut, &cut_cap, cut_nr + maps_nr + nr, sizeof(*cut));
}

static void insert(size_t at, struct door_map map)
{
	memmove(&maps[at + 1], &maps[at], (maps_nr - at) * sizeof(*maps));
	maps[at] = map;
	maps_nr++;
	bounds();
}

void map_add(const struct door_map *map)
{
	insert(lower(map->start), *map);
}

void map_split(uintptr_t addr)
{
	size_t at = lower(addr);
	struct door_map rest;

	if (at == maps_nr || maps[at].start >= addr)
		return;
	rest = maps[at];
	rest.off += addr - rest.start;
	rest.start = addr;
	stand_get(rest.obj);
	maps[at].end = addr;
	insert(at + 1, rest);
}

static bool continues(const struct door_map *a, const struct door_map *b)
{
	return a->end == b->start && a->obj == b->obj && a->prot == b->prot &&
	       a->memory == b->memory && a->off + (a->end - a->start) == b->off;
}

void map_join(uintptr_t start, uintptr_t end)
{
	size_t at = lower(start), kept;

	if (at)
		at--;
	for (; at + 1 < maps_nr && maps[at].start <= end; at++) {
		for (kept = at; at + 1 < maps_nr && continues(&maps[kept], &maps[at + 1]); at++) {
			/* Of what is gone nothing but a reference. */
			cut[cut_nr] = maps[at + 1];
			cut[cut_nr++].memory = false;
			maps[kept].end = maps[at + 1].end;
		}
		memmove(&maps[kept + 1], &maps[at + 1], (maps_nr - at - 1) * sizeof(*maps));
		maps_nr -= at - kept;
		at = kept;
	}
}

static void forget(uintptr_t start, uintptr_t end, bool moved)
{
	size_t first, last;

	map_split(start);
	map_split(end);
	first = lower(start);
	for (last = first; last < maps_nr && maps[last].start < end; last++) {
		cut[cut_nr] = maps[last];
		cut[cut_nr++].memory &= !moved;
	}
	memmove(&maps[first], &maps[last], (maps_nr - last) * sizeof(*maps));
	maps_nr -= last - first;
	bounds();
}

void map_cut(uintptr_t start, uintptr_t end)
{
	forget(start, end, false);
}

void map_cut_moved(uintptr_t start, uintptr_t end)
{
	forget(start, end, true);
}

/*
 * (lock) Takes the last one out of which the engine may be told: a copy of the engine that belongs
 * to another process is left alone until it is taken over.
 */
static bool take_cut(struct door_map *out)
{
	for (size_t i = cut_nr; i--;) {
		const struct door_obj *obj = cut[i].obj;

		if (cut[i].memory && obj->machine && obj->machine->inherited)
			continue;
		*out = cut[i];
		cut[i] = cut[--cut_nr];
		return true;
	}
	return false;
}

void map_drain(void)
{
	struct door_map map;
	bool found;

	do {
		pthread_mutex_lock(&door.lock);
		found = take_cut(&map);
		pthread_mutex_unlock(&door.lock);
		if (found && map.memory && map.obj->file)
			ioas_file_munmap(map.obj->file, map.off, map.end - map.start);
		if (found)
			stand_put(map.obj);
	} while (found);
}

struct door_map *map_first(uintptr_t addr)
{
	size_t at = lower(addr);

	return at < maps_nr ? &maps[at] : NULL;
}

struct door_map *map_after(struct door_map *map)
{
	return map + 1 < maps + maps_nr ? map + 1 : NULL;
}

bool map_get(uintptr_t addr, struct door_map *out)
{
	struct door_map *map;
	bool found = false;

	pthread_mutex_lock(&door.lock);
	map = map_first(addr);
	if (map && map->start <= addr && !map->memory) {
		*out = *map;
		stand_get(out->obj);
		found = true;
	}
	pthread_mutex_unlock(&door.lock);
	return found;
}

bool map_has_bar(uintptr_t start, uintptr_t end)
{
	struct door_map *map;
	bool found = false;

	if (!map_maybe(start, end))
		return false;
	pthread_mutex_lock(&door.lock);
	for (map = map_first(start); map && map->start < end && !found; map = map_after(map))
		found = !map->memory;
	pthread_mutex_unlock(&door.lock);
	return found;
}
