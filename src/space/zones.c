/* SPDX-License-Identifier: MIT */
/* Zones: where addresses are chosen, and the lowest one that has room. */
#include <errno.h>
#include <stdlib.h>
#include "space/ranges.h"
#include "util/alloc.h"

/* IOVA 0 is never chosen, nor are the last addresses. */
#define CHOOSE_FIRST AREAS_CHOOSE_FIRST
#define CHOOSE_LAST  (UINT64_MAX - 4096)

void zones_init(struct zones *zones)
{
	*zones = (struct zones){0};
}

void zones_fini(struct zones *zones)
{
	free(zones->range);
	free(zones->bound);
}

int zones_prepare(struct zones *zones, size_t cap)
{
	struct ioas_range *range;
	struct areas_fit *bound;
	size_t leaves = 1;

	if (cap <= zones->cap)
		return 0;
	while (leaves < cap)
		leaves *= 2;
	range = alloc_resize(zones->range, leaves * sizeof(*range));
	if (!range)
		return -ENOMEM;
	zones->range = range;
	bound = alloc_zero(leaves * 2, sizeof(*bound));
	if (!bound)
		return -ENOMEM;
	/* A wider tree: what is set now is set again, with loose bounds. */
	free(zones->bound);
	zones->bound = bound;
	zones->leaves = leaves;
	zones->cap = leaves;
	zones_set(zones, zones->range, zones->nr, zones->whole);
	return 0;
}

static void sum_up(struct zones *zones, size_t node)
{
	zones->bound[node] = zones->bound[2 * node];
	areas_fit_merge(&zones->bound[node], &zones->bound[2 * node + 1]);
}

static void set_bound(struct zones *zones, size_t zone, const struct areas_fit *fit)
{
	size_t node = zones->leaves + zone;

	zones->bound[node] = *fit;
	while (node /= 2)
		sum_up(zones, node);
}

void zones_set(struct zones *zones, const struct ioas_range *range, size_t nr, bool whole)
{
	size_t n = 0;

	/* `range` may be our own array: n never overtakes i. */
	for (size_t i = 0; i < nr; i++) {
		struct ioas_range r = range[i];

		if (r.last < CHOOSE_FIRST || r.first > CHOOSE_LAST)
			continue;
		if (r.first < CHOOSE_FIRST)
			r.first = CHOOSE_FIRST;
		if (r.last > CHOOSE_LAST)
			r.last = CHOOSE_LAST;
		if (n && zones->range[n - 1].last + 1 == r.first)
			zones->range[n - 1].last = r.last;
		else
			zones->range[n++] = r;
	}
	zones->nr = n;
	zones->whole = whole;
	zones->tight = false;
	for (size_t i = 0; i < zones->leaves; i++) {
		zones->bound[zones->leaves + i] = (struct areas_fit){.pages = 0};
		if (i < n)
			areas_fit_gap(zones->range[i].first, zones->range[i].last,
				      &zones->bound[zones->leaves + i]);
	}
	for (size_t node = zones->leaves; node-- > 1;)
		sum_up(zones, node);
}

/* The first zone that ends at or after iova. */
static size_t find_zone(const struct zones *zones, iova_t iova)
{
	size_t start = 0, end = zones->nr;

	while (start < end) {
		size_t middle = start + (end - start) / 2;

		if (zones->range[middle].last < iova)
			start = middle + 1;
		else
			end = middle;
	}
	return start;
}

void zones_loosen(struct zones *zones, iova_t first, iova_t last)
{
	struct areas_fit fit;

	if (!zones->tight)
		return;
	for (size_t i = find_zone(zones, first); i < zones->nr; i++) {
		if (zones->range[i].first > last)
			break;
		areas_fit_gap(zones->range[i].first, zones->range[i].last, &fit);
		set_bound(zones, i, &fit);
	}
}

/* The lowest zone from `zone` on whose bound lets a request in; zones->nr: none. */
static size_t next_zone(const struct zones *zones, size_t zone, const struct areas_request *req)
{
	size_t node = zones->leaves + zone;

	if (zone >= zones->nr)
		return zones->nr;
	/* Up and to the right until a subtree fits, then down its left side. */
	while (!areas_fits(&zones->bound[node], req)) {
		while (node & 1) {
			node /= 2;
			if (node <= 1)
				return zones->nr;
		}
		node++;
	}
	while (node < zones->leaves) {
		node *= 2;
		if (!areas_fits(&zones->bound[node], req))
			node++;
	}
	return node - zones->leaves;
}

bool zones_room(struct zones *zones, const struct areas *areas, const struct areas_request *req,
		iova_t *out)
{
	for (size_t i = next_zone(zones, 0, req); i < zones->nr; i = next_zone(zones, i + 1, req)) {
		struct ioas_range zone = zones->range[i];
		struct areas_fit fit;
		iova_t start;

		/* The search begins at an address that is itself aligned. */
		if (!areas_place(req, zones->whole ? CHOOSE_FIRST : zone.first, CHOOSE_LAST,
				 &start))
			return false;
		if (start < zone.first)
			start = zone.first;
		if (areas_room(areas, req, start, zone.last, out))
			return true;
		areas_fit_range(areas, zone.first, zone.last, &fit);
		set_bound(zones, i, &fit);
		zones->tight = true;
	}
	return false;
}
