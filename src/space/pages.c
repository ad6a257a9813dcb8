/* SPDX-License-Identifier: MIT */
/* Page objects: memory that areas show, pinned and paid for while a page table needs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/proof.h"
#include "space/private.h"
#include "util/alloc.h"
#include "util/inject.h"

/* With a first pin, if there is a page table to show it. All zeros but for that. */
static struct space_pages *pages_take(struct ioas_space *space)
{
	struct pages_first *first;
	struct space_pages *pages;

	if (!space->domains) {
		pages = pool_shelf_take(&space->iommu->pages, &space->pages_shelf);
		if (pages)
			memset(pages, 0, sizeof(*pages));
		return pages;
	}
	first = pool_shelf_take(&space->iommu->firsts, &space->first_shelf);
	if (!first)
		return NULL;
	memset(&first->pages, 0, sizeof(first->pages));
	first->pages.has_first = true;
	first->pin = (struct pages_pin){0};
	return &first->pages;
}

static void pages_give(struct ioas_space *space, struct space_pages *pages)
{
	if (pages->has_first)
		pool_shelf_give(&space->iommu->firsts, &space->first_shelf, pages);
	else
		pool_shelf_give(&space->iommu->pages, &space->pages_shelf, pages);
}

int pages_new(struct ioas_space *space, const struct pages_spec *spec, struct space_pages **out)
{
	struct ioas_caller *caller = spec->caller ? spec->caller : mem_self_caller();
	struct space_pages *pages = pages_take(space);
	uint64_t end = spec->va + spec->len;

	if (!pages)
		return -ENOMEM;
	if (account_share_again(space->iommu->account, space->rule, caller, &space->payer,
				&pages->payer)) {
		pages_give(space, pages);
		return -ENOMEM;
	}
	pages->refs = 1;
	pages->writable = spec->writable;
	pages->epoch = spec->epoch;
	pages->caller = caller;
	pages->file = spec->file ? mem_file_get(spec->file) : NULL;
	pages->va = spec->va & ~(SPACE_PAGE - 1);
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

/* Was it the last reference? Then all it had is given back. */
static bool ended(struct space_pages *pages)
{
	/* Who has the only one is alone, and need not lock the bus to find out. */
	if (!pages || (atomic_load_explicit(&pages->refs, memory_order_acquire) != 1 &&
		       atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) != 1))
		return false;
	account_share_put(pages->payer);
	mem_file_put(pages->file);
	return true;
}

void pages_put(struct ioas_iommu *iommu, struct space_pages *pages)
{
	if (ended(pages))
		pool_give(pages->has_first ? &iommu->firsts : &iommu->pages, pages);
}

void pages_put_locked(struct ioas_space *space, struct space_pages *pages)
{
	if (ended(pages))
		pages_give(space, pages);
}

/* Who has the only reference is alone in looking whether the first area is free. */
struct space_area *area_new(struct space_pages *pages)
{
	struct space_area *area;

	if (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1 && !pages->area_used) {
		pages->area_used = true;
		area = &pages->area;
	} else {
		area = alloc_zero(1, sizeof(*area));
	}
	if (area)
		area->pages = pages;
	return area;
}

void area_free(struct ioas_space *space, struct space_area *area)
{
	struct space_pages *pages = area->pages;

	if (area != &pages->area)
		free(area);
	pages_put_locked(space, pages);
}

int pages_memory_pin(struct ioas_iommu *iommu, struct space_pages *pages, uint64_t start,
		     uint64_t len, void **host, struct ioas_why *why)
{
	struct ioas_caller *caller = pages->caller;
	int rc;

	if (inject())
		return -EFAULT;
	if (pages->file)
		return mem_file_pin(pages->file, pages->va + start, len, pages->writable, host,
				    why);
	if (len >= MEM_PROOF_MIN && iommu->config.memory_told && caller->ops->host)
		rc = mem_proof_pin(iommu, caller, pages->va + start, len, pages->writable, host);
	else
		rc = caller->ops->pin(caller, pages->va + start, len, pages->writable, host);
	return rc && rc != -ENOMEM ? -EFAULT : rc;
}

/* Of a file with larger pages a part cannot be given back: all of it is, in the end. */
static bool in_parts(const struct space_pages *pages)
{
	return !pages->file || mem_file_page(pages->file) <= SPACE_PAGE;
}

static void memory_unpin(struct space_pages *pages, const struct pages_memory *memory,
			 uint64_t start, uint64_t len)
{
	struct ioas_caller *caller = pages->caller;
	uint64_t va = pages->va + start;
	void *host = (char *)memory->host + (start - memory_start(memory));

	if (pages->file)
		mem_file_unpin(pages->file, va, len, host);
	else
		caller->ops->unpin(caller, va, len, host);
}

void pages_memory_unpin(struct space_pages *pages, const struct pages_memory *memory,
			uint64_t start, uint64_t len)
{
	if (in_parts(pages))
		memory_unpin(pages, memory, start, len);
}

void pages_memory_end(struct space_pages *pages, const struct pages_memory *memory)
{
	if (!in_parts(pages))
		memory_unpin(pages, memory, memory_start(memory), memory_len(memory));
}

/* A dma-buf's memory is its exporter's, who has it pinned and pays for it. */
int pages_charge(struct space_pages *pages, uint64_t len, struct ioas_why *why)
{
	return pages_dmabuf(pages) ? 0 : account_charge(&pages->payer->payer, len, why);
}

void pages_uncharge(struct space_pages *pages, uint64_t len)
{
	if (!pages_dmabuf(pages))
		account_uncharge(&pages->payer->payer, len);
}
