/* SPDX-License-Identifier: MIT */
/* The areas of a space: order, and the lowest gap that fits. */
#include <string.h>
#include "space/areas.h"

#define PAGE_LG2 12

static struct space_area *area_of(struct tree_node *node)
{
	return node ? tree_entry(node, struct space_area, node) : NULL;
}

static uint32_t pages_up(uint64_t len)
{
	uint64_t pages = (len >> PAGE_LG2) + !!(len & (AREAS_ALIGN_MIN - 1));

	return pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
}

static unsigned order_of(uint64_t align)
{
	return align > AREAS_ALIGN_MIN ? (unsigned)__builtin_ctzll(align) - PAGE_LG2 : 0;
}

/* Larger than any difference within one bound. */
#define FAR 1024

/* Order 0 also serves alignments below a page. */
static int64_t pages_at(const struct areas_fit *fit, unsigned order)
{
	int skip = order > 1 ? fit->skip[order - 2] : order ? fit->skip_odd : 0;

	return (int64_t)fit->pages - skip;
}

/* Of a page's number: how far it is into each alignment of 16 KiB and more, in pages. */
static const int16_t mask[AREAS_ORDERS - 2] = {3, 7, 15, 31, 63, 127, 255, 511};

void areas_fit_gap(iova_t first, iova_t last, struct areas_fit *out)
{
	/* The first whole page, and how far it is to where larger alignments begin. */
	uint64_t page = (first >> PAGE_LG2) + !!(first & (AREAS_ALIGN_MIN - 1));
	int16_t to_next = (int16_t)(-page & mask[AREAS_ORDERS - 3]);
	int16_t broken;

	*out = (struct areas_fit){.pages = UINT32_MAX};
	if (last - first != UINT64_MAX)
		out->pages = pages_up(last - first + 1);
	if (out->pages == UINT32_MAX)
		return;
	/* One page more, if only the length of all is rounded up: none that is whole counts. */
	broken = (int16_t)(out->pages - (uint32_t)((last >> PAGE_LG2) + 1 - page));
	out->skip_odd = (to_next & 1) + broken;
	for (int i = 0; i < AREAS_ORDERS - 2; i++)
		out->skip[i] = (int16_t)((to_next & mask[i]) + broken);
}

static inline void merge(struct areas_fit *restrict fit, const struct areas_fit *restrict other)
{
	int64_t more = (int64_t)other->pages - fit->pages;
	int16_t ours = 0, theirs = 0;

	if (more <= -FAR)
		return;
	if (more >= FAR) {
		*fit = *other;
		return;
	}
	if (more > 0) {
		fit->pages = other->pages;
		ours = (int16_t)more;
	} else {
		theirs = (int16_t)-more;
	}
	for (int i = 0; i < AREAS_ORDERS - 2; i++) {
		int16_t a = (int16_t)(fit->skip[i] + ours);
		int16_t b = (int16_t)(other->skip[i] + theirs);

		fit->skip[i] = a < b ? a : b;
	}
	fit->skip_odd = fit->skip_odd + ours < other->skip_odd + theirs ? fit->skip_odd + ours
									: other->skip_odd + theirs;
}

void areas_fit_merge(struct areas_fit *fit, const struct areas_fit *other)
{
	merge(fit, other);
}

static void fit_own(struct areas_fit *fit, const struct space_area *area)
{
	if (area->gap_first == area->first)
		*fit = (struct areas_fit){.pages = 0};
	else
		areas_fit_gap(area->gap_first, area->first - 1, fit);
}

static int64_t own_pages(const struct space_area *area, unsigned order)
{
	struct areas_fit own;

	fit_own(&own, area);
	return pages_at(&own, order);
}

static void merge_own(struct areas_fit *fit, const struct space_area *area)
{
	struct areas_fit own;

	fit_own(&own, area);
	merge(fit, &own);
}

static bool update(struct tree_node *node)
{
	struct space_area *area = area_of(node);
	struct areas_fit now;
	bool changed;

	fit_own(&now, area);
	for (int side = 0; side < 2; side++)
		if (node->child[side])
			merge(&now, &area_of(node->child[side])->fit);
	changed = memcmp(&now, &area->fit, sizeof(now));
	area->fit = now;
	return changed;
}

void areas_init(struct areas *areas)
{
	areas->tree = (struct tree){NULL, update};
	areas->nr = 0;
}

void areas_insert(struct areas *areas, struct space_area *area)
{
	struct tree_node *parent = NULL, *node = areas->tree.root;
	struct space_area *prev = NULL, *next = NULL;
	int side = 0;

	while (node) {
		parent = node;
		side = area->first > area_of(node)->first;
		if (side)
			prev = area_of(node);
		else
			next = area_of(node);
		node = node->child[side];
	}
	area->gap_first = prev ? prev->last + 1 : 0;
	if (next)
		next->gap_first = area->last + 1;
	tree_insert_before(&areas->tree, &area->node, parent, side, next ? &next->node : NULL);
	areas->nr++;
}

void areas_remove(struct areas *areas, struct space_area *area)
{
	struct space_area *next = areas_next(area);

	if (next)
		next->gap_first = area->gap_first;
	tree_remove_before(&areas->tree, &area->node, next ? &next->node : NULL);
	areas->nr--;
}

struct space_area *areas_find(const struct areas *areas, iova_t iova)
{
	struct space_area *found = NULL;
	struct tree_node *node = areas->tree.root;

	while (node) {
		struct space_area *area = area_of(node);

		if (area->last >= iova)
			found = area;
		node = node->child[area->last < iova];
	}
	return found;
}

struct space_area *areas_next(const struct space_area *area)
{
	return area_of(tree_step(&area->node, 1));
}

bool areas_fits(const struct areas_fit *fit, const struct areas_request *req)
{
	return pages_at(fit, order_of(req->align)) >= pages_up(req->len);
}

/*
 * As Linux places a mapping: aligned up, then the page offset ORed in, and a range must be longer
 * than one byte.
 */
bool areas_place(const struct areas_request *req, iova_t first, iova_t last, iova_t *out)
{
	iova_t start = (first + req->align - 1) & ~(req->align - 1);

	if (start < first)
		return false;
	start |= req->offset;
	if (start >= last || last - start < req->len - 1)
		return false;
	*out = start;
	return true;
}

/* The lowest area of a subtree whose gap may fit, there is one. */
static struct space_area *lowest(struct tree_node *node, unsigned order, uint32_t pages)
{
	for (;;) {
		struct tree_node *before = node->child[0];

		if (before && pages_at(&area_of(before)->fit, order) >= pages)
			node = before;
		else if (own_pages(area_of(node), order) >= pages)
			return area_of(node);
		else
			node = node->child[1];
	}
}

/* The next area after this one whose gap may fit, or NULL. */
static struct space_area *next_fit(struct space_area *area, unsigned order, uint32_t pages)
{
	struct tree_node *node = &area->node;
	struct tree_node *after = node->child[1];

	if (after && pages_at(&area_of(after)->fit, order) >= pages)
		return lowest(after, order, pages);
	for (; node->parent; node = node->parent) {
		struct tree_node *parent = node->parent;

		if (node == parent->child[1])
			continue;
		if (own_pages(area_of(parent), order) >= pages)
			return area_of(parent);
		after = parent->child[1];
		if (after && pages_at(&area_of(after)->fit, order) >= pages)
			return lowest(after, order, pages);
	}
	return NULL;
}

/* The range behind the last area. */
static bool room_behind(const struct areas *areas, const struct areas_request *req, iova_t first,
			iova_t last, iova_t *out)
{
	struct space_area *end = area_of(tree_end(&areas->tree, 1));

	if (end && end->last >= last)
		return false;
	if (end && end->last >= first)
		first = end->last + 1;
	return areas_place(req, first, last, out);
}

bool areas_room(const struct areas *areas, const struct areas_request *req, iova_t first,
		iova_t last, iova_t *out)
{
	struct space_area *area = areas_find(areas, first);
	unsigned order = order_of(req->align);
	uint32_t pages = pages_up(req->len);

	if (first > last)
		return false;
	for (; area; area = next_fit(area, order, pages)) {
		iova_t gap_first = area->gap_first > first ? area->gap_first : first;
		iova_t gap_last = area->first - 1;

		if (gap_first > last)
			return false;
		/* Only the first one found may begin before the range. */
		if (area->first > gap_first &&
		    areas_place(req, gap_first, gap_last < last ? gap_last : last, out))
			return true;
		if (area->first > last)
			return false;
	}
	return room_behind(areas, req, first, last, out);
}

/* Merges the gaps of the areas of a subtree that begin after `after` and not after `upto`. */
static void merge_between(struct areas_fit *fit, struct tree_node *node, iova_t after, iova_t upto,
			  bool all_after, bool all_upto)
{
	while (node) {
		struct space_area *area = area_of(node);

		if (all_after && all_upto) {
			areas_fit_merge(fit, &area->fit);
			return;
		}
		if (!all_after && area->first <= after) {
			node = node->child[1];
		} else if (!all_upto && area->first > upto) {
			node = node->child[0];
		} else {
			merge_own(fit, area);
			merge_between(fit, node->child[0], after, upto, all_after, true);
			node = node->child[1];
			all_after = true;
		}
	}
}

static void merge_clipped(struct areas_fit *fit, iova_t gap_first, iova_t gap_last, iova_t first,
			  iova_t last)
{
	struct areas_fit gap;

	if (gap_first < first)
		gap_first = first;
	if (gap_last > last)
		gap_last = last;
	if (gap_first > gap_last)
		return;
	areas_fit_gap(gap_first, gap_last, &gap);
	areas_fit_merge(fit, &gap);
}

void areas_fit_range(const struct areas *areas, iova_t first, iova_t last, struct areas_fit *out)
{
	struct space_area *area = areas_find(areas, first);
	struct space_area *end = area_of(tree_end(&areas->tree, 1));
	struct space_area *beyond;

	*out = (struct areas_fit){.pages = 0};
	if (!area) {
		merge_clipped(out, first, last, first, last);
		return;
	}
	if (area->first > area->gap_first)
		merge_clipped(out, area->gap_first, area->first - 1, first, last);
	/* The area whose gap holds the end of the range, if it is another one. */
	beyond = last == UINT64_MAX ? NULL : areas_find(areas, last + 1);
	merge_between(out, areas->tree.root, area->first, last, false, false);
	if (beyond && beyond != area && beyond->first > beyond->gap_first)
		merge_clipped(out, beyond->gap_first, beyond->first - 1, first, last);
	if (end->last < last)
		merge_clipped(out, end->last + 1, last, first, last);
}
