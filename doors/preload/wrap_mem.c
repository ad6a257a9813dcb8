/* SPDX-License-Identifier: MIT */
/*
 * The interposed functions that change the address space: BARs come and go.
 *
 * A BAR is mapped as an inaccessible shared mapping of its stand-in, so that /proc/self/maps shows
 * it and fork and munmap do what they do; what the program asked for as protection is kept in
 * map.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/mman.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

#define PAGE 4096ul

static uintptr_t end_of(const void *addr, size_t len)
{
	return (uintptr_t)addr + ((len + PAGE - 1) & ~(PAGE - 1));
}

/* Where a mapping goes, of all flags; the rest (populate, locked) means nothing for registers. */
#define PLACE_FLAGS (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)

/* (lock) */
static void *place(struct door_obj *obj, void *addr, size_t len, int prot, int flags, int fd,
		   off_t off)
{
	void *at;

	if (map_reserve(3)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	at = real.mmap(addr, len, PROT_NONE, MAP_SHARED | (flags & PLACE_FLAGS), fd, off);
	if (at == MAP_FAILED)
		return at;
	map_cut((uintptr_t)at, end_of(at, len));
	stand_get(obj);
	map_add((uintptr_t)at, end_of(at, len), (uint64_t)off, prot, obj);
	return at;
}

static void *mmap_ours(void *addr, size_t len, int prot, int flags, int fd, off_t off, bool *libc)
{
	struct door_obj *obj;
	struct door_call call;
	struct ioas_why why = {""};
	void *at = MAP_FAILED;
	long rc;

	*libc = !door_enter(&call);
	if (*libc)
		return NULL;
	obj = table_get(fd);
	if (!obj) {
		door_leave(&call);
		*libc = true;
		return NULL;
	}
	rc = stand_ready(obj);
	if (!rc && (!len || off & (off_t)(PAGE - 1)))
		rc = -EINVAL;
	if (!rc)
		rc = refusal_note(ioas_file_mmap(obj->file, (uint64_t)off, len, prot, flags, &why),
				  "mmap", &why);
	if (!rc) {
		pthread_mutex_lock(&door.lock);
		at = place(obj, addr, len, prot, flags, fd, off);
		rc = at == MAP_FAILED ? -errno : 0;
		pthread_mutex_unlock(&door.lock);
		map_drain();
	}
	stand_put(obj);
	/* A blocked fault kills: this thread at least must be able to use what it maps. */
	sigdelset(&call.mask, SIGSEGV);
	sigdelset(&call.mask, SIGBUS);
	door_leave(&call);
	door_result(rc);
	return at;
}

/* Any other mapping, put over BARs. */
static void *mmap_over(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct door_call call;
	void *at = MAP_FAILED;
	long rc;

	if (!door_enter(&call))
		return real.mmap(addr, len, prot, flags, fd, off);
	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc) {
		at = real.mmap(addr, len, prot, flags, fd, off);
		rc = at == MAP_FAILED ? -errno : 0;
	}
	if (!rc)
		map_cut((uintptr_t)at, end_of(at, len));
	pthread_mutex_unlock(&door.lock);
	map_drain();
	door_leave(&call);
	door_result(rc);
	return at;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	real_need();
	if (unlikely(!(flags & MAP_ANONYMOUS) && table_maybe(fd))) {
		bool libc;
		void *at = mmap_ours(addr, len, prot, flags, fd, off, &libc);

		if (!libc)
			return at;
	}
	if (flags & MAP_FIXED && unlikely(map_maybe((uintptr_t)addr, end_of(addr, len))) &&
	    !door_inside)
		return mmap_over(addr, len, prot, flags, fd, off);
	return real.mmap(addr, len, prot, flags, fd, off);
}
ALIAS(mmap64, mmap)

int munmap(void *addr, size_t len)
{
	struct door_call call;
	long rc;

	real_need();
	if (!map_maybe((uintptr_t)addr, end_of(addr, len)) || door_inside || !door_enter(&call))
		return real.munmap(addr, len);
	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc && real.munmap(addr, len))
		rc = -errno;
	if (!rc)
		map_cut((uintptr_t)addr, end_of(addr, len));
	pthread_mutex_unlock(&door.lock);
	map_drain();
	door_leave(&call);
	return (int)door_result(rc);
}

/*
 * Registers can be moved and shrunk, not grown (VM_DONTEXPAND): -EFAULT.
 * (lock)
 */
static long move_map(void *old, size_t old_len, size_t new_len, int flags, void *want, void **at)
{
	uintptr_t first = (uintptr_t)old;
	struct door_map *map, kept;

	map = map_first(first);
	if (!map || map->start > first) {
		/* Plain memory; it may land on BARs. */
		*at = real.mremap(old, old_len, new_len, flags, want);
		if (*at == MAP_FAILED)
			return -errno;
		map_cut((uintptr_t)*at, end_of(*at, new_len));
		return 0;
	}
	if (new_len > old_len || !new_len || end_of(old, old_len) > map->end)
		return -EFAULT;
	kept = *map;
	*at = real.mremap(old, old_len, new_len, flags, want);
	if (*at == MAP_FAILED)
		return -errno;
	stand_get(kept.obj);
	map_cut(first, end_of(old, old_len));
	map_cut((uintptr_t)*at, end_of(*at, new_len));
	map_add((uintptr_t)*at, end_of(*at, new_len), kept.off + first - kept.start, kept.prot,
		kept.obj);
	return 0;
}

void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	void *want, *at = MAP_FAILED;
	struct door_call call;
	va_list ap;
	long rc;

	real_need();
	va_start(ap, flags);
	want = flags & MREMAP_FIXED ? va_arg(ap, void *) : NULL;
	va_end(ap);
	if (door_inside ||
	    (!map_maybe((uintptr_t)old, end_of(old, old_len)) &&
	     !(flags & MREMAP_FIXED && map_maybe((uintptr_t)want, end_of(want, new_len)))) ||
	    !door_enter(&call))
		return real.mremap(old, old_len, new_len, flags, want);
	pthread_mutex_lock(&door.lock);
	rc = map_reserve(5);
	if (!rc)
		rc = move_map(old, old_len, new_len, flags, want, &at);
	pthread_mutex_unlock(&door.lock);
	map_drain();
	door_leave(&call);
	if (rc)
		at = MAP_FAILED;
	door_result(rc);
	return at;
}

/* BARs keep no access in the kernel's eyes; what lies between them is libc's. (lock) */
static long protect(uintptr_t start, uintptr_t end, int prot)
{
	struct door_map *map;

	map_split(start);
	map_split(end);
	for (map = map_first(start); map && map->start < end; map = map_after(map)) {
		if (start < map->start && real.mprotect((void *)start, map->start - start, prot))
			return -errno;
		map->prot = prot;
		start = map->end;
	}
	return start < end && real.mprotect((void *)start, end - start, prot) ? -errno : 0;
}

int mprotect(void *addr, size_t len, int prot)
{
	struct door_call call;
	long rc;

	real_need();
	if (!map_maybe((uintptr_t)addr, end_of(addr, len)) || door_inside ||
	    (uintptr_t)addr & (PAGE - 1) || !door_enter(&call))
		return real.mprotect(addr, len, prot);
	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc)
		rc = protect((uintptr_t)addr, end_of(addr, len), prot);
	pthread_mutex_unlock(&door.lock);
	door_leave(&call);
	return (int)door_result(rc);
}
