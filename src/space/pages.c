/* SPDX-License-Identifier: MIT */
/* Page objects: caller memory that areas show, pinned while a page table needs it. */
#include <errno.h>
#include <stdlib.h>
#include "space/private.h"
#include "util/alloc.h"

int pages_new(struct ioas_caller *caller, uint64_t va, uint64_t len, bool writable,
	      struct space_pages **out)
{
	struct space_pages *pages = alloc_zero(1, sizeof(*pages));
	uint64_t end = va + len;

	if (!pages)
		return -ENOMEM;
	pages->refs = 1;
	pages->writable = writable;
	pages->caller = caller ? caller : mem_self_caller();
	pages->va = va & ~(SPACE_PAGE - 1);
	/* The end may be the very top, 0 when rounded up: the difference is right all the same. */
	pages->len = ((end + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1)) - pages->va;
	*out = pages;
	return 0;
}

struct space_pages *pages_get(struct space_pages *pages)
{
	atomic_fetch_add_explicit(&pages->refs, 1, memory_order_relaxed);
	return pages;
}

void pages_put(struct space_pages *pages)
{
	if (pages && atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) == 1)
		free(pages);
}

/*
 * Who holds the lock of the space of the only reference keeps others from getting one: then there
 * is nobody to lock out.
 */
static bool lock_shared(struct ioas_iommu *iommu, struct space_pages *pages)
{
	if (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1)
		return false;
	pthread_mutex_lock(&iommu->pages_lock);
	return true;
}

static void unlock_shared(struct ioas_iommu *iommu, bool locked)
{
	if (locked)
		pthread_mutex_unlock(&iommu->pages_lock);
}

static void unpin(struct space_pages *pages)
{
	pages->caller->ops->unpin(pages->caller, pages->va, pages->len, pages->host);
	pages->host = NULL;
}

static int pin(struct ioas_iommu *iommu, struct space_pages *pages, iova_t iova)
{
	int rc = pages->caller->ops->pin(pages->caller, pages->va, pages->len, pages->writable,
					 &pages->host);

	if (rc)
		return rc == -ENOMEM ? -ENOMEM : -EFAULT;
	/*
	 * Pages can be shared with a space whose page tables have other page sizes; so where IOVA
	 * and memory do not lie alike in their 4 KiB, the window is congruent with the memory.
	 */
	iova &= ~(SPACE_PAGE - 1);
	rc = mem_window_new(iommu->mem, iova, pages->host, pages->len, &pages->window);
	if (!rc)
		return 0;
	unpin(pages);
	/* -ENOSPC would say that there is no room for an IOVA. */
	return -ENOMEM;
}

int pages_fill(struct ioas_iommu *iommu, struct space_pages *pages, iova_t iova)
{
	bool locked = lock_shared(iommu, pages);
	int rc = pages->fills ? 0 : pin(iommu, pages, iova);

	if (!rc)
		pages->fills++;
	unlock_shared(iommu, locked);
	return rc;
}

void pages_drain(struct ioas_iommu *iommu, struct space_pages *pages)
{
	bool locked;

	/* Without the lock: this may take as long as a transfer. Our fill keeps the window. */
	mem_window_idle(pages->window);
	locked = lock_shared(iommu, pages);
	if (!--pages->fills) {
		mem_window_destroy(iommu->mem, pages->window);
		pages->window = NULL;
		unpin(pages);
	}
	unlock_shared(iommu, locked);
}
