/* SPDX-License-Identifier: MIT */
/* Mapping: checks in the kernel's order, the choice of an address, and all-or-nothing. */
#include <errno.h>
#include <inttypes.h>
#include "space/nest.h"
#include "space/private.h"
#include "util/lock.h"
#include "util/why.h"

#define MAP_FLAGS (IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The alignment wanted keeps what alignment the memory has, so that its huge pages can be
 * leaves, but no more than the length is worth.
 */
static int choose(struct ioas_space *space, iova_t *iova, uint64_t va, uint64_t len,
		  struct ioas_why *why)
{
	struct areas_request req = {.len = len, .offset = va % SPACE_PAGE};

	if (len >= UINT64_MAX / 2)
		return why_set(why, -EOVERFLOW, "length %#" PRIx64 ": too long to choose an IOVA",
			       len);
	req.align = len > 1 ? 1ull << (64 - __builtin_clzll(len - 1)) : 1;
	if (va)
		req.align = min_u64(req.align, va & -va);
	req.align = min_u64(req.align, AREAS_ALIGN_MAX);
	if (req.align < space_alignment(space))
		return why_set(why, -EINVAL,
			       "memory at %#" PRIx64 " is aligned to %" PRIu64
			       " only, the space to %" PRIu64,
			       va, req.align, space_alignment(space));
	if (!zones_room(&space->zones, &space->areas, &req, iova))
		return why_set(why, -ENOSPC,
			       "no free range of %#" PRIx64 " bytes aligned to %#" PRIx64 "%s", len,
			       req.align, space->allowed_nr ? " in the allowed ranges" : "");
	return 0;
}

int space_check_fixed(struct ioas_space *space, iova_t iova, uint64_t len, struct ioas_why *why)
{
	struct space_area *area;
	struct ioas_range hit;
	iova_t last = iova + len - 1;

	if (iova & (space_alignment(space) - 1))
		return why_set(why, -EINVAL, "IOVA %#" PRIx64 ": not a multiple of %" PRIu64, iova,
			       space_alignment(space));
	if (last < iova)
		return why_set(why, -EOVERFLOW, "IOVA %#" PRIx64 " + length %#" PRIx64 " wraps",
			       iova, len);
	if (reserved_hit(&space->reserved, iova, last, &hit))
		return why_set(why, -EINVAL,
			       "%#" PRIx64 "-%#" PRIx64 " touches the reserved range %#" PRIx64
			       "-%#" PRIx64,
			       iova, last, hit.first, hit.last);
	area = areas_seek(&space->areas, iova);
	if (area && area->first <= last)
		return why_set(why, -EEXIST,
			       "%#" PRIx64 "-%#" PRIx64 " overlaps mapping %#" PRIx64 "-%#" PRIx64,
			       iova, last, area->first, area->last);
	return 0;
}

static int check_pieces(struct ioas_space *space, iova_t iova, const struct space_piece *pieces,
			size_t nr, uint32_t flags, struct ioas_why *why)
{
	uint64_t mask = space_alignment(space) - 1;

	for (size_t i = 0; i < nr; i++) {
		if ((flags & IOAS_MAP_WRITE) && !pieces[i].pages->writable)
			return why_set(why, -EPERM,
				       "write permission wanted for memory at %#" PRIx64
				       " that was mapped read-only",
				       pieces[i].pages->va + pieces[i].offset);
		if ((pieces[i].offset | iova) & mask)
			return why_set(why, -EINVAL,
				       "memory at %#" PRIx64 " or its IOVA %#" PRIx64
				       " is not a multiple of %" PRIu64,
				       pieces[i].pages->va + pieces[i].offset, iova, mask + 1);
		iova += pieces[i].len;
	}
	return 0;
}

static int check(struct ioas_space *space, iova_t *iova, uint64_t va,
		 const struct space_piece *pieces, size_t nr, uint64_t len, uint32_t flags,
		 struct ioas_why *why)
{
	int rc;

	if (len & (space_alignment(space) - 1))
		return why_set(why, -EINVAL, "length %#" PRIx64 ": not a multiple of %" PRIu64, len,
			       space_alignment(space));
	if (flags & IOAS_MAP_FIXED)
		rc = space_check_fixed(space, *iova, len, why);
	else
		rc = choose(space, iova, va, len, why);
	if (rc)
		return rc;
	return check_pieces(space, *iova, pieces, nr, flags, why);
}

/* A list of areas that take over the pieces' references. NULL: no memory, they took some. */
static struct space_area *make_areas(struct ioas_space *space, iova_t iova,
				     struct space_piece *pieces, size_t nr, uint32_t prot)
{
	struct space_area *list = NULL, **tail = &list;

	for (size_t i = 0; i < nr; i++) {
		struct space_area *area = area_new(pieces[i].pages, pieces[i].offset);

		if (!area) {
			if (list)
				areas_free(space, list);
			return NULL;
		}
		area->first = iova;
		area->last = iova + pieces[i].len - 1;
		area->prot = prot;
		pieces[i].pages = NULL;
		iova += pieces[i].len;
		*tail = area;
		tail = &area->next;
	}
	return list;
}

/* Fills all areas of the list or none. */
static int fill_list(struct ioas_space *space, struct space_area *list, struct ioas_why *why)
{
	struct space_area *prev = NULL;

	for (struct space_area *area = list; area; prev = area, area = area->next) {
		uint64_t va = area_pages(area)->va + area_offset(area);
		struct ioas_why inner;
		int rc;

		inner.text[0] = '\0';
		rc = fill_area(space, area, &inner);
		if (!rc)
			continue;
		if (prev) {
			prev->next = NULL;
			fill_undo(space, list, list->first, prev->last);
			prev->next = area;
		}
		if (inner.text[0])
			return why_set(why, rc, "%s", inner.text);
		if (rc == -EFAULT)
			return why_set(why, rc,
				       "memory %#" PRIx64 "-%#" PRIx64 " is not all there%s", va,
				       va + (area->last - area->first),
				       area_pages(area)->writable ? " and writable" : "");
		if (rc == -EINVAL)
			return why_set(why, rc, "a page table entry allows reading or writing");
		return why_set(why, rc, "out of memory");
	}
	return 0;
}

static int map_locked(struct ioas_space *space, iova_t *out, uint64_t va,
		      struct space_piece *pieces, size_t nr, uint64_t len, uint32_t flags,
		      struct ioas_why *why)
{
	struct space_area *list;
	iova_t iova = *out;
	int rc = check(space, &iova, va, pieces, nr, len, flags, why);

	lock_must_hold(&space->lock);
	if (rc)
		return rc;
	list = areas_reserve(&space->areas, nr)
		       ? NULL
		       : make_areas(space, iova, pieces, nr,
				    flags & (IOAS_PROT_READ | IOAS_PROT_WRITE));
	if (!list)
		return why_set(why, -ENOMEM, "out of memory");
	rc = fill_list(space, list, why);
	if (rc) {
		areas_free(space, list);
		return rc;
	}
	while (list) {
		struct space_area *next = list->next;

		list->accesses = list->locks = 0; /* where `next` was */
		areas_insert(&space->areas, list);
		list = next;
	}
	*out = iova;
	return 0;
}

static bool shows_dmabuf(const struct space_piece *piece)
{
	if (!piece->pages)
		return piece->spec->file && mem_file_is_dmabuf(piece->spec->file);
	return pages_dmabuf(piece->pages);
}

int map_pieces(struct ioas_space *space, iova_t *iova, uint64_t va, struct space_piece *pieces,
	       size_t nr, uint64_t len, uint32_t flags, struct ioas_why *why)
{
	int rc = 0;

	for (size_t i = 0; i < nr; i++)
		if (shows_dmabuf(&pieces[i]))
			space_shows_dmabuf(space);
	pthread_mutex_lock(&space->lock);
	for (size_t i = 0; i < nr && !rc; i++)
		if (!pieces[i].pages)
			rc = pages_new(space, pieces[i].spec, &pieces[i].pages);
	if (rc)
		why_set(why, rc, "out of memory");
	else
		rc = map_locked(space, iova, va, pieces, nr, len, flags, why);
	for (size_t i = 0; i < nr; i++)
		pages_put_locked(space, pieces[i].pages);
	pthread_mutex_unlock(&space->lock);
	return rc;
}

int map_into(struct ioas_space *space, iova_t *iova, uint64_t va, struct space_piece *pieces,
	     size_t nr, uint64_t len, uint32_t flags, struct ioas_why *why)
{
	iova_t at = *iova;
	int rc;

	if (space->nest) {
		for (size_t i = 0; i < nr; i++)
			pages_put(space->iommu, pieces[i].pages);
		return why_set(why, -EINVAL,
			       "the space is nested on another one: it maps that one's addresses "
			       "(IOAS_NEST_MAP), not memory");
	}
	rc = map_pieces(space, &at, va, pieces, nr, len, flags, why);
	if (!rc)
		rc = nest_after_map(space, at, at + (len - 1), why);
	if (!rc)
		*iova = at;
	return rc;
}

int ioas_space_map(struct ioas_space *space, struct ioas_caller *caller, iova_t *iova, uint64_t va,
		   uint64_t len, uint32_t flags, struct ioas_why *why)
{
	struct pages_spec spec = {
		.caller = caller, .va = va, .len = len, .writable = flags & IOAS_MAP_WRITE};
	struct space_piece piece = {.spec = &spec, .offset = va % SPACE_PAGE, .len = len};

	if (flags & ~MAP_FLAGS)
		return why_set(why, -EOPNOTSUPP, "unknown map flags %#x", flags & ~MAP_FLAGS);
	if (va + len < va)
		return why_set(why, -EOVERFLOW, "address %#" PRIx64 " + length %#" PRIx64 " wraps",
			       va, len);
	if (!len || len > UINT64_MAX - SPACE_PAGE)
		return why_set(why, -EINVAL, "length %#" PRIx64, len);
	return map_into(space, iova, va, &piece, 1, len, flags, why);
}
