/* SPDX-License-Identifier: MIT */
/* Dirty tracking of a page table: on and off, set, read and clear. */
#include <errno.h>
#include "pt/pt_private.h"

bool pt_dirty_possible(const struct pt *pt)
{
	return pt->dirty_possible;
}

void pt_dirty_track(struct pt *pt, bool on)
{
	atomic_store_explicit(&pt->dirty_tracked, on, memory_order_seq_cst);
}

bool pt_dirty_tracked(const struct pt *pt)
{
	return atomic_load_explicit(&pt->dirty_tracked, memory_order_relaxed);
}

void pt_dirty_mark(const struct pt *pt, const struct pt_walk *walk)
{
	pt->ops->dirty_mark(pt, walk);
}

int pt_dirty_set(const struct pt *pt, iova_t iova)
{
	struct pt_walk walk;

	if (iova > pt->last || pt->ops->walk(pt, iova, &walk))
		return -ENOENT;
	pt->ops->dirty_mark(pt, &walk);
	return 0;
}

/* Addresses up to UINT64_MAX do not occur: the range ends with the width. */
void pt_dirty_set_range(const struct pt *pt, iova_t first, iova_t last)
{
	uint64_t page_len = 1ull << pt_page_lg2(pt);

	if (last > pt->last)
		last = pt->last;
	while (first <= last) {
		struct pt_walk walk;

		if (pt->ops->walk(pt, first, &walk)) {
			first = (first | (page_len - 1)) + 1;
			continue;
		}
		pt->ops->dirty_mark(pt, &walk);
		first = walk.leaf_first + walk.leaf_len;
	}
}

bool pt_dirty_read(struct pt *pt, struct pt_dirty *read)
{
	read->nr = 0;
	if (read->next < read->first)
		read->next = read->first;
	if (read->last > pt->last)
		read->last = pt->last;
	return read->next > read->last || pt->ops->dirty_read(pt, read);
}

void pt_dirty_clear(struct pt *pt)
{
	struct pt_dirty all = {.last = UINT64_MAX, .clear = true};

	pt_dirty_read(pt, &all);
}
