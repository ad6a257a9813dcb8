/* SPDX-License-Identifier: MIT */
/* The model's requests: a page at a time, from the device to the byte, in the order of
 * docs/flow.md. */
#include <string.h>
#include "model.h"

#define MSI_FIRST 0xfee00000ull
#define MSI_LAST  0xfeefffffull

/* Whose requester ID is it? Any device of the share set; -1: nobody's. */
static int owner_of(const struct model *m, uint16_t rid)
{
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (m->dev[d].f->wire == rid)
			return (int)d;
	for (unsigned i = 0; i < m->machine->alias_nr; i++)
		if (m->machine->alias[i] == rid)
			return (int)m->machine->alias_of[i];
	return -1;
}

static struct m_obj *table_of(struct model *m, unsigned set, bool tagged, pasid_t pasid, int *ctx,
			      uint32_t *id);

/* An SMMUv3's stage 1 has a table of PASIDs: all go there that are not attached by themselves. */
static struct m_obj *all_pasids(struct model *m, unsigned set, int *ctx, uint32_t *id)
{
	struct m_obj *table = table_of(m, set, false, 0, ctx, id);

	if (table && table->type == M_NESTED && table->hwpt.kind == M_SMMU)
		return table;
	*id = 0;
	return NULL;
}

/* Where requests of that form go, as whoever of the share set is attached says; NULL: nowhere. */
static struct m_obj *table_of(struct model *m, unsigned set, bool tagged, pasid_t pasid, int *ctx,
			      uint32_t *id)
{
	for (unsigned d = 0; d < m->dev_nr; d++) {
		struct m_attach *attach = m_attached(&m->dev[d], tagged, pasid);

		if (m->dev[d].f->set != set || !attach)
			continue;
		*ctx = m->dev[d].ctx;
		*id = attach->hwpt;
		return &m->ctx[*ctx].obj[*id];
	}
	return tagged ? all_pasids(m, set, ctx, id) : NULL;
}

/* What the drivers of a share set have declared, together. */
static void declared(const struct model *m, unsigned set, int only, bool *bound, bool *pasids)
{
	*bound = false;
	*pasids = false;
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (m->dev[d].f->set == set && m->dev[d].ctx >= 0 && (only < 0 || only == (int)d)) {
			*bound = true;
			*pasids |= m->dev[d].f->pasid_lg2 > 0;
		}
}

static int peer_of(const struct model *m, unsigned dev, const struct ioas_tlp *tlp)
{
	if (tlp->at == IOAS_TLP_TRANSLATION_REQUEST)
		return -1;
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (m->dev[dev].f->peers >> d & 1 && tlp->addr >= m->dev[d].bar &&
		    tlp->addr < m->dev[d].bar + M_BAR)
			return (int)d;
	return -1;
}

/* A file may have become shorter since. */
static bool gone(const struct model *m, const struct m_area *area, uint64_t iova)
{
	const struct m_memory *memory = &m->memory[area->memory];

	return memory->file && m_va(area, iova) >= memory->page_nr * M_PAGE;
}

enum ioas_fault_reason m_check_page(const struct model *m, const struct m_ioas *ioas, uint64_t addr,
				    unsigned op)
{
	const struct m_area *area = m_area_at(ioas, addr);

	if (!area)
		return IOAS_FAULT_NOT_MAPPED;
	if (op == IOAS_TLP_WRITE && !(area->prot & IOAS_PROT_WRITE))
		return IOAS_FAULT_NO_WRITE;
	if (op == IOAS_TLP_READ && !(area->prot & IOAS_PROT_READ))
		return IOAS_FAULT_NO_READ;
	return gone(m, area, addr) ? IOAS_FAULT_MEMORY : IOAS_FAULT_NONE;
}

/* Arm's stage 1 cannot refuse reads alone. */
static enum ioas_fault_reason check_table(const struct model *m, const struct m_obj *table,
					  const struct m_ioas *ioas, uint64_t addr, unsigned op)
{
	enum ioas_fault_reason reason = m_check_page(m, ioas, addr, op);

	if (reason == IOAS_FAULT_NO_READ && table->hwpt.kind == M_SMMU && !table->hwpt.parent)
		return m_check_page(m, ioas, addr, IOAS_TLP_WRITE);
	return reason;
}

static enum ioas_fault_reason check_nested(struct model *m, unsigned ctx, struct m_obj *obj,
					   const struct ioas_tlp *tlp, uint64_t addr,
					   struct m_outcome *out)
{
	struct m_walk walk = m_walk(m, ctx, obj, tlp, addr, false);

	out->stage = walk.stage;
	out->gpa = walk.gpa;
	out->stale |= !out->moved && walk.stale;
	out->event = walk.event;
	return walk.reason;
}

/* In the order of the bytes: what stands before the first that fails may have moved. */
static void check_bytes(struct model *m, unsigned ctx, struct m_obj *obj,
			const struct ioas_tlp *tlp, struct m_outcome *out)
{
	const struct m_ioas *ioas = &m->ctx[ctx].obj[obj->hwpt.ioas].ioas;

	while (!out->reason && out->moved < tlp->len) {
		uint64_t addr = tlp->addr + out->moved, left = M_PAGE - addr % M_PAGE;

		out->addr = addr;
		if (obj->type == M_NESTED)
			out->reason = check_nested(m, ctx, obj, tlp, addr, out);
		else if (addr >> obj->hwpt.aw || addr < tlp->addr)
			out->reason = IOAS_FAULT_WIDTH;
		else
			out->reason = check_table(m, obj, ioas, addr, tlp->op);
		if (!out->reason)
			out->moved += left < tlp->len - out->moved ? left : tlp->len - out->moved;
	}
}

/* By whose requester ID does it go? Refused, or *set and *only (the device itself; -1: its set). */
static enum ioas_fault_reason check_sender(const struct model *m, unsigned dev,
					   const struct ioas_tlp *tlp, struct m_outcome *out,
					   unsigned *set, int *only)
{
	const struct m_function *f = m->dev[dev].f;
	int owner;

	*set = f->set;
	*only = (int)dev;
	if (!(tlp->flags & IOAS_TLP_RID) || f->rewritten || tlp->rid == f->wire)
		return IOAS_FAULT_NONE;
	out->id = tlp->rid;
	if (tlp->rid >> 8 < f->first || tlp->rid >> 8 > f->last)
		return IOAS_FAULT_SOURCE;
	owner = owner_of(m, tlp->rid);
	if (owner < 0)
		return IOAS_FAULT_UNKNOWN_RID;
	if (m->dev[owner].f->set == f->set)
		return IOAS_FAULT_NONE;
	*set = m->dev[owner].f->set;
	*only = -1;
	out->claimed = true;
	return IOAS_FAULT_NONE;
}

static enum ioas_fault_reason check_form(const struct model *m, unsigned dev,
					 const struct ioas_tlp *tlp, unsigned set, int only,
					 bool claimed)
{
	bool tagged = tlp->flags & IOAS_TLP_PASID, bound, pasids;

	declared(m, set, only, &bound, &pasids);
	if (!bound)
		return IOAS_FAULT_NOT_BOUND;
	if (tagged && !pasids)
		return IOAS_FAULT_UNDECLARED;
	if (tagged && tlp->pasid >> (only < 0 ? IOAS_PASID_BITS : m->dev[dev].f->pasid_lg2))
		return IOAS_FAULT_PASID_WIDTH;
	if (tlp->at != IOAS_TLP_UNTRANSLATED && (!m_ats_on(m, dev) || claimed))
		return IOAS_FAULT_TRANSLATED;
	if (tlp->at == IOAS_TLP_TRANSLATED)
		return IOAS_FAULT_NONE;
	if (m->machine->iommu[m->dev[dev].f->iommu].kind != M_SMMU && tlp->addr <= MSI_LAST &&
	    (tlp->addr >= MSI_FIRST || tlp->len > MSI_FIRST - tlp->addr))
		return IOAS_FAULT_INTERRUPT;
	return IOAS_FAULT_NONE;
}

/* It turned to a peer, which answers if its memory decoding is on, and the whole is in its BAR. */
static void judge_peer(const struct model *m, const struct ioas_tlp *tlp, struct m_outcome *out)
{
	const struct m_dev *peer = &m->dev[out->peer];
	bool answers = peer->memory && tlp->len <= peer->bar + M_BAR - tlp->addr;

	out->reason = answers ? IOAS_PASSED_PEER : IOAS_FAULT_PEER;
	out->moved = answers ? tlp->len : 0;
}

/* An SMMUv3 has requests with SubstreamID 0, and refuses them. */
static bool pasid_0_none(const struct model *m, unsigned dev)
{
	const struct m_iommu *iommu = &m->machine->iommu[m->dev[dev].f->iommu];

	return !iommu->pasid_0_apart && iommu->kind != M_SMMU;
}

static struct m_obj *paging(struct model *m, int ctx, struct m_obj *table)
{
	return table->type == M_NESTED ? &m->ctx[ctx].obj[table->first.parent] : table;
}

/* Up to the page table that it goes to, which is NULL if it is refused, or translated. */
static struct m_obj *judge_route(struct model *m, unsigned dev, const struct ioas_tlp *tlp,
				 struct m_outcome *out)
{
	bool tagged = tlp->flags & IOAS_TLP_PASID;
	struct m_obj *table;
	unsigned set;
	int ctx = -1, only;

	if (!m->dev[dev].master) {
		out->reason = IOAS_FAULT_BUS_MASTER;
		return NULL;
	}
	out->peer = peer_of(m, dev, tlp);
	if (out->peer >= 0) {
		judge_peer(m, tlp, out);
		return NULL;
	}
	out->reason = check_sender(m, dev, tlp, out, &set, &only);
	if (!out->reason)
		out->reason = check_form(m, dev, tlp, set, only, out->claimed);
	if (out->reason || tlp->at == IOAS_TLP_TRANSLATED)
		return NULL;
	if (tagged && !tlp->pasid && pasid_0_none(m, dev))
		tagged = false;
	table = table_of(m, set, tagged, tlp->pasid, &ctx, &out->hwpt_id);
	if (!table) {
		out->reason = IOAS_FAULT_NO_ROUTE;
		return NULL;
	}
	out->ioas_id = table->hwpt.ioas;
	out->nested = table->type == M_NESTED;
	out->arm = out->nested && table->hwpt.kind == M_SMMU;
	out->ctx = ctx;
	out->set = set;
	out->tagged = tagged;
	out->pasid = tagged ? tlp->pasid : 0;
	out->tracked = paging(m, ctx, table)->hwpt.tracking;
	return table;
}

struct m_outcome m_judge(struct model *m, unsigned dev, const struct ioas_tlp *tlp)
{
	struct m_outcome out = {.addr = tlp->addr, .id = m->dev[dev].f->wire, .peer = -1};
	struct m_obj *table = judge_route(m, dev, tlp, &out);

	if (table)
		check_bytes(m, (unsigned)out.ctx, table, tlp, &out);
	else if (!out.reason && out.peer < 0)
		m_judge_translated(m, dev, tlp, &out);
	if (!out.reason && out.claimed)
		out.reason = IOAS_PASSED_CLAIMED;
	return out;
}

struct m_outcome m_ask(struct model *m, unsigned dev, const struct ioas_tlp *tlp)
{
	struct m_outcome out = {.addr = tlp->addr, .id = m->dev[dev].f->wire, .peer = -1};
	uint64_t left = M_PAGE - tlp->addr % M_PAGE;
	struct ioas_tlp first = *tlp;
	struct m_obj *table;

	if (first.len > left)
		first.len = left;
	table = judge_route(m, dev, &first, &out);
	if (table && tlp->addr >> table->hwpt.aw)
		out.reason = IOAS_FAULT_WIDTH;
	return out;
}

void m_note_written(struct m_hwpt *hwpt, uint64_t page)
{
	for (unsigned i = 0; i < hwpt->written_nr; i++)
		if (hwpt->written[i] == page)
			return;
	hwpt->written[hwpt->written_nr++] = page;
}

static void move_page(struct model *m, struct m_obj *table, int ctx, const struct ioas_tlp *tlp,
		      uint64_t addr, uint8_t *buf, uint64_t len)
{
	struct m_hwpt *hwpt = &paging(m, ctx, table)->hwpt;
	const struct m_area *area;
	struct m_memory *memory;
	uint64_t off;

	if (table->type == M_NESTED)
		addr = m_walk(m, (unsigned)ctx, table, tlp, addr, true).gpa;
	area = m_area_at(&m->ctx[ctx].obj[hwpt->ioas].ioas, addr);
	memory = &m->memory[area->memory];
	off = m_va(area, addr) - memory->va;
	if (tlp->op == IOAS_TLP_READ) {
		memcpy(buf, memory->bytes + off, len);
		return;
	}
	memcpy(memory->bytes + off, buf, len);
	m_changed(m, area->memory, off, len);
	if (hwpt->tracking)
		m_note_written(hwpt, addr / M_PAGE * M_PAGE);
}

/* The byte that fails: what a walk does before it does, and that memory would be written is noted
 * before it is seen that it has gone. */
static void fail(struct model *m, struct m_obj *table, int ctx, const struct ioas_tlp *tlp,
		 const struct m_outcome *outcome)
{
	struct m_hwpt *hwpt = &paging(m, ctx, table)->hwpt;
	uint64_t addr = outcome->addr;

	if (table->type == M_NESTED)
		addr = m_walk(m, (unsigned)ctx, table, tlp, addr, true).gpa;
	if (outcome->reason == IOAS_FAULT_MEMORY && !outcome->stage && tlp->op == IOAS_TLP_WRITE &&
	    hwpt->tracking)
		m_note_written(hwpt, addr / M_PAGE * M_PAGE);
}

static void move_to_peer(struct model *m, unsigned peer, const struct ioas_tlp *tlp, uint64_t len,
			 void *buf)
{
	uint8_t *regs = m->dev[peer].regs + (tlp->addr - m->dev[peer].bar);

	if (tlp->op == IOAS_TLP_READ)
		memcpy(buf, regs, len);
	else
		memcpy(regs, buf, len);
}

static void move_translated(struct model *m, unsigned dev, const struct ioas_tlp *tlp, uint64_t len,
			    uint8_t *buf)
{
	for (uint64_t i = 0; i < len; i++) {
		const struct m_held *held = m_held_at(m, dev, tlp->addr + i, tlp->op);
		struct m_memory *memory = &m->memory[held->memory];
		uint64_t off = held->va + (tlp->addr + i - held->pa) - memory->va;

		if (tlp->op == IOAS_TLP_READ)
			buf[i] = memory->bytes[off];
		else
			memory->bytes[off] = buf[i];
		if (tlp->op == IOAS_TLP_WRITE)
			m_changed(m, held->memory, off, 1);
	}
}

void m_move(struct model *m, unsigned dev, const struct ioas_tlp *tlp,
	    const struct m_outcome *outcome, uint64_t len, void *buf)
{
	bool tagged = tlp->flags & IOAS_TLP_PASID;
	unsigned set = m->dev[dev].f->set;
	struct m_obj *table;
	uint32_t id;
	int ctx = -1;

	if (outcome->peer >= 0) {
		move_to_peer(m, (unsigned)outcome->peer, tlp, len, buf);
		return;
	}
	if (tlp->at == IOAS_TLP_TRANSLATED)
		move_translated(m, dev, tlp, len, buf);
	if (!outcome->hwpt_id)
		return;
	if (outcome->claimed)
		set = m->dev[owner_of(m, tlp->rid)].f->set;
	if (tagged && !tlp->pasid && pasid_0_none(m, dev))
		tagged = false;
	table = table_of(m, set, tagged, tlp->pasid, &ctx, &id);
	for (uint64_t done = 0; done < len;) {
		uint64_t addr = tlp->addr + done, part = M_PAGE - addr % M_PAGE;

		if (part > len - done)
			part = len - done;
		move_page(m, table, ctx, tlp, addr, (uint8_t *)buf + done, part);
		done += part;
	}
	if (outcome->reason && !ioas_fault_passed(outcome->reason))
		fail(m, table, ctx, tlp, outcome);
}
