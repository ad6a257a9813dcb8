/* SPDX-License-Identifier: MIT */
/* mprotect and its like: on BARs, and on what is mapped for DMA. */
#include <errno.h>
#include <sys/mman.h>
#include "map.h"
#include "preload.h"
#include "real.h"
#include "wrap.h"

#define PAGE 4096ul

static uintptr_t end_of(const void *addr, size_t len)
{
	return (uintptr_t)addr + ((len + PAGE - 1) & ~(PAGE - 1));
}

/*
 * What may be done with memory may have changed. After the call: who asks the kernel later, gets to
 * know, and what was proven by then is looked for here.
 */
void protect_tell(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr, end = end_of(addr, len);
	struct door_call call;

	if (likely(!pinned_maybe(start, end)) || door_inside || !door_enter(&call))
		return;
	pinned_protected(start, end);
	door_leave(&call);
}

/* BARs have no access in the kernel's eyes, even if they are watched; what lies between them is
 * libc's. (lock) */
static long protect(uintptr_t start, uintptr_t end, int prot)
{
	struct door_map *map;

	map_split(start);
	map_split(end);
	for (map = map_first(start); map && map->start < end; map = map_after(map)) {
		if (map->memory)
			continue;
		if (start < map->start && real.mprotect((void *)start, map->start - start, prot))
			return -errno;
		if (watch_end(map->start, map->end))
			return -errno;
		map->prot = prot;
		start = map->end;
	}
	return start < end && real.mprotect((void *)start, end - start, prot) ? -errno : 0;
}

static int mprotect_ours(void *addr, size_t len, int prot)
{
	struct door_call call;
	long rc;

	if (!map_maybe((uintptr_t)addr, end_of(addr, len)) || door_inside ||
	    (uintptr_t)addr & (PAGE - 1) || !door_enter(&call))
		return real.mprotect(addr, len, prot);
	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc)
		rc = protect((uintptr_t)addr, end_of(addr, len), prot);
	if (!rc)
		map_join((uintptr_t)addr, end_of(addr, len));
	pthread_mutex_unlock(&door.lock);
	map_drain();
	door_leave(&call);
	return (int)door_result(rc);
}

int mprotect(void *addr, size_t len, int prot)
{
	int rc;

	real_need();
	rc = mprotect_ours(addr, len, prot);
	/* These two change what lies below, or above, as well. */
	if (prot & (PROT_GROWSDOWN | PROT_GROWSUP))
		protect_tell(NULL, -PAGE);
	else
		protect_tell(addr, len);
	return rc;
}

int pkey_mprotect(void *addr, size_t len, int prot, int pkey)
{
	int rc;

	real_need();
	rc = real.pkey_mprotect(addr, len, prot, pkey);
	protect_tell(addr, len);
	return rc;
}
