/* SPDX-License-Identifier: MIT */
/* Nested spaces: how one comes and ends, and what it says of itself (nest.c keeps it in step). */
#include <errno.h>
#include <stdlib.h>
#include "space/nest.h"
#include "space/nest_maps.h"
#include "util/alloc.h"
#include "util/why.h"

/* Each change goes down that far, one in the other. */
#define NEST_DEPTH_MAX 8

void nest_end(struct ioas_space *space)
{
	struct space_nest *nest = space->nest;
	struct tree_node *node;

	if (!nest)
		return;
	pthread_mutex_lock(&nest->parent->lock);
	*nest->prev = nest->next;
	if (nest->next)
		nest->next->nest->prev = nest->prev;
	pthread_mutex_unlock(&nest->parent->lock);
	while ((node = tree_end(&nest->maps, 0)))
		nest_remove(nest, nest_by_iova(node));
	ioas_space_put(nest->parent);
	free(nest);
}

int ioas_space_new_nested(struct ioas_space *parent, struct ioas_space **out, struct ioas_why *why)
{
	unsigned depth = parent->nest ? parent->nest->depth + 1 : 1;
	struct space_nest *nest;
	struct ioas_space *space;

	if (depth > NEST_DEPTH_MAX)
		return why_set(why, -EINVAL, "spaces are nested %d deep already", NEST_DEPTH_MAX);
	nest = alloc_zero(1, sizeof(*nest));
	if (!nest || ioas_space_new(parent->iommu, &space)) {
		free(nest);
		return why_set(why, -ENOMEM, "out of memory");
	}
	nest->parent = ioas_space_get(parent);
	nest->depth = depth;
	nest_maps_init(nest);
	space->nest = nest;
	pthread_mutex_lock(&parent->lock);
	nest->next = parent->children;
	nest->prev = &parent->children;
	if (nest->next)
		nest->next->nest->prev = &nest->next;
	parent->children = space;
	atomic_store_explicit(&parent->is_parent, true, memory_order_seq_cst);
	pthread_mutex_unlock(&parent->lock);
	*out = space;
	return 0;
}

bool space_maps_any(struct ioas_space *space, iova_t first, iova_t last)
{
	struct space_area_info area;
	struct nest_map *map;
	bool any;

	if (!space->nest)
		return !space_area_at_or_after(space, first, &area) && area.range.first <= last;
	nest_lock(space);
	map = nest_find(space->nest, first);
	any = map && map->first <= last;
	nest_unlock(space);
	return any;
}

int ioas_space_nest_info(struct ioas_space *space, struct ioas_nest_info *out)
{
	struct space_area *area;

	*out = (struct ioas_nest_info){0};
	if (!space->nest)
		return -EINVAL;
	nest_lock(space);
	out->maps = space->nest->nr;
	out->len = space->nest->len;
	pthread_mutex_lock(&space->lock);
	for (area = areas_find(&space->areas, 0); area; area = areas_next(&space->areas, area))
		out->shown_len += area->last - area->first + 1;
	pthread_mutex_unlock(&space->lock);
	nest_unlock(space);
	return 0;
}
