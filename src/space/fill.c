/* SPDX-License-Identifier: MIT */
/*
 * Entering areas in page tables and taking them out again. The order in which they go is what the
 * promise of UNMAP rests on: entries first, then nobody is in flight through them, then devices
 * have given back what was translated for them (ATS), then what was lent is back, only then window,
 * pin and tables. (The tables last: whose span comes back looks through them without an in-flight
 * mark, see src/tlp/lend.c.)
 */
#include <errno.h>
#include "space/private.h"
#include "tlp/check_dirty.h"

/*
 * One page at a time where larger leaves are forbidden. An area that allows nothing exists only
 * while there is no page table: VFIO's type1 on an iommufd can make one. A dma-buf that its
 * exporter took back has areas, but no entries.
 */
int fill_enter(const struct ioas_space *space, struct pt *pt, const struct space_area *area)
{
	uint64_t page = 1ull << pt_page_lg2(pt), len = area->last - area->first + 1;
	uint64_t done;
	int rc = 0;

	if (page < SPACE_PAGE)
		page = SPACE_PAGE;
	if (!area->prot)
		return -EINVAL;
	if (pages_revoked(area_pages(area)))
		return 0;
	if (!space->small_pages)
		return pt_map(pt, area->first, area_pa(area), len, area->prot);
	for (done = 0; done < len && !rc; done += page)
		rc = pt_map(pt, area->first + done, area_pa(area) + done, page, area->prot);
	return rc;
}

void fill_settle(struct ioas_space *space, iova_t first, iova_t last, enum ioas_ats_cause cause)
{
	inflight_wait(&space->iommu->inflight);
	for (struct space_domain *domain = space->domains; domain; domain = domain->next)
		ats_take_back(space->iommu, domain->pt, first, last, false, cause);
}

int fill_area(struct ioas_space *space, struct space_area *area, struct ioas_why *why)
{
	struct space_domain *domain = space->domains;
	struct pt_gather gather = {NULL};
	int rc;

	if (!domain)
		return 0;
	rc = area_pin(space, area, why);
	if (rc)
		return rc;
	for (; domain && !rc; domain = domain->next)
		rc = fill_enter(space, domain->pt, area);
	if (!rc)
		return 0;
	for (domain = space->domains; domain; domain = domain->next)
		pt_unmap(domain->pt, area->first, area->last, &gather);
	fill_settle(space, area->first, area->last, IOAS_ATS_BY_UNMAP);
	area_unpin(space, area);
	pt_gather_free(&gather);
	return rc;
}

void fill_undo(struct ioas_space *space, struct space_area *list, iova_t first, iova_t last)
{
	struct pt_gather gather = {NULL};

	if (!space->domains || !list)
		return;
	for (struct space_domain *domain = space->domains; domain; domain = domain->next)
		pt_unmap(domain->pt, first, last, &gather);
	fill_settle(space, first, last, IOAS_ATS_BY_UNMAP);
	for (; list; list = list->next)
		area_unpin(space, list);
	if (space->iommu->check_dirty)
		for (struct space_domain *domain = space->domains; domain; domain = domain->next)
			check_dirty_forget(space->iommu->check_dirty, domain->pt, first, last);
	pt_gather_free(&gather);
}
