/* SPDX-License-Identifier: MIT */
/* From the page table on: the walk, the permission, the memory. */
#include <errno.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A range that wraps runs into the end of the width before it can. */
enum ioas_fault_reason tlp_translate(struct ioas_device *dev, struct pt *pt, unsigned op,
				     iova_t addr, uint64_t len, struct tlp_span *out)
{
	struct mem_window *window;
	struct pt_walk walk;
	int rc = pt_walk(pt, addr, &walk);

	if (rc)
		return rc == -ERANGE ? IOAS_FAULT_WIDTH : IOAS_FAULT_NOT_MAPPED;
	if (op == IOAS_TLP_WRITE && !(walk.prot & IOAS_PROT_WRITE))
		return IOAS_FAULT_NO_WRITE;
	if (op == IOAS_TLP_READ && !(walk.prot & IOAS_PROT_READ))
		return IOAS_FAULT_NO_READ;
	window = mem_window_find(dev->iommu->mem, walk.pa);
	if (!window)
		return IOAS_FAULT_MEMORY;
	len = least(len, walk.leaf_len - (addr - walk.leaf_first));
	out->len = len;
	out->host = mem_window_at(window, walk.pa - window->pa, &out->len);
	out->window = window;
	if (!out->host)
		return TLP_MOVING;
	if (__builtin_expect(walk.tracked, 0) && op == IOAS_TLP_WRITE)
		pt_dirty_mark(pt, &walk);
	return IOAS_FAULT_NONE;
}

/* An issuer for one look: what it sees stays while it is in flight. */
static int look(struct ioas_iommu *iommu, struct ioas_issuer *issuer, struct pt *pt, iova_t iova,
		void **host)
{
	struct mem_window *window;
	struct pt_walk walk;
	uint64_t len = 1;
	int rc;

	inflight_enter(issuer);
	rc = pt_walk(pt, iova, &walk);
	window = rc ? NULL : mem_window_find(iommu->mem, walk.pa);
	*host = window ? mem_window_at(window, walk.pa - window->pa, &len) : NULL;
	inflight_leave(issuer);
	return rc || !window ? -ENOENT : *host ? 0 : -EAGAIN;
}

int tlp_host_at(struct ioas_iommu *iommu, struct pt *pt, iova_t iova, void **host)
{
	struct ioas_issuer issuer = {0};
	int rc;

	inflight_add(&iommu->inflight, &issuer);
	while ((rc = look(iommu, &issuer, pt, iova, host)) == -EAGAIN)
		mem_map_wait(iommu->mem);
	inflight_del(&iommu->inflight, &issuer);
	return rc;
}
