/* SPDX-License-Identifier: MIT */
/*
 * The life of an access: where it is attached, and hearing of what is unmapped there.
 *
 * A move happens in three steps: with its lock it stops to act on anything and enters the new
 * space's list; without locks its owner is told to let go of all; with the lock again, what pins
 * are left end, and it acts on the new space.
 */
#include <errno.h>
#include <inttypes.h>
#include "space/access.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

int ioas_access_new(struct ioas_iommu *iommu, const struct ioas_access_ops *ops, void *arg,
		    uint32_t flags, struct ioas_access **out)
{
	struct ioas_access *access;

	if (flags & ~(uint32_t)IOAS_ACCESS_PINS || (flags && (!ops || !ops->unmap)))
		return -EINVAL;
	access = alloc_zero(1, sizeof(*access));
	if (!access)
		return -ENOMEM;
	access->iommu = iommu;
	access->ops = ops;
	access->arg = arg;
	access->pinning = flags & IOAS_ACCESS_PINS;
	access->link[0].access = access->link[1].access = access;
	lock_init_rw(&access->lock, LOCK_ACCESS);
	lock_guards_rw(&access->lock, &access->space, access->link);
	lock_init(&access->pins_lock, LOCK_ACCESS_PINS);
	lock_guards(&access->pins_lock, &access->pins, access + 1);
	*out = access;
	return 0;
}

void ioas_access_destroy(struct ioas_access *access)
{
	if (!access)
		return;
	ioas_access_detach(access);
	while (access->pins) {
		struct ioas_access_pin *pin = access->pins;

		access->pins = pin->next;
		access_pin_free(pin);
	}
	pthread_mutex_destroy(&access->pins_lock);
	pthread_rwlock_destroy(&access->lock);
	free(access);
}

static int link_add(struct ioas_space *space, struct access_link *link, struct ioas_why *why)
{
	int rc = 0;

	pthread_mutex_lock(&space->lock);
	if (link->access->pinning)
		rc = space_check_alignment(space, SPACE_PAGE, why);
	if (!rc) {
		space->pinning += link->access->pinning;
		link->next = space->accesses;
		link->prev = &space->accesses;
		if (link->next)
			link->next->prev = &link->next;
		space->accesses = link;
	}
	pthread_mutex_unlock(&space->lock);
	return rc;
}

/* On return nobody calls the access on behalf of that space. */
static void link_del(struct ioas_space *space, struct access_link *link)
{
	pthread_mutex_lock(&space->lock);
	while (link->calls)
		pthread_cond_wait(&space->idle, &space->lock);
	*link->prev = link->next;
	if (link->next)
		link->next->prev = link->prev;
	space->pinning -= link->access->pinning;
	pthread_mutex_unlock(&space->lock);
}

static void begin_call(struct ioas_space *space, struct access_link *link)
{
	lock_must_hold(&space->lock);
	link->calls++;
}

/* A link that is being called stays in the list, so that the walk can go on from it. */
void access_tell(struct ioas_space *space, iova_t first, iova_t last)
{
	struct access_link *link, *next;

	for (link = space->accesses; link; link = next) {
		struct ioas_access *access = link->access;

		if (access->pinning) {
			begin_call(space, link);
			pthread_mutex_unlock(&space->lock);
			access->ops->unmap(access->arg, first, last);
			pthread_mutex_lock(&space->lock);
			if (!--link->calls)
				pthread_cond_broadcast(&space->idle);
		}
		next = link->next;
	}
}

static void end_pins(struct ioas_access *access)
{
	for (struct ioas_access_pin *pin = access->pins; pin; pin = pin->next) {
		bool ended;

		pthread_mutex_lock(&access->pins_lock);
		ended = pin->ended;
		pin->ended = true;
		pthread_mutex_unlock(&access->pins_lock);
		if (!ended)
			access_pin_end(pin);
	}
}

/* The first step. 1: there is nothing to do. */
static int begin_move(struct ioas_access *access, struct ioas_space *to, struct ioas_space **from,
		      struct ioas_why *why)
{
	int rc = 0;

	pthread_rwlock_wrlock(&access->lock);
	*from = access->space;
	if (access->leaving)
		rc = why_set(why, -EBUSY, "the access is just moving to another space");
	else if (*from == to)
		rc = 1;
	else if (to)
		rc = link_add(to, &access->link[!access->at], why);
	if (!rc)
		access->leaving = true;
	pthread_rwlock_unlock(&access->lock);
	return rc;
}

static int move(struct ioas_access *access, struct ioas_space *to, struct ioas_why *why)
{
	struct ioas_space *from;
	unsigned at;
	int rc = begin_move(access, to, &from, why);

	if (rc)
		return rc < 0 ? rc : 0;
	if (from && access->pinning)
		access->ops->unmap(access->arg, 0, UINT64_MAX);
	pthread_rwlock_wrlock(&access->lock);
	at = access->at;
	end_pins(access);
	access->space = to ? ioas_space_get(to) : NULL;
	access->at = !at;
	access->leaving = false;
	pthread_rwlock_unlock(&access->lock);
	if (from) {
		link_del(from, &access->link[at]);
		ioas_space_put(from);
	}
	return 0;
}

int ioas_access_attach(struct ioas_access *access, struct ioas_space *space, struct ioas_why *why)
{
	return move(access, space, why);
}

void ioas_access_detach(struct ioas_access *access)
{
	move(access, NULL, NULL);
}

int access_enter(struct ioas_access *access, struct ioas_why *why)
{
	pthread_rwlock_rdlock(&access->lock);
	if (access->space && !access->leaving)
		return 0;
	pthread_rwlock_unlock(&access->lock);
	return why_set(why, -ENOENT, "the access is attached to no space");
}

void access_leave(struct ioas_access *access)
{
	pthread_rwlock_unlock(&access->lock);
}

int access_check(iova_t iova, uint64_t len, uint32_t flags, struct ioas_why *why)
{
	if (flags & ~(uint32_t)IOAS_ACCESS_WRITE)
		return why_set(why, -EINVAL, "unknown flags %#x", flags);
	if (!len)
		return why_set(why, -EINVAL, "length 0");
	if (iova + (len - 1) < iova)
		return why_set(why, -EOVERFLOW, "IOVA %#" PRIx64 " + length %#" PRIx64 " wraps",
			       iova, len);
	return 0;
}

int access_area(struct ioas_space *space, iova_t iova, struct space_area **out,
		struct ioas_why *why)
{
	struct space_area *area = areas_find(&space->areas, iova);

	if (!area || area->first > iova)
		return why_set(why, -ENOENT, "nothing is mapped at %#" PRIx64, iova);
	if (area->closing)
		return why_set(why, -EINVAL, "mapping %#" PRIx64 "-%#" PRIx64 " is being unmapped",
			       area->first, area->last);
	*out = area;
	return 0;
}

int access_allowed(const struct space_area *area, bool write, struct ioas_why *why)
{
	if (!(area->prot & (write ? IOAS_PROT_WRITE : IOAS_PROT_READ)))
		return why_set(why, -EPERM,
			       "mapping %#" PRIx64 "-%#" PRIx64 " does not allow to %s it",
			       area->first, area->last, write ? "write" : "read");
	if (pages_dmabuf(area_pages(area)))
		return why_set(why, -EINVAL,
			       "mapping %#" PRIx64 "-%#" PRIx64 " is a dma-buf's memory",
			       area->first, area->last);
	return 0;
}
