/* SPDX-License-Identifier: MIT */
/* The model's spaces: what is mapped, what is reserved, what goes. */
#include <string.h>
#include "model.h"

#define MSI_FIRST 0xfee00000ull
#define MSI_LAST  0xfeefffffull

static bool meets(uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	return first <= to && from <= last;
}

struct m_obj *m_find(struct model *m, unsigned ctx, uint32_t id, enum m_type type)
{
	struct m_obj *obj = id < M_IDS ? &m->ctx[ctx].obj[id] : NULL;

	return obj && obj->type != M_NONE && obj->type != M_GONE &&
			       (type == M_NONE || obj->type == type)
		       ? obj
		       : NULL;
}

bool m_has_table(const struct model *m, unsigned ctx, uint32_t ioas)
{
	for (unsigned id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_HWPT && m->ctx[ctx].obj[id].hwpt.ioas == ioas)
			return true;
	return false;
}

uint64_t m_alignment(const struct model *m, unsigned ctx, uint32_t ioas)
{
	return m_has_table(m, ctx, ioas) || m->ctx[ctx].obj[ioas].ioas.small_pages ? M_PAGE : 1;
}

struct ioas_range m_kind_reserved(enum m_kind kind)
{
	/* What Linux uses for it on Arm; elsewhere the IOMMU takes writes there for interrupts. */
	return kind == M_SMMU ? (struct ioas_range){0x8000000, 0x80fffff}
			      : (struct ioas_range){MSI_FIRST, MSI_LAST};
}

bool m_kind_reserves(enum m_kind kind, uint64_t first, uint64_t last)
{
	struct ioas_range range = m_kind_reserved(kind);

	return meets(first, last, range.first, range.last);
}

/* By a table: what is beyond its width. By a device whose plain requests go there: interrupts. */
bool m_reserved(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last)
{
	const struct m_obj *obj = m->ctx[ctx].obj;

	for (unsigned id = 1; id < M_IDS; id++)
		if (obj[id].type == M_HWPT && obj[id].hwpt.ioas == ioas && last >> obj[id].hwpt.aw)
			return true;
	for (unsigned d = 0; d < m->dev_nr; d++)
		for (unsigned i = 0; m->dev[d].ctx == (int)ctx && i < m->dev[d].attach_nr; i++) {
			const struct m_attach *attach = &m->dev[d].attach[i];

			if (!attach->tagged && obj[attach->hwpt].hwpt.ioas == ioas &&
			    m_kind_reserves(m->machine->iommu[m->dev[d].f->iommu].kind, first,
					    last))
				return true;
		}
	return false;
}

bool m_in_use(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last)
{
	const struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;

	for (unsigned i = 0; i < s->area_nr; i++)
		if (meets(first, last, s->area[i].first, s->area[i].last))
			return true;
	for (unsigned i = 0; i < s->allowed_nr; i++)
		if (meets(first, last, s->allowed[i].first, s->allowed[i].last))
			return true;
	return false;
}

const struct m_area *m_area_at(const struct m_ioas *ioas, uint64_t iova)
{
	for (unsigned i = 0; i < ioas->area_nr; i++)
		if (iova >= ioas->area[i].first && iova <= ioas->area[i].last)
			return &ioas->area[i];
	return NULL;
}

int m_ioas_alloc(struct model *m, unsigned ctx, struct iommu_ioas_alloc *cmd)
{
	uint32_t id = m_free_id(m, ctx);

	if (cmd->flags)
		return -EOPNOTSUPP;
	memset(&m->ctx[ctx].obj[id], 0, sizeof(m->ctx[ctx].obj[id]));
	m->ctx[ctx].obj[id].type = M_IOAS;
	cmd->out_ioas_id = id;
	return 0;
}

void m_forget_written(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last)
{
	for (unsigned id = 1; id < M_IDS; id++) {
		struct m_hwpt *hwpt = &m->ctx[ctx].obj[id].hwpt;
		unsigned kept = 0;

		if (m->ctx[ctx].obj[id].type != M_HWPT || hwpt->ioas != ioas)
			continue;
		for (unsigned i = 0; i < hwpt->written_nr; i++)
			if (!meets(hwpt->written[i], hwpt->written[i], first, last))
				hwpt->written[kept++] = hwpt->written[i];
		hwpt->written_nr = kept;
	}
}

/* The lowest of what lies in the range, or NULL. */
static struct m_area *lowest_area(struct m_ioas *s, uint64_t first, uint64_t last)
{
	struct m_area *found = NULL;

	for (unsigned i = 0; i < s->area_nr; i++)
		if (meets(first, last, s->area[i].first, s->area[i].last) &&
		    (!found || s->area[i].first < found->first))
			found = &s->area[i];
	return found;
}

int m_unmap_range(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last,
		  uint64_t *len)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	struct m_area *area;

	*len = 0;
	if (s->parent)
		return m_nest_unmap(m, ctx, ioas, first, last, len);
	while ((area = lowest_area(s, first, last)) && area->first >= first && area->last <= last) {
		struct m_area gone = *area;

		*len += gone.last - gone.first + 1;
		m_forget_written(m, ctx, ioas, gone.first, gone.last);
		m_take_space(m, ctx, ioas, gone.first, gone.last);
		*area = s->area[--s->area_nr];
		m_nest_sync(m, ctx, ioas, gone.first, gone.last);
	}
	return area || (!*len && (first || last != UINT64_MAX)) ? -ENOENT : 0;
}

int m_unmap(struct model *m, unsigned ctx, struct iommu_ioas_unmap *cmd)
{
	bool all = !cmd->iova && cmd->length == UINT64_MAX;
	uint64_t last = all ? UINT64_MAX : cmd->iova + cmd->length - 1, len;
	int rc;

	if (!m_find(m, ctx, cmd->ioas_id, M_IOAS))
		return -ENOENT;
	if (!all && (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX))
		return -EOVERFLOW;
	if (!cmd->length)
		return -EINVAL;
	if (last < cmd->iova)
		return -EOVERFLOW;
	rc = m_unmap_range(m, ctx, cmd->ioas_id, cmd->iova, last, &len);
	if (!rc)
		cmd->length = len;
	return rc;
}

int m_allow(struct model *m, unsigned ctx, uint32_t ioas, const struct iommu_iova_range *ranges,
	    unsigned nr)
{
	struct m_obj *obj = m_find(m, ctx, ioas, M_IOAS);

	if (!obj)
		return -ENOENT;
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].start >= ranges[i].last)
			return -EINVAL;
	for (unsigned i = 0; i < nr; i++)
		for (unsigned k = 0; k < i; k++)
			if (meets(ranges[i].start, ranges[i].last, ranges[k].start, ranges[k].last))
				return -EINVAL;
	for (unsigned i = 0; i < nr; i++)
		if (m_reserved(m, ctx, ioas, ranges[i].start, ranges[i].last))
			return -EADDRINUSE;
	for (unsigned i = 0; i < nr; i++)
		obj->ioas.allowed[i] = (struct ioas_range){ranges[i].start, ranges[i].last};
	obj->ioas.allowed_nr = nr;
	return 0;
}

/* Everything, but interrupts, but what is beyond the narrowest table. */
int m_ranges(struct model *m, unsigned ctx, uint32_t ioas, struct iommu_iova_range *out,
	     uint64_t *alignment)
{
	uint64_t from = 0, last = UINT64_MAX;
	int nr = 0;

	if (!m_find(m, ctx, ioas, M_IOAS))
		return -ENOENT;
	*alignment = m_alignment(m, ctx, ioas);
	for (unsigned aw = 32; aw < 64; aw++)
		if (last == UINT64_MAX && m_reserved(m, ctx, ioas, 1ull << aw, UINT64_MAX) &&
		    m_reserved(m, ctx, ioas, 1ull << aw, 1ull << aw))
			last = (1ull << aw) - 1;
	for (unsigned i = 0; i < 2; i++) {
		struct ioas_range hole = m_kind_reserved(i ? M_SOFT : M_SMMU);

		if (!m_reserved(m, ctx, ioas, hole.first, hole.last))
			continue;
		out[nr++] = (struct iommu_iova_range){from, hole.first - 1};
		from = hole.last + 1;
	}
	out[nr++] = (struct iommu_iova_range){from, last};
	return nr;
}

int m_forbid_huge_pages(struct model *m, unsigned ctx, uint32_t ioas)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;

	if (s->small_pages)
		return 0;
	if (m_has_table(m, ctx, ioas) && s->area_nr)
		return -EINVAL;
	for (unsigned i = 0; i < s->area_nr; i++)
		if ((s->area[i].first | (s->area[i].last + 1) | s->area[i].va) % M_PAGE)
			return -EADDRINUSE;
	s->small_pages = true;
	return 0;
}

static int option_huge(struct model *m, unsigned ctx, struct iommu_option *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->object_id, M_IOAS);

	if (!obj)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = !obj->ioas.small_pages;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (cmd->val64 > 1)
		return -EINVAL;
	if (!cmd->val64)
		return m_forbid_huge_pages(m, ctx, cmd->object_id);
	obj->ioas.small_pages = false;
	return 0;
}

int m_option(struct model *m, unsigned ctx, struct iommu_option *cmd, bool privileged)
{
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->option_id == IOMMU_OPTION_HUGE_PAGES)
		return option_huge(m, ctx, cmd);
	if (cmd->option_id != IOMMU_OPTION_RLIMIT_MODE || cmd->object_id)
		return -EOPNOTSUPP;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = m->ctx[ctx].rlimit_mode;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (!privileged)
		return -EPERM;
	for (unsigned id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type != M_NONE)
			return -EBUSY;
	if (cmd->val64 > 1)
		return -EINVAL;
	m->ctx[ctx].rlimit_mode = cmd->val64;
	return 0;
}
