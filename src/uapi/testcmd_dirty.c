/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD writes, as a device would, to the pages that a bitmap names: they become dirty. */
#include <errno.h>
#include <stdlib.h>
#include "space/space.h"
#include "uapi/testcmd.h"
#include "util/alloc.h"
#include "util/why.h"

#define PAGES_MAX (128ull << 20) /* bits of a bitmap */
#define BATCH	  4096u		 /* bytes of it at a time */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Marks the pages of some bytes of the bitmap, the first of which is `page`. */
static uint64_t mark(struct obj_hwpt *hwpt, const struct iommu_test_cmd *cmd, const uint8_t *bits,
		     uint64_t page, uint64_t nr)
{
	uint64_t marked = 0;

	for (uint64_t i = 0; i < nr; i++) {
		iova_t iova = cmd->dirty.iova + (page + i) * cmd->dirty.page_size;

		if (bits[i / 8] >> i % 8 & 1 && !space_dirty_set(hwpt->ioas->space, hwpt->pt, iova))
			marked++;
	}
	return marked;
}

static int mark_all(struct uapi_call *call, struct obj_hwpt *hwpt, uint64_t pages)
{
	struct iommu_test_cmd *cmd = call->cmd;
	uint8_t *bits = alloc_raw(BATCH);
	uint64_t marked = 0;
	int rc = 0;

	if (!bits)
		return why_set(call->why, -ENOMEM, "no memory for a bitmap");
	for (uint64_t page = 0; !rc && page < pages; page += BATCH * 8) {
		uint64_t nr = least(pages - page, BATCH * 8);

		rc = uapi_copy_from(call, bits, cmd->dirty.uptr + page / 8, (nr + 7) / 8);
		if (!rc)
			marked += mark(hwpt, cmd, bits, page, nr);
	}
	free(bits);
	cmd->dirty.out_nr = marked;
	return rc ? rc : uapi_respond(call);
}

long testcmd_dirty(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint64_t page = cmd->dirty.page_size, length = cmd->dirty.length;
	struct obj_hwpt *hwpt;
	int rc;

	if (!page || !length || cmd->dirty.iova % page || length % page || !cmd->dirty.uptr)
		return why_set(call->why, -EINVAL,
			       "a range of whole pages and a bitmap are needed");
	if (length / page > PAGES_MAX)
		return why_set(call->why, -EOVERFLOW, "these are more than %llu pages", PAGES_MAX);
	rc = testcmd_hwpt_get(call, &hwpt);
	if (rc)
		return rc;
	if (pt_dirty_tracked(hwpt->pt))
		rc = mark_all(call, hwpt, length / page);
	else
		rc = why_set(call->why, -EINVAL, "page table %u tracks no dirty pages now",
			     cmd->id);
	obj_put(&hwpt->obj);
	return rc;
}
