/* SPDX-License-Identifier: MIT */
/*
 * A guest's share of an SMMUv3. Its page tables are made with the words of a stream table entry
 * (IHI 0070 5.2), of which a guest says only what is stage 1's; the rest is the host's. Its devices
 * are those behind the one SMMUv3 that the share is of, by the StreamIDs the guest knows them by.
 * Its commands: smmuv3_command.c.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "kind/smmuv3.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "util/alloc.h"
#include "util/why.h"

#define STE0_ALLOWED (STE_V | STE_CONFIG | STE_S1FMT | STE_CONTEXT | STE_CDMAX)
#define STE1_ALLOWED (STE_S1DSS | STE_S1CIR | STE_S1COR | STE_S1CSH | STE_S1STALLD | STE_EATS)
#define EATS_SHIFT   28
#define EATS_FULL    1u /* 0: requests for translations are refused */

static const struct kind_unit *unit_of(const struct kind_device *dev)
{
	return ((const struct kind_own *)dev)->dev->unit;
}

static int init(struct obj_viommu *viommu, struct kind_device *dev, const struct kind_data *data,
		struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);
	enum pt_format format = pt_format(viommu->parent->pt);
	struct smmuv3_share *share;

	if (format != unit->nest_table.format)
		return why_set(why, -EINVAL, "page table %u has format %s, %s nests on %s",
			       viommu->parent->obj.id, pt_format_name(format), unit->name,
			       pt_format_name(unit->nest_table.format));
	share = alloc_zero(1, sizeof(*share));
	if (!share)
		return why_set(why, -ENOMEM, "no memory for a viommu");
	share->unit = unit;
	LIST_INIT(&share->tables);
	viommu->kind = share;
	return 0;
}

static void fini(struct obj_viommu *viommu)
{
	free(viommu->kind);
}

static int vdevice(struct obj_viommu *viommu, struct kind_device *dev, struct ioas_why *why)
{
	const struct smmuv3_share *share = viommu->kind;

	if (unit_of(dev) == share->unit)
		return 0;
	return why_set(why, -EINVAL, "the device is behind %s, viommu %u is a share of %s",
		       unit_of(dev)->name, viommu->obj.id, share->unit->name);
}

/* Of an entry that is not valid nothing counts. */
static int check_ste(uint64_t ste[2], struct ioas_why *why)
{
	uint64_t config = (ste[0] & STE_CONFIG) >> 1, eats = (ste[1] & STE_EATS) >> EATS_SHIFT;

	if (!(ste[0] & STE_V)) {
		ste[0] = ste[1] = 0;
		return 0;
	}
	if (ste[0] & ~STE0_ALLOWED || ste[1] & ~STE1_ALLOWED)
		return why_set(why, -EIO,
			       "a guest's stream table entry has bits that are the host's: "
			       "0x%016llx 0x%016llx",
			       ste[0] & ~STE0_ALLOWED, ste[1] & ~STE1_ALLOWED);
	if (config != SMMUV3_ABORT && config != SMMUV3_BYPASS && config != SMMUV3_STAGE1)
		return why_set(why, -EIO,
			       "Config is 0 (no traffic), 4 (bypass) or 5 (stage 1), not %" PRIu64,
			       config);
	if (eats > EATS_FULL)
		return why_set(why, -EIO, "EATS is 0 or 1, not %" PRIu64, eats);
	return 0;
}

static int read_ste(const struct kind_data *data, uint64_t ste[2], struct ioas_why *why)
{
	struct iommu_hwpt_arm_smmuv3 words;
	int rc;

	if (data->type != IOMMU_HWPT_DATA_ARM_SMMUV3)
		return why_set(why, -EINVAL,
			       "an SMMUv3 nests page tables described by data of type %d, not %u",
			       IOMMU_HWPT_DATA_ARM_SMMUV3, data->type);
	rc = data->read(data, &words, sizeof(words), sizeof(words));
	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	ste[0] = le64toh(words.ste[0]);
	ste[1] = le64toh(words.ste[1]);
	return check_ste(ste, why);
}

static int nested(struct obj_viommu *viommu, struct obj_hwpt *hwpt, uint32_t flags,
		  const struct kind_data *data, struct ioas_why *why)
{
	struct smmuv3_share *share = viommu->kind;
	struct smmuv3_stage1 *own;
	uint64_t ste[2] = {0};
	int rc;

	if (flags)
		return why_set(why, -EOPNOTSUPP,
			       "flags 0x%x are not for a nested page table of an SMMUv3: it has "
			       "all PASIDs as it is",
			       flags);
	rc = read_ste(data, ste, why);
	if (rc)
		return rc;
	own = alloc_zero(1, sizeof(*own));
	if (!own)
		return why_set(why, -ENOMEM, "no memory for a page table");
	stage1_init(&own->stage1, &smmuv3_stage1_ops, viommu->parent->pt, hwpt->obj.id);
	own->stage1.pasids = true;
	/* Only the guest knows whether it has switched ATS on, and by EATS it says so. */
	own->stage1.no_ats = (ste[0] & STE_CONFIG) >> 1 != SMMUV3_STAGE1 ||
			     (ste[1] & STE_EATS) >> EATS_SHIFT != EATS_FULL;
	own->facts = smmuv3_facts(share->unit);
	own->unit = share->unit;
	own->ste[0] = ste[0];
	own->ste[1] = ste[1];
	own->events = obj_events_get(viommu->events);
	LIST_INSERT_HEAD(&share->tables, own, in_share);
	hwpt->kind = own;
	hwpt->to = &own->stage1.to;
	/* Nothing of the guest's is asked: so it need not know the device. */
	hwpt->any_device = smmuv3_config(own) != SMMUV3_STAGE1;
	return 0;
}

void smmuv3_nested_free(struct obj_hwpt *hwpt)
{
	struct smmuv3_stage1 *own = hwpt->kind;

	LIST_REMOVE(own, in_share);
	obj_events_put(own->events);
	free(own);
}

int smmuv3_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		  struct obj_hwpt *old, struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);
	const struct smmuv3_stage1 *own = hwpt->kind;

	if (hwpt->parent && own->unit != unit)
		return why_set(why, -EINVAL, "page table %u is nested for %s, the device's is %s",
			       hwpt->obj.id, own->unit->name, unit->name);
	return kind_unit_suits(dev, hwpt, why);
}

static const struct kind_viommu_ops ops = {
	.init = init,
	.fini = fini,
	.vdevice = vdevice,
	.nested = nested,
	.invalidate = smmuv3_commands,
};

const struct kind_viommu_ops *smmuv3_viommu(struct kind_device *dev, uint32_t type)
{
	return type == IOMMU_VIOMMU_TYPE_ARM_SMMUV3 && unit_of(dev)->spec.nested ? &ops : NULL;
}
