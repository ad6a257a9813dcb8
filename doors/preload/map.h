/* SPDX-License-Identifier: MIT */
/* What is mapped of our files, sorted by address: map.c; and which of it is memory: watch.c. */
#ifndef PRELOAD_MAP_H
#define PRELOAD_MAP_H

#include "preload.h"

struct door_map {
	uintptr_t start, end;
	uint64_t off; /* file offset of start */
	int prot;     /* of a BAR: as the program asked for it */
	bool memory; /* plain memory that the engine lent, no BAR: the kernel alone deals with it */
	struct door_obj *obj; /* a reference */
};

/* Lock-free: may start..end-1 meet one of them? False is exact. */
bool map_maybe(uintptr_t start, uintptr_t end);
/* Under door.lock. Takes over a reference. Needs room for one more. */
void map_add(const struct door_map *map);
/* Under door.lock. Room for `nr` more entries, so that the calls below cannot fail. */
int map_reserve(size_t nr);
/* Under door.lock: forgets start..end-1, leaving the rest to map_drain. Needs room for one more. */
void map_cut(uintptr_t start, uintptr_t end);
/* The same for what has been mapped elsewhere instead: for the engine nothing has changed. */
void map_cut_moved(uintptr_t start, uintptr_t end);
/* Not under door.lock: tells the engine of what was cut, and drops the references. */
void map_drain(void);
/* Under door.lock: the first map that ends after addr, or NULL; and the one after it. */
struct door_map *map_first(uintptr_t addr);
struct door_map *map_after(struct door_map *map);
/* Under door.lock: cuts a map in two at addr if it is inside one. Needs room for one more. */
void map_split(uintptr_t addr);
/* Under door.lock: makes one of maps around start..end that have become alike. Then map_drain. */
void map_join(uintptr_t start, uintptr_t end);
/* The BAR at addr with a reference to its object. Takes door.lock. */
bool map_get(uintptr_t addr, struct door_map *out);
/* Is a BAR mapped in start..end-1? Takes door.lock, unless there cannot be one. */
bool map_has_bar(uintptr_t start, uintptr_t end);

/* watch.c */

/* ioas_caller_ops.region_page and region_open: may be called anywhere but under door.lock. */
int watch_page(struct ioas_caller *caller, struct ioas_file *file, uint64_t off, void *at);
int watch_open(struct ioas_caller *caller, struct ioas_file *file, uint64_t off, bool open);
/*
 * Under door.lock: a map, or a part of it, that is a BAR is inaccessible again, and one mapping to
 * the kernel. 0 or -errno.
 */
int watch_end(uintptr_t start, uintptr_t end);

#endif
