/* SPDX-License-Identifier: MIT */
/* Devices that hold translations: asked for, used, given back, and used all the same. */
#include <inttypes.h>
#include <string.h>
#include "ops.h"

#define UNIT M_PAGE

static bool invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	struct rig_device *dev = arg;

	if (dev->asked_nr < RIG_ASKED)
		dev->asked[dev->asked_nr] = *what;
	dev->asked_nr++;
	return true;
}

void rig_open_ats(struct rig_device *dev)
{
	static const struct ioas_ats_ops ops = {.invalidate = invalidate};

	rig_expect(dev->rig, "ATS", ioas_ats_open(ioas_pci_device(dev->pci), &ops, dev), 0);
}

static bool covers(const struct ioas_ats_invalidation *what, const struct m_held *held)
{
	return what->has_pasid == held->tagged && (!held->tagged || what->pasid == held->pasid) &&
	       what->first <= held->first && what->last >= held->first + held->len - 1;
}

static void check_device(struct rig *rig, struct rig_device *dev)
{
	const struct model *m = &rig->model;

	rig_expect(rig, "invalidations fit", dev->asked_nr <= RIG_ASKED, true);
	for (unsigned i = 0; i < m->taken_nr; i++) {
		bool asked = m->taken[i].dev != dev->index;

		for (unsigned k = 0; k < dev->asked_nr; k++)
			asked |= covers(&dev->asked[k], &m->taken[i]);
		rig_expect(rig, "a translation that is taken back is asked for", asked, true);
		if (m->taken[i].dev == dev->index)
			dev->old[dev->old_nr++ % RIG_OLD] = m->taken[i];
	}
	for (unsigned k = 0; k < dev->asked_nr; k++) {
		bool any = false;

		for (unsigned i = 0; i < m->taken_nr; i++)
			any |= m->taken[i].dev == dev->index &&
			       covers(&dev->asked[k], &m->taken[i]);
		rig_expect(rig, "what is asked for was taken back", any, true);
	}
	fuzz_counts.invalidations += dev->asked_nr;
	dev->asked_nr = 0;
}

void rig_check_asked(struct rig *rig)
{
	rig_expect(rig, "the model's list is long enough", rig->model.taken_nr <= M_HELD, true);
	for (unsigned d = 0; d < rig->model.dev_nr; d++)
		check_device(rig, &rig->device[d]);
	rig->model.taken_nr = 0;
}

/* One answer; `tlp` asks for all that is left. Does it end there? */
static bool check_answer(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp,
			 const struct ioas_ats_translation *got)
{
	struct m_outcome want = m_ask(&rig->model, dev, tlp);
	uint32_t flags = 0;

	if (want.reason == IOAS_FAULT_INTERRUPT) {
		rig_expect(rig, "the flags of the interrupt window", got->flags,
			   IOAS_ATS_UNTRANSLATED | IOAS_ATS_WRITE);
		rig_expect(rig, "its unit", (long long)got->first,
			   (long long)(tlp->addr / UNIT * UNIT));
		return false;
	}
	if (!want.reason)
		flags = m_ats_flags(&rig->model, tlp, &want);
	rig_expect(rig, "a translation's flags", got->flags, flags);
	if (!flags) {
		rig_expect(rig, "where there is none", (long long)got->first,
			   (long long)(tlp->addr / UNIT * UNIT));
		return true;
	}
	rig_expect(rig, "a translation",
		   m_hold(&rig->model, dev, &want, got->first, got->len, got->addr, got->flags),
		   true);
	if (want.tracked && flags & IOAS_ATS_WRITE)
		m_note_written(&rig->model.ctx[want.ctx].obj[want.hwpt_id].hwpt,
			       tlp->addr / M_PAGE * M_PAGE);
	return false;
}

/* Refused: on record like any other. */
static void check_refused(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp,
			  const struct m_outcome *want)
{
	struct ioas_fault fault[2];
	size_t nr = ioas_fault_read(rig->iommu, &rig->fault_seq, fault, 2);

	rig_expect(rig, "records", (long long)nr, 1);
	rig_expect(rig, "why it was refused", fault[0].reason, want->reason);
	rig_expect(rig, "the record's address", (long long)fault[0].addr, (long long)tlp->addr);
	rig_expect(rig, "the record's requester ID", fault[0].id, want->id);
	rig_expect(rig, "the record's page table", fault[0].hwpt_id, want->hwpt_id);
}

static void ask(struct rig *rig, unsigned dev, struct ioas_tlp tlp)
{
	unsigned max = 1 + input_below(&rig->in, 3);
	struct ioas_ats_translation got[3];
	uint64_t last = tlp.addr + tlp.len - 1;
	struct m_outcome want;
	int nr, i;

	tlp.at = IOAS_TLP_TRANSLATION_REQUEST;
	want = m_ask(&rig->model, dev, &tlp);
	rig_say(rig,
		"%s asks for %#" PRIx64 "+%#" PRIx64
		" op %u flags %#x PASID %u RID %04x (to be: %s)",
		fuzz_machine.function[dev].addr, tlp.addr, tlp.len, tlp.op, tlp.flags, tlp.pasid,
		tlp.rid, ioas_fault_reason_name(want.reason));
	if (rig->model.held_nr + 3 > M_HELD || last < tlp.addr)
		return;
	fuzz_counts.asked++;
	nr = ioas_ats_translate(rig->device[dev].issuer, &tlp, got, max);
	if (want.reason && want.reason != IOAS_FAULT_INTERRUPT) {
		rig_expect(rig, "a translation request", nr, -EFAULT);
		check_refused(rig, dev, &tlp, &want);
		return;
	}
	for (i = 0; i < (int)max; i++) {
		tlp.len = last - tlp.addr + 1;
		want = m_ask(&rig->model, dev, &tlp);
		if (i && want.reason && want.reason != IOAS_FAULT_INTERRUPT)
			break;
		rig_expect(rig, "there is an answer", i < nr, true);
		if (check_answer(rig, dev, &tlp, &got[i]) ||
		    got[i].first + (got[i].len - 1) >= last) {
			i++;
			break;
		}
		tlp.addr = got[i].first + got[i].len;
	}
	rig_expect(rig, "answers", nr, i);
}

/* By what it holds, or held: now and then beyond its end. */
static bool pick_translated(struct rig *rig, unsigned dev, struct ioas_tlp *tlp)
{
	const struct rig_device *device = &rig->device[dev];
	const struct m_held *held = NULL;
	unsigned from = input_below(&rig->in, M_HELD);

	if (device->old_nr && input_rarely(&rig->in, 4))
		held = &device->old[input_below(&rig->in, device->old_nr < RIG_OLD ? device->old_nr
										   : RIG_OLD)];
	for (unsigned i = 0; !held && i < rig->model.held_nr; i++)
		if (rig->model.held[(from + i) % rig->model.held_nr].dev == dev)
			held = &rig->model.held[(from + i) % rig->model.held_nr];
	if (!held)
		return false;
	tlp->at = IOAS_TLP_TRANSLATED;
	tlp->addr = held->pa + input_below(&rig->in, (uint32_t)(held->len / M_PAGE)) * M_PAGE +
		    tlp->addr % M_PAGE;
	if (input_rarely(&rig->in, 8))
		tlp->addr = held->pa + held->len - input_below(&rig->in, 16);
	return true;
}

/* Mostly. */
static bool usable(struct rig *rig, unsigned dev)
{
	return fuzz_machine.function[dev].ats &&
	       ((rig->model.dev[dev].attach_nr && rig->model.dev[dev].master) ||
		input_rarely(&rig->in, 16));
}

void rig_step_ats(struct rig *rig)
{
	unsigned dev = input_below(&rig->in, rig->model.dev_nr);
	struct ioas_tlp tlp;

	for (unsigned i = 0; i < rig->model.dev_nr && !usable(rig, dev); i++)
		dev = (dev + 1) % rig->model.dev_nr;
	if (!fuzz_machine.function[dev].ats)
		return;
	tlp = rig_pick_tlp(rig, dev);
	tlp.at = IOAS_TLP_UNTRANSLATED;
	if (input_below(&rig->in, 4))
		tlp.flags &= ~(uint32_t)IOAS_TLP_RID;
	if (input_below(&rig->in, 2) && pick_translated(rig, dev, &tlp))
		rig_fire(rig, dev, &tlp);
	else
		ask(rig, dev, tlp);
}
