/* SPDX-License-Identifier: MIT */
/* The mock IOMMU's page tables on page tables: nothing is translated, an IOTLB of words is kept. */
#include <errno.h>
#include "iommu.h"
#include "kind/mock.h"
#include "obj/obj.h"
#include "util/alloc.h"
#include "util/why.h"

struct iotlb {
	uint32_t word[TESTCMD_IOTLB_NR]; /* (ctx->lock) */
};

int mock_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
		const struct kind_data *data, struct ioas_why *why)
{
	bool old = hwpt->obj.ctx->iommu->config.abi_6_12;
	struct testcmd_hwpt cfg;
	struct iotlb *iotlb;
	int rc;

	if (flags & ~(old ? 0u : IOMMU_HWPT_ALLOC_PASID))
		return why_set(why, -EOPNOTSUPP, "flags 0x%x are not for a nested page table",
			       flags);
	if (!data || data->type != TESTCMD_TYPE_HWPT)
		return why_set(why, -EOPNOTSUPP, "a nested page table's data is of type 0x%x",
			       TESTCMD_TYPE_HWPT);
	rc = data->read(data, &cfg, sizeof(cfg.iotlb), old ? sizeof(cfg.iotlb) : sizeof(cfg));
	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	iotlb = alloc_zero(1, sizeof(*iotlb));
	if (!iotlb)
		return why_set(why, -ENOMEM, "no memory for an IOTLB");
	for (unsigned i = 0; i < TESTCMD_IOTLB_NR; i++)
		iotlb->word[i] = cfg.iotlb;
	hwpt->kind = iotlb;
	return 0;
}

void mock_nested_free(struct obj_hwpt *hwpt)
{
	free(hwpt->kind);
}

static int invalidate_one(struct iotlb *iotlb, const struct testcmd_hwpt_invalidate *entry,
			  struct ioas_why *why)
{
	if (entry->flags & ~TESTCMD_INVALIDATE_ALL)
		return why_set(why, -EOPNOTSUPP, "unknown flags 0x%x", entry->flags);
	if (entry->index >= TESTCMD_IOTLB_NR)
		return why_set(why, -EINVAL, "the IOTLB has no word %u", entry->index);
	if (entry->flags & TESTCMD_INVALIDATE_ALL)
		*iotlb = (struct iotlb){0};
	else
		iotlb->word[entry->index] = 0;
	return 0;
}

int mock_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why)
{
	struct testcmd_hwpt_invalidate entry;
	int rc;

	array->done = 0;
	if (array->type != TESTCMD_TYPE_INVALIDATE)
		return why_set(why, -EINVAL, "requests are of type 0x%x, not 0x%x",
			       TESTCMD_TYPE_INVALIDATE, array->type);
	if (array->entry_nr && array->entry_len != sizeof(entry))
		return why_set(why, -EINVAL, "a request is of %zu bytes, not %u", sizeof(entry),
			       array->entry_len);
	for (; array->done < array->entry_nr; array->done++) {
		rc = array->read(array, array->done, &entry, sizeof(entry), sizeof(entry));
		if (rc)
			return why_set(why, rc, "request %u cannot be read", array->done);
		rc = invalidate_one(hwpt->kind, &entry, why);
		if (rc)
			return rc;
	}
	return 0;
}

int kind_mock_check_iotlb(const struct obj_hwpt *hwpt, uint32_t index, uint32_t value,
			  struct ioas_why *why)
{
	const struct iotlb *iotlb = hwpt->kind;

	if (index >= TESTCMD_IOTLB_NR)
		return why_set(why, -EINVAL, "the IOTLB has no word %u", index);
	if (iotlb->word[index] != value)
		return why_set(why, -EINVAL, "the IOTLB's word %u is 0x%x, not 0x%x", index,
			       iotlb->word[index], value);
	return 0;
}
