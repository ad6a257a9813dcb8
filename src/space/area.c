/* SPDX-License-Identifier: MIT */
/*
 * One area: what of which pages it shows, and the pin by which page tables lead there. Its place
 * among others is the tree's (areas.c), its entries are fill.c's.
 */
#include <stdlib.h>
#include "space/private.h"
#include "util/alloc.h"

/* Who has the only reference is alone in looking whether the first area is free. */
struct space_area *area_new(struct space_pages *pages, uint64_t offset)
{
	struct area_apart *apart;

	if (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1 && !pages->area_used &&
	    offset < SPACE_PAGE) {
		pages->area_used = true;
		pages->area = (struct space_area){.offset = (uint16_t)offset};
		return &pages->area;
	}
	apart = alloc_raw(sizeof(*apart));
	if (!apart)
		return NULL;
	*apart = (struct area_apart){{.apart = true}, pages, offset, NULL};
	return &apart->area;
}

struct pages_pin *area_pinned_apart(const struct space_area *area)
{
	const struct pages_others *others = pages_others(area_pages(area));

	if (!area->pinned)
		return NULL;
	if (area->apart)
		return area_apart(area)->pin;
	return others->shown ? others->shown : &pages_first(area_pages(area))->pin;
}

void area_shown_by(struct space_area *area, struct pages_pin *pin)
{
	struct pages_others *others = pages_others(area_pages(area));

	area->pinned = true;
	if (area->apart)
		area_apart(area)->pin = pin;
	else if (others)
		others->shown = pin->tag & PIN_FIRST ? NULL : pin;
}

/*
 * Where IOVA and memory do not lie alike in their 4 KiB, the window is congruent with the memory:
 * pages can be shared with a space whose page tables have other page sizes.
 */
int area_pin(struct ioas_space *space, struct space_area *area, struct ioas_why *why)
{
	struct space_pages *pages = area_pages(area);
	uint64_t offset = area_offset(area), start = offset & ~(SPACE_PAGE - 1);
	uint64_t end = offset + (area->last - area->first) + 1;
	bool locked = pages_lock(space->iommu, pages);
	struct pages_pin *pin;
	int rc;

	end = (end + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1);
	rc = pages_pin(space, pages, start, end - start,
		       (area->first - (offset - start)) & ~(SPACE_PAGE - 1), &pin, why);
	if (!rc && __builtin_expect(area->apart || pages_others(pages), 0))
		area_shown_by(area, pin);
	area->pinned = !rc;
	pages_unlock(space->iommu, locked);
	return rc;
}

/*
 * As mostly: the only user of the only pin of pages that nobody else has, or can get at. So it is
 * for one look whether all that was lent is back, too, and for no lock.
 */
static inline bool is_alone(const struct space_area *area)
{
	const struct space_pages *pages = area_pages(area);

	/* First `refs`: while others have the pages, what follows is theirs as well. */
	return !area->apart && atomic_load_explicit(&pages->refs, memory_order_acquire) == 1 &&
	       !pages_others(pages) && pages_first(pages)->pin.users == 1;
}

void area_unpin(struct ioas_space *space, struct space_area *area)
{
	struct space_pages *pages = area_pages(area);
	struct pages_pin *pin;

	if (__builtin_expect(is_alone(area), 1)) {
		struct pages_first *first = pages_first(pages);

		area->pinned = false;
		if (__builtin_expect(!mem_lend_none(&first->window.lend), 0))
			mem_window_idle(&first->window);
		pages_unpin_first(space, first);
		return;
	}
	pin = area_pinned(area);
	area->pinned = false;
	pages_unpin(space, pages, pin);
}

void area_free(struct ioas_space *space, struct space_area *area)
{
	struct space_pages *pages = area_pages(area);

	if (__builtin_expect(area->apart, 0))
		free(area_apart(area));
	pages_put_locked(space, pages);
}

void areas_free(struct ioas_space *space, struct space_area *list)
{
	while (list) {
		struct space_area *next = list->next;

		area_free(space, list);
		list = next;
	}
}
