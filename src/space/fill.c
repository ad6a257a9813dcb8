/* SPDX-License-Identifier: MIT */
/*
 * Entering areas in page tables and taking them out again. The order in which they go is what the
 * promise of UNMAP rests on: entries first, then nobody is in flight through them, then what was
 * lent is back, only then window, pin and tables. (The tables last: whose span comes back looks
 * through them without an in-flight mark, see src/tlp/lend.c.)
 */
#include <errno.h>
#include <stdlib.h>
#include "space/private.h"

pa_t area_pa(const struct space_area *area)
{
	return pages_window(area->pages)->pa + area->offset;
}

/*
 * One page at a time where larger leaves are forbidden. An area that allows nothing exists only
 * while there is no page table: VFIO's type1 on an iommufd can make one. A dma-buf that its
 * exporter took back has areas, but no entries.
 */
int fill_enter(const struct ioas_space *space, struct pt *pt, const struct space_area *area)
{
	uint64_t len = area->last - area->first + 1;
	uint64_t done;
	int rc = 0;

	if (!area->node.tag)
		return -EINVAL;
	if (pages_revoked(area->pages))
		return 0;
	if (!space->small_pages)
		return pt_map(pt, area->first, area_pa(area), len, area->node.tag);
	for (done = 0; done < len && !rc; done += SPACE_PAGE)
		rc = pt_map(pt, area->first + done, area_pa(area) + done, SPACE_PAGE,
			    area->node.tag);
	return rc;
}

int fill_area(struct ioas_space *space, struct space_area *area, struct ioas_why *why)
{
	struct space_domain *domain = space->domains;
	struct pt_gather gather = {NULL};
	int rc;

	if (!domain)
		return 0;
	rc = pages_fill(space->iommu, area->pages, area->first - area->offset, why);
	if (rc)
		return rc;
	for (; domain && !rc; domain = domain->next)
		rc = fill_enter(space, domain->pt, area);
	if (!rc)
		return 0;
	for (domain = space->domains; domain; domain = domain->next)
		pt_unmap(domain->pt, area->first, area->last, &gather);
	inflight_wait(&space->iommu->inflight);
	pages_drain(space->iommu, area->pages);
	pt_gather_free(&gather);
	return rc;
}

static struct space_area *next_of(struct space_area *area)
{
	struct tree_node *node = area->node.child[1];

	return node ? tree_entry(node, struct space_area, node) : NULL;
}

void fill_undo(struct ioas_space *space, struct space_area *list, iova_t first, iova_t last)
{
	struct pt_gather gather = {NULL};

	if (!space->domains || !list)
		return;
	for (struct space_domain *domain = space->domains; domain; domain = domain->next)
		pt_unmap(domain->pt, first, last, &gather);
	inflight_wait(&space->iommu->inflight);
	for (; list; list = next_of(list))
		pages_drain(space->iommu, list->pages);
	pt_gather_free(&gather);
}

void fill_free(struct space_area *list)
{
	while (list) {
		struct space_area *next = next_of(list);

		pages_put(list->pages);
		free(list);
		list = next;
	}
}
