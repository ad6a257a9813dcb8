/* SPDX-License-Identifier: MIT */
/*
 * Commands of a guest's command queue that drop something (IHI 0070, 4.3 to 4.5), by INVALIDATE. As
 * far as they are right, everything that issuers remember is dropped, which no architecture
 * forbids. For --check-invalidation each counts for what it names and nothing else: TLBI for page
 * tables by ASID and address, CFGI for context descriptors by SubstreamID. Where hardware has a
 * choice the guest is given more: TTL hints, and the descriptors that a CFGI with Leaf would leave,
 * count as dropped. A global page is dropped by its address, with whatever ASID, and by no ASID.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "kind/smmuv3.h"
#include "obj/viommu.h"
#include "tlp/ats.h"
#include "util/alloc.h"
#include "util/why.h"

enum smmuv3_command {
	CFGI_CD = 0x05,
	CFGI_CD_ALL = 0x06,
	TLBI_NH_ALL = 0x10,
	TLBI_NH_ASID = 0x11,
	TLBI_NH_VA = 0x12,
	TLBI_NH_VAA = 0x13,
	TLBI_NSNH_ALL = 0x30,
	ATC_INV = 0x40,
};

/* Is it one of those that a guest may have done? */
static int check_command(struct obj_viommu *viommu, uint64_t word, struct ioas_why *why)
{
	uint32_t stream = (uint32_t)(word >> 32);

	switch ((enum smmuv3_command)(word & 0xff)) {
	case TLBI_NH_ALL:
	case TLBI_NH_ASID:
	case TLBI_NH_VA:
	case TLBI_NH_VAA:
	case TLBI_NSNH_ALL:
		return 0;
	case CFGI_CD:
	case CFGI_CD_ALL:
	case ATC_INV:
		if (obj_vdevice_find_locked(viommu, stream))
			return 0;
		return why_set(why, -EIO, "viommu %u has no device of StreamID 0x%x",
			       viommu->obj.id, stream);
	default:
		return why_set(why, -EIO, "command 0x%02x is none that a guest may have done here",
			       (unsigned)(word & 0xff));
	}
}

#define ATC_GLOBAL (1ull << 9)
#define ATC_SSV	   (1ull << 11)
#define ATC_ALL	   52

/*
 * ATC_INV (4.5.1): what the device has in its own cache, which no other command drops. Without SSV
 * the request has no PASID, and devices drop what they have with one, too.
 */
static void give_back(struct obj_viommu *viommu, const uint64_t cmd[2])
{
	struct obj_vdevice *vdevice =
		(cmd[0] & 0xff) == ATC_INV ? obj_vdevice_find_locked(viommu, cmd[0] >> 32) : NULL;
	struct obj_hwpt *hwpt = vdevice ? vdevice->device->rid.hwpt : NULL;
	unsigned size = (unsigned)(cmd[1] & 0x3f);
	uint64_t mask = size < ATC_ALL ? (0x1000ull << size) - 1 : UINT64_MAX;
	const struct ats_named what = {
		.first = cmd[1] & ~0xfffull & ~mask,
		.last = cmd[1] | 0xfff | mask,
		.one_pasid = (cmd[0] & (ATC_SSV | ATC_GLOBAL)) == ATC_SSV,
		.any_pasid = (cmd[0] & (ATC_SSV | ATC_GLOBAL)) == (ATC_SSV | ATC_GLOBAL),
		.pasid = (pasid_t)(cmd[0] >> 12 & 0xfffff),
	};

	if (hwpt && hwpt->viommu == viommu && vdevice->device->dev)
		ats_take_named(vdevice->device->dev, hwpt->to, &what);
}

static struct smmuv3_stage1 *table_of(struct obj_viommu *viommu, uint32_t stream)
{
	struct obj_vdevice *vdevice = obj_vdevice_find_locked(viommu, stream);
	struct obj_hwpt *hwpt = vdevice ? vdevice->device->rid.hwpt : NULL;

	return hwpt && hwpt->viommu == viommu ? hwpt->kind : NULL;
}

/* 4.3.3, 4.3.4: of one stream. */
static void forget_descriptors(struct obj_viommu *viommu, uint64_t word, bool all)
{
	struct smmuv3_stage1 *own = table_of(viommu, (uint32_t)(word >> 32));
	const struct stale_forget what = {
		.any_space = all,
		.space = (uint32_t)(word >> 12 & 0xfffff),
		.structures = true,
		.no_tables = true,
	};

	if (own)
		check_stale_forget(own->stage1.check, &what);
}

/* 4.4.1.1: as many granules as NUM and SCALE say, if TG names one. */
static uint64_t range_len(const uint64_t cmd[2])
{
	unsigned tg = (unsigned)(cmd[1] >> 10 & 3), scale = (unsigned)(cmd[0] >> 20 & 0x1f);
	uint64_t num = (cmd[0] >> 12 & 0x1f) + 1;

	return tg ? num << scale << (10 + 2 * tg) : 1;
}

/* 4.4.2: of all streams of the share, which has one VMID. */
static void forget_tables(struct obj_viommu *viommu, const uint64_t cmd[2])
{
	enum smmuv3_command command = cmd[0] & 0xff;
	struct smmuv3_share *share = viommu->kind;
	struct stale_forget what = {
		.any_space = command != TLBI_NH_ASID && command != TLBI_NH_VA,
		.space = (uint32_t)(cmd[0] >> 48),
		.last = UINT64_MAX,
		.not_global = command == TLBI_NH_ASID,
		.global = command == TLBI_NH_VA,
	};
	struct smmuv3_stage1 *own;

	if (command == TLBI_NH_VA || command == TLBI_NH_VAA) {
		what.leaves = cmd[1] & 1;
		what.first = smmuv3_plain(cmd[1] & ~0xfffull);
		what.last = what.first + range_len(cmd) - 1;
		if (what.last < what.first)
			what.last = UINT64_MAX;
	}
	LIST_FOREACH(own, &share->tables, in_share)
	check_stale_forget(own->stage1.check, &what);
}

static void forget(struct obj_viommu *viommu, const uint64_t cmd[2])
{
	switch ((enum smmuv3_command)(cmd[0] & 0xff)) {
	case CFGI_CD:
	case CFGI_CD_ALL:
		forget_descriptors(viommu, cmd[0], (cmd[0] & 0xff) == CFGI_CD_ALL);
		return;
	case ATC_INV:
		return;
	default:
		forget_tables(viommu, cmd);
	}
}

/* All are read before the first one is carried out. */
static int read_commands(struct kind_array *array,
			 struct iommu_viommu_arm_smmuv3_invalidate *commands, struct ioas_why *why)
{
	for (uint32_t i = 0; i < array->entry_nr; i++) {
		int rc = array->read(array, i, &commands[i], 0, sizeof(commands[i]));

		if (rc)
			return why_set(why, rc, "command %u cannot be read", i);
	}
	return 0;
}

int smmuv3_commands(struct obj_viommu *viommu, struct kind_array *array, struct ioas_why *why)
{
	struct iommu_viommu_arm_smmuv3_invalidate *commands;
	int rc;

	array->done = 0;
	if (array->type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3)
		return why_set(why, -EINVAL, "commands are of type %d, not %u",
			       IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, array->type);
	if (!array->entry_nr)
		return why_set(why, -EINVAL, "no commands");
	commands = alloc_zero(array->entry_nr, sizeof(*commands));
	if (!commands)
		return why_set(why, -ENOMEM, "no memory for %u commands", array->entry_nr);
	rc = read_commands(array, commands, why);
	while (!rc && array->done < array->entry_nr) {
		rc = check_command(viommu, le64toh(commands[array->done].cmd[0]), why);
		if (!rc)
			array->done++;
	}
	if (array->done)
		obj_viommu_drain_locked(viommu);
	for (uint32_t i = 0; i < array->done; i++) {
		const uint64_t cmd[] = {le64toh(commands[i].cmd[0]), le64toh(commands[i].cmd[1])};

		give_back(viommu, cmd);
		forget(viommu, cmd);
	}
	free(commands);
	return rc;
}
