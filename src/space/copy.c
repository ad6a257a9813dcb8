/* SPDX-License-Identifier: MIT */
/* Mapping in one space what another (or the same) maps, sharing the page objects. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "space/private.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

struct pieces {
	struct space_piece *piece;
	size_t nr, cap;
};

static int add_piece(struct pieces *pieces, const struct space_area *area, iova_t first,
		     iova_t last)
{
	if (pieces->nr == pieces->cap) {
		size_t cap = pieces->cap ? 2 * pieces->cap : 4;
		void *piece = alloc_resize(pieces->piece, cap * sizeof(*pieces->piece));

		if (!piece)
			return -ENOMEM;
		pieces->piece = piece;
		pieces->cap = cap;
	}
	pieces->piece[pieces->nr++] = (struct space_piece){
		.pages = pages_get(area_pages(area)),
		.offset = area_offset(area) + (first - area->first),
		.len = last - first + 1,
	};
	return 0;
}

/* What maps first..last, which may begin and end inside areas. The space is locked. */
static int collect(struct ioas_space *space, iova_t first, iova_t last, struct pieces *pieces,
		   struct ioas_why *why)
{
	struct space_area *area = areas_find(&space->areas, first);

	lock_must_hold(&space->lock);
	for (;; area = areas_next(&space->areas, area)) {
		if (!area || area->first > first)
			return why_set(why, -ENOENT, "nothing is mapped at source IOVA %#" PRIx64,
				       first);
		if (add_piece(pieces, area, first, area->last < last ? area->last : last))
			return why_set(why, -ENOMEM, "out of memory");
		if (area->last >= last)
			return 0;
		first = area->last + 1;
	}
}

int ioas_space_copy(struct ioas_space *dst, iova_t *dst_iova, struct ioas_space *src,
		    iova_t src_iova, uint64_t len, uint32_t flags, struct ioas_why *why)
{
	struct pieces pieces = {0};
	int rc;

	if (!len)
		return why_set(why, -EINVAL, "length 0");
	if (src_iova + (len - 1) < src_iova)
		return why_set(why, -EOVERFLOW,
			       "source IOVA %#" PRIx64 " + length %#" PRIx64 " wraps", src_iova,
			       len);
	pthread_mutex_lock(&src->lock);
	rc = collect(src, src_iova, src_iova + (len - 1), &pieces, why);
	pthread_mutex_unlock(&src->lock);
	if (!rc) {
		uint64_t va = pieces.piece[0].pages->va + pieces.piece[0].offset;

		rc = map_into(dst, dst_iova, va, pieces.piece, pieces.nr, len, flags, why);
	} else {
		for (size_t i = 0; i < pieces.nr; i++)
			pages_put(src->iommu, pieces.piece[i].pages);
	}
	free(pieces.piece);
	return rc;
}
