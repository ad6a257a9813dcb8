/* SPDX-License-Identifier: MIT */
/* Page tables that a space keeps filled. */
#include <errno.h>
#include <stdlib.h>
#include "space/private.h"
#include "tlp/check_dirty.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

/*
 * The areas' tree is intact while they are pinned one by one, so what to undo is found by order:
 * everything before the area that failed.
 */
static void unpin_before(struct ioas_space *space, const struct space_area *end)
{
	struct space_area *area = areas_find(&space->areas, 0);

	for (; area && area != end; area = areas_next(&space->areas, area))
		area_unpin(space, area);
}

/* Takes all entries out of a table that is in no list any more. */
static void empty(struct ioas_space *space, struct pt *pt)
{
	struct pt_gather gather = {NULL};

	pt_unmap(pt, 0, UINT64_MAX, &gather);
	inflight_wait(&space->iommu->inflight);
	ats_take_back(space->iommu, pt, 0, UINT64_MAX, false, IOAS_ATS_BY_UNMAP);
	check_dirty_track(space->iommu->check_dirty, pt, false, 0);
	pt_gather_free(&gather);
}

/*
 * Enters every area in a new domain. The first domain pins them, for all; a later one finds
 * them pinned. `others` are the domains there were.
 */
static int fill_domain(struct ioas_space *space, struct space_domain *domain, struct ioas_why *why)
{
	struct space_domain *others = space->domains;
	struct space_area *area = areas_find(&space->areas, 0);
	struct ioas_why inner = {""};
	int rc = 0;

	for (; area; area = areas_next(&space->areas, area)) {
		if (!others) {
			rc = area_pin(space, area, &inner);
			if (rc)
				break;
		}
		rc = fill_enter(space, domain->pt, area);
		if (rc) {
			if (!others)
				area_unpin(space, area);
			break;
		}
	}
	if (!rc)
		return 0;
	empty(space, domain->pt);
	if (!others)
		unpin_before(space, area);
	if (inner.text[0])
		return why_set(why, rc, "mapping %#llx-%#llx: %s", (unsigned long long)area->first,
			       (unsigned long long)area->last, inner.text);
	return why_set(why, rc,
		       rc == -EFAULT ? "memory of mapping %#llx-%#llx is not all there%s"
				     : "out of memory at mapping %#llx-%#llx%s",
		       (unsigned long long)area->first, (unsigned long long)area->last,
		       rc == -EFAULT && area_pages(area)->writable ? " and writable" : "");
}

/* What lies outside the table's aperture, on both sides. */
static int reserve_outside(struct ioas_space *space, struct pt *pt, struct ioas_why *why)
{
	struct ioas_range aperture = pt_aperture(pt);
	int rc = 0;

	if (aperture.first)
		rc = reserve_locked(space, 0, aperture.first - 1, pt, why);
	if (!rc && aperture.last != UINT64_MAX)
		rc = reserve_locked(space, aperture.last + 1, UINT64_MAX, pt, why);
	if (rc)
		unreserve_locked(space, pt);
	return rc;
}

static void set_domain_page(struct ioas_space *space)
{
	space->domain_page = 1;
	for (struct space_domain *d = space->domains; d; d = d->next)
		if (1ull << pt_page_lg2(d->pt) > space->domain_page)
			space->domain_page = 1ull << pt_page_lg2(d->pt);
}

static int attach_locked(struct ioas_space *space, struct space_domain *domain,
			 struct ioas_why *why)
{
	struct pt *pt = domain->pt;
	int rc;

	lock_must_hold(&space->lock);
	for (struct space_domain *d = space->domains; d; d = d->next)
		if (d->pt == pt)
			return why_set(why, -EEXIST, "the page table is attached already");
	rc = space_check_alignment(space, 1ull << pt_page_lg2(pt), why);
	if (rc)
		return rc;
	rc = reserve_outside(space, pt, why);
	if (rc)
		return rc;
	rc = fill_domain(space, domain, why);
	if (rc) {
		unreserve_locked(space, pt);
		return rc;
	}
	domain->next = space->domains;
	space->domains = domain;
	set_domain_page(space);
	return 0;
}

int space_domain_attach(struct ioas_space *space, struct pt *pt, struct ioas_why *why)
{
	struct space_domain *domain = alloc_zero(1, sizeof(*domain));
	int rc;

	if (!domain)
		return why_set(why, -ENOMEM, "out of memory");
	domain->pt = pt;
	pthread_mutex_lock(&space->lock);
	rc = attach_locked(space, domain, why);
	pthread_mutex_unlock(&space->lock);
	if (rc)
		free(domain);
	return rc;
}

void space_domain_detach(struct ioas_space *space, struct pt *pt)
{
	struct space_domain **link, *domain;

	pthread_mutex_lock(&space->lock);
	for (link = &space->domains; *link && (*link)->pt != pt; link = &(*link)->next)
		;
	domain = *link;
	if (domain) {
		*link = domain->next;
		empty(space, pt);
		if (!space->domains)
			unpin_before(space, NULL);
		unreserve_locked(space, pt);
		set_domain_page(space);
	}
	pthread_mutex_unlock(&space->lock);
	free(domain);
}

/* While there is a table, every area is in all of them, at its pin's window. */
int ioas_space_iova_to_phys(struct ioas_space *space, iova_t iova, pa_t *out)
{
	struct space_area *area;
	int rc = -ENOENT;

	pthread_mutex_lock(&space->lock);
	area = areas_find(&space->areas, iova);
	if (space->domains && area && area->first <= iova && !pages_revoked(area_pages(area))) {
		*out = area_pa(area) + (iova - area->first);
		rc = 0;
	}
	pthread_mutex_unlock(&space->lock);
	return rc;
}
