/* SPDX-License-Identifier: MIT */
/* The model's dirty bits, and the life of what has an id. */
#include <string.h>
#include "model.h"

uint32_t m_free_id(const struct model *m, unsigned ctx)
{
	for (uint32_t id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_NONE)
			return id;
	return 0;
}

unsigned m_users(const struct model *m, unsigned ctx, uint32_t id)
{
	const struct m_ctx *c = &m->ctx[ctx];
	unsigned nr = 0;

	for (uint32_t other = 1; other < M_IDS; other++)
		nr += c->obj[id].type == M_IOAS &&
		      ((c->obj[other].type == M_HWPT && c->obj[other].hwpt.ioas == id) ||
		       (c->obj[other].type == M_IOAS && c->obj[other].ioas.parent == id));
	for (uint32_t other = 1; other < M_IDS; other++) {
		const struct m_obj *obj = &c->obj[other];

		nr += obj->type == M_NESTED &&
		      (obj->first.viommu ? obj->first.viommu : obj->first.parent) == id;
		nr += (obj->type == M_VIOMMU || obj->type == M_VDEVICE || obj->type == M_VEVENTQ) &&
		      obj->on == id;
	}
	for (uint32_t other = 1; other < M_IDS; other++)
		nr += c->obj[id].type == M_FAULT &&
		      (c->obj[other].type == M_HWPT || c->obj[other].type == M_NESTED) &&
		      c->obj[other].hwpt.fault == id;
	nr += (c->obj[id].type == M_VEVENTQ || c->obj[id].type == M_FAULT) && c->obj[id].queue.open;
	for (unsigned d = 0; d < m->dev_nr; d++)
		for (unsigned i = 0; m->dev[d].ctx == (int)ctx && i < m->dev[d].attach_nr; i++)
			nr += m->dev[d].attach[i].hwpt == id;
	return nr;
}

int m_destroy(struct model *m, unsigned ctx, uint32_t id)
{
	struct m_obj *obj = m_find(m, ctx, id, M_NONE);

	if (!obj)
		return -ENOENT;
	if (obj->type == M_DEVICE || m_users(m, ctx, id))
		return -EBUSY;
	obj->type = M_NONE;
	if (m->ctx[ctx].compat == id)
		m->ctx[ctx].compat = 0;
	return 0;
}

int m_set_dirty(struct model *m, unsigned ctx, const struct iommu_hwpt_set_dirty_tracking *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->hwpt_id, M_HWPT);

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	if (!obj)
		return -ENOENT;
	if (!obj->hwpt.dirty)
		return -EOPNOTSUPP;
	obj->hwpt.tracking = cmd->flags;
	obj->hwpt.written_nr = 0;
	if (cmd->flags)
		m_take(m, ctx, cmd->hwpt_id, 0, UINT64_MAX, true);
	return 0;
}

static int check_dirty(struct model *m, unsigned ctx, const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->hwpt_id, M_HWPT);
	uint64_t end = cmd->iova + cmd->length, alignment;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!obj)
		return -ENOENT;
	if (!cmd->length)
		return -EINVAL;
	if (cmd->iova + (cmd->length - 1) < cmd->iova)
		return -EOVERFLOW;
	alignment = m_alignment(m, ctx, obj->hwpt.ioas);
	if ((cmd->iova | end) % alignment || !cmd->page_size ||
	    (cmd->iova | end) & (cmd->page_size - 1))
		return -EINVAL;
	return obj->hwpt.dirty ? 0 : -EOPNOTSUPP;
}

int m_get_dirty(struct model *m, unsigned ctx, const struct iommu_hwpt_get_dirty_bitmap *cmd,
		uint8_t *bitmap)
{
	int rc = check_dirty(m, ctx, cmd);
	struct m_hwpt *hwpt;
	unsigned kept = 0;

	if (rc)
		return rc;
	hwpt = &m->ctx[ctx].obj[cmd->hwpt_id].hwpt;
	for (unsigned i = 0; i < hwpt->written_nr; i++) {
		uint64_t page = hwpt->written[i], step = cmd->page_size;
		bool told = page - cmd->iova < cmd->length;

		for (uint64_t at = page; told && at < page + M_PAGE; at += step) {
			uint64_t bit = (at - cmd->iova) / step;

			bitmap[bit / 8] |= (uint8_t)(1 << bit % 8);
		}
		if (!told || cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
			hwpt->written[kept++] = page;
	}
	hwpt->written_nr = kept;
	/* Who writes by what it was given is to ask anew, and to be noted. */
	if (hwpt->tracking && !(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR))
		m_take(m, ctx, cmd->hwpt_id, cmd->iova, cmd->iova + cmd->length - 1, true);
	return 0;
}

/* Nobody has it any more. */
static bool over(const struct model *m, unsigned ctx)
{
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (m->dev[d].ctx == (int)ctx)
			return false;
	for (uint32_t id = 1; id < M_IDS; id++)
		if ((m->ctx[ctx].obj[id].type == M_VEVENTQ ||
		     m->ctx[ctx].obj[id].type == M_FAULT) &&
		    m->ctx[ctx].obj[id].queue.open)
			return false;
	return !m->ctx[ctx].open;
}

void m_ctx_close(struct model *m, unsigned ctx)
{
	m->ctx[ctx].open = false;
	m_ctx_end(m, ctx);
}

void m_ctx_end(struct model *m, unsigned ctx)
{
	if (over(m, ctx))
		memset(&m->ctx[ctx], 0, sizeof(m->ctx[ctx]));
}
