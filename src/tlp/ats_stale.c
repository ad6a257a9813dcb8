/* SPDX-License-Identifier: MIT */
/*
 * --check-invalidation, of devices: is what a device was handed out still what the program's own
 * page table says?
 *
 * A program that changes its table has to invalidate the IOMMU's caches and then, of a device with
 * ATS, the device's. An IOMMU that forgets is seen by check_stale.c; here the device's own
 * translation, by which a translated request goes, is held against a walk of today.
 */
#include "iommu.h"
#include "pt/pt.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "util/lock.h"

/* One walk; *note receives what was looked up. */
static bool leads_there(struct ioas_iommu *iommu, const struct ats_entry *entry, pa_t pa,
			uint32_t access, struct ioas_fault *note)
{
	const struct pt_target *to = entry->use->table;
	const struct nested_request request = {
		.iova = entry->first + (pa - entry->pa),
		.access = access,
		.has_pasid = entry->use->form != ATS_NO_PASID,
		.pasid = entry->use->form != ATS_NO_PASID ? entry->use->form : 0,
	};
	enum ioas_fault_reason reason;
	struct nested_found found;

	note->stage = 0;
	note->stage1_nr = 0;
	reason = nested_walk(iommu, to->stage1, &request, &found, note);
	/* Memory that is just being moved says nothing now. */
	return reason == TLP_MOVING || (!reason && found.walk.pa == pa);
}

/*
 * By any privilege that it was asked for with. What the device is being asked for is its until it
 * has answered, and the guest has forgotten nothing.
 */
static bool still_good(struct ioas_iommu *iommu, const struct ats_entry *entry, pa_t pa,
		       unsigned op, struct ioas_fault *note)
{
	uint32_t access = op == IOAS_TLP_WRITE ? PT_ACCESS_WRITE : PT_ACCESS_READ;

	if (!entry->use->nested || entry->leaving)
		return true;
	if (entry->plain && leads_there(iommu, entry, pa, access, note))
		return true;
	return entry->priv && leads_there(iommu, entry, pa, access | PT_ACCESS_PRIV, note);
}

/*
 * Which of several it went by, nobody knows: one that is right will do. The first that is not is
 * told, once for each time that it was handed out. (lock)
 */
static bool find_stale(struct ats *ats, pa_t pa, unsigned op, struct ioas_fault *fault)
{
	struct ats_entry *entry = ats_track_at(&ats->track, NULL, pa, op), *stale = NULL;
	struct ioas_fault note = {0};

	lock_must_hold(&ats->lock);
	for (; entry; entry = ats_track_at(&ats->track, entry, pa, op)) {
		struct ioas_fault *to = stale ? &note : fault;

		if (still_good(ats->dev->iommu, entry, pa, op, to))
			return false;
		stale = stale ? stale : entry;
	}
	if (!stale || stale->told)
		return false;
	stale->told = true;
	fault->taken = (struct ioas_range){stale->first, stale->first + stale->len - 1};
	fault->ioas_id = pt_ioas_id(stale->use->home->pt);
	fault->hwpt_id = ((const struct pt_target *)stale->use->table)->hwpt_id;
	return true;
}

void ats_check_stale(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, pa_t pa)
{
	struct ats *ats = issuer->dev->ats;
	struct ioas_fault fault;
	bool found;

	fault_note(&fault, issuer->dev, tlp, IOAS_PASSED_ATS_STALE);
	fault.addr = pa;
	pthread_mutex_lock(&ats->lock);
	found = find_stale(ats, pa, tlp->op, &fault);
	pthread_mutex_unlock(&ats->lock);
	if (found)
		fault_record(issuer, &fault);
}
