/* SPDX-License-Identifier: MIT */
/* Page objects: memory that areas show, pinned and paid for while a page table needs it. */
#include <errno.h>
#include <stdlib.h>
#include "space/private.h"
#include "util/alloc.h"

int pages_new(struct ioas_space *space, struct ioas_caller *caller, struct mem_file *file,
	      uint64_t va, uint64_t len, bool writable, struct space_pages **out)
{
	struct space_pages *pages = alloc_zero(1, sizeof(*pages));
	uint64_t end = va + len;

	if (!pages)
		return -ENOMEM;
	caller = caller ? caller : mem_self_caller();
	if (account_payer_init(space->iommu->account, space->rule, caller, &pages->payer)) {
		free(pages);
		return -ENOMEM;
	}
	pages->refs = 1;
	pages->writable = writable;
	pages->caller = caller;
	pages->file = file ? mem_file_get(file) : NULL;
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
	if (!pages || atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) != 1)
		return;
	account_payer_fini(&pages->payer);
	mem_file_put(pages->file);
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

/* A dma-buf's memory is its exporter's, who has it pinned and pays for it. */
int pages_charge(struct space_pages *pages, uint64_t len, struct ioas_why *why)
{
	int rc;

	if (pages_dmabuf(pages))
		return 0;
	rc = account_charge(&pages->payer, len, why);
	if (!rc)
		pages->charged += len;
	return rc;
}

void pages_uncharge(struct space_pages *pages, uint64_t len)
{
	if (pages_dmabuf(pages))
		return;
	account_uncharge(&pages->payer, len);
	pages->charged -= len;
}

/* Makes all of the pages present: the only way to their memory. */
static int pin_memory(struct space_pages *pages, struct ioas_why *why)
{
	struct ioas_caller *caller = pages->caller;
	int rc;

	if (inject())
		return -EFAULT;
	if (pages->file)
		return mem_file_pin(pages->file, pages->va, pages->len, pages->writable,
				    &pages->host, why);
	rc = caller->ops->pin(caller, pages->va, pages->len, pages->writable, &pages->host);
	return rc && rc != -ENOMEM ? -EFAULT : rc;
}

static void unpin_memory(struct space_pages *pages)
{
	struct ioas_caller *caller = pages->caller;

	if (pages->file)
		mem_file_unpin(pages->file, pages->va, pages->len, pages->host);
	else
		caller->ops->unpin(caller, pages->va, pages->len, pages->host);
	pages->host = NULL;
}

static void unpin(struct space_pages *pages)
{
	pages_uncharge(pages, pages->len);
	unpin_memory(pages);
}

static int pin(struct ioas_iommu *iommu, struct space_pages *pages, iova_t iova,
	       struct ioas_why *why)
{
	int rc = pin_memory(pages, why);

	if (rc)
		return rc;
	rc = pages_charge(pages, pages->len, why);
	if (rc) {
		unpin_memory(pages);
		return rc;
	}
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

int pages_fill(struct ioas_iommu *iommu, struct space_pages *pages, iova_t iova,
	       struct ioas_why *why)
{
	bool locked = lock_shared(iommu, pages);
	int rc = pages->fills ? 0 : pin(iommu, pages, iova, why);

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
