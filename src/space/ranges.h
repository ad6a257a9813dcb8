/* SPDX-License-Identifier: MIT */
/*
 * Where a space may map: reserved ranges with their owners, and *zones*, the ranges from which
 * addresses are chosen.
 *
 * Zones are the allowed ranges if there are any, else what is not reserved, between 4096 and
 * 4096 below the end. There may be thousands, most of them full, so over the sorted zones stands
 * a tree of bounds (struct areas_fit) by which the lowest zone with room is found. Bounds are
 * allowed to be too high: removing an area sets its zone's to the zone's length, mapping does not
 * touch them, and a search that fails in a zone makes its bound exact. So each removal costs a
 * later search one failure at most.
 */
#ifndef SPACE_RANGES_H
#define SPACE_RANGES_H

#include "space/areas.h"
#include "util/tree.h"

/* Reserved ranges; they may overlap. */
struct reserved {
	struct tree tree;
	size_t nr;
};

void reserved_init(struct reserved *reserved);
void reserved_fini(struct reserved *reserved);
/* 0 or -ENOMEM. */
int reserved_add(struct reserved *reserved, iova_t first, iova_t last, const void *owner);
/* Drops all ranges of an owner. */
void reserved_drop(struct reserved *reserved, const void *owner);
/* Is some of first..last reserved? Then *hit receives one such range. O(log n). */
bool reserved_hit(const struct reserved *reserved, iova_t first, iova_t last,
		  struct ioas_range *hit);
/*
 * The ranges that are not reserved, in order: writes up to `max`, returns how many there are (at
 * most reserved->nr + 1).
 */
size_t reserved_holes(const struct reserved *reserved, struct ioas_range *out, size_t max);

struct zones {
	struct ioas_range *range; /* sorted, disjoint */
	size_t nr;
	size_t cap;
	bool tight; /* some bounds are exact: what is unmapped has to loosen them */
	bool whole; /* zones are what is not reserved: one range to the kernel's eyes */
	struct areas_fit *bound; /* a heap-shaped tree: leaf i at leaves + i, root at 1 */
	size_t leaves;		 /* power of two */
};

void zones_init(struct zones *zones);
void zones_fini(struct zones *zones);
/* Makes sure that `cap` zones can be set. 0 or -ENOMEM. */
int zones_prepare(struct zones *zones, size_t cap);
/*
 * Sets the zones to the sorted, disjoint `range` (joining neighbours), clipped to what may be
 * chosen. `nr` is at most what was prepared. `whole`: these are what the reserved ranges leave.
 */
void zones_set(struct zones *zones, const struct ioas_range *range, size_t nr, bool whole);
/* An area first..last was removed: there may be more room there. */
void zones_loosen(struct zones *zones, iova_t first, iova_t last);
/* The lowest address for a request, between `areas`. false: no room. */
bool zones_room(struct zones *zones, const struct areas *areas, const struct areas_request *req,
		iova_t *out);

#endif
