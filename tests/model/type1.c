/* SPDX-License-Identifier: MIT */
/* The model's VFIO type1 on /dev/iommu: the same spaces by other words. */
#include "model.h"

int m_vfio_ioas(struct model *m, unsigned ctx, struct iommu_vfio_ioas *cmd)
{
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		if (!m->ctx[ctx].compat)
			return -ENODEV;
		cmd->ioas_id = m->ctx[ctx].compat;
		return 0;
	case IOMMU_VFIO_IOAS_SET:
		if (!m_find(m, ctx, cmd->ioas_id, M_IOAS))
			return -ENOENT;
		m->ctx[ctx].compat = cmd->ioas_id;
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR:
		m->ctx[ctx].compat = 0;
		return 0;
	}
	return -EOPNOTSUPP;
}

int m_check_extension(struct model *m, unsigned ctx, uint64_t extension)
{
	const struct m_obj *obj = m->ctx[ctx].obj;
	int all = 1;

	/* Tables of an SMMUv3 enforce no coherency. */
	for (uint32_t id = 1; id < M_IDS; id++)
		all &= obj[id].type != M_HWPT || obj[id].hwpt.ioas != m->ctx[ctx].compat ||
		       obj[id].hwpt.kind != M_SMMU;
	if (extension == VFIO_DMA_CC_IOMMU)
		return m->ctx[ctx].compat ? all : -ENODEV;
	return extension == VFIO_TYPE1_IOMMU || extension == VFIO_TYPE1v2_IOMMU ||
	       extension == VFIO_UNMAP_ALL;
}

int m_set_iommu(struct model *m, unsigned ctx, uint64_t type)
{
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	if (!m->ctx[ctx].compat)
		return -ENODEV;
	return type == VFIO_TYPE1_IOMMU ? m_forbid_huge_pages(m, ctx, m->ctx[ctx].compat) : 0;
}

/* Where leaves are small, a mapping is cut in two behind `last`, if that is inside of one. */
static int cut(struct model *m, unsigned ctx, uint64_t last)
{
	struct m_ioas *s = &m->ctx[ctx].obj[m->ctx[ctx].compat].ioas;
	struct m_area *area = (struct m_area *)(uintptr_t)m_area_at(s, last), *rest;

	if (!s->small_pages || !area || area->last == last)
		return 0;
	if ((last + 1) % M_PAGE || m_va(area, last + 1) % M_PAGE)
		return -EINVAL;
	rest = &s->area[s->area_nr++];
	*rest = *area;
	rest->first = last + 1;
	rest->va = m_va(area, rest->first);
	area->last = last;
	return 0;
}

int m_unmap_dma(struct model *m, unsigned ctx, struct vfio_iommu_type1_dma_unmap *cmd,
		bool *written)
{
	bool all = cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	uint64_t first = cmd->iova, last = all ? UINT64_MAX : first + cmd->size - 1,
		 size = cmd->size;
	uint32_t ioas = m->ctx[ctx].compat;
	int rc = 0;

	*written = false;
	if (cmd->argsz < sizeof(*cmd) || cmd->flags & ~(uint32_t)VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (!ioas)
		return -ENODEV;
	if (all && (cmd->iova || cmd->size))
		return -EINVAL;
	*written = true;
	cmd->size = 0;
	if (!all && !size)
		return -EINVAL;
	if (last < first)
		return -EOVERFLOW;
	if (!all)
		rc = cut(m, ctx, last);
	if (!rc && !all && first)
		rc = cut(m, ctx, first - 1);
	if (rc) {
		*written = false;
		cmd->size = size;
		return rc;
	}
	if (!m_maps_any(&m->ctx[ctx].obj[ioas].ioas, first, last))
		return 0;
	return m_unmap_range(m, ctx, ioas, first, last, &cmd->size);
}
