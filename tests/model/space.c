/* SPDX-License-Identifier: MIT */
/* The model's spaces: what is mapped, what is reserved, and where a mapping may go. */
#include <string.h>
#include "model.h"

#define MSI_FIRST 0xfee00000ull
#define MSI_LAST  0xfeefffffull
#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define ALIGN_MAX (2ull << 20)

static bool meets(uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	return first <= to && from <= last;
}

struct m_obj *m_find(struct model *m, unsigned ctx, uint32_t id, enum m_type type)
{
	struct m_obj *obj = id < M_IDS ? &m->ctx[ctx].obj[id] : NULL;

	return obj && obj->type != M_NONE && (type == M_NONE || obj->type == type) ? obj : NULL;
}

static bool has_table(const struct model *m, unsigned ctx, uint32_t ioas)
{
	for (unsigned id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_HWPT && m->ctx[ctx].obj[id].hwpt.ioas == ioas)
			return true;
	return false;
}

uint64_t m_alignment(const struct model *m, unsigned ctx, uint32_t ioas)
{
	return has_table(m, ctx, ioas) || m->ctx[ctx].obj[ioas].ioas.small_pages ? M_PAGE : 1;
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
			    meets(first, last, MSI_FIRST, MSI_LAST))
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

static bool mapped(const struct m_ioas *ioas, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < ioas->area_nr; i++)
		if (meets(first, last, ioas->area[i].first, ioas->area[i].last))
			return true;
	return false;
}

bool m_memory(const struct model *m, uint64_t va, uint64_t len, bool write)
{
	uint64_t end = m->va + (write ? m->writable_nr : m->page_nr) * M_PAGE;

	return va >= m->va && va < end && len <= end - va;
}

int m_can_fill(const struct model *m, unsigned ctx, uint32_t ioas, unsigned aw)
{
	const struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;

	for (unsigned i = 0; i < s->area_nr; i++)
		if ((s->area[i].first | (s->area[i].last + 1) | s->area[i].va) % M_PAGE)
			return -EADDRINUSE;
	if (m_in_use(m, ctx, ioas, 1ull << aw, UINT64_MAX))
		return -EADDRINUSE;
	for (unsigned i = 0; i < s->area_nr; i++)
		if (!m_memory(m, s->area[i].va, s->area[i].last - s->area[i].first + 1,
			      s->area[i].writable))
			return -EFAULT;
	return 0;
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

/* ---- where a mapping goes ---- */

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

	if (at < M_PAGE || last < at || last > UINT64_MAX - M_PAGE || mapped(s, at, last))
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
	uint64_t from[2 + M_AREAS + M_RANGES], best = UINT64_MAX;
	unsigned nr = 0;

	from[nr++] = M_PAGE;
	from[nr++] = MSI_LAST + 1;
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

static int check_fixed(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova,
		       uint64_t len)
{
	if (iova % m_alignment(m, ctx, ioas))
		return -EINVAL;
	if (iova + len - 1 < iova)
		return -EOVERFLOW;
	if (m_reserved(m, ctx, ioas, iova, iova + len - 1))
		return -EINVAL;
	return mapped(&m->ctx[ctx].obj[ioas].ioas, iova, iova + len - 1) ? -EEXIST : 0;
}

/* What MAP and COPY have in common once they know whose memory it is: `from` lists it. */
static int enter(struct model *m, unsigned ctx, uint32_t ioas, uint32_t flags,
		 const struct m_area *from, unsigned nr, uint64_t len, uint64_t *iova, bool *exact)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	uint64_t alignment = m_alignment(m, ctx, ioas), at;
	int rc;

	*exact = true;
	if (len % alignment)
		return -EINVAL;
	at = *iova;
	rc = flags & IOMMU_IOAS_MAP_FIXED_IOVA ? check_fixed(m, ctx, ioas, at, len)
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
	for (unsigned i = 0; has_table(m, ctx, ioas) && i < nr; i++)
		if (!m_memory(m, from[i].va, from[i].last - from[i].first + 1, from[i].writable))
			return -EFAULT;
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
	return 0;
}

static int check_numbers(uint32_t flags, uint64_t iova, uint64_t iova2, uint64_t len)
{
	if (flags & ~(uint32_t)MAP_FLAGS)
		return -EOPNOTSUPP;
	if (iova == UINT64_MAX || iova2 == UINT64_MAX || len == UINT64_MAX)
		return -EOVERFLOW;
	return flags & (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE) ? 0 : -EINVAL;
}

int m_map(struct model *m, unsigned ctx, struct iommu_ioas_map *cmd, bool *exact)
{
	struct m_area area = {0, cmd->length - 1, cmd->user_va, 0,
			      cmd->flags & IOMMU_IOAS_MAP_WRITEABLE};
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
		from[nr++] = (struct m_area){0, len - 1, area->va + (at - area->first), 0,
					     area->writable};
		at += len;
		left -= len;
	}
	return enter(m, ctx, cmd->dst_ioas_id, cmd->flags, from, nr, cmd->length, &cmd->dst_iova,
		     exact);
}

/* The areas of the newest mapping, which are not where they should be: takes them out. */
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

/* Dirty pages go with their mapping. */
static void forget_written(struct model *m, unsigned ctx, uint32_t ioas, const struct m_area *area)
{
	for (unsigned id = 1; id < M_IDS; id++) {
		struct m_hwpt *hwpt = &m->ctx[ctx].obj[id].hwpt;
		unsigned kept = 0;

		if (m->ctx[ctx].obj[id].type != M_HWPT || hwpt->ioas != ioas)
			continue;
		for (unsigned i = 0; i < hwpt->written_nr; i++)
			if (!meets(hwpt->written[i], hwpt->written[i], area->first, area->last))
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

int m_unmap(struct model *m, unsigned ctx, struct iommu_ioas_unmap *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->ioas_id, M_IOAS);
	bool all = !cmd->iova && cmd->length == UINT64_MAX;
	uint64_t last = all ? UINT64_MAX : cmd->iova + cmd->length - 1, len = 0;
	struct m_area *area;

	if (!obj)
		return -ENOENT;
	if (!all && (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX))
		return -EOVERFLOW;
	if (!cmd->length)
		return -EINVAL;
	if (last < cmd->iova)
		return -EOVERFLOW;
	while ((area = lowest_area(&obj->ioas, cmd->iova, last))) {
		if (area->first < cmd->iova || area->last > last)
			return -ENOENT;
		len += area->last - area->first + 1;
		forget_written(m, ctx, cmd->ioas_id, area);
		*area = obj->ioas.area[--obj->ioas.area_nr];
	}
	if (!len && !all)
		return -ENOENT;
	cmd->length = len;
	return 0;
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
	uint64_t last = UINT64_MAX;
	int nr = 0;

	if (!m_find(m, ctx, ioas, M_IOAS))
		return -ENOENT;
	*alignment = m_alignment(m, ctx, ioas);
	for (unsigned aw = 32; aw < 64; aw++)
		if (last == UINT64_MAX && m_reserved(m, ctx, ioas, 1ull << aw, UINT64_MAX) &&
		    m_reserved(m, ctx, ioas, 1ull << aw, 1ull << aw))
			last = (1ull << aw) - 1;
	if (!m_reserved(m, ctx, ioas, MSI_FIRST, MSI_LAST)) {
		out[nr++] = (struct iommu_iova_range){0, last};
		return nr;
	}
	out[nr++] = (struct iommu_iova_range){0, MSI_FIRST - 1};
	out[nr++] = (struct iommu_iova_range){MSI_LAST + 1, last};
	return nr;
}

static int option_huge(struct model *m, unsigned ctx, struct iommu_option *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->object_id, M_IOAS);
	struct m_ioas *s;

	if (!obj)
		return -ENOENT;
	s = &obj->ioas;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = !s->small_pages;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (cmd->val64 > 1)
		return -EINVAL;
	if (!cmd->val64 && !s->small_pages) {
		if (has_table(m, ctx, cmd->object_id) && s->area_nr)
			return -EINVAL;
		for (unsigned i = 0; i < s->area_nr; i++)
			if ((s->area[i].first | (s->area[i].last + 1) | s->area[i].va) % M_PAGE)
				return -EADDRINUSE;
	}
	s->small_pages = !cmd->val64;
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
