/* SPDX-License-Identifier: MIT */
/* Areas that cannot be unmapped, since hardware uses their memory by its physical address. */
#include <errno.h>
#include <inttypes.h>
#include "space/private.h"
#include "util/inject.h"
#include "util/why.h"

/* Of whole pages, as whoever works by physical addresses needs it. */
static int check_area(const struct space_area *area, struct ioas_why *why)
{
	if (area->closing)
		return why_set(why, -EINVAL, "mapping %#" PRIx64 "-%#" PRIx64 " is being unmapped",
			       area->first, area->last);
	if (pages_dmabuf(area_pages(area)))
		return why_set(why, -EINVAL,
			       "mapping %#" PRIx64 "-%#" PRIx64 " is a dma-buf's memory",
			       area->first, area->last);
	if ((area->first ^ area_offset(area)) & (SPACE_PAGE - 1))
		return why_set(why, -EINVAL,
			       "mapping %#" PRIx64 "-%#" PRIx64 " and its memory lie differently "
			       "in their pages",
			       area->first, area->last);
	return 0;
}

/* Nothing is locked yet: is all of it mapped, and where is it? */
static int check_range(struct ioas_space *space, iova_t first, iova_t last, pa_t *pa,
		       struct ioas_why *why)
{
	struct space_area *area = areas_find(&space->areas, first);
	iova_t at = first;
	bool contiguous = true;
	int rc;

	for (;; at = area->last + 1, area = areas_next(&space->areas, area)) {
		pa_t here;

		if (!area || area->first > at)
			return why_set(why, -ENOENT, "nothing is mapped at %#" PRIx64, at);
		rc = check_area(area, why);
		if (rc)
			return rc;
		here = area_pa(area) + (at - area->first);
		if (at == first)
			*pa = here;
		else if (here != *pa + (at - first))
			contiguous = false;
		if (area->last >= last)
			break;
	}
	if (contiguous)
		return 0;
	return why_set(why, -EFAULT, "the memory of %#" PRIx64 "-%#" PRIx64 " is not contiguous",
		       first, last);
}

static void count(struct ioas_space *space, iova_t first, iova_t last, int by)
{
	struct space_area *area = areas_find(&space->areas, first);

	for (; area && area->first <= last; area = areas_next(&space->areas, area))
		area->locks += (unsigned)by;
	space->locks += (unsigned)by;
}

int space_lock_range(struct ioas_space *space, iova_t first, iova_t last, pa_t *pa,
		     struct ioas_why *why)
{
	iova_t start = first & ~(SPACE_PAGE - 1), end = last | (SPACE_PAGE - 1);
	int rc;

	if (inject())
		return why_set(why, -EFAULT, "the memory cannot be pinned");
	pthread_mutex_lock(&space->lock);
	rc = space_check_alignment(space, SPACE_PAGE, why);
	if (!rc)
		rc = check_range(space, start, end, pa, why);
	if (!rc) {
		*pa += first - start;
		count(space, start, end, 1);
	}
	pthread_mutex_unlock(&space->lock);
	return rc;
}

void space_unlock_range(struct ioas_space *space, iova_t first, iova_t last)
{
	pthread_mutex_lock(&space->lock);
	count(space, first & ~(SPACE_PAGE - 1), last | (SPACE_PAGE - 1), -1);
	pthread_mutex_unlock(&space->lock);
}
