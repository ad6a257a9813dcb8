/* SPDX-License-Identifier: MIT */
/* The model's memory: what is there to be mapped, and what a page table can lead to. */
#include "model.h"

uint64_t m_va(const struct m_area *area, uint64_t iova)
{
	return area->va + (iova - area->first);
}

/* A page that a page table leads to stays good for whoever shares it, whatever became of a file. */
static bool pinned(const struct model *m, uint64_t pages, uint64_t va)
{
	for (unsigned c = 0; c < M_CTXS; c++)
		for (uint32_t id = 1; id < M_IDS; id++) {
			const struct m_obj *obj = &m->ctx[c].obj[id];

			if (obj->type != M_IOAS || !m_has_table(m, c, id))
				continue;
			for (unsigned i = 0; i < obj->ioas.area_nr; i++) {
				const struct m_area *area = &obj->ioas.area[i];

				if (area->pages == pages && va >= area->va &&
				    va - area->va <= area->last - area->first)
					return true;
			}
		}
	return false;
}

int m_can_enter(const struct model *m, const struct m_area *area)
{
	const struct m_memory *memory = &m->memory[area->memory];
	uint64_t len = area->last - area->first + 1;
	uint64_t end = memory->va + memory->page_nr * M_PAGE;

	if (memory->never)
		return -EINVAL;
	for (uint64_t va = area->va; va - area->va < len; va += M_PAGE) {
		if (va < memory->va || (va >= end && !memory->file))
			return -EFAULT;
		if (va >= end && !pinned(m, area->pages, va))
			return -EINVAL;
	}
	end = memory->va + memory->writable_nr * M_PAGE;
	for (uint64_t va = area->va; area->writable && va - area->va < len; va += M_PAGE)
		if (va >= end && !pinned(m, area->pages, va))
			return memory->file ? -EPERM : -EFAULT;
	return 0;
}

/* The lowest area from `iova` on, or NULL. */
static const struct m_area *next_area(const struct m_ioas *s, uint64_t iova)
{
	const struct m_area *found = NULL;

	for (unsigned i = 0; i < s->area_nr; i++)
		if (s->area[i].first >= iova && (!found || s->area[i].first < found->first))
			found = &s->area[i];
	return found;
}

int m_can_fill(const struct model *m, unsigned ctx, uint32_t ioas, unsigned aw)
{
	const struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	const struct m_area *area;
	int rc = 0;

	for (unsigned i = 0; i < s->area_nr; i++)
		if ((s->area[i].first | (s->area[i].last + 1) | s->area[i].va) % M_PAGE)
			return -EADDRINUSE;
	if (m_in_use(m, ctx, ioas, 1ull << aw, UINT64_MAX))
		return -EADDRINUSE;
	/* VFIO's MAP_DMA makes areas that allow nothing, of which there are no entries. */
	for (area = next_area(s, 0); !rc && area; area = next_area(s, area->last + 1)) {
		rc = m_can_enter(m, area);
		if (!rc && !area->prot)
			rc = -EINVAL;
		if (area->last == UINT64_MAX)
			break;
	}
	return rc;
}
