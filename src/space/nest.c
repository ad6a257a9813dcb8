/* SPDX-License-Identifier: MIT */
/*
 * Spaces nested in software: one dimension whose tables hold what two would translate to.
 *
 * What is mapped in a nested space leads to addresses of its parent, not to memory. Its areas are
 * the *composition* of both: for each part of a map that the parent maps just now, an area that
 * shares the parent's pages, with the permissions of both. When the parent changes, whatever
 * changed it compares the areas that stand for the range with what the parent has there, before it
 * returns: areas that show something else go, and what is missing comes (sync_child). So a map may
 * come before what it leads to, and outlive it; meanwhile its requests find nothing mapped.
 *
 * That rule, and not a refusal, since a guest's tables do not ask the host either: they may lead to
 * where there is no memory yet, or no more, and what both levels say at a time is what counts.
 *
 * Locks. The instance's nest lock serialises all this. Of a space and its parent, whose own locks
 * are of one rank, one at a time is held: what the other has is looked at first, with references.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "space/nest.h"
#include "space/nest_maps.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

/* ---- what a space has, looked at with its lock ---- */

/* A part of an area, with a reference to its pages. */
struct shown {
	iova_t first, last;
	struct space_pages *pages; /* NULL: there is no area up to `last` */
	uint64_t offset;
	uint32_t prot;
};

/* The first area of `space` that meets first..last: the part inside, or (`whole`) all of it. */
static struct shown look(struct ioas_space *space, iova_t first, iova_t last, bool whole)
{
	struct shown shown = {.last = last};
	struct space_area *area;

	pthread_mutex_lock(&space->lock);
	area = areas_find(&space->areas, first);
	if (area && area->first <= last) {
		shown.first = whole || area->first > first ? area->first : first;
		shown.last = whole || area->last < last ? area->last : last;
		shown.pages = pages_get(area_pages(area));
		shown.offset = area_offset(area) + (shown.first - area->first);
		shown.prot = area->prot;
	}
	pthread_mutex_unlock(&space->lock);
	return shown;
}

/* Does the parent still have, where `map` leads, what the child shows of it? */
static bool holds(struct ioas_space *parent, const struct nest_map *map, const struct shown *child)
{
	iova_t at = map->parent_first + (child->first - map->first);
	uint64_t left = child->last - child->first, offset = child->offset;

	for (;;) {
		struct shown has = look(parent, at, at + left, false);
		uint64_t len = has.last - has.first;
		bool same = has.pages == child->pages && has.first == at && has.offset == offset &&
			    (has.prot & map->by_iova.tag) == child->prot;

		pages_put(parent->iommu, has.pages);
		if (!same || len >= left)
			return same;
		at += len + 1;
		left -= len + 1;
		offset += len + 1;
	}
}

/* ---- keeping the areas of a child in step ---- */

/*
 * Takes out what the child shows in first..last and the parent has no more (`all`: or has). What
 * is taken out may reach beyond: *first and *last follow. 0, or what UNMAP answers.
 */
static int prune(struct ioas_space *child, const struct nest_map *map, iova_t *first, iova_t *last,
		 bool all)
{
	iova_t at = *first, end = *last;
	int rc = 0;

	while (!rc) {
		struct shown shown = look(child, at, end, true);
		bool stays;

		if (!shown.pages)
			break;
		stays = !all && holds(child->nest->parent, map, &shown);
		pages_put(child->iommu, shown.pages);
		if (!stays)
			rc = space_unmap(child, shown.first, shown.last, NULL, NULL);
		if (!stays && shown.first < *first)
			*first = shown.first;
		if (!stays && shown.last > *last)
			*last = shown.last;
		if (shown.last >= end)
			break;
		at = shown.last + 1;
	}
	return rc;
}

/* The space has a place for it: it is not reserved by a device of its, and whole pages. */
static bool fits(struct ioas_space *child, iova_t iova, const struct shown *shown)
{
	uint64_t len = shown->last - shown->first + 1;
	bool fits;

	pthread_mutex_lock(&child->lock);
	fits = !((len | shown->offset) & (space_alignment(child) - 1)) &&
	       !space_check_fixed(child, iova, len, NULL);
	pthread_mutex_unlock(&child->lock);
	return fits;
}

/* Enters one part that the parent has. What the space has no place for stays blocked. */
static int enter(struct ioas_space *child, iova_t iova, const struct shown *shown, uint32_t prot)
{
	struct space_piece piece = {
		.offset = shown->offset,
		.len = shown->last - shown->first + 1,
	};

	if (!prot || !fits(child, iova, shown))
		return 0;
	piece.pages = pages_get(shown->pages);
	return map_pieces(child, &iova, 0, &piece, 1, piece.len, prot | IOAS_MAP_FIXED, NULL);
}

/* Fills the holes in first..last of a map with what the parent has. 0, or what MAP answers. */
static int fill(struct ioas_space *child, const struct nest_map *map, iova_t first, iova_t last)
{
	iova_t to_parent = map->parent_first - map->first, done;
	int rc = 0;

	for (;; first = done + 1) {
		struct shown here = look(child, first, last, false), has;

		done = here.last;
		if (!here.pages || here.first > first) {
			iova_t end = here.pages ? here.first - 1 : last;

			has = look(child->nest->parent, first + to_parent, end + to_parent, false);
			done = has.last - to_parent;
			if (has.pages)
				rc = enter(child, has.first - to_parent, &has,
					   has.prot & map->by_iova.tag);
			pages_put(child->iommu, has.pages);
		}
		pages_put(child->iommu, here.pages);
		if (rc || done >= last)
			return rc;
	}
}

static int sync_children(struct ioas_space *space, iova_t first, iova_t last);

/* A part of a map, by the parent's addresses. `hide`: nothing is to be shown there. */
static int sync_map(struct ioas_space *child, struct nest_map *map, iova_t first, iova_t last,
		    bool hide)
{
	iova_t from =
		first > map->parent_first ? map->first + (first - map->parent_first) : map->first;
	iova_t to =
		last < nest_parent_last(map) ? map->first + (last - map->parent_first) : map->last;
	iova_t start = from, end = to;
	int rc = prune(child, map, &from, &to, hide), below;

	if (!rc && !hide)
		rc = fill(child, map, from, to);
	/* What was hidden with the rest, since it was one area with it. */
	if (!rc && hide && from < start)
		rc = fill(child, map, from, start - 1);
	if (!rc && hide && to > end)
		rc = fill(child, map, end + 1, to);
	below = sync_children(child, from, to);
	return rc ? rc : below;
}

/* The next child after `prev` (NULL: the first), with a reference; prev's goes. */
static struct ioas_space *next_child(struct ioas_space *space, struct ioas_space *prev)
{
	struct ioas_space *child;

	pthread_mutex_lock(&space->lock);
	child = prev ? prev->nest->next : space->children;
	/* One that is just ending takes itself off the list. */
	while (child && !space_get_if_used(child))
		child = child->nest->next;
	pthread_mutex_unlock(&space->lock);
	ioas_space_put(prev);
	return child;
}

/* All that the space's children show of first..last; the first error, after all of it. */
static int sync_all(struct ioas_space *space, iova_t first, iova_t last, bool hide)
{
	struct ioas_space *child = NULL;
	int rc = 0, one;

	lock_must_hold(&space->iommu->nest_lock);
	while ((child = next_child(space, child))) {
		struct nest_map *map = nest_target(child->nest, first, last);

		for (; map; map = nest_target_next(map, first, last)) {
			one = sync_map(child, map, first, last, hide);
			rc = rc ? rc : one;
		}
	}
	return rc;
}

static int sync_children(struct ioas_space *space, iova_t first, iova_t last)
{
	return sync_all(space, first, last, false);
}

/* ---- what others of the folder call ---- */

static const char *lacks(int rc)
{
	return rc == -ENOMEM ? "out of memory" : "memory that it leads to is not all there";
}

int nest_after_map(struct ioas_space *space, iova_t first, iova_t last, struct ioas_why *why)
{
	int rc;

	if (!nest_is_parent(space))
		return 0;
	nest_lock(space);
	rc = sync_children(space, first, last);
	if (rc) {
		space_unmap(space, first, last, NULL, NULL);
		sync_children(space, first, last);
	}
	nest_unlock(space);
	return rc ? why_set(why, rc, "a space nested on this one cannot show it: %s", lacks(rc))
		  : 0;
}

/* What UNMAP of first..last takes, up to what it stops at. False: nothing; *stops: at something. */
static bool to_go(struct ioas_space *space, iova_t first, iova_t last, struct ioas_range *out,
		  bool *stops)
{
	struct space_area *area;
	bool any = false;

	pthread_mutex_lock(&space->lock);
	area = areas_find(&space->areas, first);
	for (; area && area->first <= last; area = areas_next(&space->areas, area)) {
		if (area->locks || area->first < first || area->last > last)
			break;
		out->first = any ? out->first : area->first;
		out->last = area->last;
		any = true;
	}
	*stops = area && area->first <= last;
	pthread_mutex_unlock(&space->lock);
	return any;
}

/*
 * The children first: they can refuse. What UNMAP stops at they go on showing all the time. Then
 * once more: a part may have stayed.
 */
int nest_unmap_parent(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		      struct ioas_why *why)
{
	struct ioas_range range;
	bool stops;
	int rc = 0;

	*len = 0;
	nest_lock(space);
	if (to_go(space, first, last, &range, &stops)) {
		rc = sync_all(space, range.first, range.last, true);
		if (rc)
			why_set(why, rc, "a space nested on this one does not let its part go");
		else
			rc = space_unmap(space, range.first, range.last, len, why);
		sync_children(space, range.first, range.last);
	}
	/* Says why it stops, or that nothing is there. */
	if (!rc && (stops || !*len))
		rc = space_unmap(space, first, last, NULL, why);
	nest_unlock(space);
	return rc;
}

void nest_after_unmap(struct ioas_space *space, iova_t first, iova_t last)
{
	nest_lock(space);
	sync_children(space, first, last);
	nest_unlock(space);
}

/* Nobody shows any of it. 0, or what UNMAP answers; then it is as it was. */
static int hide_map(struct ioas_space *space, struct nest_map *map)
{
	iova_t first = map->first, last = map->last;
	int rc = sync_all(space, first, last, true);

	if (!rc)
		rc = prune(space, map, &first, &last, true);
	if (!rc)
		return 0;
	fill(space, map, map->first, map->last);
	sync_children(space, map->first, map->last);
	return rc;
}

static int unmap_maps(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		      struct ioas_why *why)
{
	struct space_nest *nest = space->nest;
	struct nest_map *map = nest_find(nest, first), *next;

	lock_must_hold(&space->iommu->nest_lock);
	for (; map && map->first <= last; map = next) {
		struct tree_node *after = tree_step(&map->by_iova, 1);

		next = after ? nest_by_iova(after) : NULL;
		if (map->first < first || map->last > last)
			return why_set(why, -ENOENT,
				       "%#" PRIx64 "-%#" PRIx64 " would cut mapping %#" PRIx64
				       "-%#" PRIx64,
				       first, last, map->first, map->last);
		if (hide_map(space, map))
			return why_set(why, -EBUSY,
				       "who uses mapping %#" PRIx64 "-%#" PRIx64
				       " does not let it go",
				       map->first, map->last);
		*len += map->last - map->first + 1;
		nest_remove(nest, map);
	}
	if (!*len && (first || last != UINT64_MAX))
		return why_set(why, -ENOENT, "nothing is mapped in %#" PRIx64 "-%#" PRIx64, first,
			       last);
	return 0;
}

int nest_unmap_child(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		     struct ioas_why *why)
{
	int rc;

	*len = 0;
	nest_lock(space);
	rc = unmap_maps(space, first, last, len, why);
	nest_unlock(space);
	return rc;
}

/* ---- and programs ---- */

static int check(struct ioas_space *space, iova_t iova, iova_t parent_iova, uint64_t len,
		 uint32_t flags, struct ioas_why *why)
{
	struct nest_map *map;
	uint64_t mask;
	int rc;

	if (!space->nest)
		return why_set(why, -EINVAL, "the space is not nested on another one");
	if (flags & ~(uint32_t)(IOAS_MAP_READ | IOAS_MAP_WRITE))
		return why_set(why, -EOPNOTSUPP, "unknown map flags %#x", flags);
	if (!flags || !len)
		return why_set(why, -EINVAL, !len ? "length 0" : "neither readable nor writable");
	if (parent_iova + (len - 1) < parent_iova)
		return why_set(why, -EOVERFLOW,
			       "the parent's %#" PRIx64 " + length %#" PRIx64 " wraps", parent_iova,
			       len);
	pthread_mutex_lock(&space->lock);
	mask = space_alignment(space) - 1;
	rc = (len | parent_iova) & mask ? why_set(why, -EINVAL,
						  "length %#" PRIx64 " or the parent's %#" PRIx64
						  ": not a multiple of %" PRIu64,
						  len, parent_iova, mask + 1)
					: space_check_fixed(space, iova, len, why);
	pthread_mutex_unlock(&space->lock);
	if (rc)
		return rc;
	map = nest_find(space->nest, iova);
	if (map && map->first <= iova + (len - 1))
		return why_set(why, -EEXIST,
			       "%#" PRIx64 "-%#" PRIx64 " overlaps mapping %#" PRIx64 "-%#" PRIx64,
			       iova, iova + (len - 1), map->first, map->last);
	return 0;
}

static int map_locked(struct ioas_space *space, iova_t iova, iova_t parent_iova, uint64_t len,
		      uint32_t flags, struct ioas_why *why)
{
	struct nest_map *map;
	int rc = check(space, iova, parent_iova, len, flags, why);

	lock_must_hold(&space->iommu->nest_lock);
	if (rc)
		return rc;
	map = alloc_zero(1, sizeof(*map));
	if (!map)
		return why_set(why, -ENOMEM, "out of memory");
	map->first = iova;
	map->last = iova + (len - 1);
	map->parent_first = parent_iova;
	map->by_iova.tag = flags;
	nest_insert(space->nest, map);
	rc = fill(space, map, map->first, map->last);
	if (!rc)
		rc = sync_children(space, map->first, map->last);
	if (!rc)
		return 0;
	hide_map(space, map);
	nest_remove(space->nest, map);
	return why_set(why, rc, "%s", lacks(rc));
}

int ioas_space_nest_map(struct ioas_space *space, iova_t iova, iova_t parent_iova, uint64_t len,
			uint32_t flags, struct ioas_why *why)
{
	int rc;

	nest_lock(space);
	rc = map_locked(space, iova, parent_iova, len, flags, why);
	nest_unlock(space);
	return rc;
}
