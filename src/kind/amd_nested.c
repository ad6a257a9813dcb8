/* SPDX-License-Identifier: MIT */
/*
 * Guest translation (48882: 2.2.2.1, 2.2.6, 2.2.7): a program gives a guest's device table entry,
 * whose GCR3 table has the root of a guest page table for each PASID. All of that lies in guest
 * memory: one attach routes all PASIDs of a device, and which there are is the guest's to change.
 *
 * Of the entry only what belongs to guest translation counts, as in Linux: what the host's own
 * entry says of everything else is the host's. Accessed and dirty bits are always set here.
 */
#include <errno.h>
#include <inttypes.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi_ext.h>
#include "iommu.h"
#include "kind/amd.h"
#include "obj/obj.h"
#include "route/route.h"
#include "tlp/nested.h"
#include "util/alloc.h"
#include "util/why.h"

#define LEVEL_LG2   9 /* PASID bits of a level of the GCR3 table */
#define GLX_MAX	    2 /* three levels */
#define FOUR_LEVELS 48
#define FIVE_LEVELS 57
#define ADDR_MASK   0x000ffffffffff000ull

/* 2.2.2.1, by words of 64 bits. */
#define DTE0_V	    1ull
#define DTE0_MODE   (7ull << 9)
#define DTE0_TRP    ADDR_MASK
#define DTE0_GIOV   (1ull << 54)
#define DTE0_GV	    (1ull << 55)
#define DTE2_LEVELS 54 /* guest paging mode */

/* 2.2.6.3: an entry of the GCR3 table. */
#define GCR3_V	      1ull
#define GCR3_RESERVED 0xfff0000000000000ull

struct guest_entry {
	struct stage1 stage1;
	struct pt_foreign table; /* constant, but for its root and what the walk sets */
	pa_t gcr3;		 /* constant: where the GCR3 table is */
	unsigned levels;	 /* constant: of that; 0: there is no guest translation */
	bool giov;		 /* constant: requests without a PASID are as with PASID 0 */
};

static uint64_t field(uint64_t word, unsigned high, unsigned low)
{
	return word >> low & UINT64_MAX >> (63 - (high - low));
}

/* The entry of the GCR3 table for a PASID, level by level. */
static enum ioas_fault_reason find_gcr3(const struct guest_entry *guest, struct nested *nested,
					pasid_t pasid, pa_t *root)
{
	pa_t table = guest->gcr3;

	if ((uint64_t)pasid >> (LEVEL_LG2 * guest->levels))
		return IOAS_FAULT_NO_PASID;
	for (unsigned level = guest->levels; level--;) {
		uint64_t index = pasid >> (LEVEL_LG2 * level) & ((1u << LEVEL_LG2) - 1), entry;
		enum ioas_fault_reason reason = nested_read(nested, table + index * 8, &entry);

		if (reason)
			return reason;
		nested_seen(nested, table + index * 8, entry, entry & GCR3_V);
		if (!(entry & GCR3_V))
			return IOAS_FAULT_NO_PASID;
		if (entry & GCR3_RESERVED)
			return IOAS_FAULT_BAD_STRUCTURE;
		table = entry & ADDR_MASK;
	}
	*root = table;
	return IOAS_FAULT_NONE;
}

static enum ioas_fault_reason find(const struct stage1 *stage1, struct nested *nested,
				   const struct nested_request *request, struct nested_table *out)
{
	const struct guest_entry *guest = (const struct guest_entry *)stage1;

	out->bypass = !guest->levels || (!request->has_pasid && !guest->giov);
	if (out->bypass)
		return IOAS_FAULT_NONE;
	out->table = guest->table;
	out->space = out->structures = request->has_pasid ? request->pasid : 0;
	return find_gcr3(guest, nested, out->space, &out->table.root);
}

static const struct stage1_ops ops = {.find = find};

static pa_t gcr3_of(const uint64_t *dte)
{
	return field(dte[0], 60, 58) << 12 | field(dte[1], 31, 16) << 15 |
	       field(dte[1], 63, 43) << 31;
}

static bool translates(const uint64_t *dte)
{
	return dte[0] & DTE0_V && dte[0] & DTE0_GV;
}

/* As EFR.GLXSup tells: one less than the levels. */
static unsigned gcr3_levels_max(const struct kind_unit *unit)
{
	return unit->spec.pasid_lg2 ? (unit->spec.pasid_lg2 - 1u) / LEVEL_LG2 : 0;
}

/* Linux's checks, in its order, and what the registers promise. */
static int check(const struct kind_unit *unit, const uint64_t *dte, struct ioas_why *why)
{
	uint64_t mode = field(dte[2], DTE2_LEVELS + 1, DTE2_LEVELS);

	if (dte[0] & (DTE0_MODE | DTE0_TRP))
		return why_set(why, -EINVAL,
			       "a guest's device table entry has no host page table (0x%" PRIx64
			       ")",
			       (uint64_t)(dte[0] & (DTE0_MODE | DTE0_TRP)));
	if (translates(dte) && !gcr3_of(dte))
		return why_set(why, -EINVAL, "guest translation (GV) without a GCR3 table");
	if (mode > 1)
		return why_set(why, -EINVAL, "guest page tables of mode %" PRIu64 " are reserved",
			       mode);
	if (field(dte[0], 57, 56) > GLX_MAX)
		return why_set(why, -EINVAL, "a GCR3 table has at most three levels");
	if (translates(dte) && field(dte[0], 57, 56) > gcr3_levels_max(unit))
		return why_set(why, -EOPNOTSUPP, "%s has GCR3 tables of %u levels at most (GLXSup)",
			       unit->name, gcr3_levels_max(unit) + 1);
	if (mode && unit->table.aw <= FOUR_LEVELS)
		return why_set(why, -EOPNOTSUPP,
			       "%s has guest page tables of four levels only (GATS)", unit->name);
	return 0;
}

int amd_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
	       const struct kind_data *data, struct ioas_why *why)
{
	struct iommu_hwpt_amd_guest config;
	struct guest_entry *guest;
	bool five;
	int rc;

	if (flags)
		return why_set(why, -EOPNOTSUPP,
			       "a page table with a table of PASIDs of its own takes no flags 0x%x",
			       flags);
	if (data->type != IOMMU_HWPT_DATA_AMD_GUEST)
		return why_set(why, -EOPNOTSUPP,
			       "an %s nests page tables described by data of type %d, not %u",
			       dev->ops->name, IOMMU_HWPT_DATA_AMD_GUEST, data->type);
	rc = data->read(data, &config, sizeof(config), sizeof(config));
	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	rc = check(((struct kind_own *)dev)->dev->unit, config.dte, why);
	if (rc)
		return rc;
	guest = alloc_zero(1, sizeof(*guest));
	if (!guest)
		return why_set(why, -ENOMEM, "no memory for a page table");
	stage1_init(&guest->stage1, &ops, hwpt->parent->pt, hwpt->obj.id);
	five = field(config.dte[2], DTE2_LEVELS + 1, DTE2_LEVELS);
	guest->stage1.pasids = true;
	guest->table = (struct pt_foreign){
		.format = five ? PT_X86_64_5L : PT_X86_64,
		.aw = five ? FIVE_LEVELS : FOUR_LEVELS,
		.update = true,
	};
	guest->gcr3 = gcr3_of(config.dte);
	guest->levels = translates(config.dte) ? (unsigned)field(config.dte[0], 57, 56) + 1 : 0;
	guest->giov = config.dte[0] & DTE0_GIOV;
	hwpt->kind = guest;
	hwpt->to = &guest->stage1.to;
	return 0;
}

void amd_nested_free(struct obj_hwpt *hwpt)
{
	free(hwpt->kind);
}

/* The guest has the PASIDs: none is attached by itself. */
int amd_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
	       struct obj_hwpt *old, struct ioas_why *why)
{
	if (pasid && hwpt->parent)
		return why_set(
			why, -EINVAL,
			"page table %u has a table of PASIDs: it is attached for all of them, "
			"without one",
			hwpt->obj.id);
	return kind_unit_suits(dev, hwpt, why);
}

/* 2.4: which bits of a command may be set, beside the opcode in bits 63:60. */
static int check_command(const struct ioas_amd_command *command, struct ioas_why *why)
{
	static const struct {
		uint64_t word[2];
	} known[16] = {
		[IOAS_AMD_INVALIDATE_DEVTAB_ENTRY] = {{0xffff, 0}},
		[IOAS_AMD_INVALIDATE_IOMMU_PAGES] = {{0xffff000fffff, 0xfffffffffffff007}},
		[IOAS_AMD_INVALIDATE_IOMMU_ALL] = {{0, 0}},
	};
	unsigned opcode = (unsigned)(command->word[0] >> 60);
	uint64_t rest = command->word[0] & ~(15ull << 60);

	if (opcode != IOAS_AMD_INVALIDATE_DEVTAB_ENTRY &&
	    opcode != IOAS_AMD_INVALIDATE_IOMMU_PAGES && opcode != IOAS_AMD_INVALIDATE_IOMMU_ALL)
		return why_set(why, -EOPNOTSUPP, "command %u invalidates no guest translation",
			       opcode);
	if (rest & ~known[opcode].word[0] || command->word[1] & ~known[opcode].word[1])
		return why_set(why, -EINVAL, "command %u has reserved bits set", opcode);
	return 0;
}

/*
 * What a command is about. Pages: S says that the lowest address bit that is clear, from bit 12 up,
 * is the size's; all ones are everything, the PASID's entry too; without PDE only leaves. Without
 * GN it is of the host's table.
 */
static void forget(const struct guest_entry *guest, const struct ioas_amd_command *command)
{
	struct stale_forget what = {.last = UINT64_MAX, .any_space = true, .structures = true};
	uint64_t addr = command->word[1] & ~0xfffull, len = 0x1000;

	if (command->word[0] >> 60 == IOAS_AMD_INVALIDATE_IOMMU_PAGES) {
		if (!(command->word[1] & 4))
			return;
		if (command->word[1] & 1)
			while (len && addr & len)
				len <<= 1;
		if (command->word[1] & 1 && len)
			len <<= 1;
		what.any_space = false;
		what.space = command->word[0] & 0xfffff;
		what.leaves = !(command->word[1] & 2);
		what.structures = !what.leaves && (!len || len > 1ull << 62);
		if (len && len <= 1ull << 62) {
			what.first = addr & ~(len - 1);
			what.last = what.first + len - 1;
		}
	}
	check_stale_forget(guest->stage1.check, &what);
}

int amd_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why)
{
	struct ioas_amd_command command;
	int rc = 0;

	array->done = 0;
	if (array->type != IOAS_HWPT_INVALIDATE_DATA_AMD)
		return why_set(why, -EINVAL, "requests are of type 0x%x here, not 0x%x",
			       IOAS_HWPT_INVALIDATE_DATA_AMD, array->type);
	for (; array->done < array->entry_nr; array->done++) {
		rc = array->read(array, array->done, &command, sizeof(command), sizeof(command));
		if (rc)
			why_set(why, rc, "request %u cannot be read", array->done);
		else
			rc = check_command(&command, why);
		if (rc)
			break;
		forget(hwpt->kind, &command);
	}
	return rc;
}
