/* SPDX-License-Identifier: MIT */
/*
 * The interposed functions that change the address space: mappings of our files come and go, and
 * what is mapped for DMA has to outlive its mapping.
 *
 * A BAR is mapped as an inaccessible shared mapping of its stand-in, so that /proc/self/maps shows
 * it and fork and munmap do what they do; what the program asked for as protection is kept in
 * map.c. Memory that the engine lends is mapped as the program asked.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/mman.h>
#include "mem/mem.h"
#include "map.h"
#include "preload.h"
#include "real.h"
#include "wrap.h"

#define PAGE 4096ul

/* What a call of the program does, for pinned_change; the functions below fill in the rest. */
struct args {
	void *addr, *want, *at;
	size_t len, new_len;
	int prot, flags, fd;
	off_t off;
};

static uintptr_t end_of(const void *addr, size_t len)
{
	return (uintptr_t)addr + ((len + PAGE - 1) & ~(PAGE - 1));
}

/* The kernel refuses all else, before it has changed anything. */
static bool is_pages(const void *addr, size_t len)
{
	return !((uintptr_t)addr & (PAGE - 1)) && len && end_of(addr, len) > (uintptr_t)addr;
}

/* May a range meet anything of ours? */
static bool maybe(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr, end = end_of(addr, len);

	return map_maybe(start, end) || pinned_maybe(start, end);
}

/* Where a mapping goes, of all flags; the rest (populate, locked) means nothing for registers. */
#define PLACE_FLAGS (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)

/* (lock) */
static void *place(struct door_obj *obj, const struct args *args, const struct ioas_mapping *how)
{
	struct door_map map = {.off = (uint64_t)args->off, .prot = args->prot, .obj = obj};
	int flags = MAP_SHARED | (args->flags & PLACE_FLAGS);
	void *at;

	map.memory = how->fd >= 0;
	if (map_reserve(3)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (map.memory)
		at = real.mmap(args->addr, args->len, args->prot, flags, how->fd, (off_t)how->off);
	else
		at = real.mmap(args->addr, args->len, PROT_NONE, flags, args->fd, args->off);
	if (at == MAP_FAILED)
		return at;
	map.start = (uintptr_t)at;
	map.end = end_of(at, args->len);
	map_cut(map.start, map.end);
	stand_get(obj);
	map_add(&map);
	return at;
}

/* What place() did not come to map. */
static void give_back(struct door_obj *obj, const struct args *args, const struct ioas_mapping *how)
{
	if (how->fd >= 0)
		ioas_file_munmap(obj->file, (uint64_t)args->off, end_of(NULL, args->len));
}

static void *mmap_ours(const struct args *args, bool *libc)
{
	struct door_obj *obj;
	struct door_call call;
	struct ioas_why why = {""};
	struct ioas_mapping how;
	void *at = MAP_FAILED;
	long rc;

	*libc = !door_enter(&call);
	if (*libc)
		return NULL;
	obj = table_get(args->fd);
	if (!obj) {
		door_leave(&call);
		*libc = true;
		return NULL;
	}
	rc = obj->tid ? -ENODEV : stand_ready(obj);
	if (rc)
		tell_refusal(rc, "mmap", obj->node.path,
			     obj->tid ? NULL : "another process of the run owns what is behind it");
	if (!rc && (!args->len || args->off & (off_t)(PAGE - 1)))
		rc = -EINVAL;
	if (!rc)
		rc = refusal_note(ioas_file_mmap(obj->file, (uint64_t)args->off,
						 end_of(NULL, args->len), args->prot, args->flags,
						 &how, &why),
				  "mmap", &why);
	if (!rc) {
		pthread_mutex_lock(&door.lock);
		at = place(obj, args, &how);
		rc = at == MAP_FAILED ? -errno : 0;
		pthread_mutex_unlock(&door.lock);
		if (rc)
			give_back(obj, args, &how);
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

static long mmap_call(void *arg, uint64_t *to)
{
	struct args *args = arg;
	long rc;

	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc) {
		args->at = real.mmap(args->addr, args->len, args->prot, args->flags, args->fd,
				     args->off);
		rc = args->at == MAP_FAILED ? -errno : 0;
	}
	if (!rc)
		map_cut((uintptr_t)args->at, end_of(args->at, args->len));
	pthread_mutex_unlock(&door.lock);
	return rc;
}

/* Any other mapping, put over ours or over what is mapped for DMA. */
static void *mmap_over(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct args args = {addr, NULL, MAP_FAILED, len, 0, prot, flags, fd, off};
	struct ioas_memory_change change = {.call = mmap_call, .arg = &args};
	struct door_call call;
	long rc;

	if (!door_enter(&call))
		return real.mmap(addr, len, prot, flags, fd, off);
	change.gone[0] = (struct ioas_memory_range){(uintptr_t)addr, end_of(addr, len)};
	rc = pinned_change(&change);
	map_drain();
	door_leave(&call);
	door_result(rc);
	return rc ? MAP_FAILED : args.at;
}

#define HUGE_LG2(flags) ((unsigned)(flags) >> MAP_HUGE_SHIFT & MAP_HUGE_MASK)

/*
 * Huge pages where the system has none to give, for the kernel's selftests: normal memory at an
 * address that huge pages could have.
 */
static void *mmap_huge(void *addr, size_t len, int prot, int flags)
{
	size_t huge = 1ul << (HUGE_LG2(flags) ? HUGE_LG2(flags) : 21);
	int plain =
		(int)((unsigned)flags & ~(MAP_HUGETLB | (unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT));
	char *room, *at;

	len = (len + huge - 1) & ~(huge - 1);
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		errno = EINVAL;
		return (uintptr_t)addr & (huge - 1) ? MAP_FAILED
						    : mmap(addr, len, prot, plain, -1, 0);
	}
	room = real.mmap(NULL, len + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	at = (char *)(((uintptr_t)room + huge - 1) & ~(huge - 1));
	if (at > room)
		real.munmap(room, (size_t)(at - room));
	if (at < room + huge)
		real.munmap(at + len, (size_t)(room + huge - at));
	return real.mmap(at, len, prot, plain | MAP_FIXED, -1, 0);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *at;

	real_need();
	if (unlikely(!(flags & MAP_ANONYMOUS) && table_maybe(fd))) {
		bool libc;
		struct args args = {addr, NULL, NULL, len, 0, prot, flags, fd, off};

		at = mmap_ours(&args, &libc);

		if (!libc)
			return at;
	}
	if (flags & MAP_FIXED && unlikely(maybe(addr, len)) && !door_inside && is_pages(addr, len))
		at = mmap_over(addr, len, prot, flags, fd, off);
	else
		at = real.mmap(addr, len, prot, flags, fd, off);
	if (unlikely(at == MAP_FAILED) && flags & MAP_HUGETLB && flags & MAP_ANONYMOUS &&
	    errno == ENOMEM && !door_inside && door_selftest())
		at = mmap_huge(addr, len, prot, flags);
	return at;
}
ALIAS(mmap64, mmap)

static long munmap_call(void *arg, uint64_t *to)
{
	struct args *args = arg;
	long rc;

	pthread_mutex_lock(&door.lock);
	rc = map_reserve(2);
	if (!rc && real.munmap(args->addr, args->len))
		rc = -errno;
	if (!rc)
		map_cut((uintptr_t)args->addr, end_of(args->addr, args->len));
	pthread_mutex_unlock(&door.lock);
	return rc;
}

int munmap(void *addr, size_t len)
{
	struct args args = {.addr = addr, .len = len};
	struct ioas_memory_change change = {.call = munmap_call, .arg = &args};
	struct door_call call;
	long rc;

	real_need();
	if (!maybe(addr, len) || door_inside || !is_pages(addr, len) || !door_enter(&call))
		return real.munmap(addr, len);
	change.gone[0] = (struct ioas_memory_range){(uintptr_t)addr, end_of(addr, len)};
	rc = pinned_change(&change);
	map_drain();
	door_leave(&call);
	return (int)door_result(rc);
}

static long madvise_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	return real.madvise(args->addr, args->len, args->flags) ? -errno : 0;
}

/*
 * A hole in a file: what a device uses of its pages lives on in a copy, which takes their place in
 * the same step.
 */
static long punch_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	for (size_t at = 0; at < args->len; at += PAGE)
		mem_guard_copy((char *)args->want + at, (char *)args->addr + at, PAGE);
	*to = (uintptr_t)args->want;
	return real.madvise(args->addr, args->len, args->flags) ? -errno : 0;
}

static long punch(struct args *args)
{
	struct ioas_memory_change change = {.call = punch_call, .arg = args}, away;
	struct args copy;
	long rc;

	args->len = end_of(args->addr, args->len) - (uintptr_t)args->addr;
	args->want = real.mmap(NULL, args->len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (args->want == MAP_FAILED)
		return -ENOMEM;
	change.moved =
		(struct ioas_memory_range){(uintptr_t)args->addr, end_of(args->addr, args->len)};
	rc = pinned_change(&change);
	/* Out of sight, but for what a device uses. */
	copy = (struct args){.addr = args->want, .len = args->len};
	away = (struct ioas_memory_change){.call = munmap_call, .arg = &copy};
	away.gone[0] =
		(struct ioas_memory_range){(uintptr_t)copy.addr, end_of(copy.addr, copy.len)};
	pinned_change(&away);
	return rc;
}

/*
 * Private memory is dropped, though a device still uses the pages. Of MADV_FREE the kernel leaves
 * out what is pinned, and it may free nothing at all.
 */
int madvise(void *addr, size_t len, int advice)
{
	struct args args = {.addr = addr, .len = len, .flags = advice};
	struct ioas_memory_change change = {.call = madvise_call, .arg = &args};
	struct door_call call;
	long rc;

	real_need();
	if ((advice != MADV_DONTNEED && advice != MADV_FREE && advice != MADV_REMOVE) ||
	    !pinned_maybe((uintptr_t)addr, end_of(addr, len)) || door_inside ||
	    !is_pages(addr, len) || !door_enter(&call)) {
		rc = real.madvise(addr, len, advice);
		/* Some advice forbids: MADV_GUARD_INSTALL, and whatever there is to come. */
		protect_tell(addr, len);
		return (int)rc;
	}
	change.gone[0] = (struct ioas_memory_range){(uintptr_t)addr, end_of(addr, len)};
	if (advice == MADV_REMOVE)
		rc = punch(&args);
	else
		rc = advice == MADV_FREE ? 0 : pinned_change(&change);
	door_leave(&call);
	return (int)door_result(rc);
}

/*
 * Mappings of ours can be moved and shrunk, not grown (VM_DONTEXPAND): -EFAULT.
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
	if (flags & MREMAP_DONTUNMAP)
		return -EINVAL;
	if (new_len > old_len || !new_len || end_of(old, old_len) > map->end)
		return -EFAULT;
	if (!map->memory && watch_end(first, end_of(old, old_len)))
		return -errno;
	kept = *map;
	*at = real.mremap(old, old_len, new_len, flags, want);
	if (*at == MAP_FAILED)
		return -errno;
	stand_get(kept.obj);
	map_cut_moved(first, end_of(old, new_len));
	map_cut(end_of(old, new_len), end_of(old, old_len));
	map_cut((uintptr_t)*at, end_of(*at, new_len));
	kept.off += first - kept.start;
	kept.start = (uintptr_t)*at;
	kept.end = end_of(*at, new_len);
	map_add(&kept);
	return 0;
}

static long mremap_call(void *arg, uint64_t *to)
{
	struct args *args = arg;
	long rc;

	pthread_mutex_lock(&door.lock);
	rc = map_reserve(7);
	if (!rc)
		rc = move_map(args->addr, args->len, args->new_len, args->flags, args->want,
			      &args->at);
	pthread_mutex_unlock(&door.lock);
	*to = (uintptr_t)args->at;
	return rc;
}

/* What it shrinks by and what it lands on goes, what is left moves. */
static void mremap_change(const struct args *args, struct ioas_memory_change *change)
{
	uintptr_t old = (uintptr_t)args->addr, want = (uintptr_t)args->want;
	uintptr_t end = end_of(args->addr, args->len);
	uintptr_t new_end = end_of(args->addr, args->new_len);

	change->moved = (struct ioas_memory_range){old, end < new_end ? end : new_end};
	change->gone[0] = (struct ioas_memory_range){new_end, end};
	if (args->flags & MREMAP_FIXED)
		change->gone[1] =
			(struct ioas_memory_range){want, end_of(args->want, args->new_len)};
}

/* Does the kernel refuse it at a glance? Then nothing must be moved for it. */
static bool mremap_valid(const struct args *args)
{
	uintptr_t old = (uintptr_t)args->addr, want = (uintptr_t)args->want;

	if (old & (PAGE - 1) || !args->new_len || end_of(args->addr, args->len) < old)
		return false;
	if (!(args->flags & MREMAP_FIXED))
		return true;
	return is_pages(args->want, args->new_len) && args->flags & MREMAP_MAYMOVE &&
	       (want >= end_of(args->addr, args->len) || end_of(args->want, args->new_len) <= old);
}

void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	struct args args = {old, NULL, MAP_FAILED, old_len, new_len, 0, flags, -1, 0};
	struct ioas_memory_change change = {.call = mremap_call, .arg = &args};
	struct door_call call;
	va_list ap;
	long rc;

	real_need();
	va_start(ap, flags);
	args.want = flags & MREMAP_FIXED ? va_arg(ap, void *) : NULL;
	va_end(ap);
	if (door_inside ||
	    (!maybe(old, old_len) && !(flags & MREMAP_FIXED && maybe(args.want, new_len))) ||
	    !mremap_valid(&args) || !door_enter(&call))
		return real.mremap(old, old_len, new_len, flags, args.want);
	mremap_change(&args, &change);
	rc = pinned_change(&change);
	map_drain();
	door_leave(&call);
	door_result(rc);
	return rc ? MAP_FAILED : args.at;
}
