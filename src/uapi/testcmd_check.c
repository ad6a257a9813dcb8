/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD looks at memory: where a page table leads, and how often pages are pinned. */
#include <errno.h>
#include <inttypes.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "tlp/tlp.h"
#include "uapi/testcmd.h"
#include "util/why.h"

#define PAGE 4096ull

int testcmd_host(struct uapi_call *call, uint64_t va, uint8_t **out)
{
	struct ioas_caller *caller = call->caller;
	uint64_t page = va & ~(PAGE - 1);
	void *host;
	int rc = caller->ops->pin(caller, page, PAGE, false, &host);

	if (rc)
		return why_set(call->why, rc, "no memory at %#" PRIx64, va);
	*out = (uint8_t *)host + (va - page);
	caller->ops->unpin(caller, page, PAGE, host);
	return 0;
}

static int check_page(struct uapi_call *call, struct pt *pt, iova_t iova, uint64_t va)
{
	uint8_t *want;
	void *host;
	int rc = testcmd_host(call, va, &want);

	if (rc)
		return rc;
	if (tlp_host_at(call->file->iommu, pt, iova, &host))
		return why_set(call->why, -EINVAL, "nothing is mapped at %#" PRIx64, iova);
	if ((uintptr_t)host % PAGE != va % PAGE || !mem_same_page(host, want))
		return why_set(call->why, -EINVAL,
			       "%#" PRIx64 " leads to other memory than %#" PRIx64, iova, va);
	return 0;
}

static int check_hwpt(struct uapi_call *call, struct obj_hwpt *hwpt)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint64_t iova = cmd->check_map.iova, length = cmd->check_map.length;
	uint64_t va = cmd->check_map.uptr;
	uint64_t step = 1ull << pt_page_lg2(hwpt->pt);
	int rc = 0;

	if ((iova | length | va) & (step - 1) || va + length < va)
		return why_set(call->why, -EINVAL,
			       "addresses and length are no multiples of %" PRIu64, step);
	for (uint64_t at = 0; !rc && at < length; at += step)
		rc = check_page(call, hwpt->pt, iova + at, va + at);
	return rc;
}

int testcmd_hwpt_get(struct uapi_call *call, struct obj_hwpt **out)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj *obj = obj_get(call->file->priv, cmd->id, OBJ_HWPT);

	if (!obj)
		return why_set(call->why, -ENOENT, "no page table on an IOAS has id %u", cmd->id);
	*out = (struct obj_hwpt *)obj;
	if (kind_is_mock((*out)->ops))
		return 0;
	obj_put(obj);
	return why_set(call->why, -EINVAL, "page table %u is not the mock's", cmd->id);
}

/* Kept busy, not locked: the caller's memory is looked at, which may take long. */
long testcmd_check_map(struct uapi_call *call)
{
	struct obj_hwpt *hwpt;
	int rc = testcmd_hwpt_get(call, &hwpt);

	if (rc)
		return rc;
	rc = check_hwpt(call, hwpt);
	obj_put(&hwpt->obj);
	return rc;
}

static int check_pins(struct uapi_call *call, const struct mem_shared *shared, uint64_t va)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint8_t *host;
	unsigned nr;
	int rc = testcmd_host(call, va, &host);

	if (rc)
		return rc;
	rc = pins_count(mem_map_pins(call->file->iommu->mem), shared, (uintptr_t)host, &nr);
	if (rc)
		return why_set(call->why, rc, "out of memory");
	if (nr != cmd->check_pins.pins)
		return why_set(call->why, -EIO, "%#" PRIx64 " is pinned %u times, not %u", va, nr,
			       cmd->check_pins.pins);
	return 0;
}

long testcmd_check_pins(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint64_t va = cmd->check_pins.uptr, length = cmd->check_pins.length;
	struct mem_shared shared;
	int rc;

	if ((va | length) & (PAGE - 1) || va + length < va)
		return why_set(call->why, -EINVAL, "address and length are not of whole pages");
	rc = mem_shared_read(&shared);
	if (rc)
		return why_set(call->why, rc, "out of memory");
	for (uint64_t at = 0; !rc && at < length; at += PAGE)
		rc = check_pins(call, &shared, va + at);
	mem_shared_free(&shared);
	return rc;
}
