/* SPDX-License-Identifier: MIT */
/*
 * The model's IOASes nested in software: what one shows is made anew from its maps and what the
 * parent maps, in the range that a call has changed.
 */
#include <stdlib.h>
#include "model.h"

static bool meets(uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	return first <= to && from <= last;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool m_is_parent(const struct model *m, unsigned ctx, uint32_t ioas)
{
	for (uint32_t id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_IOAS && m->ctx[ctx].obj[id].ioas.parent == ioas)
			return true;
	return false;
}

/* Takes first..last out of what it shows, and no more. */
static void take_out(struct m_ioas *s, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < s->area_nr; i++) {
		struct m_area area = s->area[i];

		if (!meets(first, last, area.first, area.last))
			continue;
		s->area[i--] = s->area[--s->area_nr];
		if (area.first < first) {
			s->area[s->area_nr] = area;
			s->area[s->area_nr++].last = first - 1;
		}
		if (area.last > last) {
			s->area[s->area_nr] = area;
			s->area[s->area_nr].first = last + 1;
			s->area[s->area_nr++].va = m_va(&area, last + 1);
		}
	}
}

static bool same(const struct m_ioas *a, const struct m_ioas *b, uint64_t iova)
{
	const struct m_area *x = m_area_at(a, iova), *y = m_area_at(b, iova);

	return x && y && x->pages == y->pages && m_va(x, iova) == m_va(y, iova) &&
	       x->prot == y->prot;
}

/* What is shown as before stays written. */
static void forget_changed(struct model *m, unsigned ctx, uint32_t ioas, const struct m_ioas *was)
{
	for (uint32_t id = 1; id < M_IDS; id++) {
		struct m_hwpt *hwpt = &m->ctx[ctx].obj[id].hwpt;
		unsigned kept = 0;

		if (m->ctx[ctx].obj[id].type != M_HWPT || hwpt->ioas != ioas)
			continue;
		for (unsigned i = 0; i < hwpt->written_nr; i++)
			if (same(was, &m->ctx[ctx].obj[ioas].ioas, hwpt->written[i]))
				hwpt->written[kept++] = hwpt->written[i];
		hwpt->written_nr = kept;
	}
}

/* An area that is not as it was goes as a whole. */
static void take_changed(struct model *m, unsigned ctx, uint32_t ioas, const struct m_ioas *was,
			 uint64_t first, uint64_t last)
{
	const struct m_ioas *now = &m->ctx[ctx].obj[ioas].ioas;

	for (unsigned i = 0; i < was->area_nr; i++) {
		const struct m_area *area = &was->area[i];
		bool stays = true;

		if (!meets(first, last, area->first, area->last))
			continue;
		for (uint64_t at = area->first; at - area->first <= area->last - area->first;
		     at += M_PAGE)
			stays &= same(was, now, at);
		if (!stays)
			m_take_space(m, ctx, ioas, area->first, area->last);
	}
}

/*
 * What of a part of a map an area of the parent leads to. Not shown is what nothing may be done
 * with, what meets a reserved range, and what is no whole page.
 */
static bool compose(const struct model *m, unsigned ctx, uint32_t ioas,
		    const struct m_nest_map *map, const struct m_area *parent, uint64_t first,
		    uint64_t last, struct m_area *out)
{
	uint64_t to_parent = map->parent_first - map->first, alignment = m_alignment(m, ctx, ioas);

	if (!meets(first + to_parent, last + to_parent, parent->first, parent->last))
		return false;
	*out = *parent;
	out->first = most(first + to_parent, parent->first) - to_parent;
	out->last = least(last + to_parent, parent->last) - to_parent;
	out->va = m_va(parent, out->first + to_parent);
	out->prot = parent->prot & map->prot;
	return out->prot && !m_reserved(m, ctx, ioas, out->first, out->last) &&
	       !((out->first | out->va | (out->last + 1)) % alignment);
}

/* Makes first..last of a map anew. */
static int remake(struct model *m, unsigned ctx, uint32_t ioas, const struct m_nest_map *map,
		  uint64_t first, uint64_t last)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas, *was = malloc(sizeof(*was));
	const struct m_ioas *parent = &m->ctx[ctx].obj[s->parent].ioas;
	struct m_area new[M_AREAS];
	unsigned nr = 0;
	int rc = 0;

	if (!was)
		abort();
	*was = *s;
	for (unsigned i = 0; !rc && i < parent->area_nr; i++) {
		if (!compose(m, ctx, ioas, map, &parent->area[i], first, last, &new[nr]))
			continue;
		if (m_has_table(m, ctx, ioas))
			rc = m_can_enter(m, &new[nr]);
		nr++;
	}
	take_out(s, first, last);
	if (s->area_nr + nr > M_AREAS)
		abort();
	for (unsigned i = 0; !rc && i < nr; i++)
		s->area[s->area_nr++] = new[i];
	forget_changed(m, ctx, ioas, was);
	take_changed(m, ctx, ioas, was, first, last);
	free(was);
	return rc;
}

int m_nest_sync(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last)
{
	int rc = 0;

	for (uint32_t id = 1; id < M_IDS; id++) {
		const struct m_obj *child = &m->ctx[ctx].obj[id];

		for (unsigned i = 0;
		     child->type == M_IOAS && child->ioas.parent == ioas && i < child->ioas.map_nr;
		     i++) {
			const struct m_nest_map *map = &child->ioas.map[i];
			uint64_t end = map->parent_first + (map->last - map->first), from, to;

			if (!meets(first, last, map->parent_first, end))
				continue;
			from = map->first + (most(first, map->parent_first) - map->parent_first);
			to = map->first + (least(last, end) - map->parent_first);
			if (!rc)
				rc = remake(m, ctx, id, map, from, to);
			if (!rc)
				rc = m_nest_sync(m, ctx, id, from, to);
		}
	}
	return rc;
}

int m_nest_alloc(struct model *m, unsigned ctx, struct ioas_nest_alloc *cmd)
{
	uint32_t id = m_free_id(m, ctx);
	struct m_obj *parent;
	unsigned depth;

	if (cmd->flags)
		return -EOPNOTSUPP;
	parent = m_find(m, ctx, cmd->ioas_id, M_IOAS);
	if (!parent)
		return -ENOENT;
	depth = parent->ioas.depth + 1;
	if (depth > M_NEST_DEEP)
		return -EINVAL;
	m->ctx[ctx].obj[id] = (struct m_obj){.type = M_IOAS};
	m->ctx[ctx].obj[id].ioas.parent = cmd->ioas_id;
	m->ctx[ctx].obj[id].ioas.depth = depth;
	cmd->out_ioas_id = id;
	return 0;
}

static const struct m_nest_map *map_in(const struct m_ioas *s, uint64_t first, uint64_t last)
{
	const struct m_nest_map *found = NULL;

	for (unsigned i = 0; i < s->map_nr; i++)
		if (meets(first, last, s->map[i].first, s->map[i].last) &&
		    (!found || s->map[i].first < found->first))
			found = &s->map[i];
	return found;
}

bool m_maps_any(const struct m_ioas *ioas, uint64_t first, uint64_t last)
{
	return m_mapped(ioas, first, last) || map_in(ioas, first, last);
}

int m_nest_map(struct model *m, unsigned ctx, const struct ioas_nest_map *cmd)
{
	uint32_t known = IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE;
	struct m_obj *obj = m_find(m, ctx, cmd->ioas_id, M_IOAS);
	uint64_t last = cmd->iova + (cmd->length - 1);
	struct m_nest_map *map;
	struct m_ctx *was;
	int rc;

	if (cmd->flags & ~known || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!obj)
		return -ENOENT;
	if (!obj->ioas.parent || !cmd->flags || !cmd->length)
		return -EINVAL;
	if (cmd->parent_iova + (cmd->length - 1) < cmd->parent_iova)
		return -EOVERFLOW;
	if ((cmd->length | cmd->parent_iova) % m_alignment(m, ctx, cmd->ioas_id))
		return -EINVAL;
	rc = m_check_fixed(m, ctx, cmd->ioas_id, cmd->iova, cmd->length);
	if (rc)
		return rc;
	if (map_in(&obj->ioas, cmd->iova, last))
		return -EEXIST;
	was = malloc(sizeof(*was));
	if (!was)
		abort();
	*was = m->ctx[ctx];
	map = &obj->ioas.map[obj->ioas.map_nr++];
	*map = (struct m_nest_map){
		cmd->iova, last, cmd->parent_iova,
		(cmd->flags & IOMMU_IOAS_MAP_READABLE ? IOAS_PROT_READ : 0u) |
			(cmd->flags & IOMMU_IOAS_MAP_WRITEABLE ? IOAS_PROT_WRITE : 0u)};
	rc = remake(m, ctx, cmd->ioas_id, map, cmd->iova, last);
	if (!rc)
		rc = m_nest_sync(m, ctx, cmd->ioas_id, cmd->iova, last);
	if (rc)
		m->ctx[ctx] = *was;
	free(was);
	return rc;
}

int m_nest_unmap(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last,
		 uint64_t *len)
{
	struct m_ioas *s = &m->ctx[ctx].obj[ioas].ioas;
	const struct m_nest_map *found;

	while ((found = map_in(s, first, last))) {
		struct m_nest_map map = *found;

		if (map.first < first || map.last > last)
			return -ENOENT;
		*len += map.last - map.first + 1;
		s->map[found - s->map] = s->map[--s->map_nr];
		take_out(s, map.first, map.last);
		m_forget_written(m, ctx, ioas, map.first, map.last);
		m_take_space(m, ctx, ioas, map.first, map.last);
		m_nest_sync(m, ctx, ioas, map.first, map.last);
	}
	return !*len && (first || last != UINT64_MAX) ? -ENOENT : 0;
}

int m_nest_info(struct model *m, unsigned ctx, struct ioas_nest_info_cmd *cmd)
{
	struct m_obj *obj = m_find(m, ctx, cmd->ioas_id, M_IOAS);

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!obj)
		return -ENOENT;
	if (!obj->ioas.parent)
		return -EINVAL;
	cmd->out_maps = obj->ioas.map_nr;
	cmd->out_length = cmd->out_shown_length = 0;
	for (unsigned i = 0; i < obj->ioas.map_nr; i++)
		cmd->out_length += obj->ioas.map[i].last - obj->ioas.map[i].first + 1;
	for (unsigned i = 0; i < obj->ioas.area_nr; i++)
		cmd->out_shown_length += obj->ioas.area[i].last - obj->ioas.area[i].first + 1;
	return 0;
}
