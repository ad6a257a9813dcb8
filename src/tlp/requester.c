/* SPDX-License-Identifier: MIT */
/*
 * Whose transaction is this, in the order of a real path: the function's bus master enable, the
 * address type, the interrupt window, the ports above, which check a claimed requester ID; then, in
 * the IOMMU, the form that was declared for the requester ID, and its route.
 */
#include "iommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "tlp/tlp.h"

/*
 * The set that a request belongs to by the requester ID on the wire. A port that validates sources
 * lets out the bus numbers below it, so that neighbours on a bus can claim each other's; behind a
 * bridge that puts its own ID on the wire nothing can be claimed.
 */
static enum ioas_fault_reason find_set(struct ioas_device *dev, const struct ioas_tlp *tlp,
				       struct tlp_route *out)
{
	const struct route_source *source;
	uint32_t id = route_pci_id(dev->segment, tlp->rid);

	out->set = dev->set;
	if (__builtin_expect(!(tlp->flags & IOAS_TLP_RID), 1) || dev->bus != ROUTE_PCI ||
	    id == dev->id)
		return IOAS_FAULT_NONE;
	source = atomic_load_explicit(&dev->source, memory_order_acquire);
	if (source && source->rewritten)
		return IOAS_FAULT_NONE;
	out->id = id;
	if (source && (tlp->rid >> 8 < source->first || tlp->rid >> 8 > source->last))
		return IOAS_FAULT_SOURCE;
	out->set = route_find(dev->iommu, ROUTE_PCI, id);
	out->claimed = out->set != dev->set;
	return out->set ? IOAS_FAULT_NONE : IOAS_FAULT_UNKNOWN_RID;
}

/* Was this form declared? A PASID of a claimed requester ID is measured by its owner's route. */
static enum ioas_fault_reason check_form(struct ioas_device *dev, const struct ioas_tlp *tlp,
					 const struct tlp_route *route)
{
	uint32_t with_pasid = IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE;
	uint32_t forms = atomic_load_explicit(route->claimed ? &route->set->forms : &dev->forms,
					      memory_order_acquire);

	if (!(forms & ROUTE_BOUND))
		return IOAS_FAULT_NOT_BOUND;
	if (!(tlp->flags & IOAS_TLP_PASID))
		return forms & IOAS_FORM_RID ? IOAS_FAULT_NONE : IOAS_FAULT_UNDECLARED;
	if (!(forms & with_pasid))
		return IOAS_FAULT_UNDECLARED;
	if (tlp->pasid >> (route->claimed
				   ? IOAS_PASID_BITS
				   : atomic_load_explicit(&dev->pasid_lg2, memory_order_relaxed)))
		return IOAS_FAULT_PASID_WIDTH;
	return IOAS_FAULT_NONE;
}

/*
 * Where requests of a PASID, or without one, go. A stage 1 with a table of PASIDs of its own has
 * all of them by one attach: that of requests without one.
 */
static const struct pt_target *find_target(struct route_set *set, const pasid_t *pasid)
{
	const struct route_entry *entry = route_entry_find(set, pasid);
	const struct pt_target *to =
		entry ? atomic_load_explicit(&entry->to, memory_order_acquire) : NULL;

	if (__builtin_expect(to || !pasid, 1))
		return to;
	to = atomic_load_explicit(&set->untagged.to, memory_order_acquire);
	return to && to->stage1 && to->stage1->pasids ? to : NULL;
}

enum ioas_fault_reason tlp_find_route(struct ioas_device *dev, const struct ioas_tlp *tlp,
				      struct tlp_route *out)
{
	const struct pt_target *to;
	enum ioas_fault_reason reason;
	bool tagged = tlp->flags & IOAS_TLP_PASID;

	*out = (struct tlp_route){.id = dev->id, .tlp = tlp};
	if (!atomic_load_explicit(&dev->dma_on, memory_order_acquire))
		return IOAS_FAULT_BUS_MASTER;
	reason = find_set(dev, tlp, out);
	if (!reason)
		reason = check_form(dev, tlp, out);
	if (reason)
		return reason;
	if (__builtin_expect(tlp->at != IOAS_TLP_UNTRANSLATED, 0)) {
		reason = ats_check(dev, tlp, out);
		if (reason || tlp->at == IOAS_TLP_TRANSLATED)
			return reason;
	}
	if (__builtin_expect(tlp_meets_interrupts(dev->msi, tlp->addr, tlp->len), 0))
		return IOAS_FAULT_INTERRUPT;
	if (tagged && !tlp->pasid && dev->pasid_0_same)
		tagged = false;
	to = find_target(out->set, tagged ? &tlp->pasid : NULL);
	if (!to)
		return IOAS_FAULT_NO_ROUTE;
	if (__builtin_expect(tlp->at != IOAS_TLP_UNTRANSLATED, 0) && to->stage1 &&
	    to->stage1->no_ats)
		return IOAS_FAULT_TRANSLATED;
	out->pt = to->pt;
	out->stage1 = to->stage1;
	return IOAS_FAULT_NONE;
}

enum ioas_fault_reason tlp_route(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
				 struct tlp_route *out)
{
	uint64_t form = iotlb_form(tlp);
	struct iotlb *tlb = &issuer->tlb;
	enum ioas_fault_reason reason;

	if (__builtin_expect(form && tlb->route.form == form &&
				     tlb->route.generation == tlb->generation &&
				     !tlp_meets_interrupts(issuer->dev->msi, tlp->addr, tlp->len),
			     1)) {
		*out = (struct tlp_route){
			.pt = tlb->route.pt,
			.stage1 = tlb->route.stage1,
			.tlp = tlp,
			.form = form,
			.set = issuer->dev->set,
			.id = issuer->dev->id,
		};
		return IOAS_FAULT_NONE;
	}
	reason = tlp_find_route(issuer->dev, tlp, out);
	/* It asks where its address leads (ats.c), and moves nothing. */
	if (!reason && tlp->at == IOAS_TLP_TRANSLATION_REQUEST)
		reason = IOAS_FAULT_TRANSLATED;
	if (reason || !form)
		return reason;
	out->form = form;
	tlb->route.generation = tlb->generation;
	tlb->route.form = form;
	tlb->route.pt = out->pt;
	tlb->route.stage1 = out->stage1;
	return IOAS_FAULT_NONE;
}
