/* SPDX-License-Identifier: MIT */
/*
 * Mapping files, and taking dma-bufs back.
 *
 * Spaces that have shown a dma-buf are in a list of the instance. A revocation begins a new epoch
 * first and goes through the list then: a space that comes later, or fills a table later, sees the
 * new epoch and enters nothing (fill_enter).
 */
#include <errno.h>
#include <inttypes.h>
#include "space/private.h"
#include "tlp/check_dirty.h"
#include "util/lock.h"
#include "util/why.h"

void space_shows_dmabuf(struct ioas_space *space)
{
	struct ioas_iommu *iommu = space->iommu;

	pthread_mutex_lock(&iommu->dmabuf_lock);
	if (!space->dmabuf_prev) {
		space->dmabuf_next = iommu->dmabuf_spaces;
		space->dmabuf_prev = &iommu->dmabuf_spaces;
		if (space->dmabuf_next)
			space->dmabuf_next->dmabuf_prev = &space->dmabuf_next;
		iommu->dmabuf_spaces = space;
	}
	pthread_mutex_unlock(&iommu->dmabuf_lock);
}

void space_forget_dmabufs(struct ioas_space *space)
{
	pthread_mutex_lock(&space->iommu->dmabuf_lock);
	if (space->dmabuf_prev) {
		*space->dmabuf_prev = space->dmabuf_next;
		if (space->dmabuf_next)
			space->dmabuf_next->dmabuf_prev = space->dmabuf_prev;
	}
	pthread_mutex_unlock(&space->iommu->dmabuf_lock);
}

/*
 * A dma-buf says at once what is wrong; of other files one knows when their memory is wanted. The
 * epoch and "not revoked" are of one moment: what comes after it is another epoch.
 */
static int check_dmabuf(const struct mem_file *file, uint64_t start, uint64_t len, uint32_t *epoch,
			struct ioas_why *why)
{
	bool revoked;

	if (mem_dmabuf_len(file) - 1 < start + (len - 1))
		return why_set(why, -EINVAL,
			       "%#" PRIx64 "-%#" PRIx64 " of a dma-buf of %#" PRIx64 " bytes",
			       start, start + (len - 1), mem_dmabuf_len(file));
	*epoch = mem_dmabuf_epoch(file, &revoked);
	if (revoked)
		return why_set(why, -ENODEV, "the dma-buf is revoked");
	return 0;
}

int space_map_file(struct ioas_space *space, struct ioas_caller *caller, struct mem_file *file,
		   iova_t *iova, uint64_t start, uint64_t len, uint32_t flags, struct ioas_why *why)
{
	struct pages_spec spec = {.caller = caller,
				  .file = file,
				  .va = start,
				  .len = len,
				  .writable = flags & IOAS_MAP_WRITE};
	struct space_piece piece = {.spec = &spec, .offset = start % SPACE_PAGE, .len = len};
	int rc = 0;

	if (!len)
		return why_set(why, -EINVAL, "length 0");
	if (start + (len - 1) < start)
		return why_set(why, -EOVERFLOW, "start %#" PRIx64 " + length %#" PRIx64 " wraps",
			       start, len);
	if (mem_file_is_dmabuf(file))
		rc = check_dmabuf(file, start, len, &spec.epoch, why);
	else if (len > UINT64_MAX - SPACE_PAGE)
		rc = why_set(why, -EINVAL, "length %#" PRIx64, len);
	if (rc)
		return rc;
	return map_into(space, iova, start, &piece, 1, len, flags, why);
}

/* Nobody uses the area any more, who has a loan included. */
static void take_out_idle(struct ioas_space *space, const struct space_area *area)
{
	for (struct space_domain *d = space->domains; d; d = d->next)
		ats_take_back(space->iommu, d->pt, area->first, area->last, false,
			      IOAS_ATS_BY_REVOKE);
	mem_window_idle(pin_window(area_pinned(area)));
	for (struct space_domain *d = space->domains; d; d = d->next)
		check_dirty_forget(space->iommu->check_dirty, d->pt, area->first, area->last);
}

/* Takes the areas of a dma-buf out of the space's tables; the areas stay, and their pins. */
static void take_out(struct ioas_space *space, const struct mem_file *file)
{
	struct space_area *area = areas_find(&space->areas, 0);
	struct pt_gather gather = {NULL};

	lock_must_hold(&space->lock);
	for (; area && space->domains; area = areas_next(&space->areas, area)) {
		if (pages_file(area_pages(area)) != file)
			continue;
		for (struct space_domain *d = space->domains; d; d = d->next)
			pt_unmap(d->pt, area->first, area->last, &gather);
	}
	inflight_wait(&space->iommu->inflight);
	for (area = areas_find(&space->areas, 0); area && space->domains;
	     area = areas_next(&space->areas, area))
		if (pages_file(area_pages(area)) == file)
			take_out_idle(space, area);
	pt_gather_free(&gather);
}

void space_dmabuf_revoke(struct ioas_iommu *iommu, struct mem_file *file, bool revoked)
{
	mem_dmabuf_revoke(file, revoked);
	if (!revoked)
		return;
	pthread_mutex_lock(&iommu->dmabuf_lock);
	for (struct ioas_space *space = iommu->dmabuf_spaces; space; space = space->dmabuf_next) {
		pthread_mutex_lock(&space->lock);
		take_out(space, file);
		pthread_mutex_unlock(&space->lock);
	}
	pthread_mutex_unlock(&iommu->dmabuf_lock);
}
