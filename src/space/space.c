/* SPDX-License-Identifier: MIT */
/* The life of a space, and the rules for its addresses: reserved, allowed, alignment. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "space/nest.h"
#include "space/private.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

static const struct ioas_range everything = {0, UINT64_MAX};

int ioas_space_new(struct ioas_iommu *iommu, struct ioas_space **out)
{
	struct ioas_space *space = alloc_zero(1, sizeof(*space));

	if (!space)
		return -ENOMEM;
	zones_init(&space->zones);
	if (zones_prepare(&space->zones, 1)) {
		zones_fini(&space->zones);
		free(space);
		return -ENOMEM;
	}
	zones_set(&space->zones, &everything, 1, true);
	areas_init(&space->areas);
	reserved_init(&space->reserved);
	lock_init(&space->lock, LOCK_SPACE);
	lock_guards(&space->lock, &space->small_pages, &space->idle);
	pthread_cond_init(&space->idle, NULL);
	space->iommu = iommu;
	space->refs = 1;
	space->domain_page = 1;
	*out = space;
	return 0;
}

struct ioas_space *ioas_space_get(struct ioas_space *space)
{
	atomic_fetch_add_explicit(&space->refs, 1, memory_order_relaxed);
	return space;
}

bool space_get_if_used(struct ioas_space *space)
{
	uint32_t refs = atomic_load_explicit(&space->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(&space->refs, &refs, refs + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

void ioas_space_put(struct ioas_space *space)
{
	if (!space || atomic_fetch_sub_explicit(&space->refs, 1, memory_order_acq_rel) != 1)
		return;
	space_forget_dmabufs(space);
	space_unmap(space, 0, UINT64_MAX, NULL, NULL);
	areas_fini(&space->areas);
	nest_end(space);
	reserved_fini(&space->reserved);
	zones_fini(&space->zones);
	free(space->allowed);
	account_purse_fini(&space->payer);
	pool_shelf_clear(&space->iommu->pages, &space->pages_shelf);
	pool_shelf_clear(&space->iommu->firsts, &space->first_shelf);
	pthread_cond_destroy(&space->idle);
	pthread_mutex_destroy(&space->lock);
	free(space);
}

void space_set_rule(struct ioas_space *space, enum account_rule rule)
{
	space->rule = rule;
}

struct ioas_iommu *space_iommu(struct ioas_space *space)
{
	return space->iommu;
}

uint64_t space_alignment(const struct ioas_space *space)
{
	bool cpu_pages = space->small_pages || space->locks || space->pinning;

	lock_must_hold(&space->lock);
	return cpu_pages && space->domain_page < SPACE_PAGE ? SPACE_PAGE : space->domain_page;
}

uint64_t ioas_space_alignment(struct ioas_space *space)
{
	uint64_t alignment;

	pthread_mutex_lock(&space->lock);
	alignment = space_alignment(space);
	pthread_mutex_unlock(&space->lock);
	return alignment;
}

int space_check_alignment(struct ioas_space *space, uint64_t alignment, struct ioas_why *why)
{
	struct space_area *area;

	if (alignment <= space_alignment(space))
		return 0;
	for (area = areas_find(&space->areas, 0); area; area = areas_next(&space->areas, area))
		if ((area->first | (area->last + 1) | area_offset(area)) & (alignment - 1))
			return why_set(why, -EADDRINUSE,
				       "mapping %#" PRIx64 "-%#" PRIx64
				       " or its memory is not aligned to %" PRIu64,
				       area->first, area->last, alignment);
	return 0;
}

static size_t holes_locked(const struct ioas_space *space, struct ioas_range *out, size_t max)
{
	lock_must_hold(&space->lock);
	return reserved_holes(&space->reserved, out, max);
}

/* Remakes the zones; never fails, since prepared for as many as there can be. */
static void remake_zones(struct ioas_space *space)
{
	struct zones *zones = &space->zones;

	if (space->allowed_nr) {
		zones_set(zones, space->allowed, space->allowed_nr, false);
		return;
	}
	zones_set(zones, zones->range, holes_locked(space, zones->range, zones->cap), true);
}

int reserve_locked(struct ioas_space *space, iova_t first, iova_t last, const void *owner,
		   struct ioas_why *why)
{
	struct space_area *area = areas_find(&space->areas, first);

	lock_must_hold(&space->lock);
	if (area && area->first <= last)
		return why_set(why, -EADDRINUSE,
			       "mapping %#" PRIx64 "-%#" PRIx64 " lies in %#" PRIx64 "-%#" PRIx64
			       ", which is to be reserved",
			       area->first, area->last, first, last);
	for (size_t i = 0; i < space->allowed_nr; i++) {
		const struct ioas_range *r = &space->allowed[i];

		if (r->first <= last && r->last >= first)
			return why_set(why, -EADDRINUSE,
				       "allowed range %#" PRIx64 "-%#" PRIx64 " lies in %#" PRIx64
				       "-%#" PRIx64 ", which is to be reserved",
				       r->first, r->last, first, last);
	}
	if (zones_prepare(&space->zones, space->reserved.nr + 2) ||
	    reserved_add(&space->reserved, first, last, owner))
		return why_set(why, -ENOMEM, "out of memory");
	remake_zones(space);
	return 0;
}

void unreserve_locked(struct ioas_space *space, const void *owner)
{
	lock_must_hold(&space->lock);
	reserved_drop(&space->reserved, owner);
	remake_zones(space);
}

int space_reserve(struct ioas_space *space, iova_t first, iova_t last, const void *owner,
		  struct ioas_why *why)
{
	int rc;

	pthread_mutex_lock(&space->lock);
	rc = reserve_locked(space, first, last, owner, why);
	pthread_mutex_unlock(&space->lock);
	return rc;
}

void space_unreserve(struct ioas_space *space, const void *owner)
{
	pthread_mutex_lock(&space->lock);
	unreserve_locked(space, owner);
	pthread_mutex_unlock(&space->lock);
}

size_t ioas_space_ranges(struct ioas_space *space, struct ioas_range *out, size_t max)
{
	size_t nr;

	pthread_mutex_lock(&space->lock);
	nr = holes_locked(space, out, max);
	pthread_mutex_unlock(&space->lock);
	return nr;
}

static int compare_ranges(const void *a, const void *b)
{
	uint64_t x = ((const struct ioas_range *)a)->first;
	uint64_t y = ((const struct ioas_range *)b)->first;

	return (x > y) - (x < y);
}

/* `sorted` is a copy of the caller's. */
static int check_allowed(const struct ioas_range *sorted, size_t nr, struct ioas_why *why)
{
	for (size_t i = 0; i < nr; i++)
		if (i && sorted[i].first <= sorted[i - 1].last)
			return why_set(why, -EINVAL,
				       "allowed ranges %#" PRIx64 "-%#" PRIx64 " and %#" PRIx64
				       "-%#" PRIx64 " overlap",
				       sorted[i - 1].first, sorted[i - 1].last, sorted[i].first,
				       sorted[i].last);
	return 0;
}

static int allow_locked(struct ioas_space *space, struct ioas_range *sorted, size_t nr,
			struct ioas_why *why)
{
	struct ioas_range hit;

	lock_must_hold(&space->lock);
	for (size_t i = 0; i < nr; i++)
		if (reserved_hit(&space->reserved, sorted[i].first, sorted[i].last, &hit))
			return why_set(why, -EADDRINUSE,
				       "allowed range %#" PRIx64 "-%#" PRIx64
				       " meets the reserved range %#" PRIx64 "-%#" PRIx64,
				       sorted[i].first, sorted[i].last, hit.first, hit.last);
	if (zones_prepare(&space->zones, nr))
		return why_set(why, -ENOMEM, "out of memory");
	free(space->allowed);
	space->allowed = sorted;
	space->allowed_nr = nr;
	remake_zones(space);
	return 0;
}

int ioas_space_allow(struct ioas_space *space, const struct ioas_range *ranges, size_t nr,
		     struct ioas_why *why)
{
	struct ioas_range *sorted = NULL;
	int rc = 0;

	for (size_t i = 0; i < nr; i++)
		if (ranges[i].first >= ranges[i].last)
			return why_set(why, -EINVAL,
				       "allowed range %#" PRIx64 "-%#" PRIx64 " is empty",
				       ranges[i].first, ranges[i].last);
	if (nr) {
		sorted = alloc_zero(nr, sizeof(*sorted));
		if (!sorted)
			return why_set(why, -ENOMEM, "out of memory");
		memcpy(sorted, ranges, nr * sizeof(*sorted));
		qsort(sorted, nr, sizeof(*sorted), compare_ranges);
		rc = check_allowed(sorted, nr, why);
	}
	if (!rc) {
		pthread_mutex_lock(&space->lock);
		rc = allow_locked(space, sorted, nr, why);
		pthread_mutex_unlock(&space->lock);
	}
	if (rc)
		free(sorted);
	return rc;
}

bool space_huge_pages(struct ioas_space *space)
{
	bool on;

	pthread_mutex_lock(&space->lock);
	on = !space->small_pages;
	pthread_mutex_unlock(&space->lock);
	return on;
}

static int forbid_huge_pages(struct ioas_space *space, struct ioas_why *why)
{
	int rc;

	if (space->small_pages)
		return 0;
	if (space->domains && space->areas.nr)
		return why_set(why, -EINVAL, "mappings are in page tables already");
	rc = space_check_alignment(space, SPACE_PAGE, why);
	if (!rc)
		space->small_pages = true;
	return rc;
}

int space_set_huge_pages(struct ioas_space *space, bool on, struct ioas_why *why)
{
	int rc = 0;

	pthread_mutex_lock(&space->lock);
	if (on)
		space->small_pages = false;
	else
		rc = forbid_huge_pages(space, why);
	pthread_mutex_unlock(&space->lock);
	return rc;
}

int space_area_at_or_after(struct ioas_space *space, iova_t iova, struct space_area_info *out)
{
	struct space_area *area;

	pthread_mutex_lock(&space->lock);
	area = areas_find(&space->areas, iova);
	if (area) {
		out->range = (struct ioas_range){area->first, area->last};
		out->prot = area->prot;
	}
	pthread_mutex_unlock(&space->lock);
	return area ? 0 : -ENOENT;
}

uint64_t space_area_nr(struct ioas_space *space)
{
	uint64_t nr;

	pthread_mutex_lock(&space->lock);
	nr = space->areas.nr;
	pthread_mutex_unlock(&space->lock);
	return nr;
}
