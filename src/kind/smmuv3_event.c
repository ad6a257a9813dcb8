/* SPDX-License-Identifier: MIT */
/*
 * The events of a guest's stage 1 (IHI 0070 7.3), made from the record of a fault.
 *
 * A guest learns what a stage 1 of its own could have told it: not what the host's stage 2 refused,
 * and nothing where its stream table entry says no traffic (5.2: no event). Translation-related
 * faults are told if the context descriptor says so (R, 5.5), whose word the record has.
 */
#include <endian.h>
#include <ioas/uapi/iommufd.h>
#include "kind/smmuv3.h"
#include "obj/viommu.h"

enum event {
	C_BAD_STE = 0x04,
	F_STREAM_DISABLED = 0x06,
	C_BAD_SUBSTREAMID = 0x08,
	C_BAD_CD = 0x0a,
	F_TRANSLATION = 0x10,
	F_ADDR_SIZE = 0x11,
	F_ACCESS = 0x12,
	F_PERMISSION = 0x13,
};

#define EVENT_SSV	 (1ull << 11) /* word 0 */
#define EVENT_SSID_SHIFT 12
#define EVENT_SID_SHIFT	 32
#define EVENT_PNU	 (1ull << 33) /* word 1 */
#define EVENT_IND	 (1ull << 34)
#define EVENT_RNW	 (1ull << 35)
#define EVENT_CLASS_IN	 (2ull << 40)

#define CD_R (1ull << 45)

/*
 * The first word of the context descriptor that was read: the third last of what leads to the page
 * table. false: none was.
 */
static bool descriptor(const struct ioas_fault *fault, uint64_t *word)
{
	uint32_t nr = 0;

	while (nr < fault->stage1_nr && nr < IOAS_FAULT_STAGE1 &&
	       fault->stage1[nr].kind == IOAS_FAULT_ENTRY_STRUCTURE)
		nr++;
	if (nr < 3)
		return false;
	*word = fault->stage1[nr - 3].entry;
	return true;
}

/* 0: none, as for each translation request (7.3.6). */
static enum event event_of(const struct smmuv3_stage1 *own, const struct ioas_fault *fault)
{
	uint64_t word;
	bool has_cd = descriptor(fault, &word);

	if (fault->tlp.at == IOAS_TLP_TRANSLATION_REQUEST)
		return 0;
	switch (fault->reason) {
	case IOAS_FAULT_BAD_STRUCTURE:
		return has_cd ? C_BAD_CD : C_BAD_STE;
	case IOAS_FAULT_NO_PASID:
		return C_BAD_SUBSTREAMID;
	case IOAS_FAULT_DISABLED:
		return smmuv3_config(own) == SMMUV3_STAGE1 ? F_STREAM_DISABLED : 0;
	default:
		break;
	}
	if (has_cd && !(word & CD_R))
		return 0;
	switch (fault->reason) {
	case IOAS_FAULT_WIDTH:
	case IOAS_FAULT_NOT_MAPPED:
	case IOAS_FAULT_RESERVED:
		return F_TRANSLATION;
	case IOAS_FAULT_OUTPUT:
		return F_ADDR_SIZE;
	case IOAS_FAULT_ACCESSED:
		return F_ACCESS;
	case IOAS_FAULT_NO_READ:
	case IOAS_FAULT_NO_WRITE:
	case IOAS_FAULT_NO_EXEC:
	case IOAS_FAULT_PRIVILEGE:
		return F_PERMISSION;
	default:
		return 0;
	}
}

bool smmuv3_event_record(const struct smmuv3_stage1 *own, const struct ioas_fault *fault,
			 uint32_t stream, uint64_t record[4])
{
	const struct ioas_tlp *tlp = &fault->tlp;
	enum event event = fault->stage == 1 ? event_of(own, fault) : 0;
	bool read = tlp->op == IOAS_TLP_READ;

	if (!event)
		return false;
	record[0] = (uint64_t)event | (uint64_t)stream << EVENT_SID_SHIFT;
	record[1] = record[2] = record[3] = 0;
	/* C_BAD_SUBSTREAMID has no SSV: its SubstreamID always counts. F_STREAM_DISABLED has none.
	 */
	if (tlp->flags & IOAS_TLP_PASID && event != F_STREAM_DISABLED)
		record[0] |= (uint64_t)tlp->pasid << EVENT_SSID_SHIFT |
			     (event == C_BAD_SUBSTREAMID ? 0 : EVENT_SSV);
	if (event < F_TRANSLATION)
		return true;
	record[1] = (read ? EVENT_RNW : 0) | EVENT_CLASS_IN |
		    (read && tlp->flags & IOAS_TLP_EXEC ? EVENT_IND : 0) |
		    (tlp->flags & IOAS_TLP_PRIV ? EVENT_PNU : 0);
	record[2] = fault->addr;
	return true;
}

uint16_t smmuv3_code(const struct stage1 *stage1, const struct ioas_fault *fault)
{
	return (uint16_t)event_of((const struct smmuv3_stage1 *)stage1, fault);
}

static void deliver(struct stage1_event *event)
{
	struct iommu_vevent_arm_smmuv3 record;

	for (unsigned i = 0; i < 4; i++)
		record.evt[i] = htole64(event->data[i]);
	obj_events_report(event->to, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, &record, sizeof(record));
	obj_events_put(event->to);
}

void smmuv3_event(const struct stage1 *stage1, const struct ioas_fault *fault, uint64_t guest_id,
		  struct stage1_event *out)
{
	const struct smmuv3_stage1 *own = (const struct smmuv3_stage1 *)stage1;

	if (!own->events || !smmuv3_event_record(own, fault, (uint32_t)guest_id, out->data))
		return;
	out->to = obj_events_get(own->events);
	out->deliver = deliver;
}
