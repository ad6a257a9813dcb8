/* SPDX-License-Identifier: MIT */
/* Cutting a mapping in two, as VFIO's TYPE1 on /dev/iommu does before it unmaps a part of one. */
#include <errno.h>
#include <inttypes.h>
#include "space/private.h"
#include "util/why.h"

static int check(const struct ioas_space *space, const struct space_area *area, iova_t last,
		 struct ioas_why *why)
{
	uint64_t start = area_offset(area) + (last - area->first) + 1;

	if (area->locks)
		return why_set(why, -EBUSY,
			       "mapping %#" PRIx64 "-%#" PRIx64 " has a hardware queue in it",
			       area->first, area->last);
	if (area->closing)
		return why_set(why, -EBUSY, "mapping %#" PRIx64 "-%#" PRIx64 " is being unmapped",
			       area->first, area->last);
	if ((start | (last + 1)) & (space_alignment(space) - 1))
		return why_set(why, -EINVAL,
			       "mapping %#" PRIx64 "-%#" PRIx64 " cannot be cut after %#" PRIx64
			       ", which ends no page",
			       area->first, area->last, last);
	if (area->accesses)
		return why_set(why, -EINVAL,
			       "mapping %#" PRIx64 "-%#" PRIx64
			       " cannot be cut while an access has some of it pinned",
			       area->first, area->last);
	return 0;
}

static int cut_pin(struct ioas_space *space, struct space_area *area, struct space_area *rest)
{
	struct pages_pin *half[2];
	bool locked;
	int rc;

	if (!area->pinned)
		return 0;
	locked = pages_lock(space->iommu, area_pages(area));
	rc = pages_cut(space, area_pages(area), area_pinned(area), area_offset(rest), half);
	pages_unlock(space->iommu, locked);
	if (rc)
		return rc;
	area_shown_by(area, half[0]);
	area_shown_by(rest, half[1]);
	return 0;
}

/* The page tables stay as they are: their leaves are small, and what they lead to does not move. */
static int cut(struct ioas_space *space, struct space_area *area, iova_t last, struct ioas_why *why)
{
	uint64_t offset = area_offset(area) + (last + 1 - area->first);
	struct space_area *rest = area_new(pages_get(area_pages(area)), offset);

	if (rest && areas_reserve(&space->areas, 1)) {
		area_free(space, rest);
		return why_set(why, -ENOMEM, "out of memory");
	}
	if (!rest) {
		pages_put_locked(space, area_pages(area));
		return why_set(why, -ENOMEM, "out of memory");
	}
	rest->first = last + 1;
	rest->last = area->last;
	rest->prot = area->prot;
	if (cut_pin(space, area, rest)) {
		area_free(space, rest);
		return why_set(why, -ENOMEM, "out of memory");
	}
	area->last = last;
	areas_insert(&space->areas, rest);
	return 0;
}

/* The area to cut, or NULL: none has to be. */
static struct space_area *find(struct ioas_space *space, iova_t last)
{
	struct space_area *area = areas_find(&space->areas, last);

	if (!space->small_pages || !area || area->first > last || area->last == last)
		return NULL;
	return area;
}

int space_cut(struct ioas_space *space, iova_t last, struct ioas_why *why)
{
	struct space_area *area;
	int rc = 0;

	pthread_mutex_lock(&space->lock);
	/* A copy at work will not take long; the area may be another one then. */
	while ((area = find(space, last)) && area->busy)
		pthread_cond_wait(&space->idle, &space->lock);
	if (area)
		rc = check(space, area, last, why);
	if (area && !rc)
		rc = cut(space, area, last, why);
	pthread_mutex_unlock(&space->lock);
	return rc;
}
