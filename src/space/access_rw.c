/* SPDX-License-Identifier: MIT */
/*
 * Copying between an access and a space.
 *
 * What is pinned, for whoever, is copied where its window says, so that a page the program gave up
 * is met as a device would meet it. The rest is copied through the caller; of a file it is pinned
 * meanwhile. The space is not locked while bytes are copied: the area is busy, and UNMAP waits.
 */
#include <errno.h>
#include <inttypes.h>
#include "space/access.h"
#include "util/why.h"

struct copy {
	struct ioas_space *space;
	char *buf;
	bool write;
};

/* A stretch of memory that is alike: a window's, or the caller's. */
struct stretch {
	struct pages_pin *own;	   /* pinned only for this; or NULL */
	struct mem_window *window; /* held; NULL: the caller's memory */
	mem_hold_t hold;
	uint64_t off; /* in the window */
	uint64_t len;
};

/* Space and pages locked. */
static int find(struct ioas_space *space, struct space_pages *pages, uint64_t at, uint64_t end,
		struct stretch *out)
{
	struct pages_pin *pin = pages_pin_at(pages, at, &end);
	int rc;

	*out = (struct stretch){.len = end - at};
	if (!pin && pages_file(pages)) {
		uint64_t start = at & ~(SPACE_PAGE - 1);

		end = (end + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1);
		rc = pages_pin(space, pages, start, end - start, 0, &out->own, NULL);
		if (rc)
			return rc;
		pin = out->own;
	}
	if (!pin)
		return 0;
	at -= pin_start(pin);
	out->window = pin_window(pin);
	out->hold = mem_window_hold(out->window);
	out->off = pin_skip(pin) + at;
	if (out->len > pin_len(pin) - at)
		out->len = pin_len(pin) - at;
	return 0;
}

static int copy_window(const struct copy *copy, const struct stretch *stretch)
{
	for (uint64_t done = 0; done < stretch->len;) {
		uint64_t now = stretch->len - done;
		char *host =
			access_host(copy->space->iommu, stretch->window, stretch->off + done, &now);
		char *buf = copy->buf + done;

		if (mem_guard_copy(copy->write ? host : buf, copy->write ? buf : host, now) < now)
			return -EFAULT;
		done += now;
	}
	return 0;
}

static int copy_caller(const struct copy *copy, const struct space_pages *pages, uint64_t at,
		       uint64_t len)
{
	struct ioas_caller *caller = pages->caller;
	int rc;

	rc = copy->write ? caller->ops->copy_to(caller, pages->va + at, copy->buf, len)
			 : caller->ops->copy_from(caller, copy->buf, pages->va + at, len);
	return rc ? -EFAULT : 0;
}

/* Copies what is alike at `at` of the pages; the space is locked but for the copying. */
static int copy_stretch(const struct copy *copy, struct space_pages *pages, uint64_t at,
			uint64_t end, uint64_t *len)
{
	struct ioas_space *space = copy->space;
	struct stretch stretch;
	bool locked = pages_lock(space->iommu, pages);
	int rc = find(space, pages, at, end, &stretch);

	pages_unlock(space->iommu, locked);
	if (rc)
		return rc;
	pthread_mutex_unlock(&space->lock);
	rc = stretch.window ? copy_window(copy, &stretch)
			    : copy_caller(copy, pages, at, stretch.len);
	if (stretch.window)
		mem_lend_release(stretch.hold);
	pthread_mutex_lock(&space->lock);
	if (stretch.own)
		pages_unpin(space, pages, stretch.own);
	*len = stretch.len;
	return rc;
}

static int copy_area(struct copy *copy, struct space_area *area, iova_t iova, iova_t last)
{
	uint64_t at = area_offset(area) + (iova - area->first);
	uint64_t end = area_offset(area) + (last - area->first) + 1;
	int rc = 0;

	area->busy++;
	while (!rc && at < end) {
		uint64_t len = 0;

		rc = copy_stretch(copy, area_pages(area), at, end, &len);
		copy->buf += len;
		at += len;
	}
	if (!--area->busy)
		pthread_cond_broadcast(&copy->space->idle);
	return rc;
}

static int copy_all(struct copy *copy, iova_t iova, iova_t last, struct ioas_why *why)
{
	for (;;) {
		struct space_area *area;
		iova_t until;
		int rc = access_area(copy->space, iova, &area, why);

		if (!rc)
			rc = access_allowed(area, copy->write, why);
		if (rc)
			return rc;
		until = area->last < last ? area->last : last;
		rc = copy_area(copy, area, iova, until);
		if (rc)
			return why_set(why, rc,
				       "cannot %s the memory of IOVA %#" PRIx64 "-%#" PRIx64,
				       copy->write ? "write" : "read", iova, until);
		if (until == last)
			return 0;
		iova = until + 1;
	}
}

int ioas_access_rw(struct ioas_access *access, iova_t iova, void *buf, size_t len, uint32_t flags,
		   struct ioas_why *why)
{
	struct copy copy = {.buf = buf, .write = flags & IOAS_ACCESS_WRITE};
	int rc = access_check(iova, len, flags, why);

	if (!rc)
		rc = access_enter(access, why);
	if (rc)
		return rc;
	copy.space = access->space;
	pthread_mutex_lock(&copy.space->lock);
	rc = copy_all(&copy, iova, iova + (len - 1), why);
	pthread_mutex_unlock(&copy.space->lock);
	access_leave(access);
	return rc;
}
