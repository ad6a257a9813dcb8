/* SPDX-License-Identifier: MIT */
/*
 * Registers that are watched for a while: a page of the stand-in, which is memory, becomes
 * accessible where the program has mapped it, so that a store is a store. Afterwards it is as
 * inaccessible as before, and whatever the program does with such a mapping in between makes it so,
 * too: a fault is always right.
 */
#include <errno.h>
#include <sys/mman.h>
#include "map.h"
#include "preload.h"
#include "real.h"

#define PAGE 4096ul

static size_t open_nr; /* (lock) pages that are accessible */

/* Where the map shows the page of that file, or NULL. (lock) */
static void *shown(const struct door_map *map, const struct ioas_file *file, uint64_t off)
{
	if (map->obj->file != file || map->memory || off < map->off ||
	    off - map->off >= map->end - map->start)
		return NULL;
	return (void *)(map->start + (off - map->off));
}

/* A second mapping of the page: from one that is there, since its descriptor may be closed. */
int watch_page(struct ioas_caller *caller, struct ioas_file *file, uint64_t off, void *at)
{
	int rc = -ENXIO;

	pthread_mutex_lock(&door.lock);
	for (struct door_map *map = map_first(0); map && rc == -ENXIO; map = map_after(map)) {
		void *from = shown(map, file, off);

		if (!from || !map->obj->sized)
			continue;
		rc = 0;
		if (real.mremap(from, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED ||
		    real.mprotect(at, PAGE, PROT_READ | PROT_WRITE))
			rc = -errno;
	}
	pthread_mutex_unlock(&door.lock);
	return rc;
}

int watch_open(struct ioas_caller *caller, struct ioas_file *file, uint64_t off, bool open)
{
	int rc = -ENXIO;

	pthread_mutex_lock(&door.lock);
	for (struct door_map *map = map_first(0); map; map = map_after(map)) {
		void *at = shown(map, file, off);

		if (!at || (open && !(map->prot & PROT_WRITE)))
			continue;
		if (!real.mprotect(at, PAGE,
				   open ? map->prot & (PROT_READ | PROT_WRITE) : PROT_NONE))
			rc = 0;
	}
	if (open && !rc)
		open_nr++;
	if (!open)
		open_nr--;
	pthread_mutex_unlock(&door.lock);
	return rc;
}

int watch_end(uintptr_t start, uintptr_t end)
{
	return open_nr && real.mprotect((void *)start, end - start, PROT_NONE) ? -errno : 0;
}
