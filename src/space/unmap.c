/* SPDX-License-Identifier: MIT */
/* Unmapping: every area in a range, up to one that is locked or that the range cuts. */
#include <errno.h>
#include <inttypes.h>
#include "space/private.h"
#include "util/why.h"

static int refuse(const struct space_area *area, iova_t first, iova_t last, struct ioas_why *why)
{
	if (area->locks)
		return why_set(why, -EBUSY,
			       "mapping %#" PRIx64 "-%#" PRIx64 " has a hardware queue in it",
			       area->first, area->last);
	return why_set(why, -ENOENT,
		       "%#" PRIx64 "-%#" PRIx64 " would cut mapping %#" PRIx64 "-%#" PRIx64, first,
		       last, area->first, area->last);
}

/*
 * Takes the areas of first..last out of the tree, up to one that is locked or cut, which is
 * returned. *list receives them, linked by node.child[1].
 */
static struct space_area *take_out(struct ioas_space *space, iova_t first, iova_t last,
				   struct tree_node **list, uint64_t *len, iova_t *done)
{
	struct space_area *area = areas_find(&space->areas, first);

	while (area && area->first <= last) {
		struct space_area *next = areas_next(area);

		if (area->locks || area->first < first || area->last > last)
			return area;
		areas_remove(&space->areas, area);
		zones_loosen(&space->zones, area->first, area->last);
		*len += area->last - area->first + 1;
		*done = area->last;
		area->node.child[1] = NULL;
		*list = &area->node;
		list = &area->node.child[1];
		area = next;
	}
	return NULL;
}

static int unmap_locked(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
			struct ioas_why *why)
{
	struct tree_node *list = NULL;
	struct space_area *cut, *head;
	iova_t done = 0;

	cut = take_out(space, first, last, &list, len, &done);
	if (list) {
		head = tree_entry(list, struct space_area, node);
		fill_undo(space, head, head->first, done);
		fill_free(head);
	}
	if (cut)
		return refuse(cut, first, last, why);
	if (!list && (first || last != UINT64_MAX))
		return why_set(why, -ENOENT, "nothing is mapped in %#" PRIx64 "-%#" PRIx64, first,
			       last);
	return 0;
}

int ioas_space_unmap(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		     struct ioas_why *why)
{
	uint64_t bytes = 0;
	int rc;

	pthread_mutex_lock(&space->lock);
	rc = unmap_locked(space, first, last, &bytes, why);
	pthread_mutex_unlock(&space->lock);
	if (len)
		*len = bytes;
	return rc;
}
