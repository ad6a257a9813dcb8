/* SPDX-License-Identifier: MIT */
/*
 * The model's translations that devices hold (docs/ats.md): a list of what was handed out and not
 * taken back. A translated request passes by what is in it.
 */
#include <ioas/ats.h>
#include "model.h"

bool m_ats_on(const struct model *m, unsigned dev)
{
	return m->dev[dev].f->ats && m->dev[dev].attach_nr;
}

uint32_t m_ats_flags(const struct model *m, const struct ioas_tlp *tlp,
		     const struct m_outcome *asked)
{
	const struct m_obj *obj = m->ctx[asked->ctx].obj;
	const struct m_area *area = m_area_at(&obj[asked->ioas_id].ioas, asked->addr);
	uint32_t flags = 0;

	if (!area)
		return 0;
	if (area->prot & IOAS_PROT_READ)
		flags |= IOAS_ATS_READ | (tlp->flags & IOAS_TLP_EXEC ? IOAS_ATS_EXEC : 0);
	if (area->prot & IOAS_PROT_WRITE && tlp->op == IOAS_TLP_WRITE)
		flags |= IOAS_ATS_WRITE;
	if (!(flags & (IOAS_ATS_READ | IOAS_ATS_WRITE)))
		return 0;
	/* All tables here enforce coherency. */
	return flags | IOAS_ATS_SNOOP | (tlp->flags & IOAS_TLP_PRIV ? IOAS_ATS_PRIV : 0);
}

static bool same_use(const struct m_held *a, const struct m_held *b)
{
	return a->dev == b->dev && a->tagged == b->tagged && a->pasid == b->pasid &&
	       a->ctx == b->ctx && a->hwpt == b->hwpt;
}

bool m_hold(struct model *m, unsigned dev, const struct m_outcome *asked, uint64_t first,
	    uint64_t len, uint64_t pa, uint32_t flags)
{
	const struct m_ioas *ioas = &m->ctx[asked->ctx].obj[asked->ioas_id].ioas;
	const struct m_area *area = m_area_at(ioas, first);
	struct m_held held = {dev,   asked->tagged, asked->pasid, asked->ctx, asked->hwpt_id,
			      first, len,	    pa,		  0,	      0,
			      0};

	held.ops = (flags & IOAS_ATS_READ ? 1u << IOAS_TLP_READ : 0) |
		   (flags & IOAS_ATS_WRITE ? 1u << IOAS_TLP_WRITE : 0);
	if (!area || len & (len - 1) || first % len || len < M_PAGE || asked->addr - first >= len)
		return false;
	held.memory = area->memory;
	held.va = m_va(area, first);
	/* Neighbours may be one leaf, if their memory goes on. */
	for (uint64_t at = first; at - first < len; at += M_PAGE) {
		const struct m_area *next = m_area_at(ioas, at);

		if (!next || next->prot != area->prot || next->memory != area->memory ||
		    m_va(next, at) != held.va + (at - first))
			return false;
	}
	for (unsigned i = 0; i < m->held_nr; i++)
		if (same_use(&m->held[i], &held) && m->held[i].first == first &&
		    m->held[i].len == len && m->held[i].pa == pa) {
			m->held[i].ops |= held.ops;
			return true;
		}
	m->held[m->held_nr++] = held;
	return true;
}

const struct m_held *m_held_at(const struct model *m, unsigned dev, uint64_t pa, unsigned op)
{
	for (unsigned i = 0; i < m->held_nr; i++)
		if (m->held[i].dev == dev && pa >= m->held[i].pa &&
		    pa - m->held[i].pa < m->held[i].len && m->held[i].ops >> op & 1)
			return &m->held[i];
	return NULL;
}

void m_judge_translated(struct model *m, unsigned dev, const struct ioas_tlp *tlp,
			struct m_outcome *out)
{
	for (; !out->reason && out->moved < tlp->len; out->moved += !out->reason) {
		const struct m_held *held = m_held_at(m, dev, tlp->addr + out->moved, tlp->op);
		const struct m_memory *memory;

		out->addr = tlp->addr + out->moved;
		if (!held) {
			out->reason = IOAS_FAULT_NOT_HELD;
			continue;
		}
		memory = &m->memory[held->memory];
		if (memory->file && held->va + (out->addr - held->pa) >= memory->page_nr * M_PAGE)
			out->reason = IOAS_FAULT_MEMORY;
	}
}

/* `asked`: the device has to answer for it. */
static void drop(struct model *m, unsigned i, bool asked)
{
	if (asked)
		m->taken[m->taken_nr++ % M_HELD] = m->held[i];
	m->held[i] = m->held[--m->held_nr];
}

void m_take(struct model *m, unsigned ctx, uint32_t hwpt, uint64_t first, uint64_t last,
	    bool writes)
{
	for (unsigned i = m->held_nr; i--;) {
		const struct m_held *held = &m->held[i];

		if (held->ctx == (int)ctx && held->hwpt == hwpt && held->first <= last &&
		    held->first + held->len - 1 >= first &&
		    (!writes || held->ops >> IOAS_TLP_WRITE & 1))
			drop(m, i, true);
	}
}

void m_take_space(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last)
{
	for (uint32_t id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_HWPT && m->ctx[ctx].obj[id].hwpt.ioas == ioas)
			m_take(m, ctx, id, first, last, false);
}

void m_take_form(struct model *m, unsigned dev, bool tagged, pasid_t pasid)
{
	for (unsigned i = m->held_nr; i--;)
		if (m->held[i].dev == dev && m->held[i].tagged == tagged &&
		    (!tagged || m->held[i].pasid == pasid))
			drop(m, i, true);
}

void m_forget_held(struct model *m, unsigned dev)
{
	for (unsigned i = m->held_nr; i--;)
		if (m->held[i].dev == dev)
			drop(m, i, false);
}
