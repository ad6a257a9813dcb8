/* SPDX-License-Identifier: MIT */
/* The model's mappings: what MAP, MAP_FILE, COPY and VFIO's MAP_DMA add, and where it goes. */
#include <stdlib.h>
#include "model.h"

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define ALIGN_MAX (2ull << 20)

static bool meets(uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	return first <= to && from <= last;
}

bool m_mapped(const struct m_ioas *ioas, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < ioas->area_nr; i++)
		if (meets(first, last, ioas->area[i].first, ioas->area[i].last))
			return true;
	return false;
}

/* The last address of the allowed ranges that go on without a hole from `at`; at - 1: none. */
static uint64_t allowed_to(const struct m_ioas *s, uint64_t at)
{
	uint64_t next = at;

	for (unsigned i = 0; i < s->allowed_nr; i++)
		if (next >= s->allowed[i].first && next <= s->allowed[i].last) {
			next = s->allowed[i].last + 1;
			i = -1u;
		}
	return next - 1;
}

static bool may_lie(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t at, uint64_t len)
{
	const struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	uint64_t last = at + len - 1;

	if (at < M_PAGE || last < at || last > UINT64_MAX - M_PAGE || m_mapped(s, at, last))
		return false;
	if (s->allowed_nr)
		return allowed_to(s, at) != at - 1 && allowed_to(s, at) >= last;
	return !m_reserved(m, ctx, ioas, at, last);
}

/* The lowest one: it is at the beginning of all there is, or just behind something. */
static int lowest(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t align, uint64_t len,
		  uint64_t *out)
{
	const struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	uint64_t from[3 + M_AREAS + M_RANGES], best = UINT64_MAX;
	unsigned nr = 0;

	from[nr++] = M_PAGE;
	from[nr++] = m_kind_reserved(M_SOFT).last + 1;
	from[nr++] = m_kind_reserved(M_SMMU).last + 1;
	for (unsigned i = 0; i < s->area_nr; i++)
		from[nr++] = s->area[i].last + 1;
	for (unsigned i = 0; i < s->allowed_nr; i++)
		from[nr++] = s->allowed[i].first;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t at = (from[i] + align - 1) / align * align;

		if (at < best && may_lie(m, ctx, ioas, at, len))
			best = at;
	}
	*out = best;
	return best == UINT64_MAX ? -ENOSPC : 0;
}

/* Where memory is not aligned to pages only the rules for the answer are known, not the answer. */
static int choose(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t va, uint64_t len,
		  uint64_t *iova, bool *exact)
{
	uint64_t align = 1;

	if (len >= UINT64_MAX / 2)
		return -EOVERFLOW;
	while (align < len)
		align *= 2;
	while (align > 1 && (align > ALIGN_MAX || va % align))
		align /= 2;
	if (align < m_alignment(m, ctx, ioas))
		return -EINVAL;
	*exact = align >= M_PAGE;
	return *exact ? lowest(m, ctx, ioas, align, len, iova) : 0;
}

int m_check_fixed(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova, uint64_t len)
{
	if (iova % m_alignment(m, ctx, ioas))
		return -EINVAL;
	if (iova + len - 1 < iova)
		return -EOVERFLOW;
	if (m_reserved(m, ctx, ioas, iova, iova + len - 1))
		return -EINVAL;
	return m_mapped(&m->ctx[ctx].obj[ioas].ioas, iova, iova + len - 1) ? -EEXIST : 0;
}

/* The areas of the newest mapping: takes them out. */
static unsigned take_newest(struct m_ioas *s, uint64_t len)
{
	unsigned nr = 0;

	while (len) {
		const struct m_area *area = &s->area[--s->area_nr];

		len -= area->last - area->first + 1;
		nr++;
	}
	return nr;
}

/* What is nested on it shows the newest mapping, too; or that goes again. */
static int show(struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct m_ctx *was;
	int rc;

	if (!m_is_parent(m, ctx, ioas))
		return 0;
	was = malloc(sizeof(*was));
	if (!was)
		abort();
	*was = m->ctx[ctx];
	rc = m_nest_sync(m, ctx, ioas, iova, iova + len - 1);
	if (rc) {
		m->ctx[ctx] = *was;
		take_newest(&m->ctx[ctx].obj[ioas].ioas, len);
	}
	free(was);
	return rc;
}

/* What all that map have in common once they know which memory it is: `from` lists it. */
static int enter(struct model *m, unsigned ctx, uint32_t ioas, uint32_t flags,
		 const struct m_area *from, unsigned nr, uint64_t len, uint64_t *iova, bool *exact)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	uint64_t alignment = m_alignment(m, ctx, ioas), at;
	int rc;

	*exact = true;
	if (s->parent || len % alignment)
		return -EINVAL;
	at = *iova;
	rc = flags & IOMMU_IOAS_MAP_FIXED_IOVA ? m_check_fixed(m, ctx, ioas, at, len)
					       : choose(m, ctx, ioas, from[0].va, len, &at, exact);
	if (rc)
		return rc;
	for (unsigned i = 0; i < nr; i++) {
		if (flags & IOMMU_IOAS_MAP_WRITEABLE && !from[i].writable)
			return -EPERM;
		if ((from[i].va | at) % alignment)
			return -EINVAL;
		at += from[i].last - from[i].first + 1;
	}
	at -= len;
	for (unsigned i = 0; m_has_table(m, ctx, ioas) && i < nr; i++) {
		rc = m_can_enter(m, &from[i]);
		if (!rc && !(flags & (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)))
			rc = -EINVAL;
		if (rc)
			return rc;
	}
	*iova = at;
	for (unsigned i = 0; i < nr; i++) {
		struct m_area area = from[i];

		area.first = at;
		area.last = at + (from[i].last - from[i].first);
		area.prot = (flags & IOMMU_IOAS_MAP_READABLE ? IOAS_PROT_READ : 0u) |
			    (flags & IOMMU_IOAS_MAP_WRITEABLE ? IOAS_PROT_WRITE : 0u);
		at = area.last + 1;
		s->area[s->area_nr++] = area;
	}
	return *exact ? show(m, ctx, ioas, at - len, len) : 0;
}

static int check_numbers(uint32_t flags, uint64_t iova, uint64_t iova2, uint64_t len)
{
	if (flags & ~(uint32_t)MAP_FLAGS)
		return -EOPNOTSUPP;
	if (iova == UINT64_MAX || iova2 == UINT64_MAX || len == UINT64_MAX)
		return -EOVERFLOW;
	return flags & (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE) ? 0 : -EINVAL;
}

/* Of the memory at `va`. */
static struct m_area new_area(struct model *m, unsigned memory, uint64_t va, uint64_t len,
			      bool writable)
{
	return (struct m_area){0, len - 1, va, 0, memory, writable, ++m->pages_nr};
}

int m_map(struct model *m, unsigned ctx, struct iommu_ioas_map *cmd, bool *exact)
{
	struct m_area area =
		new_area(m, 0, cmd->user_va, cmd->length, cmd->flags & IOMMU_IOAS_MAP_WRITEABLE);
	int rc = cmd->__reserved ? -EOPNOTSUPP
				 : check_numbers(cmd->flags, cmd->iova, 0, cmd->length);

	*exact = true;
	if (rc)
		return rc;
	if (!m_find(m, ctx, cmd->ioas_id, M_IOAS))
		return -ENOENT;
	if (cmd->user_va + cmd->length < cmd->user_va)
		return -EOVERFLOW;
	if (!cmd->length || cmd->length > UINT64_MAX - M_PAGE)
		return -EINVAL;
	return enter(m, ctx, cmd->ioas_id, cmd->flags, &area, 1, cmd->length, &cmd->iova, exact);
}

int m_map_file(struct model *m, unsigned ctx, struct iommu_ioas_map_file *cmd, int memory,
	       bool *exact)
{
	int rc = check_numbers(cmd->flags, cmd->iova, 0, cmd->length);
	struct m_area area;

	*exact = true;
	if (rc)
		return rc;
	if (!m_find(m, ctx, cmd->ioas_id, M_IOAS))
		return -ENOENT;
	if (!cmd->length)
		return -EINVAL;
	if (cmd->start + (cmd->length - 1) < cmd->start)
		return -EOVERFLOW;
	if (memory < 0)
		return -EBADF;
	if (cmd->length > UINT64_MAX - M_PAGE)
		return -EINVAL;
	area = new_area(m, (unsigned)memory, cmd->start, cmd->length,
			cmd->flags & IOMMU_IOAS_MAP_WRITEABLE);
	return enter(m, ctx, cmd->ioas_id, cmd->flags, &area, 1, cmd->length, &cmd->iova, exact);
}

/* As a MAP at a given place, but that it may allow nothing. */
int m_map_dma(struct model *m, unsigned ctx, const struct vfio_iommu_type1_dma_map *cmd)
{
	uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, ioas;
	uint32_t flags = IOMMU_IOAS_MAP_FIXED_IOVA |
			 (cmd->flags & VFIO_DMA_MAP_FLAG_READ ? IOMMU_IOAS_MAP_READABLE : 0u) |
			 (cmd->flags & VFIO_DMA_MAP_FLAG_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0u);
	struct m_area area =
		new_area(m, 0, cmd->vaddr, cmd->size, cmd->flags & VFIO_DMA_MAP_FLAG_WRITE);
	uint64_t iova = cmd->iova;
	bool exact;

	ioas = m->ctx[ctx].compat;
	if (cmd->argsz < sizeof(*cmd) || cmd->flags & ~known)
		return -EINVAL;
	if (!ioas)
		return -ENODEV;
	if (cmd->vaddr + cmd->size < cmd->vaddr)
		return -EOVERFLOW;
	if (!cmd->size || cmd->size > UINT64_MAX - M_PAGE)
		return -EINVAL;
	return enter(m, ctx, ioas, flags, &area, 1, cmd->size, &iova, &exact);
}

int m_copy(struct model *m, unsigned ctx, struct iommu_ioas_copy *cmd, bool *exact)
{
	struct m_area from[M_AREAS];
	uint64_t at = cmd->src_iova, left = cmd->length;
	int rc = check_numbers(cmd->flags, cmd->src_iova, cmd->dst_iova, cmd->length);
	const struct m_obj *src;
	unsigned nr = 0;

	*exact = true;
	if (rc)
		return rc;
	src = m_find(m, ctx, cmd->src_ioas_id, M_IOAS);
	if (!src)
		return -ENOENT;
	if (!cmd->length)
		return -EINVAL;
	if (at + (left - 1) < at)
		return -EOVERFLOW;
	if (!m_find(m, ctx, cmd->dst_ioas_id, M_IOAS))
		return -ENOENT;
	while (left) {
		const struct m_area *area = m_area_at(&src->ioas, at);
		uint64_t len;

		if (!area)
			return -ENOENT;
		len = area->last - at < left - 1 ? area->last - at + 1 : left;
		from[nr] = *area;
		from[nr].va = m_va(area, at);
		from[nr].first = 0;
		from[nr++].last = len - 1;
		at += len;
		left -= len;
	}
	return enter(m, ctx, cmd->dst_ioas_id, cmd->flags, from, nr, cmd->length, &cmd->dst_iova,
		     exact);
}

bool m_accept(struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova, uint64_t va,
	      uint64_t len)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	unsigned nr = take_newest(s, len);

	/* The offset in the page is in it; all of it only where that could be had, as in Linux. */
	if (va % M_PAGE & ~iova || !may_lie(m, ctx, ioas, iova, len))
		return false;
	while (nr--) {
		struct m_area *area = &s->area[s->area_nr++];
		uint64_t rest = area->last - area->first;

		area->first = iova;
		area->last = iova + rest;
		iova = area->last + 1;
	}
	return true;
}

bool m_no_room(struct model *m, unsigned ctx, uint32_t ioas, uint64_t len)
{
	uint64_t iova;

	take_newest(&m->ctx[ctx].obj[ioas].ioas, len);
	return lowest(m, ctx, ioas, M_PAGE, len + 2 * M_PAGE, &iova) == -ENOSPC;
}

int m_change_process(struct model *m, unsigned ctx, uint32_t reserved)
{
	if (reserved)
		return -EOPNOTSUPP;
	for (uint32_t id = 1; id < M_IDS; id++)
		for (unsigned i = 0; i < m->ctx[ctx].obj[id].ioas.area_nr; i++)
			if (m->ctx[ctx].obj[id].type == M_IOAS &&
			    !m->memory[m->ctx[ctx].obj[id].ioas.area[i].memory].file)
				return -EINVAL;
	return 0;
}
