/* SPDX-License-Identifier: MIT */
/* Page objects: memory that areas show, pinned and paid for while a page table needs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/proof.h"
#include "space/private.h"
#include "util/alloc.h"
#include "util/inject.h"

/* With a first pin, if there is a page table to show it. The rest is filled in by pages_new. */
static struct space_pages *pages_take(struct ioas_space *space, uint64_t len)
{
	struct pages_first *first;
	struct pages_plain *plain;

	if (!space->domains) {
		plain = pool_shelf_take(&space->iommu->pages, &space->pages_shelf);
		if (!plain)
			return NULL;
		plain->pages.has_first = false;
		plain->len = len;
		return &plain->pages;
	}
	first = pool_shelf_take(&space->iommu->firsts, &space->first_shelf);
	if (!first)
		return NULL;
	first->pages.has_first = true;
	first->pin = (struct pages_pin){.tag = PIN_FIRST};
	first->window.len = len;
	return &first->pages;
}

static void pages_give(struct ioas_space *space, struct space_pages *pages)
{
	if (pages->has_first)
		pool_shelf_give(&space->iommu->firsts, &space->first_shelf, pages);
	else
		pool_shelf_give(&space->iommu->pages, &space->pages_shelf, pages);
}

/* Whose memory it is. 0; -ENOMEM. */
static int begin_of(struct space_pages *pages, const struct pages_spec *spec,
		    struct ioas_caller *caller)
{
	struct pages_dmabuf *dmabuf;

	if (__builtin_expect(!spec->file, 1)) {
		pages->of = PAGES_OF_CALLER;
		pages->caller = caller;
		return 0;
	}
	if (!mem_file_is_dmabuf(spec->file)) {
		pages->of = PAGES_OF_FILE;
		pages->file = mem_file_get(spec->file);
		return 0;
	}
	dmabuf = alloc_raw(sizeof(*dmabuf));
	if (!dmabuf)
		return -ENOMEM;
	*dmabuf = (struct pages_dmabuf){mem_file_get(spec->file), spec->epoch};
	pages->of = PAGES_OF_DMABUF;
	pages->dmabuf = dmabuf;
	return 0;
}

static void end_of(struct space_pages *pages)
{
	if (__builtin_expect(pages->of == PAGES_OF_CALLER, 1))
		return;
	mem_file_put(pages_file(pages));
	if (pages_dmabuf(pages))
		free(pages->dmabuf);
}

int pages_new(struct ioas_space *space, const struct pages_spec *spec, struct space_pages **out)
{
	struct ioas_caller *caller = spec->caller ? spec->caller : mem_self_caller();
	uint64_t va = spec->va & ~(SPACE_PAGE - 1), end = spec->va + spec->len;
	/* The end may be the very top, 0 when rounded up: the difference is right all the same. */
	uint64_t len = ((end + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1)) - va;
	struct space_pages *pages = pages_take(space, len);

	if (!pages)
		return -ENOMEM;
	if (begin_of(pages, spec, caller)) {
		pages_give(space, pages);
		return -ENOMEM;
	}
	if (account_purse_take(space->iommu->account, space->rule, caller, &space->payer,
			       &pages->payer)) {
		end_of(pages);
		pages_give(space, pages);
		return -ENOMEM;
	}
	atomic_init(&pages->refs, 1);
	pages->va = va;
	atomic_init(&pages->others, NULL);
	pages->writable = spec->writable;
	pages->moving = pages->area_used = false;
	*out = pages;
	return 0;
}

struct space_pages *pages_get(struct space_pages *pages)
{
	atomic_fetch_add_explicit(&pages->refs, 1, memory_order_relaxed);
	return pages;
}

/* Was it the last reference? */
static inline bool ended(struct space_pages *pages)
{
	/* Who has the only one is alone, and need not lock the bus to find out. */
	return pages && (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1 ||
			 atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) == 1);
}

void pages_put(struct ioas_iommu *iommu, struct space_pages *pages)
{
	if (!ended(pages))
		return;
	account_share_put(pages->payer);
	end_of(pages);
	free(pages_others(pages));
	pool_give(pages->has_first ? &iommu->firsts : &iommu->pages, pages);
}

void pages_put_locked(struct ioas_space *space, struct space_pages *pages)
{
	if (!ended(pages))
		return;
	account_purse_give(&space->payer, pages->payer);
	end_of(pages);
	if (__builtin_expect(pages_others(pages) != NULL, 0))
		free(pages_others(pages));
	pages_give(space, pages);
}

int pages_memory_pin(struct ioas_iommu *iommu, struct space_pages *pages, uint64_t start,
		     uint64_t len, void **host, struct ioas_why *why)
{
	struct mem_file *file = pages_file(pages);
	struct ioas_caller *caller;
	int rc;

	if (inject())
		return -EFAULT;
	if (file)
		return mem_file_pin(file, pages->va + start, len, pages->writable, host, why);
	caller = pages->caller;
	if (len >= MEM_PROOF_MIN && iommu->config.memory_told && caller->ops->host)
		rc = mem_proof_pin(iommu, caller, pages->va + start, len, pages->writable, host);
	else
		rc = caller->ops->pin(caller, pages->va + start, len, pages->writable, host);
	return rc && rc != -ENOMEM ? -EFAULT : rc;
}

/* Of a file with larger pages a part cannot be given back: all of it is, in the end. */
static bool in_parts(const struct space_pages *pages)
{
	const struct mem_file *file = pages_file(pages);

	return !file || mem_file_page(file) <= SPACE_PAGE;
}

void pages_memory_give(struct space_pages *pages, uint64_t start, uint64_t len, void *host)
{
	struct mem_file *file = pages_file(pages);
	uint64_t va = pages->va + start;

	if (file)
		mem_file_unpin(file, va, len, host);
	else
		pages->caller->ops->unpin(pages->caller, va, len, host);
}

void pages_memory_unpin(struct space_pages *pages, const struct pages_memory *memory,
			uint64_t start, uint64_t len)
{
	if (in_parts(pages))
		pages_memory_give(pages, start, len,
				  (char *)memory->host + (start - memory->start));
}

void pages_memory_end(struct space_pages *pages, const struct pages_memory *memory)
{
	if (!in_parts(pages))
		pages_memory_give(pages, memory->start, memory->len, memory->host);
}

/* A dma-buf's memory is its exporter's, who has it pinned and pays for it. */
int pages_charge(struct space_pages *pages, uint64_t len, struct ioas_why *why)
{
	return pages_dmabuf(pages) ? 0 : account_charge(&pages->payer->payer, len, why);
}
