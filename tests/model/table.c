/* SPDX-License-Identifier: MIT */
/* The model's page tables: on an IOAS, and VT-d's first stage nested on such a one. */
#include <string.h>
#include "model.h"

static bool has_fault(struct model *m, unsigned ctx, const struct iommu_hwpt_alloc *cmd)
{
	return !(cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) || m_find(m, ctx, cmd->fault_id, M_FAULT);
}

static uint32_t fault_of(const struct iommu_hwpt_alloc *cmd)
{
	return cmd->flags & IOMMU_HWPT_FAULT_ID_VALID ? cmd->fault_id : 0;
}

static int alloc_on_ioas(struct model *m, unsigned ctx, struct iommu_hwpt_alloc *cmd)
{
	const struct m_function *f = m->dev[m->ctx[ctx].obj[cmd->dev_id].dev].f;
	const struct m_iommu *iommu = &m->machine->iommu[f->iommu];
	bool nest = cmd->flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	uint32_t known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			 IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	struct m_obj *obj;
	uint32_t id;
	int rc;

	if (cmd->flags & ~known)
		return -EOPNOTSUPP;
	/* Data is for nested ones; on what is to nest on page requests have no queue. */
	if (cmd->data_len)
		return -EOPNOTSUPP;
	if (nest && (iommu->kind == M_SOFT || cmd->flags & IOMMU_HWPT_FAULT_ID_VALID))
		return -EOPNOTSUPP;
	if (nest && iommu->kind == M_SMMU && cmd->flags != IOMMU_HWPT_ALLOC_NEST_PARENT)
		return -EOPNOTSUPP;
	if (cmd->flags & IOMMU_HWPT_ALLOC_PASID && !f->pasid_lg2)
		return -EOPNOTSUPP;
	rc = m_can_fill(m, ctx, cmd->pt_id, iommu->aw);
	if (rc)
		return rc;
	/* Looked for after the table was made, as in Linux. */
	if (!has_fault(m, ctx, cmd))
		return -ENOENT;
	id = m_free_id(m, ctx);
	obj = &m->ctx[ctx].obj[id];
	memset(obj, 0, sizeof(*obj));
	obj->type = M_HWPT;
	obj->hwpt.ioas = cmd->pt_id;
	obj->hwpt.pasid = cmd->flags & IOMMU_HWPT_ALLOC_PASID;
	obj->hwpt.dirty = cmd->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	obj->hwpt.aw = iommu->aw;
	obj->hwpt.kind = iommu->kind;
	obj->hwpt.parent = nest;
	obj->hwpt.fault = fault_of(cmd);
	obj->hwpt.age = m->age++;
	cmd->out_hwpt_id = id;
	return 0;
}

static int check_first(const struct iommu_hwpt_alloc *cmd, const struct iommu_hwpt_vtd_s1 *data)
{
	uint64_t known = IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_WPE;

	if (cmd->data_type != IOMMU_HWPT_DATA_VTD_S1)
		return -EOPNOTSUPP;
	if (cmd->data_len != sizeof(*data))
		return -EINVAL;
	if (data->flags & ~known || data->__reserved)
		return -EOPNOTSUPP;
	return data->addr_width == 48 || data->addr_width == 57 ? 0 : -EINVAL;
}

static int alloc_nested(struct model *m, unsigned ctx, struct iommu_hwpt_alloc *cmd,
			const struct iommu_hwpt_vtd_s1 *data)
{
	const struct m_function *f = m->dev[m->ctx[ctx].obj[cmd->dev_id].dev].f;
	const struct m_hwpt *parent = &m->ctx[ctx].obj[cmd->pt_id].hwpt;
	uint32_t id = m_free_id(m, ctx);
	struct m_obj *obj = &m->ctx[ctx].obj[id];
	int rc;

	if (cmd->flags & ~(uint32_t)(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID) ||
	    !cmd->data_len || m->machine->iommu[f->iommu].kind != M_VTD)
		return -EOPNOTSUPP;
	if (!parent->parent || parent->kind != M_VTD)
		return -EINVAL;
	rc = check_first(cmd, data);
	if (rc)
		return rc;
	if (!has_fault(m, ctx, cmd))
		return -ENOENT;
	*obj = (struct m_obj){.type = M_NESTED};
	obj->hwpt.ioas = parent->ioas;
	obj->hwpt.pasid = cmd->flags & IOMMU_HWPT_ALLOC_PASID;
	obj->hwpt.aw = parent->aw;
	obj->hwpt.kind = M_VTD;
	obj->hwpt.fault = fault_of(cmd);
	obj->first.parent = cmd->pt_id;
	obj->first.root = data->pgtbl_addr & ~(M_PAGE - 1);
	obj->first.levels = data->addr_width == 48 ? 4 : 5;
	obj->first.supervisor = data->flags & IOMMU_VTD_S1_SRE;
	obj->first.extended = data->flags & IOMMU_VTD_S1_EAFE;
	obj->first.protect = data->flags & IOMMU_VTD_S1_WPE;
	cmd->out_hwpt_id = id;
	return 0;
}

static int check_ste(const struct iommu_hwpt_alloc *cmd, const struct iommu_hwpt_arm_smmuv3 *data,
		     uint64_t ste[2])
{
	unsigned config;

	if (cmd->flags & ~(uint32_t)(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID) ||
	    !cmd->data_len || cmd->flags & IOMMU_HWPT_ALLOC_PASID)
		return -EOPNOTSUPP;
	if (cmd->data_type != IOMMU_HWPT_DATA_ARM_SMMUV3 || cmd->data_len != sizeof(*data))
		return -EINVAL;
	ste[0] = data->ste[0];
	ste[1] = data->ste[1];
	if (!(ste[0] & 1)) {
		ste[0] = ste[1] = 0;
		return 0;
	}
	/* Not a guest's: all but V, Config, S1Fmt, S1ContextPtr, S1CDMax; S1DSS to S1STALLD, EATS.
	 */
	if (ste[0] & 0x0700000000000000ull || ste[1] & ~0x380000ffull)
		return -EIO;
	config = ste[0] >> 1 & 7;
	return (config && config != 4 && config != 5) || (ste[1] >> 28 & 3) > 1 ? -EIO : 0;
}

/* Through a viommu. */
static int alloc_smmu(struct model *m, unsigned ctx, struct iommu_hwpt_alloc *cmd,
		      const struct iommu_hwpt_arm_smmuv3 *data)
{
	uint32_t id = m_free_id(m, ctx), parent = m->ctx[ctx].obj[cmd->pt_id].on;
	struct m_obj *obj = &m->ctx[ctx].obj[id];
	uint64_t ste[2];
	int rc = check_ste(cmd, data, ste);

	if (rc)
		return rc;
	if (!has_fault(m, ctx, cmd))
		return -ENOENT;
	*obj = (struct m_obj){.type = M_NESTED};
	obj->hwpt.ioas = m->ctx[ctx].obj[parent].hwpt.ioas;
	obj->hwpt.aw = m->ctx[ctx].obj[parent].hwpt.aw;
	obj->hwpt.kind = M_SMMU;
	obj->hwpt.fault = fault_of(cmd);
	obj->first.parent = parent;
	obj->first.viommu = cmd->pt_id;
	obj->first.ste[0] = ste[0];
	obj->first.ste[1] = ste[1];
	cmd->out_hwpt_id = id;
	return 0;
}

int m_hwpt_alloc(struct model *m, unsigned ctx, struct iommu_hwpt_alloc *cmd, const void *data)
{
	struct m_obj *pt;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (!cmd->data_type != !cmd->data_len)
		return -EINVAL;
	if (!m_find(m, ctx, cmd->dev_id, M_DEVICE))
		return -ENOENT;
	pt = m_find(m, ctx, cmd->pt_id, M_NONE);
	switch (pt ? pt->type : M_NONE) {
	case M_IOAS:
		return alloc_on_ioas(m, ctx, cmd);
	case M_HWPT:
		return alloc_nested(m, ctx, cmd, data);
	case M_VIOMMU:
		return alloc_smmu(m, ctx, cmd, data);
	default:
		return -EINVAL;
	}
}

int m_invalidate(struct model *m, unsigned ctx, const struct iommu_hwpt_invalidate *cmd,
		 const struct iommu_hwpt_vtd_s1_invalidate *data, uint32_t *done)
{
	struct m_obj *obj;

	*done = 0;
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->entry_num && (!cmd->data_uptr || !cmd->entry_len || cmd->entry_len > 4096))
		return -EINVAL;
	obj = m_find(m, ctx, cmd->hwpt_id, M_NONE);
	if (!obj)
		return -ENOENT;
	/* An SMMUv3's are invalidated through their viommu only. */
	if (obj->type == M_NESTED && obj->hwpt.kind == M_SMMU)
		return -EOPNOTSUPP;
	if (obj->type != M_NESTED || cmd->data_type != IOMMU_HWPT_INVALIDATE_DATA_VTD_S1)
		return -EINVAL;
	for (; *done < cmd->entry_num; ++*done) {
		const struct iommu_hwpt_vtd_s1_invalidate *entry = &data[*done];

		if (cmd->entry_len < sizeof(*entry))
			return -EINVAL;
		if (entry->flags & ~(uint32_t)IOMMU_VTD_INV_FLAGS_LEAF || entry->__reserved)
			return -EOPNOTSUPP;
		if (entry->addr % M_PAGE || (entry->npages == UINT64_MAX && entry->addr))
			return -EINVAL;
		if (entry->npages)
			m_forget_seen(&obj->first, entry->addr,
				      entry->npages > (UINT64_MAX - entry->addr) / M_PAGE
					      ? UINT64_MAX
					      : entry->addr + entry->npages * M_PAGE - 1,
				      entry->flags);
	}
	return 0;
}
