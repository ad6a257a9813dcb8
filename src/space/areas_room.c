/* SPDX-License-Identifier: MIT */
/* Room between areas: the lowest gap that fits, and bounds of what there is in a range. */
#include "space/areas_tree.h"

enum found {
	FOUND,
	NOT_HERE,
	BEYOND, /* nor in what comes behind */
};

struct search {
	const struct areas_request *req;
	iova_t first, last;
	iova_t *out;
};

static enum found room_in_leaf(struct areas_node *leaf, const struct search *search)
{
	unsigned at = areas_upto(leaf_first(leaf), leaf->nr, search->first);

	for (; at < leaf->nr; at++) {
		iova_t first = areas_gap_first(leaf, at), next = leaf_first(leaf)[at];
		iova_t last = next - 1 < search->last ? next - 1 : search->last;

		/* Only the first one may begin before the range. */
		if (first < search->first)
			first = search->first;
		if (first < next && areas_place(search->req, first, last, search->out))
			return FOUND;
		if (next > search->last)
			return BEYOND;
	}
	return NOT_HERE;
}

static void merge_gaps(struct areas_fit *fit, struct areas_node *leaf, iova_t first, iova_t last)
{
	unsigned at = areas_upto(leaf_first(leaf), leaf->nr, first);

	for (; at < leaf->nr; at++) {
		iova_t gap_first = areas_gap_first(leaf, at), next = leaf_first(leaf)[at];
		iova_t gap_last = next - 1 < last ? next - 1 : last;
		struct areas_fit gap;

		if (gap_first < first)
			gap_first = first;
		if (gap_first < next && gap_first <= gap_last) {
			areas_fit_gap(gap_first, gap_last, &gap);
			areas_fit_merge(fit, &gap);
		}
		if (next > last)
			return;
	}
}

void areas_fit_node(struct areas_node *node, struct areas_fit *out)
{
	*out = (struct areas_fit){.pages = 0};
	if (!node->level)
		merge_gaps(out, node, 0, UINT64_MAX);
	for (unsigned i = 0; node->level && i < node->nr; i++)
		areas_fit_merge(out, &node->inner.fit[i]);
}

static enum found room_in(struct areas_node *node, const struct search *search)
{
	unsigned start;

	if (!node->level)
		return room_in_leaf(node, search);
	start = areas_slot(node, search->first);
	for (unsigned at = start; at < node->nr; at++) {
		enum found found;

		if (!areas_fits(&node->inner.fit[at], search->req))
			continue;
		found = room_in(node->inner.child[at], search);
		if (found != NOT_HERE)
			return found;
		/* Of the first one there may be room before the range, again and again. */
		if (at > start || search->first == AREAS_CHOOSE_FIRST)
			areas_fit_node(node->inner.child[at], &node->inner.fit[at]);
	}
	return NOT_HERE;
}

bool areas_room(const struct areas *areas, const struct areas_request *req, iova_t first,
		iova_t last, iova_t *out)
{
	struct search search = {req, first, last, out};
	struct space_area *end = areas_last(areas);
	enum found found = NOT_HERE;

	if (areas->root)
		found = room_in(areas->root, &search);
	if (found != NOT_HERE)
		return found == FOUND;
	/* The range behind the last area. */
	if (end && end->last >= last)
		return false;
	if (end && end->last >= first)
		first = end->last + 1;
	return areas_place(req, first, last, out);
}

/* Of what lies wholly in the range the bounds will do. */
static void merge_range(struct areas_fit *fit, struct areas_node *node, iova_t first, iova_t last)
{
	unsigned start, end;

	if (!node->level) {
		merge_gaps(fit, node, first, last);
		return;
	}
	start = areas_slot(node, first);
	end = areas_slot(node, last);
	for (unsigned at = start; at < node->nr && at <= end + 1; at++)
		if (at > start + 1 && at < end)
			areas_fit_merge(fit, &node->inner.fit[at]);
		else
			merge_range(fit, node->inner.child[at], first, last);
}

void areas_fit_range(const struct areas *areas, iova_t first, iova_t last, struct areas_fit *out)
{
	const struct space_area *end = areas_last(areas);
	struct areas_fit behind;

	*out = (struct areas_fit){.pages = 0};
	if (areas->root)
		merge_range(out, areas->root, first, last);
	if (end && end->last >= last)
		return;
	if (end && end->last >= first)
		first = end->last + 1;
	areas_fit_gap(first, last, &behind);
	areas_fit_merge(out, &behind);
}
